//! What a selector has to be able to do to take part.
//!
//! Implemented once per library, each as its own documentation writes it, and called by the works through a type
//! parameter, so that the compiler sees through it: nothing of it remains beside the system calls. All watch the same
//! streams for reading; what is read and written is the works' own business, and the same code for everybody.

use std::borrow::Borrow;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a waiter that nobody wakes waits before it fails.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often a waiter goes back to waiting after it was woken for nothing, which may happen once per wake.
pub(super) const WAITS_MAX: usize = 16;

/// A selector with its buffer of events and its waker.
pub(super) trait Peer: Sized + Send {
    /// Its name on the command line and in the tables.
    const NAME: &'static str;

    /// Set if [`rearm`](Self::rearm) has something to do.
    const REARMS: bool = false;

    /// A stream that is watched.
    type Source: Borrow<UnixStream>;

    /// Wakes the selector from any thread.
    type Waker: Send;

    /// With room for so many events in one select.
    fn new(capacity: usize) -> io::Result<Self>;

    /// Starts to watch a stream for reading.
    fn register(&mut self, stream: UnixStream, token: usize) -> io::Result<Self::Source>;

    /// Ends that.
    fn deregister(&mut self, source: Self::Source) -> io::Result<UnixStream>;

    /// One wait, and a look at the token of each event and at whether it is readable.
    fn select(&mut self, timeout: Option<Duration>, look: impl FnMut(usize, bool)) -> io::Result<()>;

    /// Asks for the next event of a source that has been read from, if the library wants to be asked.
    #[inline]
    fn rearm(&mut self, _source: &Self::Source, _token: usize) -> io::Result<()> {
        Ok(())
    }

    /// A waker of this selector.
    fn waker(&self) -> Self::Waker;

    /// Wakes it.
    fn wake(waker: &Self::Waker) -> io::Result<()>;

    /// Waits until the waker has been called since the last time.
    ///
    /// # Errors
    ///
    /// `TimedOut` when nobody does, and those of the selector.
    fn wait_for_wake(&mut self) -> io::Result<()>;
}

/// The error of a waiter that nobody woke.
#[cold]
pub(super) fn nobody_woke() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "waited to be woken, and nobody did")
}
