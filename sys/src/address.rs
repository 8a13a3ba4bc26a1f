//! An address in the form that the system reads and writes, `sockaddr`.
//!
//! Accepting, and the messages of `message.rs`, have the system write into one; a batch of datagrams
//! keeps one for each message, so that an answer goes back without a conversion.
//!
//! Plain bytes, decoded by the offsets that libc knows, so there is no unsafe here and nothing depends on
//! how the standard library lays out its own types. The path of a Unix address ends at its first zero byte or
//! at its length, whichever comes first: the BSDs give back what the binder passed, with the zero or without.
//! Turned down: `socket2::SockAddr`, which cannot be copied, nor be written again by the next call.

use std::io;
use std::mem::{offset_of, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::net::SocketAddr as UnixAddress;

use libc::{c_int, sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t};

use crate::unix_address;

/// Room for every address of every family, in bytes.
const SIZE: usize = size_of::<libc::sockaddr_storage>();
/// Where the path of a Unix address starts.
const PATH: usize = offset_of!(sockaddr_un, sun_path);

/// An address, or room for one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Address {
    /// As in a `sockaddr` of the family that it names; zeros after it, or what an earlier address left.
    bytes: [u8; SIZE],
    /// How many of the bytes are the address. Zero if there is none.
    length: socklen_t,
}

impl Address {
    /// Room for an address, and none in it.
    pub(crate) const EMPTY: Self = Self { bytes: [0; SIZE], length: 0 };

    /// Where the system writes an address, and how many bytes it may write.
    pub(crate) fn room(&mut self) -> (*mut sockaddr, &mut socklen_t) {
        self.length = SIZE as socklen_t;
        (self.bytes.as_mut_ptr().cast(), &mut self.length)
    }

    /// Takes note of how long the address is that the system has written.
    pub(crate) fn set_length(&mut self, length: socklen_t) {
        // A longer one than there was room for has been cut, and the system says its whole length.
        self.length = length.min(SIZE as socklen_t);
    }

    /// Where the system reads the address, and its length.
    pub(crate) fn parts(&self) -> (*const sockaddr, socklen_t) {
        (self.bytes.as_ptr().cast(), self.length)
    }

    /// True if there is no address.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The address of IP that this is.
    pub(crate) fn internet(&self) -> io::Result<SocketAddr> {
        let long_enough = |size: usize| self.length as usize >= size;
        match self.family() {
            libc::AF_INET if long_enough(size_of::<sockaddr_in>()) => {
                let host = Ipv4Addr::from(self.array(offset_of!(sockaddr_in, sin_addr)));
                let port = u16::from_be_bytes(self.array(offset_of!(sockaddr_in, sin_port)));
                Ok(SocketAddrV4::new(host, port).into())
            }
            libc::AF_INET6 if long_enough(size_of::<sockaddr_in6>()) => {
                let host = Ipv6Addr::from(self.array::<16>(offset_of!(sockaddr_in6, sin6_addr)));
                let port = u16::from_be_bytes(self.array(offset_of!(sockaddr_in6, sin6_port)));
                let flow = u32::from_ne_bytes(self.array(offset_of!(sockaddr_in6, sin6_flowinfo)));
                let scope = u32::from_ne_bytes(self.array(offset_of!(sockaddr_in6, sin6_scope_id)));
                Ok(SocketAddrV6::new(host, port, flow, scope).into())
            }
            family => Err(other_family("IP", family)),
        }
    }

    /// The Unix address that this is. None at all is what an unbound sender has: an unnamed one.
    pub(crate) fn unix(&self) -> io::Result<UnixAddress> {
        if !self.is_empty() && self.family() != libc::AF_UNIX {
            return Err(other_family("a Unix socket", self.family()));
        }
        unix_address::from_path(self.bytes.get(PATH..self.length as usize).unwrap_or_default())
    }

    /// The Unix address whose path, or name with a zero before it, this is. It has to fit.
    pub(crate) fn of_unix_path(path: &[u8]) -> Self {
        let mut address = Self::of_family(libc::AF_UNIX, PATH + path.len());
        address.put(PATH, path);
        address
    }

    fn of_family(family: c_int, length: usize) -> Self {
        let mut address = Self { length: length as socklen_t, ..Self::EMPTY };
        address.put(offset_of!(sockaddr, sa_family), &(family as sa_family_t).to_ne_bytes());
        // Why the BSDs' length field is left zero: the system fills it in from the length of the call.
        address
    }

    /// The family, 0 if there is no address.
    fn family(&self) -> c_int {
        if (self.length as usize) < PATH {
            return libc::AF_UNSPEC;
        }
        c_int::from(sa_family_t::from_ne_bytes(self.array(offset_of!(sockaddr, sa_family))))
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        std::array::from_fn(|index| self.bytes[offset + index])
    }
}

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => {
                let mut this = Self::of_family(libc::AF_INET, size_of::<sockaddr_in>());
                this.put(offset_of!(sockaddr_in, sin_port), &address.port().to_be_bytes());
                this.put(offset_of!(sockaddr_in, sin_addr), &address.ip().octets());
                this
            }
            SocketAddr::V6(address) => {
                let mut this = Self::of_family(libc::AF_INET6, size_of::<sockaddr_in6>());
                this.put(offset_of!(sockaddr_in6, sin6_port), &address.port().to_be_bytes());
                this.put(offset_of!(sockaddr_in6, sin6_flowinfo), &address.flowinfo().to_ne_bytes());
                this.put(offset_of!(sockaddr_in6, sin6_addr), &address.ip().octets());
                this.put(offset_of!(sockaddr_in6, sin6_scope_id), &address.scope_id().to_ne_bytes());
                this
            }
        }
    }
}

#[cold]
fn other_family(expected: &str, family: c_int) -> io::Error {
    let message = format!("the address is not one of {expected}: family {family}");
    io::Error::new(io::ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ip_come_back_as_they_went() {
        for text in ["1.2.3.4:5", "255.255.255.255:65535", "[::1]:1", "[fe80::1:2%7]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(&address).internet().unwrap(), address);
        }
        let flow = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0x0102_0304, 9).into();
        assert_eq!(Address::from(&flow).internet().unwrap(), flow);
    }

    #[test]
    fn what_an_earlier_address_left_is_not_seen() {
        let mut address = Address::from(&"1.2.3.4:5".parse().unwrap());
        address.set_length(0);
        assert!(address.is_empty());
        assert!(address.internet().is_err());
        assert!(address.unix().unwrap().is_unnamed());
        address.set_length(3);
        assert!(address.internet().is_err());
    }

    #[test]
    fn a_path_ends_at_its_zero_or_at_its_length() {
        for path in [b"/tmp/x".as_slice(), b"/tmp/x\0", b"/tmp/x\0\0rest"] {
            let address = Address::of_unix_path(path).unix().unwrap();
            assert_eq!(address.as_pathname().unwrap().to_str(), Some("/tmp/x"));
        }
        assert!(Address::of_unix_path(b"").unix().unwrap().is_unnamed());
    }
}
