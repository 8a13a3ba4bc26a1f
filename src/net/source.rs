//! Any descriptor as a source: what a task waits for need not be a socket.
//!
//! An eventfd, a timerfd, a terminal, a tun device, a netlink socket, the connection of a C library: whatever a
//! selector takes, with operations that say `WouldBlock`. It gets what the sockets have: tries, futures, std I/O inside
//! [`ready`](crate::ready), deadlines. Operations are closures on the descriptor, since only the user knows what they
//! are.
//!
//! The registration is edge-triggered, so whether it is ready is learned from the operations: one that says
//! `WouldBlock` turns the cached bit off, the next event on. There is no guard to clear, as other libraries have, and
//! so none to forget; an operation that is called outside of the methods here teaches nothing, and only costs a
//! spurious try.
//!
//! It stands among the sockets, and not in [`crate::io`], for the same reason as [pipes](super::pipe()).

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use mainspring_sys::Interest;

use super::leaf;
use super::registered::Registered;
use super::std_io::std_io;
use super::stream::room;
use crate::core::Core;
use crate::direction::Direction;
use crate::io::HalfClose;

/// A descriptor of any kind, non-blocking, belonging to the reactor on whose thread it was made.
///
/// `Read` and `Write` are implemented for `Source<T>` if they are for `T`, and for `&Source<T>` if they are for `&T`;
/// they work inside [`ready`](crate::ready) and ticks, and fail elsewhere at the first call.
///
/// Dropping it removes the descriptor from the selector, and drops `T`. Operations fail with `NotConnected` once the
/// reactor has ended.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use mainspring::net::Source;
///
/// mainspring::run(async {
///     let (ours, mut theirs) = UnixStream::pair()?; // of std
///     let ours = Source::new(ours)?;
///     theirs.write_all(b"hello")?;
///
///     // By closures.
///     let mut buffer = [0; 3];
///     assert_eq!(ours.read_with(|mut stream| stream.read(&mut buffer)).await?, 3);
///     // By std's traits.
///     assert_eq!(mainspring::ready(|| (&ours).read(&mut buffer)).await?, 2);
///     // A try, as in a tick.
///     assert_eq!(ours.try_read_with(|mut stream| stream.read(&mut buffer))?, None);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread, and what it was made of goes to another one by [`into_inner`](Self::into_inner):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::Source<std::fs::File>>();
/// ```
pub struct Source<T: AsFd> {
    /// The descriptor and its place in the reactor.
    io: Registered<Held<T>>,
}

/// The user's object, until he takes it back.
struct Held<T>(Option<T>);

impl<T> Held<T> {
    fn get(&self) -> &T {
        self.0.as_ref().expect("taken by `into_inner` alone, which ends the source")
    }

    fn get_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("taken by `into_inner` alone, which ends the source")
    }
}

impl<T: AsFd> AsFd for Held<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get().as_fd()
    }
}

impl<T: AsFd> Source<T> {
    /// Registers the descriptor of `inner` for both directions, and makes it non-blocking, also for whoever has a
    /// duplicate of it. `inner` must have the same descriptor for as long as it lives.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` (`EPERM`) for a file or a folder, which no selector takes, since they are always ready;
    /// `EEXIST` if the same descriptor is registered already (kqueue does not say so, and the later registration
    /// counts); when no reactor is running on this thread. `inner` is dropped then: give a reference to keep it.
    pub fn new(inner: T) -> io::Result<Self> {
        Self::with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// The same for what `interest` names alone: for a descriptor that has one direction, or is of no interest in the
    /// other. An operation of that other one is tried, and if it says `WouldBlock`, it waits for ever, since no event
    /// comes.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        let core = Core::running("a Source")?;
        mainspring_sys::set_nonblocking(inner.as_fd())?;
        let io = Registered::new(&core, Held(Some(inner)), interest)?;
        // Whoever made it may have a duplicate, and it need not be closed when it is dropped.
        io.hand_out();
        Ok(Self { io })
    }

    /// Waits until `operation`, which reads, does not say `WouldBlock`. It is called at once if the descriptor is
    /// believed to be readable, and after each event.
    ///
    /// # Errors
    ///
    /// Those of `operation`; `TimedOut` after the read timeout; `NotConnected` when the reactor has ended.
    ///
    /// # Cancel safety
    ///
    /// That of `operation`: if each call does one thing, and nothing when it says `WouldBlock`, then nothing is lost.
    pub fn read_with<R>(&self, mut operation: impl FnMut(&T) -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        leaf::reading(self.io.source(), move || operation(self.get_ref()))
    }

