//! A stream socket, and the system calls that move bytes through it.
//!
//! The net types of the reactor are made of it. Non-blocking and close-on-exec from birth, and writing
//! to a closed one is an error and never `SIGPIPE`: by a flag in the same system call where there is
//! one, by `SO_NOSIGPIPE` at birth on Apple.
//!
//! Each operation on bytes is one system call. `recv` and `send` have nothing around it: that a signal came in the same
//! moment is the error `Interrupted`, and the caller tries again. The others try again here, a bounded number of times.
//! Options stand in
//! `socket_options.rs`. They go through `socket2`, which knows how each system spells them; the calls
//! on bytes do not, because they are what is measured.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, socklen_t};
use socket2::{Domain, SockAddr, SockAddrStorage, SockRef, Type};

use crate::Connect;
use crate::call::Call;
use crate::check::{attempt, check, retry};
use crate::seam::cut;

/// The longest buffer that is given to the system, in bytes. Apple refuses more with `EINVAL`.
#[cfg(target_vendor = "apple")]
const LENGTH_MAX: usize = c_int::MAX as usize - 1;
/// The longest buffer that is given to the system, in bytes: what the result can express.
#[cfg(not(target_vendor = "apple"))]
const LENGTH_MAX: usize = isize::MAX as usize;

/// The most buffers in one vectored call, in items: `IOV_MAX`, the same on every system here.
const BUFFERS_MAX: usize = 1024;

/// No `SIGPIPE`: said at birth, `SO_NOSIGPIPE`.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: c_int = 0;
/// No `SIGPIPE`, send(2).
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;

/// An open stream socket that is never waited for in a system call. Dropping it closes it.
///
/// "Not now" is an error of the kind `WouldBlock` from every operation on bytes and from `accept`.
#[derive(Debug)]
pub struct Socket {
    /// Non-blocking since it was made or taken over.
    fd: OwnedFd,
}

impl Socket {
    /// An unconnected TCP socket of the family of `for_address`.
    ///
    /// # Errors
    ///
    /// socket(2): `EMFILE`, `ENFILE`, `ENOBUFS`, `EAFNOSUPPORT` where there is no IPv6.
    pub fn tcp(for_address: &SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(*for_address);
        #[cfg(not(target_vendor = "apple"))]
        let socket = attempt(Call::Socket, || socket2::Socket::new(domain, Type::STREAM.nonblocking(), None))?;
        #[cfg(target_vendor = "apple")]
        let socket = attempt(Call::Socket, || socket2::Socket::new(domain, Type::STREAM, None))?;
        #[cfg(target_vendor = "apple")]
        attempt(Call::Mode, || socket.set_nonblocking(true))?;
        Ok(Self { fd: socket.into() })
    }

    /// A listening TCP socket. Port 0 asks for any free port; `SO_REUSEADDR` is set, so that a restarted
    /// server gets its port back; whether an IPv6 listener takes IPv4 connections is the system's default.
    ///
    /// `backlog` is the number of connections that may wait to be accepted, in items; the system cuts it
    /// (`net.core.somaxconn`), and takes a negative one for its maximum. With `reuse_port`, all listeners
    /// of one address that say so share its connections (`SO_REUSEPORT`, `_LB` on FreeBSD).
    ///
    /// # Errors
    ///
    /// bind(2) and listen(2): `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` for a port below 1024;
    /// and those of [`tcp`](Self::tcp).
    pub fn listen(address: SocketAddr, backlog: i32, reuse_port: bool) -> io::Result<Self> {
        let socket = Self::tcp(&address)?;
        socket.options(Call::Option, |socket| socket.set_reuse_address(true))?;
        if reuse_port {
            socket.share_port()?;
        }
        socket.options(Call::Bind, |socket| socket.bind(&address.into()))?;
        socket.options(Call::Listen, |socket| socket.listen(backlog))?;
        Ok(socket)
    }

