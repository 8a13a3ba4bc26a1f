//! A socket: its birth, its listening and connecting, and the system calls that move bytes through it.
//!
//! The net types of the reactor are made of it. Non-blocking and close-on-exec from birth, and writing
//! to a closed one is an error and never `SIGPIPE`: by a flag in the same system call where there is
//! one, by `SO_NOSIGPIPE` at birth on Apple.
//!
//! Here stands what all kinds share, and what is TCP's. `unix_socket.rs` has what is for Unix sockets,
//! `datagram.rs` and `datagrams.rs` for datagrams, `ancillary.rs` the passing of descriptors, the files
//! `*_options.rs` the options. One type for all kinds, because what differs is who calls what, which the net
//! types above say; a type each would repeat what is the same.
//!
//! Each operation on bytes is one system call. `recv` and `send` have nothing around it: that a signal came in the same
//! moment is the error `Interrupted`, and the caller tries again. The others try again here, a bounded number of times.
//! Options go through `socket2`, which knows how each system spells them; the calls on bytes do not, because they are
//! what is measured.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::c_int;
use socket2::{Domain, SockAddr, SockRef, Type};

use crate::Connect;
use crate::address::Address;
use crate::call::Call;
use crate::check::{attempt, check, retry};
use crate::message::{BUFFERS_MAX, Incoming, LENGTH_MAX, Outgoing, SEND_FLAGS, fitting, send_error};
use crate::option_table::OPTIONS;
use crate::seam::cut;

/// How many bytes of several buffers are put side by side, so that they leave by send(2).
const GATHERED_MAX: usize = 512;

/// An open socket that is never waited for in a system call. Dropping it closes it.
///
/// "Not now" is an error of the kind `WouldBlock` from every operation on bytes and from `accept`.
#[derive(Debug)]
pub struct Socket {
    /// Non-blocking since it was made or taken over.
    fd: OwnedFd,
}

impl Socket {
    /// The most buffers that one call uses, in items; those after them are left alone.
    pub const BUFFERS_MAX: usize = BUFFERS_MAX;

    /// The most bytes that one call is asked for: what its result can express, and on Apple's systems 2 GiB less two.
    pub const BYTES_MAX: usize = LENGTH_MAX;

    /// An unconnected TCP socket of the family of `for_address`.
    ///
    /// # Errors
    ///
    /// socket(2): `EMFILE`, `ENFILE`, `ENOBUFS`, `EAFNOSUPPORT` where there is no IPv6.
    pub fn tcp(for_address: &SocketAddr) -> io::Result<Self> {
        Self::open(Domain::for_address(*for_address), Type::STREAM)
    }

    /// A socket of any kind.
    pub(crate) fn open(domain: Domain, kind: Type) -> io::Result<Self> {
        let socket = attempt(Call::Socket, || socket2::Socket::new(domain, born_non_blocking(kind), None))?;
        Self { fd: socket.into() }.made_non_blocking()
    }

    /// Two Unix sockets of a kind, connected to each other.
    pub(crate) fn open_pair(kind: Type) -> io::Result<(Self, Self)> {
        let (left, right) = attempt(Call::Pair, || socket2::Socket::pair(Domain::UNIX, born_non_blocking(kind), None))?;
        let (left, right) = (Self { fd: left.into() }, Self { fd: right.into() });
        Ok((left.made_non_blocking()?, right.made_non_blocking()?))
    }

    /// Non-blocking, where it could not be said at birth.
    fn made_non_blocking(self) -> io::Result<Self> {
        #[cfg(target_vendor = "apple")]
        self.options(Call::Mode, |socket| socket.set_nonblocking(true))?;
        Ok(self)
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
        socket.set_reuse_address(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address)?;
        socket.start_listening(backlog)?;
        Ok(socket)
    }

    /// Gives the socket an address of this machine; port 0 asks for any free one.
    ///
    /// # Errors
    ///
    /// bind(2): `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` for a port below 1024.
    pub fn bind(&self, address: &SocketAddr) -> io::Result<()> {
        self.bind_to(&SockAddr::from(*address))
    }

    /// Gives a socket that is going to connect an address of this machine. With port 0, Linux and Android choose the
    /// port only in [`connect`](Self::connect) (`IP_BIND_ADDRESS_NO_PORT`, ip(7)), and then one that other connections
    /// may have as well, to another peer; elsewhere a port is chosen here, that nobody else has.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind).
    pub fn bind_to_connect(&self, address: &SocketAddr) -> io::Result<()> {
        if address.port() == 0 && OPTIONS.bind_address_no_port.is_some() {
            // Why ignored: where it cannot be set, as before Linux 4.2, a port is chosen here as elsewhere.
            let _ = self.set_number("IP_BIND_ADDRESS_NO_PORT", OPTIONS.bind_address_no_port, 1);
        }
        self.bind(address)
    }

