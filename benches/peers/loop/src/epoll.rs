//! The calls that the standard library does not make as a server wants them: epoll_create1, epoll_ctl, epoll_wait,
//! accept4 with flags, and the settings of a listener.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Connections that wait to be accepted.
const BACKLOG: libc::c_int = 4096;

pub(crate) struct Epoll(OwnedFd);

/// What has happened to a descriptor.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct Event(libc::epoll_event);

impl Default for Event {
    fn default() -> Self {
        Self(libc::epoll_event { events: 0, u64: 0 })
    }
}

impl Event {
    #[inline]
    pub(crate) const fn number(&self) -> u64 {
        self.0.u64
    }

    /// Whether the peer will send nothing more.
    #[inline]
    pub(crate) const fn is_closed(&self) -> bool {
        self.0.events & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0
    }
}

impl Epoll {
    #[inline]
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1(2) takes a flag and no pointer.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    /// Tells of all that happens to a descriptor, until it is closed.
    #[inline]
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: number };
        // SAFETY: the event is alive for the call, and the kernel keeps no pointer to it, epoll_ctl(2).
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// Waits until something has happened.
    #[inline]
    pub(crate) fn wait<'a>(&self, events: &'a mut [Event]) -> io::Result<&'a [Event]> {
        let room = events.len() as i32;
        // SAFETY: an `Event` is an `epoll_event` and nothing else, and the slice has room for as many as are asked for.
        let count = checked(unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr().cast(), room, -1) })?;
        Ok(&events[..count as usize])
    }
}

/// Takes a connection that is non-blocking from birth, in one call.
#[inline]
pub(crate) fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null for both pointers says that the peer's address is not wanted, accept4(2).
    owned(unsafe { libc::accept4(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags) }).map(TcpStream::from)
}

/// No delays on the connections that it accepts: the option is inherited, tcp(7), which saves a call for each. And as
/// many that wait as with the other servers: the standard library has 128.
pub(crate) fn prepare(listener: &TcpListener) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the option is an `int` that is alive for the call, and its size is that of an `int`.
    let result = unsafe {
        libc::setsockopt(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), size)
    };
    checked(result)?;
    // SAFETY: listen(2) takes no pointer; called again it sets the number anew.
    checked(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) }).map(drop)
}

#[inline]
fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the number has just come from a call that makes descriptors, and nobody else has it.
    checked(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

#[inline]
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
