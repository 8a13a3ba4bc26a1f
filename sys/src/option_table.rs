//! The options of sockets that not all systems have, and their numbers: the one place that knows.
//!
//! `server_options.rs` and `socket_options.rs` name an option and set it; where its number is missing here, they answer
//! with an error that names it. So every method exists everywhere, and a program needs no `cfg`.
//!
//! Options of the same name that mean other things elsewhere are left out: FreeBSD's accept filters are not
//! `TCP_DEFER_ACCEPT`, its user cookie and OpenBSD's routing table are not `SO_MARK`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

use crate::Socket;
use crate::call::Call;
use crate::check::check;

/// Level and name of an option, as setsockopt(2) takes them; none where it does not exist.
type Number = Option<(c_int, c_int)>;

/// The options that not all systems have.
pub(crate) struct OptionTable {
    pub(crate) keepalive_idle: Number,
    pub(crate) keepalive_interval: Number,
    pub(crate) keepalive_retries: Number,
    pub(crate) reuse_port: Number,
    pub(crate) user_timeout: Number,
    pub(crate) defer_accept: Number,
    pub(crate) fast_open: Number,
    pub(crate) fast_open_connect: Number,
    pub(crate) quickack: Number,
    pub(crate) incoming_cpu: Number,
    pub(crate) mark: Number,
    pub(crate) bind_device: Number,
    pub(crate) bind_address_no_port: Number,
}

#[allow(dead_code, reason = "not every system leaves something out")]
const NONE: OptionTable = OptionTable {
    keepalive_idle: None,
    keepalive_interval: None,
    keepalive_retries: None,
    reuse_port: None,
    user_timeout: None,
    defer_accept: None,
    fast_open: None,
    fast_open_connect: None,
    quickack: None,
    incoming_cpu: None,
    mark: None,
    bind_device: None,
    bind_address_no_port: None,
};

#[allow(dead_code, reason = "OpenBSD has no such option")]
const fn tcp(name: c_int) -> Number {
    Some((libc::IPPROTO_TCP, name))
}

#[allow(dead_code, reason = "illumos has no such option")]
const fn socket(name: c_int) -> Number {
    Some((libc::SOL_SOCKET, name))
}

/// The options of this system.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const OPTIONS: OptionTable = OptionTable {
    keepalive_idle: tcp(libc::TCP_KEEPIDLE),
    keepalive_interval: tcp(libc::TCP_KEEPINTVL),
    keepalive_retries: tcp(libc::TCP_KEEPCNT),
    reuse_port: socket(libc::SO_REUSEPORT),
    user_timeout: tcp(libc::TCP_USER_TIMEOUT),
    defer_accept: tcp(libc::TCP_DEFER_ACCEPT),
    fast_open: tcp(libc::TCP_FASTOPEN),
    fast_open_connect: tcp(libc::TCP_FASTOPEN_CONNECT),
    quickack: tcp(libc::TCP_QUICKACK),
    incoming_cpu: socket(SO_INCOMING_CPU),
    mark: socket(libc::SO_MARK),
    bind_device: socket(libc::SO_BINDTODEVICE),
    bind_address_no_port: Some((libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)),
};
/// Linux's number on every architecture but Alpha, PA-RISC and SPARC; the crate `libc` leaves it out for Android.
#[cfg(target_os = "android")]
const SO_INCOMING_CPU: c_int = 49;
#[cfg(target_os = "linux")]
use libc::SO_INCOMING_CPU;

/// The options of this system.
#[cfg(target_vendor = "apple")]
pub(crate) const OPTIONS: OptionTable = OptionTable {
    keepalive_idle: tcp(libc::TCP_KEEPALIVE),
    keepalive_interval: tcp(libc::TCP_KEEPINTVL),
    keepalive_retries: tcp(libc::TCP_KEEPCNT),
    reuse_port: socket(libc::SO_REUSEPORT),
    fast_open: tcp(libc::TCP_FASTOPEN),
    ..NONE
};

