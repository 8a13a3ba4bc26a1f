//! What is set before connecting: where a connection comes from, and the options that it has from its first packet on.
#![cfg(feature = "service")]
mod util;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use futures::{poll, stream};
use mainspring::Client;
use mainspring::net::{ConnectOptions, TcpListener, TcpStream};
use mainspring::service::balance::Change;
use mainspring::service::{Idempotent, Service, service_fn};
use mainspring::spawn;
use mainspring::tick::{Tick, schedule};
use mainspring_sys::Socket;
use util::runtime::{in_child, open_descriptors, run, stats};

const LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// An address of this machine that nothing else of these tests comes from, where loopback has more than one.
fn home(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, if LINUX { last } else { 1 }], 0))
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn from(local: SocketAddr) -> ConnectOptions {
    TcpStream::options().local_addr(local)
}

/// An address where nobody listens.
fn closed() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A look at the options of a stream.
fn look(stream: &TcpStream) -> Socket {
    Socket::from_fd(stream.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

/// The system's own error, which `error` puts in words that begin as told.
#[track_caller]
fn code(error: &io::Error, words: &str) -> Option<i32> {
    assert!(error.to_string().starts_with(words), "{error}");
    let system = error.source().and_then(|source| source.downcast_ref::<io::Error>()).expect("a source");
    assert_eq!(system.kind(), error.kind());
    system.raw_os_error()
}

#[test]
fn the_peer_sees_the_local_address() {
    run(async {
        let (listener, address) = listener();
        let client = from(home(2)).connect(address).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), home(2).ip());
        assert_ne!(peer.port(), 0);
        assert_eq!(client.local_addr().unwrap(), peer);
        if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            let local = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
            let client = from(local).connect(listener.local_addr().unwrap()).await.unwrap();
            let (_server, peer) = listener.accept().await.unwrap();
            assert_eq!((peer.ip(), peer), (local.ip(), client.local_addr().unwrap()));
        }
    });
}

#[test]
fn a_port_is_shared_by_those_who_say_so_and_by_nobody_else() {
    run(async {
        let ((_one, one), (_other, other)) = (listener(), listener());
        let first = from(home(4)).reuse_address(true).connect(one).await.unwrap();
        let local = first.local_addr().unwrap();
        let second = from(local).reuse_address(true).connect(other).await.unwrap();
        assert_eq!(second.local_addr().unwrap(), local);
        let error = from(local).connect(other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(code(&error, &format!("cannot connect from {local}: ")), Some(libc::EADDRINUSE));
        // The same two ends again.
        let error = from(local).reuse_address(true).connect(one).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL), "{error}");
        // Who has it has not said so.
        if LINUX {
            let local = from(home(4)).connect(one).await.unwrap().local_addr().unwrap();
            let error = from(local).reuse_address(true).connect(other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
        }
    });
}

#[test]
fn an_address_that_this_machine_does_not_have_is_named_in_the_error() {
    run(async {
        let (_listener, address) = listener();
        // For documentation alone, RFC 5737.
        let foreign = from("192.0.2.7:0".parse().unwrap());
        for error in [foreign.clone().connect(address).await.unwrap_err(), foreign.start_connect(address).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
            assert_eq!(code(&error, "cannot connect from 192.0.2.7:0: "), Some(libc::EADDRNOTAVAIL));
        }
        assert_eq!(stats().sources, 1, "the listener alone");
    });
}

#[test]
fn addresses_of_the_other_family_are_left_out() {
    run(async {
        let (listener, address) = listener();
        let six = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
        let client = from(home(5)).connect(&[six, address][..]).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), address);
        assert_eq!(listener.accept().await.unwrap().1.ip(), home(5).ip());
        // Which is not to hide why the others have failed.
        let error = from(home(5)).connect(&[closed(), six][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let errors =
            [from(home(5)).connect(&[six][..]).await.unwrap_err(), from(home(5)).start_connect(six).unwrap_err()];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let (home, port) = (home(5), address.port());
            let expected = format!("cannot connect from {home}: no address of its family among [[::1]:{port}]");
            assert_eq!(error.to_string(), expected);
        }
        let error = from(six).start_connect(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let none: &[SocketAddr] = &[];
        let error = from(home(5)).connect(none).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, "no address to connect to"));
    });
}

#[test]
fn options_are_set_on_the_connection() {
    run(async {
        let (_listener, address) = listener();
        let plain = look(&TcpStream::connect(address).await.unwrap());
        assert!(!plain.nodelay().unwrap() && !plain.reuse_address().unwrap());
        assert_eq!(plain.keepalive().unwrap(), None);

        let options = TcpStream::options()
            .nodelay(true)
            .keepalive(Some(Duration::from_millis(59_001)))
            .recv_buffer_size(50_000)
            .send_buffer_size(60_000)
            .ttl(17);
        let off = options.clone().nodelay(false).keepalive(None);
        let set = look(&options.connect(address).await.unwrap());
        assert!(set.nodelay().unwrap());
        if cfg!(not(target_os = "openbsd")) {
            assert_eq!(set.keepalive().unwrap(), Some(Duration::from_secs(60)));
        }
        assert!((50_000..=100_000).contains(&set.recv_buffer_size().unwrap()));
        assert!((60_000..=120_000).contains(&set.send_buffer_size().unwrap()));
        assert_eq!(set.ttl().unwrap(), 17);
        assert_ne!(plain.ttl().unwrap(), 17);
        let off = look(&off.connect(address).await.unwrap());
        assert!(!off.nodelay().unwrap());
        assert_eq!(off.keepalive().unwrap(), None);
    });
}

