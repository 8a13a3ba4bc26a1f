//! Settings of a TCP connection that is to be made, and then the connection.
//!
//! As [`ListenOptions`](super::ListenOptions) of a listener: what has to be said before the system calls that it
//! concerns. The local address has to be bound before connecting, and how the receive window is scaled is told in the
//! SYN. Options that can as well be set afterwards are here if programs set them on every connection.
//!
//! There is one way to connect: [`TcpStream::connect`] is this one, with nothing set. A setting that is made is a system
//! call of each attempt of the race; one that is not made is none.
//!
//! A socket to be bound and configured step by step, as other runtimes have it, was turned down: a host has several
//! addresses, and each attempt needs a socket of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mainspring_sys::Socket;

use super::addresses::ToAddresses;
use super::connect::Connecting;
use super::race::Race;
use super::tcp_stream::TcpStream;
use crate::attempted::in_words;

/// Settings of a connection that is to be made, and then the connection; made by [`TcpStream::options`].
///
/// ```
/// use mainspring::net::{TcpListener, TcpStream};
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let local = "127.0.0.1:0".parse().expect("an address");
///     let options = TcpStream::options().local_addr(local).nodelay(true).keepalive(Some(Duration::from_secs(60)));
///     let client = options.connect(listener.local_addr()?).await?;
///     let (_server, peer) = listener.accept().await?;
///     assert_eq!(peer.ip(), local.ip());
///     assert!(client.nodelay()?);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing before `connect`"]
pub struct ConnectOptions {
    /// What the socket is bound to; none if the system chooses it.
    local_addr: Option<SocketAddr>,
    /// Whether `SO_REUSEADDR` is set before the bind.
    reuse_address: bool,
    /// Whether `TCP_NODELAY` is set; none as whoever connects has it.
    nodelay: Option<bool>,
    /// How long a peer is silent before it is probed; none for ever.
    keepalive: Option<Duration>,
    /// `SO_RCVBUF`, in bytes; none as the system has it.
    recv_buffer_size: Option<usize>,
    /// `SO_SNDBUF`, in bytes; none as the system has it.
    send_buffer_size: Option<usize>,
    /// How many routers a packet may pass; none as the system has it.
    ttl: Option<u32>,
}

impl ConnectOptions {
    pub(super) const fn new() -> Self {
        Self {
            local_addr: None,
            reuse_address: false,
            nodelay: None,
            keepalive: None,
            recv_buffer_size: None,
            send_buffer_size: None,
            ttl: None,
        }
    }

    /// The address of this machine that the connection comes from: the system's choice by default. Addresses of the
    /// other family cannot be reached from it, and are left out.
    ///
    /// With port 0 the system chooses one. Linux and Android do so in `connect(2)`, when the peer is known
    /// (`IP_BIND_ADDRESS_NO_PORT`, ip(7)): connections to different peers may have the same port, so there can be as
    /// many to each of them as there are ports. Elsewhere no two have the same, and there are as many in all.
    ///
    /// Any other port is for one connection, unless all say [`reuse_address`](Self::reuse_address); attempts to connect
    /// to several addresses of one host say so by themselves.
    pub const fn local_addr(mut self, address: SocketAddr) -> Self {
        self.local_addr = Some(address);
        self
    }

