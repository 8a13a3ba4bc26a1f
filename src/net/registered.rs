//! A descriptor with its place in the reactor: what every socket, pipe and [`Source`](super::Source) is made of.
//!
//! It owns the descriptor and shares what is known of it, a [`crate::source::Source`], with the reactor. A descriptor
//! that nobody else has seen is closed and nothing more, since close removes it from the selector; one that was handed
//! out may have a duplicate, and is removed first.
//!
//! The types of this module wrap it and give it their operations, each of which is one system call on the descriptor.
//! It is generic over the descriptor and nothing else: what a kind of socket can do is said by the type around it. One
//! public type for all kinds, with a parameter for the kind, would show users one page of methods of which half do not
//! apply.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mainspring_sys::{Interest, Mode, Readiness, Received};

use super::leaf;
use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;

/// How long a send waits for memory, nanoseconds: as the first pause of a listener.
const MEMORY_PAUSE: u64 = 10_000_000;

/// What an operation that moves bytes returns.
pub(super) trait Moved {
    /// How many it has moved.
    fn bytes(&self) -> usize;
}

impl Moved for usize {
    #[inline]
    fn bytes(&self) -> usize {
        *self
    }
}

/// With the address of the sender.
impl<A> Moved for (usize, A) {
    #[inline]
    fn bytes(&self) -> usize {
        self.0
    }
}

impl Moved for Received {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A descriptor that is registered with a reactor, until it is dropped.
pub(super) struct Registered<D: AsFd> {
    /// What is read and written.
    descriptor: D,
    /// What the reactor knows of it.
    source: Rc<Source>,
}

impl<D: AsFd> Registered<D> {
    /// Registers a descriptor that is believed to be ready for whatever it is registered for.
    pub(super) fn new(core: &Core, descriptor: D, interest: Interest) -> io::Result<Self> {
        Self::believed(core, descriptor, interest, Readiness::READABLE.union(Readiness::WRITABLE), false)
    }

    /// The same, with what is believed of it at first; `drains` for a TCP stream.
    #[inline]
    pub(super) fn believed(
        core: &Core,
        descriptor: D,
        interest: Interest,
        readiness: Readiness,
        drains: bool,
    ) -> io::Result<Self> {
        let source = core.register(descriptor.as_fd(), interest, Mode::Edge, readiness, drains)?;
        Ok(Self { descriptor, source })
    }

    /// Registers a listener that other reactors have too, by descriptors of their own: a new connection wakes one of
    /// them.
    pub(super) fn exclusive(core: &Core, descriptor: D) -> io::Result<Self> {
        let readable = Readiness::READABLE;
        let source = core.register(descriptor.as_fd(), Interest::READABLE, Mode::Exclusive, readable, false)?;
        source.hand_out();
        Ok(Self { descriptor, source })
    }

    /// The descriptor itself, for its operations and options.
    #[inline]
    pub(super) const fn descriptor(&self) -> &D {
        &self.descriptor
    }

    /// The descriptor by `&mut`, and what the reactor knows of it.
    pub(super) const fn parts(&mut self) -> (&mut D, &Rc<Source>) {
        (&mut self.descriptor, &self.source)
    }

    /// What the reactor knows of it.
    #[inline]
    pub(super) const fn source(&self) -> &Rc<Source> {
        &self.source
    }

    /// Waits until `operation`, which reads, does not say "not yet".
    #[inline]
    pub(super) fn reading<T: Moved>(
        &self,
        mut operation: impl FnMut(&D) -> io::Result<T>,
    ) -> impl Future<Output = io::Result<T>> {
        leaf::reading(&self.source, move || self.charged(operation(&self.descriptor)))
    }

    /// A try of `operation`, which reads.
    #[inline]
    pub(super) fn try_reading<T: Moved>(&self, operation: impl FnOnce(&D) -> io::Result<T>) -> io::Result<Option<T>> {
        self.source.try_io(Direction::Read, || self.charged(operation(&self.descriptor)))
    }

    /// Waits until `operation`, which writes, does not say "not yet".
    #[inline]
    pub(super) fn writing<T: Moved>(
        &self,
        mut operation: impl FnMut(&D) -> io::Result<T>,
    ) -> impl Future<Output = io::Result<T>> {
        leaf::writing(&self.source, move || self.charged(self.unless_paused(&mut operation)))
    }

