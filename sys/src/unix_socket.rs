//! What is for Unix sockets alone: birth, addresses, listening, connecting, accepting.
//!
//! The rest of a [`Socket`] is the same for them: bytes, shutdown, `take_error`, sizes of buffers. Streams and
//! datagrams; sequenced packets are left out, because Apple has none.
//!
//! A path that is bound stays in the file system when its socket is closed, and nothing here removes it:
//! who made it has to know whether it is still his. Binding to a path that exists is `AddrInUse`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use socket2::{Domain, SockAddr, Type};

use crate::address::Address;
use crate::call::Call;
use crate::{Connect, Socket, unix_address};

impl Socket {
    /// An unconnected Unix stream socket.
    ///
    /// # Errors
    ///
    /// socket(2): `EMFILE`, `ENFILE`, `ENOBUFS`.
    pub fn unix_stream() -> io::Result<Self> {
        Self::open(Domain::UNIX, Type::STREAM)
    }

    /// A Unix datagram socket with no address: it can send, and nobody can answer until it is bound.
    ///
    /// # Errors
    ///
    /// Those of [`unix_stream`](Self::unix_stream).
    pub fn unix_datagram() -> io::Result<Self> {
        Self::open(Domain::UNIX, Type::DGRAM)
    }

    /// Two Unix stream sockets, connected to each other, with no address.
    ///
    /// # Errors
    ///
    /// socketpair(2): those of [`unix_stream`](Self::unix_stream).
    ///
    /// ```
    /// use mainspring_sys::Socket;
    ///
    /// let (left, right) = Socket::unix_stream_pair()?;
    /// left.send(b"hello")?;
    /// assert_eq!(right.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unix_stream_pair() -> io::Result<(Self, Self)> {
        Self::open_pair(Type::STREAM)
    }

    /// Two Unix datagram sockets, connected to each other, with no address.
    ///
    /// # Errors
    ///
    /// Those of [`unix_stream_pair`](Self::unix_stream_pair).
    pub fn unix_datagram_pair() -> io::Result<(Self, Self)> {
        Self::open_pair(Type::DGRAM)
    }

    /// A listening Unix stream socket. `backlog` is as of [`listen`](Self::listen).
    ///
    /// # Errors
    ///
    /// Those of [`unix_stream`](Self::unix_stream), [`bind_unix`](Self::bind_unix) and
    /// [`start_listening`](Self::start_listening).
    pub fn listen_unix(address: &SocketAddr, backlog: i32) -> io::Result<Self> {
        let socket = Self::unix_stream()?;
        socket.bind_unix(address)?;
        socket.start_listening(backlog)?;
        Ok(socket)
    }

    /// Gives the socket an address: makes the file of a path, or takes an abstract name
    /// ([`abstract_address`](crate::abstract_address)).
    ///
    /// # Errors
    ///
    /// bind(2): `AddrInUse` if the path exists, also if it is a socket that nobody has open any more;
    /// `PermissionDenied`, `NotFound`; `InvalidInput` for an unnamed address.
    pub fn bind_unix(&self, address: &SocketAddr) -> io::Result<()> {
        self.bind_to(&system_address(address)?)
    }

    /// Connects to a listener, or a datagram socket to another. To be called before the socket is registered with a
    /// selector.
    ///
    /// A Unix socket is connected at once or not at all, unix(7): with a listener whose queue is full the answer is
    /// [`Connect::QueueFull`], and the call is to be made again after a while.
    ///
    /// # Errors
    ///
    /// connect(2): `NotFound`, `PermissionDenied`; `ConnectionRefused` if nobody listens, and on the BSDs and Apple if
    /// the queue is full; `EPROTOTYPE` between streams and datagrams; `InvalidInput` for an unnamed address.
    pub fn connect_unix(&self, address: &SocketAddr) -> io::Result<Connect> {
        match self.connect_to(&system_address(address)?) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(Connect::QueueFull),
            result => result,
        }
    }

    /// As [`accept`](Self::accept), on a Unix listener. The peer is unnamed unless it was bound.
    ///
    /// # Errors
    ///
    /// Those of `accept`.
    pub fn accept_unix(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, address) = self.accept_any()?;
        match address.unix() {
            Ok(address) => Ok((socket, address)),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// The address of this end: unnamed if it was not bound.
    ///
    /// # Errors
    ///
    /// getsockname(2); `Unsupported` for a socket that is not a Unix socket.
    pub fn local_unix_addr(&self) -> io::Result<SocketAddr> {
        standard_address(&self.options(Call::LocalAddress, |socket| socket.local_addr())?)
    }

    /// The address of the other end: unnamed if it was not bound.
    ///
    /// # Errors
    ///
    /// getpeername(2), `NotConnected` above all; `Unsupported` for a socket that is not a Unix socket.
    pub fn peer_unix_addr(&self) -> io::Result<SocketAddr> {
        standard_address(&self.options(Call::PeerAddress, |socket| socket.peer_addr())?)
    }

    /// As [`send_to`](Self::send_to), to the Unix datagram socket of this address.
    ///
    /// # Errors
    ///
    /// Those of `send_to`; `WouldBlock` (`NoBufferSpace` on the BSDs and Apple) also if the receiver's queue is full,
    /// for which no event may come: the socket is writable for as long as it is not connected;
    /// `ConnectionRefused` and `NotFound` if nobody has the address.
    pub fn send_to_unix(&self, buffer: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.send_message_to(buffer, &Address::of_unix_path(&unix_address::to_path(address)?))
    }

    /// As [`recv_from`](Self::recv_from), on a Unix datagram socket. The sender is unnamed unless it was bound.
    ///
    /// # Errors
    ///
    /// Those of `recv_from`.
    pub fn recv_from_unix(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self.recv_message_from(buffer, 0)?;
        Ok((length, address.unix()?))
    }

    /// As [`recv_from_unix`](Self::recv_from_unix), and leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// Those of `recv_from`.
    pub fn peek_from_unix(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self.recv_message_from(buffer, libc::MSG_PEEK)?;
        Ok((length, address.unix()?))
    }
}

/// As `socket2` takes it.
fn system_address(address: &SocketAddr) -> io::Result<SockAddr> {
    let path = unix_address::to_path(address)?;
    // `socket2` adds the zero after a path itself.
    let path = if path.first() == Some(&0) { &path[..] } else { &path[..path.len() - 1] };
    SockAddr::unix(OsStr::from_bytes(path))
}

/// As the standard library has it.
fn standard_address(address: &SockAddr) -> io::Result<SocketAddr> {
    if !address.is_unix() {
        let message = format!("the socket is not a Unix socket: its address is of family {}", address.family());
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => unix_address::of_pathname(path),
        (None, Some(name)) => unix_address::abstract_address(name),
        (None, None) => SocketAddr::from_pathname(""),
    }
}
