//! What can be connected to: addresses, and host names that are looked up off the loop's thread.
//!
//! [`TcpStream::connect`](super::TcpStream::connect) and [`TcpListener::bind`](super::TcpListener::bind) take whatever
//! is [`ToAddresses`]. The conversion does no I/O: text that is an address becomes one, and a name stays a name until
//! somebody looks it up, connecting on the reactor's pool, listening on the thread of the call.
//!
//! This is why std's `ToSocketAddrs` is not used: it looks names up inside the conversion, and would block the loop for
//! as long as a name server is silent. The price is that std's implementations have to be written again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::core::Core;
use crate::lookup::{Lookup, look_up};

/// Where to connect: addresses that are known, or a host name to look up.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Addresses {
    /// Addresses, tried in this order.
    Known(Vec<SocketAddr>),
    /// A host name and a port.
    Lookup(String, u16),
}

impl Addresses {
    /// Looks a host name up on this thread, which blocks.
    ///
    /// # Errors
    ///
    /// Those of `getaddrinfo(3)`; `InvalidInput` for a name of more than 253 bytes.
    pub fn resolve_blocking(self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Known(addresses) => Ok(addresses),
            Self::Lookup(host, port) => look_up(&host, port),
        }
    }

    /// Looks a host name up, on a thread of the reactor's pool. Addresses that are known cost nothing.
    ///
    /// What was found is kept for a short time, and not looked up again until then: see
    /// [`Builder::names`](crate::Builder::names). Those who ask for one host at the same time share a lookup.
    ///
    /// # Errors
    ///
    /// As [`resolve_blocking`](Self::resolve_blocking), and those of [`unblock`](crate::unblock).
    ///
    /// # Cancel safety
    ///
    /// A lookup that is under way goes on to its end, for whoever else has asked for the host; one that waits for a
    /// thread is left out if nobody has.
    ///
    /// ```
    /// use mainspring::net::ToAddresses;
    ///
    /// mainspring::run(async {
    ///     let addresses = ("localhost", 80).to_addresses()?.resolve().await?;
    ///     assert!(addresses.iter().all(|address| address.port() == 80));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Known(addresses) => Ok(addresses),
            Self::Lookup(host, port) => {
                let core = Core::running("looking a host name up")?;
                if let Some(known) = core.names().borrow().get(&host, port, core.clock.now()) {
                    return Ok(known);
                }
                let lookup = Lookup::of(&core, host)?;
                lookup.ended(&core).await?;
                core.names().borrow_mut().end(&lookup, core.clock.now());
                lookup.addresses(port)
            }
        }
    }
}

/// What can be turned into [`Addresses`]: what std's `ToSocketAddrs` is implemented for. Socket addresses, pairs of a
/// host and a port, and text such as `"example.org:80"`.
///
/// ```
/// use mainspring::net::{Addresses, ToAddresses};
/// use std::net::Ipv4Addr;
///
/// assert_eq!("127.0.0.1:80".to_addresses().unwrap(), Addresses::Known(vec!["127.0.0.1:80".parse().unwrap()]));
/// assert_eq!((Ipv4Addr::LOCALHOST, 80).to_addresses().unwrap(), "127.0.0.1:80".to_addresses().unwrap());
/// assert_eq!("example.org:80".to_addresses().unwrap(), Addresses::Lookup("example.org".into(), 80));
/// assert!("example.org".to_addresses().is_err()); // no port
/// assert!("http://example.org:80".to_addresses().is_err()); // no host
/// let error = ("a\0b", 80).to_addresses().unwrap().resolve_blocking().unwrap_err();
/// assert!(error.to_string().starts_with("cannot look up \"a\\0b\": "));
/// ```
pub trait ToAddresses {
    /// The addresses, or the name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for text without a port, or with a slash.
    fn to_addresses(&self) -> io::Result<Addresses>;
}

impl<A: ToAddresses + ?Sized> ToAddresses for &A {
    fn to_addresses(&self) -> io::Result<Addresses> {
        (**self).to_addresses()
    }
}

impl ToAddresses for SocketAddr {
    fn to_addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses::Known(vec![*self]))
    }
}

impl ToAddresses for SocketAddrV4 {
    fn to_addresses(&self) -> io::Result<Addresses> {
        SocketAddr::V4(*self).to_addresses()
    }
}

impl ToAddresses for SocketAddrV6 {
    fn to_addresses(&self) -> io::Result<Addresses> {
        SocketAddr::V6(*self).to_addresses()
    }
}

impl ToAddresses for (IpAddr, u16) {
    fn to_addresses(&self) -> io::Result<Addresses> {
        SocketAddr::from(*self).to_addresses()
    }
}

impl ToAddresses for (Ipv4Addr, u16) {
    fn to_addresses(&self) -> io::Result<Addresses> {
        SocketAddr::from(*self).to_addresses()
    }
}

impl ToAddresses for (Ipv6Addr, u16) {
    fn to_addresses(&self) -> io::Result<Addresses> {
        SocketAddr::from(*self).to_addresses()
    }
}

impl ToAddresses for (String, u16) {
    fn to_addresses(&self) -> io::Result<Addresses> {
        (self.0.as_str(), self.1).to_addresses()
    }
}

impl ToAddresses for (&str, u16) {
    fn to_addresses(&self) -> io::Result<Addresses> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(address) => Addresses::Known(vec![SocketAddr::new(address, port)]),
            Err(_) => Addresses::Lookup(host.to_owned(), port),
        })
    }
}

impl ToAddresses for [SocketAddr] {
    fn to_addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses::Known(self.to_vec()))
    }
}

impl ToAddresses for Vec<SocketAddr> {
    fn to_addresses(&self) -> io::Result<Addresses> {
        self.as_slice().to_addresses()
    }
}

impl ToAddresses for str {
    fn to_addresses(&self) -> io::Result<Addresses> {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return address.to_addresses();
        }
        let parts = self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        match parts {
            Some((host, port)) if !host.is_empty() && !host.contains('/') => (host, port).to_addresses(),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{self:?} is not an address: expected HOST:PORT, such as 127.0.0.1:8080"),
            )),
        }
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> io::Result<Addresses> {
        self.as_str().to_addresses()
    }
}
