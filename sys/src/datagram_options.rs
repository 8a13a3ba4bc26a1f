//! The options of datagram sockets: broadcast and multicast.
//!
//! ip(7) and ipv6(7), through `socket2`. A group is joined on one interface: IPv4 names it by an address that it has,
//! IPv6 by its number, and `UNSPECIFIED` or 0 leave it to the system. What a socket has joined it leaves when it is
//! closed.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Socket;
use crate::call::Call;

impl Socket {
    /// True if it may send to a broadcast address, `SO_BROADCAST`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.broadcast())
    }

    /// Allows to send to a broadcast address, which is an error (`PermissionDenied`) otherwise.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_broadcast(broadcast))
    }

    /// Joins a group of IPv4, `IP_ADD_MEMBERSHIP`.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `AddrInUse` if it is in it, `InvalidInput` for an address that is no group, `ENODEV` if no
    /// interface has the address.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.join_multicast_v4(&group, &interface))
    }

    /// Leaves a group of IPv4, as it was joined.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `AddrNotAvailable` if it is not in it.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.leave_multicast_v4(&group, &interface))
    }

    /// Joins a group of IPv6, `IPV6_JOIN_GROUP`.
    ///
    /// # Errors
    ///
    /// setsockopt(2): as [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.join_multicast_v6(&group, interface))
    }

    /// Leaves a group of IPv6, as it was joined.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `AddrNotAvailable` if it is not in it.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.leave_multicast_v6(&group, interface))
    }

    /// True if what is sent to a group of IPv4 comes back to this machine, `IP_MULTICAST_LOOP`; the default.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.multicast_loop_v4())
    }

    /// Sets whether what is sent to a group of IPv4 comes back to this machine.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_multicast_loop_v4(&self, comes_back: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_loop_v4(comes_back))
    }

    /// True if what is sent to a group of IPv6 comes back to this machine, `IPV6_MULTICAST_LOOP`; the default.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.multicast_loop_v6())
    }

    /// Sets whether what is sent to a group of IPv6 comes back to this machine.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_multicast_loop_v6(&self, comes_back: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_loop_v6(comes_back))
    }

    /// How many routers a packet to a group of IPv4 may pass, `IP_MULTICAST_TTL`; 1 by default, none.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.options(Call::Option, |socket| socket.multicast_ttl_v4())
    }

    /// Sets how many routers a packet to a group of IPv4 may pass, 0 to 255; 0 keeps it on this machine.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `InvalidInput` for another number.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_ttl_v4(ttl))
    }

    /// How many routers a packet to a group of IPv6 may pass, `IPV6_MULTICAST_HOPS`; 1 by default, none.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        self.options(Call::Option, |socket| socket.multicast_hops_v6())
    }

    /// Sets how many routers a packet to a group of IPv6 may pass, 0 to 255; 0 keeps it on this machine.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `InvalidInput` for another number.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_hops_v6(hops))
    }

    /// The interface that sends to groups of IPv4, by its address, `IP_MULTICAST_IF`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_interface_v4(&self) -> io::Result<Ipv4Addr> {
        self.options(Call::Option, |socket| socket.multicast_if_v4())
    }

    /// Sets the interface that sends to groups of IPv4.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `AddrNotAvailable` if none has the address.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_if_v4(&interface))
    }

    /// The interface that sends to groups of IPv6, by its number, `IPV6_MULTICAST_IF`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn multicast_interface_v6(&self) -> io::Result<u32> {
        self.options(Call::Option, |socket| socket.multicast_if_v6())
    }

    /// Sets the interface that sends to groups of IPv6.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `ENODEV` if there is none of this number.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_multicast_if_v6(interface))
    }
}
