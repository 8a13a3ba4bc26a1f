//! The options that servers set: sharing of addresses, probing, deadlines of the kernel, priorities of packets.
//!
//! Where a system does not have one, its method says so: an error of the kind `Unsupported` that names the option
//! (`option_table.rs`). A listener's options go over to the connections that it accepts, `TCP_NODELAY`, keepalive and
//! the sizes of buffers among them, on Linux and the BSDs alike; so set them once, on the listener.
//!
//! Times are rounded up to what the system keeps, and cut to the longest it takes.

use std::io;
use std::time::Duration;

use libc::c_int;

use crate::Socket;
use crate::call::Call;
use crate::option_table::OPTIONS;
use crate::socket_options::whole_seconds;

impl Socket {
    /// Whether the system spreads connections over the listeners that share a port by [`set_reuse_port`]: where it does
    /// not, the last or the first one gets nearly all.
    ///
    /// [`set_reuse_port`]: Self::set_reuse_port
    pub const REUSE_PORT_BALANCES: bool =
        cfg!(any(target_os = "linux", target_os = "android", target_os = "dragonfly", target_os = "freebsd"));

    /// Whether a socket that is bound first, and only then shares its port by [`set_reuse_port`], is refused a port
    /// that another has, and can still share it with those that come after: elsewhere only those share that said so
    /// before they were bound.
    ///
    /// [`set_reuse_port`]: Self::set_reuse_port
    pub const SHARES_ONCE_BOUND: bool = cfg!(any(target_os = "linux", target_os = "android"));