/// The options of this system.
#[cfg(target_os = "freebsd")]
pub(crate) const OPTIONS: OptionTable = OptionTable {
    keepalive_idle: tcp(libc::TCP_KEEPIDLE),
    keepalive_interval: tcp(libc::TCP_KEEPINTVL),
    keepalive_retries: tcp(libc::TCP_KEEPCNT),
    // The one of the two that shares the connections, and not the port alone.
    reuse_port: socket(libc::SO_REUSEPORT_LB),
    fast_open: tcp(libc::TCP_FASTOPEN),
    ..NONE
};

/// The options of this system.
#[cfg(any(target_os = "dragonfly", target_os = "netbsd"))]
pub(crate) const OPTIONS: OptionTable = OptionTable {
    keepalive_idle: tcp(libc::TCP_KEEPIDLE),
    keepalive_interval: tcp(libc::TCP_KEEPINTVL),
    keepalive_retries: tcp(libc::TCP_KEEPCNT),
    reuse_port: socket(libc::SO_REUSEPORT),
    ..NONE
};

/// The options of this system.
#[cfg(target_os = "openbsd")]
pub(crate) const OPTIONS: OptionTable = OptionTable { reuse_port: socket(libc::SO_REUSEPORT), ..NONE };

/// The options of this system.
#[cfg(target_os = "illumos")]
pub(crate) const OPTIONS: OptionTable = OptionTable {
    keepalive_idle: tcp(libc::TCP_KEEPIDLE),
    keepalive_interval: tcp(libc::TCP_KEEPINTVL),
    keepalive_retries: tcp(libc::TCP_KEEPCNT),
    ..NONE
};

impl Socket {
    /// Sets an option, called `name` in the error if this system does not have it.
    pub(crate) fn set_option(&self, name: &str, number: Number, value: &[u8]) -> io::Result<()> {
        let (level, number) = number.ok_or_else(|| missing(name))?;
        let length = value.len() as socklen_t;
        // SAFETY: the value is readable for its length.
        let make = || unsafe { libc::setsockopt(self.as_raw_fd(), level, number, value.as_ptr().cast(), length) };
        check(Call::Option, make).map(drop)
    }

    /// As `set_option`, of one that is a number.
    pub(crate) fn set_number(&self, name: &str, number: Number, value: c_int) -> io::Result<()> {
        self.set_option(name, number, &value.to_ne_bytes())
    }

    /// An option that is a number.
    pub(crate) fn number(&self, name: &str, number: Number) -> io::Result<c_int> {
        let (level, number) = number.ok_or_else(|| missing(name))?;
        self.numbers(level, number).map(|[value]| value)
    }

    /// An option that is a few numbers. Those that the system does not fill in are 0.
    pub(crate) fn numbers<const N: usize>(&self, level: c_int, number: c_int) -> io::Result<[c_int; N]> {
        numbers(self.as_fd(), level, number)
    }
}

/// An option that is a few numbers, of any socket.
pub(crate) fn numbers<const N: usize>(socket: BorrowedFd<'_>, level: c_int, number: c_int) -> io::Result<[c_int; N]> {
    let mut value = [0; N];
    let mut length = size_of_val(&value) as socklen_t;
    let (start, length) = (value.as_mut_ptr().cast(), &mut length);
    // SAFETY: the value is writable for `length` bytes, and any bytes are numbers.
    let make = || unsafe { libc::getsockopt(socket.as_raw_fd(), level, number, start, length) };
    check(Call::Option, make).map(|_| value)
}

#[cold]
fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("the socket option {name} does not exist on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_does_not_exist_is_named_in_the_error() {
        let socket = Socket::unix_stream().unwrap();
        for error in
            [socket.set_number("SO_PLAN_9", None, 1).unwrap_err(), socket.number("SO_PLAN_9", None).unwrap_err()]
        {
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("SO_PLAN_9"), "{error}");
        }
    }
}