    /// Takes the port of the [local address](Self::local_addr) also if another connection has it, or an old one that
    /// lingers; on Linux only if that one has said so too (`SO_REUSEADDR`, socket(7)). Off by default, and of no use
    /// with port 0.
    ///
    /// A second connection from one port to one peer is refused all the same, with `AddrNotAvailable`.
    pub const fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). Off by default, but on for the connections of a `Client`.
    pub const fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = Some(nodelay);
        self
    }

    /// Probes the peer when it has been silent for so long (`SO_KEEPALIVE`, `TCP_KEEPIDLE`): 1 to 32,767 seconds,
    /// rounded up to whole ones. `None` is the default, never.
    pub const fn keepalive(mut self, idle: Option<Duration>) -> Self {
        self.keepalive = idle;
        self
    }

    /// The size of the receive buffer in bytes, as a request to the system (`SO_RCVBUF`; Linux doubles it, and cuts it
    /// to `net.core.rmem_max`), which ends its automatic growth.
    ///
    /// Here and not afterwards, because the SYN tells how the window is scaled, for as long as the connection lasts
    /// (RFC 7323 §2.2, tcp(7)): a buffer of more than 64 KiB that is set later may never be used as a whole.
    pub const fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes, as a request to the system (`SO_SNDBUF`; Linux doubles it, and cuts it to
    /// `net.core.wmem_max`), which ends its automatic growth.
    pub const fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// How many routers a packet may pass, that of the SYN too (`IP_TTL`, `IPV6_UNICAST_HOPS`): 1 to 255.
    pub const fn ttl(mut self, routers: u32) -> Self {
        self.ttl = Some(routers);
        self
    }

    /// Connects to the first of `addresses` that answers, in the order and at the pace of [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// As `TcpStream::connect`; `InvalidInput` if there is no address of the family of the local one. A local address
    /// that cannot be had (`AddrNotAvailable`, `AddrInUse`, `PermissionDenied`) and a setting that the system refuses
    /// are in the text; the system's own error, with its raw code, is the `source`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets that were connecting.
    ///
    /// ```
    /// use mainspring::net::TcpStream;
    /// use std::{error::Error, io};
    ///
    /// mainspring::run(async {
    ///     // An address for documentation, which no machine has (RFC 5737).
    ///     let options = TcpStream::options().local_addr("192.0.2.7:0".parse().expect("an address"));
    ///     let error = options.connect("127.0.0.1:80").await.unwrap_err();
    ///     assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    ///     assert!(error.to_string().starts_with("cannot connect from 192.0.2.7:0: "));
    ///     let system: &io::Error = error.source().and_then(|source| source.downcast_ref()).unwrap();
    ///     assert!(system.raw_os_error().is_some());
    ///     io::Result::Ok(())
    /// })??;
    /// # io::Result::Ok(())
    /// ```
    pub async fn connect(mut self, addresses: impl ToAddresses) -> io::Result<TcpStream> {
        let addresses = self.reachable(addresses.to_addresses()?.resolve().await?)?;
        // The attempts have one port at the same time.
        self.reuse_address |= addresses.len() > 1 && self.local_addr.is_some_and(|local| local.port() != 0);
        Race::new(self, addresses).await
    }

    /// Starts to connect to one address, without waiting: for ticks.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::start_connect`], and those of the settings as of [`connect`](Self::connect).
    pub fn start_connect(self, address: SocketAddr) -> io::Result<Connecting> {
        self.check(&[address])?;
        Connecting::start(&self, &address)
    }

    /// Those of the addresses that are of the family of the local one, in their order.
    pub(crate) fn reachable(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        self.check(&addresses)?;
        addresses.retain(|address| self.reaches(address));
        Ok(addresses)
    }

    fn reaches(&self, address: &SocketAddr) -> bool {
        self.local_addr.is_none_or(|local| local.is_ipv6() == address.is_ipv6())
    }

    /// An error if there are addresses, and none is of the family of the local one.
    fn check(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        match self.local_addr {
            Some(local) if !addresses.is_empty() && !addresses.iter().any(|address| self.reaches(address)) => {
                let message = format!("cannot connect from {local}: no address of its family among {addresses:?}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            _ => Ok(()),
        }
    }

    /// Small writes are sent at once unless it was said otherwise.
    #[cfg(feature = "service")]
    pub(crate) const fn or_nodelay(mut self) -> Self {
        if self.nodelay.is_none() {
            self.nodelay = Some(true);
        }
        self
    }

    /// A socket that has these settings, to be connected to `address`.
    pub(super) fn open(&self, address: &SocketAddr) -> io::Result<Socket> {
        let socket = Socket::tcp(address)?;
        if self.nodelay == Some(true) {
            with("TCP_NODELAY", &true, socket.set_nodelay(true))?;
        }
        if let Some(idle) = self.keepalive {
            with("a keepalive of", &idle, socket.set_keepalive(Some(idle)))?;
        }
        if let Some(bytes) = self.recv_buffer_size {
            with("a receive buffer of", &bytes, socket.set_recv_buffer_size(bytes))?;
        }
        if let Some(bytes) = self.send_buffer_size {
            with("a send buffer of", &bytes, socket.set_send_buffer_size(bytes))?;
        }
        if let Some(ttl) = self.ttl {
            with("a TTL of", &ttl, socket.set_ttl(ttl))?;
        }
        if self.reuse_address {
            with("SO_REUSEADDR", &true, socket.set_reuse_address(true))?;
        }
        if let Some(local) = &self.local_addr {
            let bound = socket.bind_to_connect(local);
            bound.map_err(|error| in_words(format!("cannot connect from {local}"), error))?;
        }
        Ok(socket)
    }
}

/// The result of a setting, which is named in its error.
fn with(setting: &str, value: &dyn fmt::Debug, result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| in_words(format!("cannot connect with {setting} {value:?}"), error))
}