    /// True if an address can be bound that old connections still use, `SO_REUSEADDR`.
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn reuse_address(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.reuse_address())
    }

    /// Lets an address be bound that old connections still use, so that a server can restart. To be set before
    /// [`bind`](Self::bind); [`listen`](Self::listen) does. Of datagram sockets on Linux it shares the address.
    ///
    /// # Errors
    ///
    /// setsockopt(2).
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_reuse_address(reuse))
    }

    /// True if the port is shared with other sockets, see [`listen`](Self::listen).
    ///
    /// # Errors
    ///
    /// getsockopt(2).
    pub fn reuse_port(&self) -> io::Result<bool> {
        match OPTIONS.reuse_port {
            // Where it does not exist, it is not so.
            None => Ok(false),
            number => Ok(self.number("SO_REUSEPORT", number)? != 0),
        }
    }

    /// Shares the port with all sockets that say so before they are bound: `SO_REUSEPORT`, `_LB` on FreeBSD.
    /// Connections and datagrams are spread over them on Linux, DragonFly and FreeBSD.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` on illumos.
    pub fn set_reuse_port(&self, reuse: bool) -> io::Result<()> {
        self.set_number("SO_REUSEPORT", OPTIONS.reuse_port, c_int::from(reuse))
    }

    /// True if an IPv6 socket leaves IPv4 alone, `IPV6_V6ONLY`.
    ///
    /// # Errors
    ///
    /// getsockopt(2), for a socket that is not of IPv6.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.options(Call::Option, |socket| socket.only_v6())
    }

    /// Has an IPv6 socket leave IPv4 alone, or take both. To be set before [`bind`](Self::bind). The default is the
    /// system's; OpenBSD knows no other than `true`.
    ///
    /// # Errors
    ///
    /// setsockopt(2), for a socket that is not of IPv6 or is bound.
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        self.options(Call::Option, |socket| socket.set_only_v6(only_v6))
    }

    /// How much time is between two probes of a silent peer, see [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` on OpenBSD.
    pub fn keepalive_interval(&self) -> io::Result<Duration> {
        let seconds = self.number("TCP_KEEPINTVL", OPTIONS.keepalive_interval)?;
        Ok(Duration::from_secs(seconds.unsigned_abs().into()))
    }

    /// Sets the time between two probes, `TCP_KEEPINTVL`: 1 to 32,767 seconds, rounded up to whole ones.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` on OpenBSD.
    pub fn set_keepalive_interval(&self, interval: Duration) -> io::Result<()> {
        let seconds = whole_seconds(interval).as_secs().max(1);
        self.set_number("TCP_KEEPINTVL", OPTIONS.keepalive_interval, seconds as c_int)
    }

    /// How many probes stay without an answer before the connection has failed.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` on OpenBSD.
    pub fn keepalive_retries(&self) -> io::Result<u32> {
        Ok(self.number("TCP_KEEPCNT", OPTIONS.keepalive_retries)?.unsigned_abs())
    }

    /// Sets how many probes stay without an answer before the connection has failed, `TCP_KEEPCNT`: 1 to 127 on Linux.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `InvalidInput` for another number; `Unsupported` on OpenBSD.
    pub fn set_keepalive_retries(&self, retries: u32) -> io::Result<()> {
        self.set_number("TCP_KEEPCNT", OPTIONS.keepalive_retries, number_of(retries))
    }

    /// For how long what was sent may stay without an answer; `None` is the default, the system's own, some 15 minutes.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
        let milliseconds = self.number("TCP_USER_TIMEOUT", OPTIONS.user_timeout)?;
        let timeout = Duration::from_millis(milliseconds.unsigned_abs().into());
        Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
    }

    /// Fails the connection with `TimedOut` when what was sent stays without an answer for so long, `TCP_USER_TIMEOUT`
    /// (RFC 5482): at least a millisecond, rounded up to whole ones, cut to 24 days. `None` is the system's own.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let milliseconds = timeout.map_or(0, |timeout| {
            let rounded_up = timeout.saturating_add(Duration::from_nanos(999_999)).as_millis();
            c_int::try_from(rounded_up).unwrap_or(c_int::MAX).max(1)
        });
        self.set_number("TCP_USER_TIMEOUT", OPTIONS.user_timeout, milliseconds)
    }

    /// For how long a connection waits for its first bytes before it can be accepted; zero is the default, not at all.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn defer_accept(&self) -> io::Result<Duration> {
        let seconds = self.number("TCP_DEFER_ACCEPT", OPTIONS.defer_accept)?;
        Ok(Duration::from_secs(seconds.unsigned_abs().into()))
    }

    /// Has a listener give a connection only when its first bytes are there, or after so long, `TCP_DEFER_ACCEPT`:
    /// up to 32,767 seconds, rounded up to whole ones and then to what the retries of the handshake add up to. Zero is
    /// the default, at once.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn set_defer_accept(&self, time: Duration) -> io::Result<()> {
        let seconds = whole_seconds(time).as_secs() as c_int;
        self.set_number("TCP_DEFER_ACCEPT", OPTIONS.defer_accept, seconds)
    }

    /// How many connections may wait that have sent bytes with their first packet; 0 is the default, none.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` on DragonFly, NetBSD, OpenBSD and illumos.
    pub fn fast_open(&self) -> io::Result<u32> {
        Ok(self.number("TCP_FASTOPEN", OPTIONS.fast_open)?.unsigned_abs())
    }

    /// Has a listener take bytes with the first packet of a connection, of which so many may wait, in items;
    /// `TCP_FASTOPEN` (RFC 7413). Apple and FreeBSD take it for "none" or "any". Such bytes may arrive twice: only for
    /// requests that may be repeated.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` on DragonFly, NetBSD, OpenBSD and illumos.
    pub fn set_fast_open(&self, queue: u32) -> io::Result<()> {
        let counts = cfg!(any(target_os = "linux", target_os = "android"));
        let value = if counts { number_of(queue) } else { c_int::from(queue > 0) };
        self.set_number("TCP_FASTOPEN", OPTIONS.fast_open, value)
    }

    /// Has a connect wait for the first bytes to send, and sends them with its first packet, `TCP_FASTOPEN_CONNECT`.
    /// [`connect`](Self::connect) then says [`Done`](crate::Connect::Done) at once, and the first `send` may fail as a
    /// connect does.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn set_fast_open_connect(&self, fast: bool) -> io::Result<()> {
        self.set_number("TCP_FASTOPEN_CONNECT", OPTIONS.fast_open_connect, c_int::from(fast))
    }

    /// True if what arrives is acknowledged at once.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(self.number("TCP_QUICKACK", OPTIONS.quickack)? != 0)
    }

    /// Acknowledges what arrives at once, or when there is something to send, `TCP_QUICKACK`. The system changes it
    /// again by itself, tcp(7), so it is to be set anew when it matters.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.set_number("TCP_QUICKACK", OPTIONS.quickack, c_int::from(quickack))
    }

    /// The processor that handles the packets of the socket, if the system knows it.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn incoming_cpu(&self) -> io::Result<Option<u32>> {
        Ok(self.number("SO_INCOMING_CPU", OPTIONS.incoming_cpu)?.try_into().ok())
    }

    /// Of listeners that share a port, prefers this one for packets that are handled on processor `cpu`,
    /// `SO_INCOMING_CPU`, socket(7).
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn set_incoming_cpu(&self, cpu: u32) -> io::Result<()> {
        self.set_number("SO_INCOMING_CPU", OPTIONS.incoming_cpu, number_of(cpu))
    }

    /// The mark of the packets that are sent, 0 by default.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` everywhere but on Linux and Android.
    pub fn mark(&self) -> io::Result<u32> {
        Ok(self.number("SO_MARK", OPTIONS.mark)? as u32)
    }

    /// Marks the packets that are sent, for routing and filters, `SO_MARK`.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `PermissionDenied` without `CAP_NET_ADMIN`; `Unsupported` everywhere but on Linux and Android.
    pub fn set_mark(&self, mark: u32) -> io::Result<()> {
        self.set_option("SO_MARK", OPTIONS.mark, &mark.to_ne_bytes())
    }

    /// Sends and receives by one network interface alone, such as `eth0`: at most 15 bytes, `SO_BINDTODEVICE`. None
    /// undoes it.
    ///
    /// # Errors
    ///
    /// setsockopt(2): `ENODEV` if there is none of this name, `PermissionDenied` to change it without `CAP_NET_RAW`;
    /// `Unsupported` everywhere but on Linux and Android.
    pub fn bind_device(&self, interface: Option<&str>) -> io::Result<()> {
        self.set_option("SO_BINDTODEVICE", OPTIONS.bind_device, interface.unwrap_or_default().as_bytes())
    }

    /// The type of service of the packets that are sent: `IP_TOS`, or `IPV6_TCLASS`.
    ///
    /// # Errors
    ///
    /// getsockopt(2); `Unsupported` for a socket that is not of IP.
    pub fn traffic_class(&self) -> io::Result<u8> {
        let (level, name) = self.traffic_class_option()?;
        self.numbers(level, name).map(|[class]| class as u8)
    }

    /// Sets the type of service of the packets that are sent, all eight bits: the upper six are the code point of RFC
    /// 2474, and of the lower two Linux keeps those of a TCP socket to itself.
    ///
    /// # Errors
    ///
    /// setsockopt(2); `Unsupported` for a socket that is not of IP.
    pub fn set_traffic_class(&self, class: u8) -> io::Result<()> {
        let option = self.traffic_class_option()?;
        self.set_number("IP_TOS", Some(option), class.into())
    }

    fn traffic_class_option(&self) -> io::Result<(c_int, c_int)> {
        Ok(match self.local_addr()?.is_ipv6() {
            true => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            false => (libc::IPPROTO_IP, libc::IP_TOS),
        })
    }
}

/// As the system takes it; what it does not, it says itself.
fn number_of(value: u32) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}
