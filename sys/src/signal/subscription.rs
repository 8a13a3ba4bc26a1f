//! One reactor's interest in one kind of signal.
//!
//! Made by whoever wants to know, registered for reading with its selector, and drained after each event.
//! It owns a slot of the handler's table until it is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Kind;
use super::slot::Slot;

/// Is readable when a signal has come. Dropping it ends the interest, but not the handler: from the first
/// subscription on, the signal no longer does by itself what it did before, such as to
/// end the process.
///
/// ```no_run
/// use std::os::fd::AsFd;
/// use mainspring_sys::signal::{Kind, Subscription};
/// use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let subscription = Subscription::new(Kind::INTERRUPT)?;
/// let selector = OsSelector::new()?;
/// selector.register(subscription.as_fd(), Token(1), Interest::READABLE, Mode::Edge)?;
///
/// let mut events = Events::with_capacity(8);
/// while !subscription.drain()? {
///     selector.select(&mut events, None)?;
/// }
/// println!("Ctrl-C");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    kind: Kind,
    /// Where the handler finds this subscription.
    slot: &'static Slot,
    /// What the handler writes to, seen from the other end.
    reader: &'static UnixStream,
    /// How many signals had come when this was last drained. Written by `drain`.
    seen: AtomicU64,
}

impl Subscription {
    /// Starts to listen for a signal, and installs the handler for it (`SA_RESTART`), also where the signal
    /// was ignored.
    ///
    /// # Errors
    ///
    /// At the 65th subscription at one time; `EMFILE` or `ENFILE`.
    pub fn new(kind: Kind) -> io::Result<Self> {
        // Read first: from when the handler is installed a signal is told, if not by the bell then by the first
        // `drain`.
        let seen = AtomicU64::new(kind.delivered());
        let (slot, reader) = Slot::claim(kind)?;
        Ok(Self { kind, slot, reader, seen })
    }

    /// True if the signal has come since the last call, or since the start. Any number of signals in
    /// between count as one. A readable descriptor may yield false: it is a hint.
    ///
    /// # Errors
    ///
    /// None on the systems of this crate.
    pub fn drain(&self) -> io::Result<bool> {
        self.slot.look();
        let delivered = self.kind.delivered();
        Ok(self.seen.swap(delivered, Ordering::SeqCst) != delivered)
    }
}

impl AsFd for Subscription {
    /// A descriptor that is non-blocking and close-on-exec, to be registered for reading and not to be read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.slot.release();
    }
}