    /// A try of [`read_with`](Self::read_with): `None` is "not yet". While the descriptor is not believed to be
    /// readable, `operation` is not called.
    ///
    /// # Errors
    ///
    /// As `read_with`.
    pub fn try_read_with<R>(&self, operation: impl FnOnce(&T) -> io::Result<R>) -> io::Result<Option<R>> {
        self.io.source().try_io(Direction::Read, || operation(self.get_ref()))
    }

    /// Waits until `operation`, which writes, does not say `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `operation`; `TimedOut` after the write timeout; `NotConnected` when the reactor has ended.
    ///
    /// # Cancel safety
    ///
    /// As [`read_with`](Self::read_with).
    pub fn write_with<R>(&self, mut operation: impl FnMut(&T) -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        // Why not through `Registered`: it tries again what fails for want of memory, and knows what a send is alone.
        leaf::writing(self.io.source(), move || operation(self.get_ref()))
    }

    /// A try of [`write_with`](Self::write_with): `None` is "not yet". While the descriptor is not believed to be
    /// writable, `operation` is not called.
    ///
    /// # Errors
    ///
    /// As `write_with`.
    pub fn try_write_with<R>(&self, operation: impl FnOnce(&T) -> io::Result<R>) -> io::Result<Option<R>> {
        self.io.source().try_io(Direction::Write, || operation(self.get_ref()))
    }

    /// Waits until reading is worth a try. It is believed until an operation of this source says `WouldBlock`, so read
    /// through one of the methods here, and not through [`get_ref`](Self::get_ref).
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the read timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Waits until writing is worth a try, as [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the write timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    /// How long one wait for reading may last, as of [`TcpStream`](super::TcpStream::set_read_timeout): `None` and
    /// `Duration::MAX` for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    /// How long one wait for writing may last, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    /// The read timeout.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.io.read_timeout()
    }

    /// The write timeout.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.io.write_timeout()
    }

    /// What was given to [`new`](Self::new), for operations that neither read nor write.
    pub fn get_ref(&self) -> &T {
        self.io.descriptor().get()
    }

    /// The same by `&mut`. Its descriptor must stay what it is.
    pub fn get_mut(&mut self) -> &mut T {
        self.io.parts().0.get_mut()
    }

    /// Removes the descriptor from the selector, and gives back what it was made of. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be removed from the selector; it is dropped then.
    ///
    /// # Panics
    ///
    /// Never: only this takes it out.
    pub fn into_inner(mut self) -> io::Result<T> {
        self.io.deregister()?;
        let inner = self.io.parts().0.0.take();
        Ok(inner.expect("taken by `into_inner` alone, which ends the source"))
    }

    /// Calls what writes if it has to, and waits for room if it says so.
    fn at_once_or_later(&mut self, operation: impl Fn(&mut T) -> io::Result<()>) -> io::Result<()> {
        let (held, source) = self.io.parts();
        match operation(held.get_mut()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std_io(|| source.try_io(Direction::Write, || operation(held.get_mut())))
            }
            // Nothing that one waits for: no progress of a tick.
            result => result,
        }
    }
}

impl<T: AsFd> Read for &Source<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std_io(|| self.io.source().try_read(buffer.len(), || self.get_ref().read(buffer)))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        std_io(|| self.io.source().try_read(room(buffers), || self.get_ref().read_vectored(buffers)))
    }
}

impl<T: AsFd> Write for &Source<T>
where
    for<'a> &'a T: Write,
{
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        std_io(|| self.try_write_with(|mut inner| inner.write(buffer)))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        std_io(|| self.try_write_with(|mut inner| inner.write_vectored(buffers)))
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.get_ref().flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std_io(|| self.try_write_with(|mut inner| inner.flush()))
            }
            // Nothing that one waits for: no progress of a tick.
            result => result,
        }
    }
}

impl<T: AsFd + Read> Read for Source<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (held, source) = self.io.parts();
        std_io(|| source.try_read(buffer.len(), || held.get_mut().read(buffer)))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let (held, source) = self.io.parts();
        std_io(|| source.try_read(room(buffers), || held.get_mut().read_vectored(buffers)))
    }
}

impl<T: AsFd + Write> Write for Source<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (held, source) = self.io.parts();
        std_io(|| source.try_io(Direction::Write, || held.get_mut().write(buffer)))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let (held, source) = self.io.parts();
        std_io(|| source.try_io(Direction::Write, || held.get_mut().write_vectored(buffers)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.at_once_or_later(T::flush)
    }
}

/// As what it was made of, which is called again when there is room if it says `WouldBlock`.
impl<T: AsFd + HalfClose> HalfClose for Source<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.at_once_or_later(T::shutdown_write)
    }
}

impl<T: AsFd> AsFd for Source<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<T: AsFd> AsRawFd for Source<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(self.get_ref()).finish()
    }
}