    /// Takes over a descriptor of a socket, and makes it non-blocking. Close-on-exec is left as it is.
    ///
    /// Non-blocking is a property of the open socket and not of the descriptor: duplicates of it, also in
    /// other processes, become non-blocking too.
    ///
    /// # Errors
    ///
    /// fcntl(2); on Apple `ENOTSOCK` for what is no socket.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let socket = Self { fd };
        socket.options(Call::Mode, |socket| socket.set_nonblocking(true))?;
        #[cfg(target_vendor = "apple")]
        socket.options(Call::Option, |socket| socket.set_nosigpipe(true))?;
        Ok(socket)
    }

    /// Starts to connect. To be called once, and before the socket is registered with a selector.
    ///
    /// An interrupted connect goes on in the background, connect(2), so it counts as under way.
    ///
    /// # Errors
    ///
    /// Those that are known at once: `ConnectionRefused` on the local machine, `NetworkUnreachable`,
    /// `AddrNotAvailable` when all local ports are in use.
    pub fn connect(&self, address: &SocketAddr) -> io::Result<Connect> {
        match self.options(Call::Connect, |socket| socket.connect(&SockAddr::from(*address))) {
            Ok(()) => Ok(Connect::Done),
            Err(error) => match error.raw_os_error() {
                // The last two: the attempt has begun before, or is over already.
                Some(libc::EINPROGRESS | libc::EINTR | libc::EALREADY) => Ok(Connect::InProgress),
                Some(libc::EISCONN) => Ok(Connect::Done),
                _ => Err(error),
            },
        }
    }

    /// Takes the next connection of a listening socket, and the address of its peer. One system call
    /// (accept4(2)), but on Apple, where the new socket's flags take a second.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none waits; [`AcceptError`](crate::AcceptError) sorts the others.
    pub fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let listener = self.fd.as_raw_fd();
        // SAFETY: `try_init` hands out a zeroed storage and its length, and the system writes no more than
        // that length and says how much it wrote.
        let (fd, address) = unsafe {
            SockAddr::try_init(|storage, length| retry(Call::Accept, || accept_descriptor(listener, storage, length)))
        }?;
        // SAFETY: a descriptor that was just made, and that nobody else knows.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Self { fd };
        #[cfg(target_vendor = "apple")]
        {
            socket.options(Call::Mode, |socket| socket.set_cloexec(true))?;
            socket.options(Call::Mode, |socket| socket.set_nonblocking(true))?;
        }
        let Some(address) = address.as_socket() else {
            let message = format!("accepted from an address that is not of IP: family {}", address.family());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        Ok((socket, address))
    }

    /// Reads what has been received into `buffer`; 0 is the end of the stream.
    ///
    /// An empty buffer is 0 at once, without a system call: it says nothing about the stream.
    ///
    /// # Errors
    ///
    /// recv(2): `WouldBlock`, `ConnectionReset`, `TimedOut`, `NotConnected`.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv_with(buffer, 0)
    }

    /// As [`recv`](Self::recv), and leaves the data where it is.
    ///
    /// # Errors
    ///
    /// Those of `recv`.
    #[inline]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv_with(buffer, libc::MSG_PEEK)
    }

    #[inline]
    fn recv_with(&self, buffer: &mut [u8], flags: c_int) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let length = cut(Call::Recv, buffer.len().min(LENGTH_MAX));
        // SAFETY: the buffer is writable for `length` bytes, which is not more than it has.
        let make = || unsafe { libc::recv(self.as_raw_fd(), buffer.as_mut_ptr().cast(), length, flags) };
        Ok(check(Call::Recv, make)? as usize)
    }

    /// Writes from `buffer` what there is room for, and says how much that was.
    ///
    /// # Errors
    ///
    /// send(2): `WouldBlock`, `BrokenPipe`, `ConnectionReset`, `NotConnected`.
    #[inline]
    pub fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let length = cut(Call::Send, buffer.len().min(LENGTH_MAX));
        // SAFETY: the buffer is readable for `length` bytes, which is not more than it has.
        let make = || unsafe { libc::send(self.as_raw_fd(), buffer.as_ptr().cast(), length, SEND_FLAGS) };
        Ok(check(Call::Send, make).map_err(send_error)? as usize)
    }

    /// As [`recv`](Self::recv), into several buffers in turn, of which the first 1,024 are used. No
    /// buffers, or only empty ones, are 0 at once.
    ///
    /// # Errors
    ///
    /// Those of `recv`.
    #[inline]
    pub fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let count = cut(Call::RecvVectored, fitting(buffers));
        if buffers[..count].iter().all(|buffer| buffer.is_empty()) {
            // What comes after the empty ones did not fit beside them, and is read into alone.
            let rest = buffers[count..].iter_mut().find(|buffer| !buffer.is_empty());
            return rest.map_or(Ok(0), |buffer| self.recv(buffer));
        }
        // SAFETY: `IoSliceMut` is an iovec by its documentation, and each is writable for its length.
        let make = || unsafe { libc::readv(self.as_raw_fd(), buffers.as_mut_ptr().cast(), count as c_int) };
        Ok(retry(Call::RecvVectored, make)? as usize)
    }

    /// As [`send`](Self::send), from several buffers in turn, of which the first 1,024 are used.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    #[inline]
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = cut(Call::SendVectored, fitting(buffers));
        if buffers[..count].iter().all(|buffer| buffer.is_empty()) {
            // What comes after the empty ones did not fit beside them, and is written from alone.
            let rest = buffers[count..].iter().find(|buffer| !buffer.is_empty());
            return self.send(rest.map_or(&[], |buffer| buffer));
        }
        // SAFETY: all zeros is a message header without address, buffers or control data, on every system.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = buffers.as_ptr().cast_mut().cast();
        message.msg_iovlen = count as _;
        // SAFETY: the header names `count` buffers. `IoSlice` is an iovec by its documentation, each is
        // readable for its length, and sendmsg(2) does not write through the pointer.
        let make = || unsafe { libc::sendmsg(self.as_raw_fd(), &message, SEND_FLAGS) };
        Ok(retry(Call::SendVectored, make).map_err(send_error)? as usize)
    }

    /// Shuts one direction or both, shutdown(2). That the connection is gone already, or never was, is no
    /// error.
    ///
    /// # Errors
    ///
    /// None but for a descriptor that is no socket.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.options(Call::Shutdown, |socket| socket.shutdown(how)) {
            // Why ignored: Apple says so of a connection that the peer has closed.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Makes a call of the kind through `socket2`, for options.
    pub(crate) fn options<T>(&self, call: Call, make: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        attempt(call, || make(SockRef::from(&self.fd)))
    }
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.fd
    }
}