/// The first bytes of an option.
#[cfg(target_os = "linux")]
fn option<const N: usize>(stream: &TcpStream, level: i32, name: i32) -> [u8; N] {
    use std::os::fd::AsRawFd;
    let mut bytes = [0; N];
    let (value, mut length) = (bytes.as_mut_ptr().cast(), N as libc::socklen_t);
    // SAFETY: the value is writable for its length.
    let result = unsafe { libc::getsockopt(stream.as_raw_fd(), level, name, value, &mut length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    bytes
}

#[cfg(target_os = "linux")]
#[test]
fn linux_is_told_that_ports_may_be_shared() {
    run(async {
        let (_listener, address) = listener();
        let client = from(home(2)).connect(address).await.unwrap();
        assert_eq!(option(&client, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT), 1_i32.to_ne_bytes());
    });
}

/// By how many bits the receive window of a connection is shifted, as its SYN has told.
#[cfg(target_os = "linux")]
fn window_scale(stream: &TcpStream) -> u8 {
    let info: [u8; 8] = option(stream, libc::IPPROTO_TCP, libc::TCP_INFO);
    // Two bit fields of four, that of sending first.
    if cfg!(target_endian = "little") { info[6] >> 4 } else { info[6] & 15 }
}

#[cfg(target_os = "linux")]
#[test]
fn the_receive_buffer_is_known_when_the_window_is_scaled() {
    run(async {
        let (_listener, address) = listener();
        let small = TcpStream::options().recv_buffer_size(4096).connect(address).await.unwrap();
        assert_eq!(window_scale(&small), 0, "there is nothing to scale");
        let late = TcpStream::connect(address).await.unwrap();
        late.set_recv_buffer_size(4096).unwrap();
        assert_ne!(window_scale(&late), 0);
    });
}

#[test]
fn a_setting_that_the_system_refuses_is_named_in_the_error() {
    run(async {
        let (_listener, address) = listener();
        let error = TcpStream::options().ttl(256).connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(code(&error, "cannot connect with a TTL of 256: "), Some(libc::EINVAL));
        assert_eq!(stats().sources, 1, "the listener alone");
    });
}

/// Begins to connect, and gives it up.
async fn given_up() {
    // Room for one connection, which is taken: the next waits for an answer to its SYN.
    let full = TcpListener::options().backlog(0).bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    let _first = std::net::TcpStream::connect(address).unwrap();
    let mut connecting = Box::pin(from(home(6)).connect(address));
    assert!(poll!(&mut connecting).is_pending());
    let starting = from(home(6)).start_connect(address).unwrap();
    assert_eq!(stats().sources, 3);
    drop((connecting, starting));
    assert_eq!(stats().sources, 1, "the listener alone");
}

#[test]
fn dropping_the_future_closes_the_socket() {
    in_child("dropping_the_future_closes_the_socket", || {
        // What a reactor leaves to the next one.
        run(given_up());
        let open = open_descriptors();
        run(given_up());
        assert_eq!(open_descriptors(), open);
    });
}

#[test]
fn a_tick_connects_with_options() {
    run(async {
        let (listener, address) = listener();
        let mut connecting = from(home(7)).nodelay(true).start_connect(address).unwrap();
        let task = schedule(move || {
            let Some(stream) = connecting.try_connect()? else { return Ok(Tick::WouldBlock) };
            assert!(stream.nodelay()?);
            Ok(Tick::Final)
        });
        assert_eq!(listener.accept().await.unwrap().1.ip(), home(7).ip());
        task.await.unwrap().unwrap();
    });
}

/// Calls once each way in which a client is made, and returns whether small writes were sent at once. All of its
/// connections have to come from `home`, and none may go to an address of the other family.
async fn called(options: ConnectOptions, home: SocketAddr) -> Vec<bool> {
    let (listener, address) = listener();
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
    let accepting = spawn(async move {
        for _ in 0..3 {
            assert_eq!(listener.accept().await.unwrap().1.ip(), home.ip());
        }
    });
    let make = async |stream: TcpStream| {
        let nodelay = stream.nodelay()?;
        Ok(service_fn(async move |()| io::Result::Ok(nodelay)))
    };
    // One attempt alone: an endpoint that cannot be reached would be seen.
    let builder = Client::builder().attempts(1).connect_options(options).classifier(Idempotent);
    let clients = [
        builder.clone().connect(&[six, address][..], make).await.unwrap(),
        builder.clone().connect_to(&[six, address], make).unwrap(),
        builder.clone().follow(stream::iter([Change::insert(address, ())]), make).await.unwrap(),
    ];
    let mut answers = Vec::new();
    for client in &clients {
        answers.push(client.call(()).await.unwrap());
    }
    for error in [builder.clone().connect(six, make).await.unwrap_err(), builder.connect_to(&[six], make).unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(&format!("cannot connect from {home}: ")), "{error}");
    }
    accepting.await.unwrap();
    answers
}

#[test]
fn a_client_makes_its_connections_with_the_options_it_was_given() {
    run(async {
        assert_eq!(called(from(home(8)), home(8)).await, [true; 3], "as without options");
        assert_eq!(called(from(home(8)).nodelay(false), home(8)).await, [false; 3]);
    });
}
