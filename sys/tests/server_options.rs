//! The options of servers: what is set is what is read, or an error says that the system has no such option.
#![cfg(not(loom))]

mod util;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mainspring_sys::{Connect, Interest, Mode, Socket};
use util::{Watch, any_port, listener, tcp_pair};

const LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Checks that an option works where it exists, and elsewhere says that it does not, by name.
fn check<T: PartialEq + std::fmt::Debug>(exists: bool, name: &str, outcome: io::Result<T>, expected: T) {
    if exists {
        return assert_eq!(outcome.unwrap_or_else(|error| panic!("{name}: {error}")), expected, "{name}");
    }
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn what_is_set_on_a_listener_its_connections_have() {
    let listener = listener();
    listener.set_nodelay(true).unwrap();
    listener.set_keepalive(Some(Duration::from_secs(77))).unwrap();
    let client = Socket::tcp(&any_port()).unwrap();
    client.connect(&listener.local_addr().unwrap()).unwrap();
    let (server, _) = util::accept(&listener);
    assert!(server.nodelay().unwrap());
    if cfg!(not(target_os = "openbsd")) {
        assert_eq!(server.keepalive().unwrap(), Some(Duration::from_secs(77)));
    }
    assert!(!client.nodelay().unwrap());
}

#[test]
fn a_listener_can_be_made_step_by_step() {
    let listener = Socket::tcp(&any_port()).unwrap();
    assert!(!listener.reuse_address().unwrap());
    listener.set_reuse_address(true).unwrap();
    assert!(listener.reuse_address().unwrap());
    assert!(!listener.reuse_port().unwrap());
    check(cfg!(not(target_os = "illumos")), "SO_REUSEPORT", listener.set_reuse_port(true), ());
    listener.bind(&any_port()).unwrap();
    listener.start_listening(16).unwrap();
    let client = Socket::tcp(&any_port()).unwrap();
    client.connect(&listener.local_addr().unwrap()).unwrap();
    util::accept(&listener);
}

#[test]
fn an_ipv6_listener_takes_ipv4_too_or_not() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    for only_v6 in [true, false] {
        let listener = Socket::tcp(&any).unwrap();
        if cfg!(target_os = "openbsd") && !only_v6 {
            continue;
        }
        listener.set_only_v6(only_v6).unwrap();
        assert_eq!(listener.only_v6().unwrap(), only_v6);
        if listener.bind(&any).is_err() {
            return assert!(std::net::TcpListener::bind(any).is_err());
        }
        listener.start_listening(16).unwrap();
        let by_ipv4 = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let client = Socket::tcp(&by_ipv4).unwrap();
        let refused = match client.connect(&by_ipv4) {
            Err(_) => true,
            Ok(Connect::Done) => false,
            Ok(_) => {
                Watch::new(&client, Interest::WRITABLE, Mode::Edge).next();
                client.take_error().unwrap().is_some()
            }
        };
        assert_eq!(refused, only_v6);
    }
    assert!(Socket::tcp(&any_port()).unwrap().only_v6().is_err());
}