    pub(crate) fn bind_to(&self, address: &SockAddr) -> io::Result<()> {
        self.options(Call::Bind, |socket| socket.bind(address))
    }

    /// Makes a bound stream socket one that accepts connections, of which `backlog` may wait as of
    /// [`listen`](Self::listen). For a listener that needs options between its birth and this.
    ///
    /// # Errors
    ///
    /// listen(2): `AddrInUse`; `Unsupported` for a datagram socket.
    pub fn start_listening(&self, backlog: i32) -> io::Result<()> {
        self.options(Call::Listen, |socket| socket.listen(backlog))
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
    /// A datagram socket is connected at once: it then sends to this address and receives from no other, and
    /// may be connected again. An interrupted connect goes on in the background, connect(2), so it counts as under way.
    ///
    /// # Errors
    ///
    /// Those that are known at once: `ConnectionRefused` on the local machine, `NetworkUnreachable`,
    /// `AddrNotAvailable` when all local ports are in use.
    pub fn connect(&self, address: &SocketAddr) -> io::Result<Connect> {
        self.connect_to(&SockAddr::from(*address))
    }

    pub(crate) fn connect_to(&self, address: &SockAddr) -> io::Result<Connect> {
        match self.options(Call::Connect, |socket| socket.connect(address)) {
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
        let (socket, address) = self.accept_any()?;
        match address.internet() {
            Ok(address) => Ok((socket, address)),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    pub(crate) fn accept_any(&self) -> io::Result<(Self, Address)> {
        let listener = self.fd.as_raw_fd();
        let mut address = Address::EMPTY;
        let (start, length) = address.room();
        // SAFETY: the address has room for `length` bytes, which the system does not exceed, and it says how many
        // it wrote. The descriptor was just made, and nobody else knows it.
        let fd = unsafe {
            let fd = retry(Call::Accept, || {
                #[cfg(not(target_vendor = "apple"))]
                return libc::accept4(listener, start, length, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
                #[cfg(target_vendor = "apple")]
                return libc::accept(listener, start, length);
            });
            OwnedFd::from_raw_fd(fd?)
        };
        let socket = Self { fd };
        #[cfg(target_vendor = "apple")]
        {
            socket.options(Call::Mode, |socket| socket.set_cloexec(true))?;
            socket.options(Call::Mode, |socket| socket.set_nonblocking(true))?;
            // `EINVAL` of a connection that the peer has reset already; as an error of `accept` it would be the
            // listener's.
            let quiet = socket.options(Call::Option, |socket| socket.set_nosigpipe(true));
            quiet.map_err(|_| io::Error::from_raw_os_error(libc::ECONNABORTED))?;
        }
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
        let bytes = &buffer[..cut(Call::Send, buffer.len().min(LENGTH_MAX))];
        Ok(check(Call::Send, || self.send_once(bytes)).map_err(send_error)? as usize)
    }

    #[inline]
    fn send_once(&self, bytes: &[u8]) -> isize {
        // SAFETY: the bytes are readable, as many as they are.
        unsafe { libc::send(self.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), SEND_FLAGS) }
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
        Incoming::new(&mut buffers[..count]).receive(Call::RecvVectored, self.as_fd(), 0)
    }

    /// As [`send`](Self::send), from several buffers in turn, of which the first 1,024 are used. Small ones are put
    /// side by side first: to copy 512 bytes costs less than what sendmsg(2) costs beyond send(2).
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
        let mut room = [0; GATHERED_MAX];
        match gathered(&buffers[..count], &mut room) {
            Some(bytes) => Ok(retry(Call::SendVectored, || self.send_once(bytes)).map_err(send_error)? as usize),
            None => Outgoing::new(&buffers[..count]).send(Call::SendVectored, self.as_fd()),
        }
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

/// All of the bytes, side by side in `room`; none if there are more.
fn gathered<'a>(buffers: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for buffer in buffers {
        room.get_mut(length..length + buffer.len())?.copy_from_slice(buffer);
        length += buffer.len();
    }
    Some(&room[..length])
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

/// The kind with the flag that makes it non-blocking, where there is one.
fn born_non_blocking(kind: Type) -> Type {
    #[cfg(not(target_vendor = "apple"))]
    return kind.nonblocking();
    #[cfg(target_vendor = "apple")]
    return kind;
}