/// accept4(2), or accept(2) where the flags have to be set afterwards.
///
/// # Safety
///
/// * `storage` is writable for `*length` bytes.
unsafe fn accept_descriptor(listener: RawFd, storage: *mut SockAddrStorage, length: *mut socklen_t) -> c_int {
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: the caller vouches for the storage.
    return unsafe { libc::accept4(listener, storage.cast(), length, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) };
    #[cfg(target_vendor = "apple")]
    // SAFETY: the caller vouches for the storage.
    return unsafe { libc::accept(listener, storage.cast(), length) };
}

/// The error of a send as every other system has it: while a connection is being torn down, Apple says
/// `EPROTOTYPE`, as if it were the caller's mistake.
#[inline]
fn send_error(error: io::Error) -> io::Error {
    if cfg!(target_vendor = "apple") && error.raw_os_error() == Some(libc::EPROTOTYPE) {
        return io::Error::from_raw_os_error(libc::ECONNRESET);
    }
    error
}

/// How many of the first buffers go into one vectored call: [`BUFFERS_MAX`], and no more bytes than
/// [`LENGTH_MAX`]. Zero if the first alone is too long.
#[inline]
fn fitting<T: std::ops::Deref<Target = [u8]>>(buffers: &[T]) -> usize {
    let count = buffers.len().min(BUFFERS_MAX);
    if !cfg!(target_vendor = "apple") {
        return count;
    }
    let mut room = LENGTH_MAX;
    let fits = |buffer: &&T| {
        let rest = room.checked_sub(buffer.len());
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    buffers[..count].iter().take_while(fits).count()
}
