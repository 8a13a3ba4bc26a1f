//! The addresses, options and groups of a UDP socket.
//!
//! Each is one system call, made by `mainspring-sys`. They stand on the socket, so that the descriptor need not be
//! handed out for them. Those that have to be set before the bind are settings of their own, [`BindOptions`]; all
//! others may be called at any time. A group is joined on one interface, IPv4 by an address that it has, IPv6 by its
//! number, and left when the socket is closed; ip(7), ipv6(7).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mainspring_sys::Socket;

use super::addresses::ToAddresses;
use super::udp_socket::UdpSocket;
use crate::attempted::in_words;
use crate::core::Core;
use crate::sentence::sentence;

/// Settings of a UDP socket, and then the socket.
///
/// ```
/// use mainspring::net::UdpSocket;
///
/// mainspring::run(async {
///     // Two that listen to one group.
///     let first = UdpSocket::options().reuse_address(true).bind("0.0.0.0:0")?;
///     let second = UdpSocket::options().reuse_address(true).bind(first.local_addr()?)?;
///     println!("{first:?} and {second:?}");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing before `bind`"]
pub struct BindOptions {
    /// Whether `SO_REUSEADDR` is set.
    reuse_address: bool,
    /// Whether `SO_REUSEPORT` is set.
    reuse_port: bool,
}

impl BindOptions {
    pub(super) const fn new() -> Self {
        Self { reuse_address: false, reuse_port: false }
    }

    /// Shares the address with other sockets that set this too (`SO_REUSEADDR`): for several receivers of a group.
    /// Which of them gets a datagram to one address is not said. Off by default.
    pub const fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Shares the address with other sockets that set this too (`SO_REUSEPORT`), one per reactor: Linux and FreeBSD
    /// spread datagrams over them by the sender's address. Off by default.
    pub const fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Binds to the first of `addresses` that can be had, on the reactor that is running on this thread.
    ///
    /// A host name is looked up on this thread, which blocks it: give an address.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` and whatever else `bind(2)` reports, for the last address
    /// that was tried, which is in the text; the system's own error, with its raw code, is the `source`. When no
    /// reactor is running on this thread.
    pub fn bind(self, addresses: impl ToAddresses) -> io::Result<UdpSocket> {
        let core = Core::running("a UdpSocket")?;
        let mut last = sentence(io::ErrorKind::InvalidInput, "no address to bind a UDP socket to");
        for address in addresses.to_addresses()?.resolve_blocking()? {
            match self.open(&address) {
                Ok(socket) => return UdpSocket::register(&core, socket),
                Err(error) => last = in_words(format!("cannot bind a UDP socket to {address}"), error),
            }
        }
        Err(last)
    }

    fn open(&self, address: &SocketAddr) -> io::Result<Socket> {
        let socket = Socket::udp(address)?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(address)?;
        Ok(socket)
    }
}

impl UdpSocket {
    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    /// The error that is pending on the socket, taken (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket().take_error()
    }

    /// How many routers a packet may pass (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket().ttl()
    }

    /// Sets how many routers a packet may pass, 1 to 255; over IPv6 Linux takes 0 too, which keeps it on this machine.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket().set_ttl(ttl)
    }

    /// The size of the receive buffer in bytes, as a request to the system (`SO_RCVBUF`; Linux doubles it). What comes
    /// when it is full is lost.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket().set_recv_buffer_size(bytes)
    }

    /// The size of the send buffer in bytes, as a request to the system (`SO_SNDBUF`; Linux doubles it).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket().set_send_buffer_size(bytes)
    }

    /// Whether it may send to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket().broadcast()
    }

    /// Allows to send to a broadcast address.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket().set_broadcast(broadcast)
    }

    /// Joins a group of IPv4 on the interface that has this address, or on the system's choice for `UNSPECIFIED`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if it is in it, `InvalidInput` for an address that is no group, `ENODEV` if no interface has the
    /// address.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket().join_multicast_v4(group, interface)
    }

    /// Leaves a group of IPv4, as it was joined.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it is not in it.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket().leave_multicast_v4(group, interface)
    }

    /// Joins a group of IPv6 on the interface of this number, or on the system's choice for 0.
    ///
    /// # Errors
    ///
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket().join_multicast_v6(group, interface)
    }

    /// Leaves a group of IPv6, as it was joined.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it is not in it.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket().leave_multicast_v6(group, interface)
    }

    /// Whether what is sent to a group of IPv4 comes back to this machine (`IP_MULTICAST_LOOP`); the default.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.socket().multicast_loop_v4()
    }

    /// Sets whether what is sent to a group of IPv4 comes back to this machine.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_multicast_loop_v4(&self, comes_back: bool) -> io::Result<()> {
        self.socket().set_multicast_loop_v4(comes_back)
    }

    /// Whether what is sent to a group of IPv6 comes back to this machine (`IPV6_MULTICAST_LOOP`); the default.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.socket().multicast_loop_v6()
    }

    /// Sets whether what is sent to a group of IPv6 comes back to this machine.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_multicast_loop_v6(&self, comes_back: bool) -> io::Result<()> {
        self.socket().set_multicast_loop_v6(comes_back)
    }

    /// How many routers a packet to a group of IPv4 may pass (`IP_MULTICAST_TTL`); 1 by default, none.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket().multicast_ttl_v4()
    }

    /// Sets how many routers a packet to a group of IPv4 may pass, 0 to 255; 0 keeps it on this machine.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for another number.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.socket().set_multicast_ttl_v4(ttl)
    }

    /// How many routers a packet to a group of IPv6 may pass (`IPV6_MULTICAST_HOPS`); 1 by default, none.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        self.socket().multicast_hops_v6()
    }

    /// Sets how many routers a packet to a group of IPv6 may pass, 0 to 255; 0 keeps it on this machine.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for another number.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.socket().set_multicast_hops_v6(hops)
    }

    /// The interface that sends to groups of IPv4, by its address (`IP_MULTICAST_IF`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_interface_v4(&self) -> io::Result<Ipv4Addr> {
        self.socket().multicast_interface_v4()
    }

    /// Sets the interface that sends to groups of IPv4.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if none has the address.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.socket().set_multicast_interface_v4(interface)
    }

    /// The interface that sends to groups of IPv6, by its number (`IPV6_MULTICAST_IF`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn multicast_interface_v6(&self) -> io::Result<u32> {
        self.socket().multicast_interface_v6()
    }

    /// Sets the interface that sends to groups of IPv6.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is none of this number.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.socket().set_multicast_interface_v6(interface)
    }
}
