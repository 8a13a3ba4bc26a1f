//! What TCP and Unix listeners share: accepting, with errors that no loop has to know about.
//!
//! [`TcpListener`](super::TcpListener) and [`UnixListener`](super::UnixListener) wrap it. A connection that failed
//! before it was accepted is counted and passed over; when descriptors or memory run out, the listener pauses, longer
//! each time, and tries again by itself, since no edge announces a free descriptor. What is left are errors of the
//! listener itself. Returning `EMFILE` to the caller, as other libraries do, makes every accept loop either spin or
//! end.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;

use mainspring_sys::{AcceptError, Interest, Readiness, Socket};

use super::leaf;
use super::pause::Pause;
use super::registered::Registered;
use super::stream::Stream;
use crate::core::Core;
use crate::direction::Direction;
use crate::trace;

/// Connections that the system keeps until they are accepted. Linux cuts it to `net.core.somaxconn`, 4,096 by default.
pub(crate) const BACKLOG: u32 = 4096;

/// Failed connections that are passed over within one try: system calls that cost no budget. After as many the
/// listener pauses, so that a flood of connections that are reset at once does not hold up the loop.
const FAILED_MAX: usize = 64;

/// The first pause when descriptors run out, nanoseconds: short enough that nobody notices.
const PAUSE_MIN: u64 = 10_000_000;

/// The longest pause, nanoseconds, reached after six in a row: what nginx waits.
const PAUSE_MAX: u64 = 500_000_000;

/// A listening socket of any kind.
pub(crate) struct Listener {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<Socket>,
    /// What is taken when descriptors run out.
    pause: Pause,
}

impl Listener {
    pub(crate) fn new(core: &Core, socket: Socket) -> io::Result<Self> {
        let io = Registered::believed(core, socket, Interest::READABLE, Readiness::READABLE, false)?;
        Ok(Self { io, pause: Pause::new(PAUSE_MIN, PAUSE_MAX) })
    }

    /// Registers a listener that other reactors have too.
    pub(crate) fn exclusive(core: &Core, socket: Socket) -> io::Result<Self> {
        Ok(Self { io: Registered::exclusive(core, socket)?, pause: Pause::new(PAUSE_MIN, PAUSE_MAX) })
    }

    /// Registers a listener of the standard library, of which whoever made it may have a duplicate.
    pub(super) fn from_fd(core: &Core, descriptor: OwnedFd) -> io::Result<Self> {
        let listener = Self::new(core, Socket::from_fd(descriptor)?)?;
        listener.io.hand_out();
        Ok(listener)
    }

    /// Takes one connection by `accept`, and registers it; its stream drains if it is of TCP.
    #[inline]
    pub(super) fn accept_one<A>(
        &self,
        accept: impl Fn(&Socket) -> io::Result<(Socket, A)>,
        drains: bool,
    ) -> io::Result<(Stream, A)> {
        self.try_accept_as(accept, |core, socket| Stream::connected(core, socket, drains))
    }

    /// Waits for a connection, of which `make` makes what it is to be here. An error of it is that there is no room.
    pub(crate) fn accept_as<S, A>(
        &self,
        accept: impl Fn(&Socket) -> io::Result<(Socket, A)>,
        make: impl Fn(&Core, Socket) -> io::Result<S>,
    ) -> impl Future<Output = io::Result<(S, A)>> {
        leaf::reading(self.io.source(), move || self.try_accept_as(&accept, &make))
    }

    /// Makes the next try ask the system, whatever is believed: the event of a connection may not have been taken yet.
    pub(crate) fn ask_again(&self) {
        self.io.wake_all();
    }

    /// The socket itself.
    pub(crate) const fn socket(&self) -> &Socket {
        self.io.descriptor()
    }

    /// Takes one connection by `accept`, and makes what it becomes by `make`.
    #[inline]
    fn try_accept_as<S, A>(
        &self,
        accept: impl Fn(&Socket) -> io::Result<(Socket, A)>,
        make: impl Fn(&Core, Socket) -> io::Result<S>,
    ) -> io::Result<(S, A)> {
        let core = self.io.source().core();
        for _ in 0..FAILED_MAX {
            let error = match accept(self.io.descriptor()) {
                Ok((socket, peer)) => {
                    // Why no error of the listener: `epoll_ctl(2)` is out of memory or watches (ENOMEM, ENOSPC).
                    let Ok(stream) = make(core, socket) else {
                        core.counters.accept_failed.add(1);
                        return Err(self.run_short());
                    };
                    self.pause.reset();
                    core.counters.accepted.add(1);
                    return Ok((stream, peer));
                }
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(error);
            }
            match AcceptError::of(&error) {
                AcceptError::Connection => core.counters.accept_failed.add(1),
                AcceptError::Moment => return Err(self.run_short()),
                AcceptError::Listener => return Err(error),
            }
        }
        Err(self.pause())
    }

    /// There was no descriptor for a connection. Says "not yet" now, and is tried again after a while, or when this
    /// reactor has closed a descriptor.
    #[cold]
    fn run_short(&self) -> io::Error {
        let source = self.io.source();
        source.core().await_descriptor(source.token());
        self.pause()
    }

    /// Says "not yet" now, and is tried again after a while.
    #[cold]
    fn pause(&self) -> io::Error {
        let source = self.io.source();
        if self.pause.start(source, Direction::Read) {
            let paused = &source.core().counters.accept_paused;
            paused.add(1);
            trace::accept_paused(paused.get());
        }
        io::ErrorKind::WouldBlock.into()
    }
}
