//! The table that the signal handler goes over, and the handler.
//!
//! A fixed number of slots, each with a pair of connected sockets that is made when the slot is first
//! used and lives as long as the process. A subscription owns a slot while it lives; then the slot, with
//! its pair, waits for the next. So the descriptor that the handler writes to never becomes another file,
//! however long a handler is held up on another thread.
//!
//! A late write into a slot that has a new owner makes that owner look, and find by the counts in
//! `kind.rs` that nothing came. `SeqCst` throughout: signals are rare, and each argument about order then
//! is about one sequence. A pair of Unix sockets and not an eventfd or a pipe, because the standard
//! library makes it close-on-exec on every system.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::c_int;

use super::Kind;
use crate::call::Call;
use crate::check::{attempt, check};
use crate::errno;

/// The most subscriptions at one time, in items. One per kind for each reactor of a large machine; the
/// handler goes over all of them.
const SLOTS_MAX: usize = 64;

/// Set as a slot's `kind` while nobody owns it.
const FREE: u8 = u8::MAX;

/// What one subscription owns.
#[derive(Debug)]
pub(super) struct Slot {
    /// The kind that the owner waits for, or `FREE`. Written by the owner, read by the handler.
    kind: AtomicU8,
    /// Set from the handler's write until the owner's next look: one byte is enough to wake it.
    pending: AtomicBool,
    /// Where the handler writes: the descriptor of `pair.1`, or -1 as long as there is none.
    write_end: AtomicI32,
    /// Where the owner reads and the handler writes; made once, never closed.
    pair: OnceLock<(UnixStream, UnixStream)>,
}

static SLOTS: [Slot; SLOTS_MAX] = [const { Slot::new() }; SLOTS_MAX];

/// Held while a slot changes from free to owned. The handler never takes it.
static CLAIM: Mutex<()> = Mutex::new(());

impl Slot {
    const fn new() -> Self {
        Self {
            kind: AtomicU8::new(FREE),
            pending: AtomicBool::new(false),
            write_end: AtomicI32::new(-1),
            pair: OnceLock::new(),
        }
    }

    /// A free slot, made the caller's, and the handler installed. With it the descriptor to read.
    pub(super) fn claim(kind: Kind) -> io::Result<(&'static Self, &'static UnixStream)> {
        // Nothing panics with the lock held, and what it guards is valid at every moment.
        let _claim = CLAIM.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = SLOTS.iter().find(|slot| slot.kind.load(SeqCst) == FREE) else {
            let message = format!("could not subscribe to a signal: all {SLOTS_MAX} subscriptions are in use");
            return Err(io::Error::other(message));
        };
        let pair = match slot.pair.get() {
            Some(pair) => pair,
            None => {
                let (reader, writer) = attempt(Call::Pair, UnixStream::pair)?;
                attempt(Call::Mode, || reader.set_nonblocking(true))?;
                attempt(Call::Mode, || writer.set_nonblocking(true))?;
                slot.pair.get_or_init(|| (reader, writer))
            }
        };
        slot.write_end.store(pair.1.as_raw_fd(), SeqCst);
        install(kind)?;
        slot.look();
        slot.kind.store(kind as u8, SeqCst);
        Ok((slot, &pair.0))
    }

    /// Gives the slot back.
    pub(super) fn release(&self) {
        self.kind.store(FREE, SeqCst);
    }

    /// Empties the descriptor, so that the next signal makes it readable anew. To be called before the
    /// counts are read: what is counted after that writes again.
    pub(super) fn look(&self) {
        if let Some((reader, _)) = self.pair.get() {
            // One byte waits, or two if a handler was held up; any error means that none does.
            let mut bytes = [0; 16];
            let _ = (&mut &*reader).read(&mut bytes);
        }
        self.pending.store(false, SeqCst);
    }

    /// Tells the owner. Called by the handler: atomics and write(2) alone.
    fn tell(&self) {
        if self.pending.swap(true, SeqCst) {
            return;
        }
        let byte = 1_u8;
        // SAFETY: `byte` is readable for its one byte. The descriptor is never closed; the peer neither, so
        // there is no SIGPIPE.
        let written = unsafe { libc::write(self.write_end.load(SeqCst), ptr::from_ref(&byte).cast(), 1) };
        if written != 1 {
            // The next signal tries again.
            self.pending.store(false, SeqCst);
        }
    }
}

/// Installs the handler for a kind. Done with each claim, in case others have replaced it meanwhile.
fn install(kind: Kind) -> io::Result<()> {
    // SAFETY: all zeros is a valid value of this plain C structure; its mask is writable, and it is readable. The
    // handler is a function that is async-signal-safe; the old action is not asked for.
    check(Call::Handler, || unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(c_int) as libc::sighandler_t;
        // Calls that the signal interrupts go on by themselves, sigaction(2).
        action.sa_flags = libc::SA_RESTART;
        // Cannot fail, sigemptyset(3).
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(kind.number(), &action, ptr::null_mut())
    })
    .map(drop)
}

/// The handler.
extern "C" fn handle(number: c_int) {
    let saved = errno::get();
    let kind = Kind::of(number);
    kind.deliver();
    for slot in &SLOTS {
        if slot.kind.load(SeqCst) == kind as u8 {
            slot.tell();
        }
    }
    errno::set(saved);
}
