//! A descriptor that a program's own signal handler makes readable.
//!
//! For signals that this crate does not handle: those with a handler of the program's, or of a library. It is what the
//! handler of this crate is made of, a bell and a count. It is made without a system call, so that it can be a static,
//! where a handler finds it; the descriptor comes when somebody wants to be told.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::bell::Bell;
use crate::errno;

/// Has a descriptor that is readable when it was notified. To be a static, where a handler finds it.
///
/// ```
/// use mainspring_sys::signal::Notifier;
/// use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};
///
/// static NOTIFIER: Notifier = Notifier::new();
///
/// # fn main() -> std::io::Result<()> {
/// let selector = OsSelector::new()?;
/// selector.register(NOTIFIER.descriptor()?, Token(1), Interest::READABLE, Mode::Edge)?;
/// NOTIFIER.notify(); // in a signal handler, or anywhere else
///
/// let mut events = Events::with_capacity(8);
/// while !NOTIFIER.drain() {
///     selector.select(&mut events, None)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Notifier {
    /// What makes the descriptor readable.
    bell: Bell,
    /// How often it was notified. Written by `notify`.
    count: AtomicU64,
    /// How often it had been when it was last drained. Written by `drain`.
    seen: AtomicU64,
}

impl Notifier {
    /// One that was not notified.
    pub const fn new() -> Self {
        Self { bell: Bell::new(), count: AtomicU64::new(0), seen: AtomicU64::new(0) }
    }

    /// A descriptor that is non-blocking and close-on-exec, to be registered for reading and not to be read. It is made
    /// in the first call: what was notified before is found by [`drain`](Self::drain) alone.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOMEM`; in a child after fork(2), if its parent has made it.
    pub fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        self.bell.install().map(AsFd::as_fd)
    }

    /// Makes the descriptor readable, unless it was notified since it was last drained. From any thread, and from a
    /// signal handler: it is async-signal-safe, signal-safety(7), touches atomics and write(2) alone, never waits, and
    /// leaves errno as it was. In a child after fork(2) whose parent has made the descriptor it tells nobody.
    pub fn notify(&self) {
        let saved = errno::get();
        self.count.fetch_add(1, SeqCst);
        self.bell.ring();
        errno::set(saved);
    }

    /// True if it was notified since the last call. Any number of times in between count as one. A readable descriptor
    /// may yield false: it is a hint.
    pub fn drain(&self) -> bool {
        self.bell.look();
        let count = self.count.load(SeqCst);
        self.seen.swap(count, SeqCst) != count
    }
}

impl Default for Notifier {
    fn default() -> Self {
        Self::new()
    }
}
