//! Host names to addresses, by the system's resolver.
//!
//! It blocks, for seconds if a name server does not answer, so the reactor calls it on its pool for
//! blocking work. getaddrinfo(3) through the standard library, because it is what knows of `/etc/hosts`,
//! of search domains and of the local network; a resolver of our own would answer differently from
//! every other program on the machine.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::call::Call;
use crate::check::attempt;

/// The longest host name, in bytes: RFC 1035 section 2.3.4 allows 255 on the wire, which is 253 as text.
const HOST_MAX: usize = 253;
/// The most addresses that are given back, in items. One that a client can try in turn needs no more.
const ADDRESSES_MAX: usize = 256;

/// The addresses of `host`, a name or an address in text of at most 253 bytes, each with `port`; at
/// least one and at most 256, in the resolver's order of preference.
///
/// # Errors
///
/// `InvalidInput` for a name that is too long or contains a zero byte; otherwise what getaddrinfo(3)
/// says; `NotFound` if it knows the name and no address.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.len() > HOST_MAX {
        let length = host.len();
        let shown = (0..=HOST_MAX).rev().find_map(|end| host.get(..end)).unwrap_or_default();
        let message = format!("could not resolve a host name of {length} bytes, more than {HOST_MAX}: {shown:?}...");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let addresses: Vec<_> = attempt(Call::Resolve, || (host, port).to_socket_addrs())?.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        let message = format!("could not resolve {host:?}: it has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(addresses)
}
