//! The table that the signal handler goes over, and the handler.
//!
//! A fixed number of slots, each with a bell (`bell.rs`) that is made when the slot is first used and lives as long as
//! the process. A subscription owns a slot while it lives; then the slot, with its bell, waits for the next. So the
//! descriptor that the handler writes to never becomes another file, however long a handler is held up on another
//! thread.
//!
//! A late ring in a slot that has a new owner makes that owner look, and find by the counts in `kind.rs` that nothing
//! came. No lock guards the table: a slot is claimed by a compare-and-swap, and belongs to whoever it succeeded for.

use std::io;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use libc::c_int;

use super::Kind;
use super::bell::Bell;
use crate::call::Call;
use crate::check::check;
use crate::errno;

/// The most subscriptions at one time, in items. One per kind for each reactor of a large machine; the
/// handler goes over all of them.
const SLOTS_MAX: usize = 64;

/// Set as a slot's `listens_for` while nobody owns it.
const FREE: u8 = 0;
/// Set while its owner gets it ready.
const CLAIMED: u8 = u8::MAX;

/// What one subscription owns.
#[derive(Debug)]
pub(super) struct Slot {
    /// The number of the signal that the owner waits for, or one of the two above. Written by the owner, read by the
    /// handler.
    listens_for: AtomicU8,
    /// What the handler rings.
    bell: Bell,
}

static SLOTS: [Slot; SLOTS_MAX] = [const { Slot::new() }; SLOTS_MAX];

impl Slot {
    const fn new() -> Self {
        Self { listens_for: AtomicU8::new(FREE), bell: Bell::new() }
    }

    /// A free slot, made the caller's, and the handler installed. With it the descriptor to read.
    pub(super) fn claim(kind: Kind) -> io::Result<(&'static Self, &'static UnixStream)> {
        // A slot that a parent process has used stays its own.
        let is_claimed = |slot: &&Self| {
            slot.bell.is_ours() && slot.listens_for.compare_exchange(FREE, CLAIMED, SeqCst, SeqCst).is_ok()
        };
        let Some(slot) = SLOTS.iter().find(is_claimed) else {
            let message = format!("could not subscribe to a signal: all {SLOTS_MAX} subscriptions are in use");
            return Err(io::Error::other(message));
        };
        match slot.bell.install().and_then(|reader| install(kind).map(|()| reader)) {
            Ok(reader) => {
                slot.look();
                slot.listens_for.store(kind.as_raw() as u8, SeqCst);
                Ok((slot, reader))
            }
            Err(error) => {
                slot.release();
                Err(error)
            }
        }
    }

    /// Gives the slot back.
    pub(super) fn release(&self) {
        self.listens_for.store(FREE, SeqCst);
    }

    /// Empties the descriptor, so that the next signal makes it readable anew. To be called before the
    /// counts are read: what is counted after that rings again.
    pub(super) fn look(&self) {
        self.bell.look();
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
        libc::sigaction(kind.as_raw(), &action, ptr::null_mut())
    })
    .map(drop)
}

/// The handler.
extern "C" fn handle(number: c_int) {
    let saved = errno::get();
    if let Some(kind) = Kind::deliver(number) {
        for slot in &SLOTS {
            if slot.listens_for.load(SeqCst) == kind.as_raw() as u8 {
                slot.bell.ring();
            }
        }
    }
    errno::set(saved);
}