#[test]
fn probing_has_an_interval_and_a_count() {
    let (client, _server) = tcp_pair();
    let exists = cfg!(not(target_os = "openbsd"));
    for (asked, seconds) in [(Duration::ZERO, 1), (Duration::from_millis(1_001), 2), (Duration::MAX, 32_767)] {
        check(exists, "TCP_KEEPINTVL", client.set_keepalive_interval(asked), ());
        check(exists, "TCP_KEEPINTVL", client.keepalive_interval(), Duration::from_secs(seconds));
    }
    check(exists, "TCP_KEEPCNT", client.set_keepalive_retries(7), ());
    check(exists, "TCP_KEEPCNT", client.keepalive_retries(), 7);
    if LINUX {
        assert_eq!(client.set_keepalive_retries(u32::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn the_user_timeout_is_rounded_up_to_milliseconds_and_bounded() {
    let (client, _server) = tcp_pair();
    let name = "TCP_USER_TIMEOUT";
    check(LINUX, name, client.user_timeout(), None);
    let table = [(Duration::ZERO, 1), (Duration::from_micros(1_001), 2), (Duration::MAX, i32::MAX as u64)];
    for (asked, milliseconds) in table {
        check(LINUX, name, client.set_user_timeout(Some(asked)), ());
        check(LINUX, name, client.user_timeout(), Some(Duration::from_millis(milliseconds)));
    }
    check(LINUX, name, client.set_user_timeout(None), ());
    check(LINUX, name, client.user_timeout(), None);
}

#[test]
fn a_listener_can_wait_for_the_first_bytes() {
    let listener = listener();
    let name = "TCP_DEFER_ACCEPT";
    check(LINUX, name, listener.defer_accept(), Duration::ZERO);
    check(LINUX, name, listener.set_defer_accept(Duration::from_millis(1)), ());
    check(LINUX, name, listener.defer_accept(), Duration::from_secs(1));
    if LINUX {
        listener.set_defer_accept(Duration::from_secs(30)).unwrap();
        let watch = Watch::new(&listener, Interest::READABLE, Mode::Edge);
        let client = Socket::tcp(&any_port()).unwrap();
        if client.connect(&listener.local_addr().unwrap()).unwrap() == Connect::InProgress {
            Watch::new(&client, Interest::WRITABLE, Mode::Edge).next();
        }
        watch.nothing();
        client.send(b"first").unwrap();
        watch.next();
        assert_eq!(listener.accept().unwrap().0.recv(&mut [0; 9]).unwrap(), 5);
    }
}

#[test]
fn bytes_can_come_with_the_first_packet() {
    let listener = listener();
    let exists = LINUX || cfg!(any(target_vendor = "apple", target_os = "freebsd"));
    check(exists, "TCP_FASTOPEN", listener.set_fast_open(5), ());
    check(exists, "TCP_FASTOPEN", listener.fast_open().map(|queue| queue > 0), true);
    let client = Socket::tcp(&any_port()).unwrap();
    check(LINUX, "TCP_FASTOPEN_CONNECT", client.set_fast_open_connect(true), ());
    if LINUX {
        // With or without a cookie from before, the bytes arrive.
        client.connect(&listener.local_addr().unwrap()).unwrap();
        let watch = Watch::new(&client, Interest::WRITABLE, Mode::Level);
        let sent = loop {
            match client.send(b"early") {
                Ok(count) => break count,
                Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            watch.next();
        };
        assert_eq!(sent, 5);
        let (server, _) = util::accept(&listener);
        util::await_bytes(&server, 5);
    }
}

#[test]
fn what_linux_alone_has_is_kept_or_refused_by_name() {
    let (client, _server) = tcp_pair();
    for quickack in [false, true] {
        check(LINUX, "TCP_QUICKACK", client.set_quickack(quickack), ());
        check(LINUX, "TCP_QUICKACK", client.quickack(), quickack);
    }
    check(LINUX, "SO_INCOMING_CPU", client.set_incoming_cpu(0), ());
    check(LINUX, "SO_INCOMING_CPU", client.incoming_cpu(), Some(0));
    check(LINUX, "SO_MARK", client.mark(), 0);
    match client.set_mark(0x8000_0007) {
        // Only with the right to.
        Err(error) if LINUX => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        outcome => {
            check(LINUX, "SO_MARK", outcome, ());
            check(LINUX, "SO_MARK", client.mark(), 0x8000_0007);
        }
    }
    match client.bind_device(Some("no-such-device")) {
        Err(error) if LINUX => assert_eq!(error.raw_os_error(), Some(libc::ENODEV)),
        outcome => check(LINUX, "SO_BINDTODEVICE", outcome, ()),
    }
    if LINUX {
        Socket::udp(&any_port()).unwrap().bind_device(Some("lo")).unwrap();
    }
}

#[test]
fn the_traffic_class_is_kept() {
    let (client, _server) = tcp_pair();
    assert_eq!(client.traffic_class().unwrap(), 0);
    let hops = client.ttl().unwrap();
    client.set_traffic_class(0xb8).unwrap();
    assert_eq!((client.traffic_class().unwrap(), client.ttl().unwrap()), (0xb8, hops));
    let (unix, _peer) = Socket::unix_stream_pair().unwrap();
    assert_eq!(unix.set_traffic_class(8).unwrap_err().kind(), io::ErrorKind::Unsupported);
}
