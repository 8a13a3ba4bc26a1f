//! What a signal handler rings, and a selector hears: a pair of connected sockets.
//!
//! The slots of the table of subscriptions have one each, and so has every [`Notifier`](super::Notifier).
//! [`Bell::ring`] is async-signal-safe, signal-safety(7): atomics and one write(2), and none if the bell rings already.
//!
//! Ringing says only when to look; what there is to see is counted elsewhere, before. The owner calls [`Bell::look`]
//! first and reads the count second, so what is counted after that rings again. `SeqCst` throughout: signals are rare,
//! and each argument about order then is about one sequence.
//!
//! A child after fork(2) shares the pair with its parent, and so neither rings nor hears it: it has to make bells of
//! its own.
//!
//! A pair of Unix sockets and not an eventfd or a pipe, because the standard library makes it close-on-exec on every
//! system.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::SeqCst};

use crate::call::Call;
use crate::check::attempt;
use crate::fork;

/// Set as the generation of a bell that nobody has made yet.
const NOBODY: u32 = u32::MAX;

/// Made without descriptors; [`Bell::install`] gives it those.
#[derive(Debug)]
pub(super) struct Bell {
    /// Set from a ring until the owner's next look: one byte is enough to wake it.
    ringing: AtomicBool,
    /// Where the handler writes: the descriptor of `pair.1`, or -1 as long as there is none.
    write_end: AtomicI32,
    /// The generation of the process that has made `pair`, or `NOBODY`.
    made_in: AtomicU32,
    /// Where the owner reads and the handler writes; made once.
    pair: OnceLock<(UnixStream, UnixStream)>,
}

impl Bell {
    pub(super) const fn new() -> Self {
        Self {
            ringing: AtomicBool::new(false),
            write_end: AtomicI32::new(-1),
            made_in: AtomicU32::new(NOBODY),
            pair: OnceLock::new(),
        }
    }

    /// Whether this process has made it, or may do so.
    pub(super) fn is_ours(&self) -> bool {
        let made_in = self.made_in.load(SeqCst);
        made_in == NOBODY || made_in == fork::generation()
    }

    /// Makes the descriptors, unless it has them, and returns the one that becomes readable.
    pub(super) fn install(&self) -> io::Result<&UnixStream> {
        if !self.is_ours() {
            return Err(io::Error::other("could not listen in a child after fork(2): its parent does"));
        }
        if let Some((reader, _)) = self.pair.get() {
            return Ok(reader);
        }
        fork::watch()?;
        let (reader, writer) = attempt(Call::Pair, UnixStream::pair)?;
        attempt(Call::Mode, || reader.set_nonblocking(true))?;
        attempt(Call::Mode, || writer.set_nonblocking(true))?;
        let (reader, writer) = self.pair.get_or_init(|| (reader, writer));
        self.write_end.store(writer.as_raw_fd(), SeqCst);
        self.made_in.store(fork::generation(), SeqCst);
        Ok(reader)
    }

    /// Empties the descriptor, so that the next ring makes it readable anew.
    pub(super) fn look(&self) {
        if let Some((reader, _)) = self.pair.get().filter(|_| self.is_ours()) {
            // One byte waits, or two if a handler was held up; any error means that none does.
            let mut bytes = [0; 16];
            let _ = (&mut &*reader).read(&mut bytes);
        }
        self.ringing.store(false, SeqCst);
    }

    /// Makes the descriptor readable. Async-signal-safe, but for errno, which the caller keeps.
    pub(super) fn ring(&self) {
        if !self.is_ours() || self.ringing.swap(true, SeqCst) {
            return;
        }
        let byte = 1_u8;
        // SAFETY: `byte` is readable for its one byte. The descriptor is closed with this bell and not before, or is
        // -1; its peer likewise, so there is no SIGPIPE.
        let written = unsafe { libc::write(self.write_end.load(SeqCst), ptr::from_ref(&byte).cast(), 1) };
        if written != 1 {
            // The next ring tries again.
            self.ringing.store(false, SeqCst);
        }
    }
}