    /// A try of `operation`, which writes.
    #[inline]
    pub(super) fn try_writing<T: Moved>(&self, operation: impl FnOnce(&D) -> io::Result<T>) -> io::Result<Option<T>> {
        self.source.try_io(Direction::Write, || self.charged(self.unless_paused(operation)))
    }

    /// Makes no system call during a pause: on Linux a send that fails may cause an event of its own, since what it had
    /// taken from the buffer of its socket is given back, and would be tried again at once. A wait that has expired
    /// makes its last try in any case.
    #[inline]
    pub(super) fn unless_paused<T>(&self, operation: impl FnOnce(&D) -> io::Result<T>) -> io::Result<T> {
        if self.source.is_paused(Direction::Write) && self.source.is_ready(Direction::Write) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        operation(&self.descriptor).map_err(|error| self.put_off(error))
    }

    /// Charges the running poll for the bytes of an operation.
    #[inline]
    pub(super) fn charged<T: Moved>(&self, moved: io::Result<T>) -> io::Result<T> {
        moved.inspect(|moved| self.source.core().account.charge(moved.bytes()))
    }

    /// As [`put_off`], of this source.
    #[cold]
    pub(super) fn put_off(&self, error: io::Error) -> io::Error {
        put_off(&self.source, error)
    }

    /// Waits until reading is worth a try.
    pub(super) fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.hinted(Direction::Read, leaf::reading(&self.source, || self.hint(Direction::Read)))
    }

    /// Waits until writing is worth a try.
    pub(super) fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.hinted(Direction::Write, leaf::writing(&self.source, || self.hint(Direction::Write)))
    }

    /// Says "not yet" when it is an expired wait alone that makes a direction worth a try.
    fn hint(&self, direction: Direction) -> io::Result<()> {
        if self.source.is_ready(direction) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// A hint asks nobody: the last try of a wait that has expired is left to that one.
    fn hinted(
        &self,
        direction: Direction,
        mut hint: impl Future<Output = io::Result<()>> + Unpin,
    ) -> impl Future<Output = io::Result<()>> {
        poll_fn(move |cx| {
            let expired = self.source.has(direction.expired());
            let polled = Pin::new(&mut hint).poll(cx);
            if expired {
                self.source.last_try(direction);
            }
            polled
        })
    }

    /// Wakes whoever waits, after a change that this side made.
    pub(super) fn wake_all(&self) {
        self.source.wake_all(self.source.core());
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.set_timeout(Direction::Read, timeout)
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.set_timeout(Direction::Write, timeout)
    }

    pub(super) fn read_timeout(&self) -> Option<Duration> {
        self.source.timeout(Direction::Read)
    }

    pub(super) fn write_timeout(&self) -> Option<Duration> {
        self.source.timeout(Direction::Write)
    }

    /// Notes that others may have the descriptor or a duplicate, as whoever made it may.
    pub(super) fn hand_out(&self) {
        self.source.hand_out();
    }

    /// Removes it from the selector, so that nothing of it is left when it is dropped.
    pub(super) fn deregister(&self) -> io::Result<()> {
        self.source.core().deregister(self.descriptor.as_fd())?;
        self.source.take_back();
        Ok(())
    }

    /// Gives the descriptor away, as a duplicate.
    pub(super) fn into_fd(self) -> io::Result<OwnedFd> {
        let descriptor = self.descriptor.as_fd().try_clone_to_owned()?;
        self.deregister()?;
        Ok(descriptor)
    }

    /// The same, made blocking.
    pub(super) fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let descriptor = self.into_fd()?;
        mainspring_sys::set_blocking(descriptor.as_fd())?;
        Ok(descriptor)
    }
}

/// A send that failed for want of memory is "not yet", though no event will tell when it is worth a try.
#[cold]
pub(super) fn put_off(source: &Source, error: io::Error) -> io::Error {
    if !mainspring_sys::is_shortage(&error) {
        return error;
    }
    source.retry_after(Direction::Write, MEMORY_PAUSE);
    io::ErrorKind::WouldBlock.into()
}

impl<D: AsFd> AsFd for Registered<D> {
    /// Whoever has it may duplicate it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.hand_out();
        self.descriptor.as_fd()
    }
}

impl<D: AsFd> Drop for Registered<D> {
    fn drop(&mut self) {
        self.source.close();
        if self.source.is_handed_out() {
            // Why ignored: there is nobody to tell, and the descriptor is closed next.
            let _ = self.source.core().deregister(self.descriptor.as_fd());
        }
    }
}
