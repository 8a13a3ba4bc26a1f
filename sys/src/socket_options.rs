//! The options and addresses of a [`Socket`]; those of servers and of datagrams have files of their own.
//!
//! For every option that a user commonly sets there is a method here, so that no one needs the raw
//! descriptor for it (a source whose descriptor was handed out costs the reactor a system call more at
//! its end). All of them are one system call; none is on a hot path.
//!
//! Durations are rounded up to the whole seconds that the system keeps, so that nothing comes earlier
//! than asked for, and cut to the longest it takes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockAddr, TcpKeepalive, Type};

use crate::Socket;
use crate::call::Call;
use crate::option_table::OPTIONS;

/// The longest time that the options below take, in seconds: tcp(7), and a `short` on some systems.
const SECONDS_MAX: u64 = 32_767;

impl Socket {
    /// The error that the socket keeps, `SO_ERROR`, which this clears.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.options(Call::TakeError, |socket| socket.take_error())
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// getsockname(2); `Unsupported` for a socket that is not of IP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        internet(&self.options(Call::LocalAddress, |socket| socket.local_addr())?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// getpeername(2), `NotConnected` above all; `Unsupported` for a socket that is not of IP.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        internet(&self.options(Call::PeerAddress, |socket| socket.peer_addr())?)
    }

    /// True if small writes are sent at once, `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.tcp_nodelay())
    }

    /// Sends small writes at once, or collects them (Nagle's algorithm, RFC 896), which is the default.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_tcp_nodelay(nodelay))
    }

    /// How long closing goes on to send, `SO_LINGER`; `None` is the default, in the background.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.options(Call::Option, |socket| socket.linger())
    }

    /// Sets how long closing goes on to send: up to 32,767 seconds, rounded up to whole ones. Zero resets
    /// the connection when it is closed; any other time **blocks** the thread that closes; `None` is the
    /// default, in the background.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_linger(linger.map(whole_seconds)))
    }

    /// After how long a silence the peer is probed; `None` is the default, never.
    ///
    /// # Errors
    ///
    /// getsockopt(2). OpenBSD does not tell the time, and says `Unsupported` if probing is on.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        if !self.options(Call::Option, |socket| socket.keepalive())? {
            return Ok(None);
        }
        let seconds = self.number("TCP_KEEPIDLE", OPTIONS.keepalive_idle)?;
        Ok(Some(Duration::from_secs(seconds.unsigned_abs().into())))
    }

    /// Probes a peer that has been silent for `idle` (`SO_KEEPALIVE`, `TCP_KEEPIDLE`): 1 to 32,767
    /// seconds, rounded up to whole ones. `None` is the default, never. OpenBSD keeps its own time.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        let Some(idle) = idle else {
            return self.options(Call::Option, |socket| socket.set_keepalive(false));
        };
        let idle = whole_seconds(idle).max(Duration::from_secs(1));
        self.options(Call::Option, |socket| socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)))
    }

    /// How many routers a packet may pass: `IP_TTL`, or `IPV6_UNICAST_HOPS`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        if self.local_addr()?.is_ipv6() {
            self.options(Call::Option, |socket| socket.unicast_hops_v6())
        } else {
            self.options(Call::Option, |socket| socket.ttl_v4())
        }
    }

    /// Sets how many routers a packet may pass, 1 to 255.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            self.options(Call::Option, |socket| socket.set_unicast_hops_v6(ttl))
        } else {
            self.options(Call::Option, |socket| socket.set_ttl_v4(ttl))
        }
    }

    /// The size of the receive buffer in bytes, `SO_RCVBUF`. Linux says twice what was set, socket(7).
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.options(Call::Option, |socket| socket.recv_buffer_size())
    }

    /// Sets the size of the receive buffer in bytes, which ends its automatic growth. The system cuts it to
    /// its own bounds.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_recv_buffer_size(bytes.min(libc::c_int::MAX as usize)))
    }

    /// The size of the send buffer in bytes, `SO_SNDBUF`. Linux says twice what was set, socket(7).
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.options(Call::Option, |socket| socket.send_buffer_size())
    }

    /// Sets the size of the send buffer in bytes, which ends its automatic growth. The system cuts it to its
    /// own bounds.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_send_buffer_size(bytes.min(libc::c_int::MAX as usize)))
    }

    /// True if this is a TCP stream for certain: the one kind of socket on which a read that comes back
    /// short has taken all there was. False for all else, and if the system does not say.
    pub fn is_tcp_stream(&self) -> bool {
        // Why not SO_PROTOCOL: half of the systems do not have it. An option of TCP is answered by TCP alone;
        // SCTP has its own under its own level, and a Unix socket none.
        self.options(Call::Option, |socket| socket.r#type()).is_ok_and(|kind| kind == Type::STREAM)
            && self.local_addr().is_ok()
            && self.options(Call::Option, |socket| socket.tcp_nodelay()).is_ok()
    }
}

fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| {
        let message = format!("the address of the socket is not of IP: family {}", address.family());
        io::Error::new(io::ErrorKind::Unsupported, message)
    })
}

/// In the whole seconds that socket options are kept in.
pub(crate) fn whole_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Duration::from_secs(seconds.min(SECONDS_MAX))
}
