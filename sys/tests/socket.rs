//! The socket: birth, connect and accept, bytes, shutdown.
#![cfg(not(loom))]

mod util;

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use mainspring_sys::{Connect, Interest, Mode, Readiness, Socket};
use util::{Watch, drain, fill, is_well_born, listener, tcp_pair};

#[test]
fn every_socket_is_born_non_blocking_and_closed_by_exec() {
    let listener = listener();
    let (client, server) = tcp_pair();
    for socket in [&listener, &client, &server] {
        assert!(is_well_born(socket.as_fd()), "{socket:?}");
    }
    assert!(is_well_born(Socket::tcp(&"[::1]:1".parse().unwrap()).unwrap().as_fd()));
}

#[test]
fn a_descriptor_that_is_taken_over_becomes_non_blocking() {
    let listener = TcpListener::bind(util::any_port()).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Socket::from_fd(stream.into()).unwrap();
    assert!(is_well_born(socket.as_fd()));
    assert_eq!(socket.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let number = socket.as_raw_fd();
    assert_eq!(OwnedFd::from(socket).as_raw_fd(), number);
}

#[test]
fn a_connection_knows_both_its_ends() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    assert!(matches!(client.connect(&address), Ok(Connect::InProgress | Connect::Done)));
    let watch = Watch::new(&client, Interest::WRITABLE, Mode::Edge);
    assert!(watch.next().contains(Readiness::WRITABLE));
    let (server, peer) = util::accept(&listener);
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(server.peer_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), address);
    assert_eq!(server.local_addr().unwrap(), address);
    assert_eq!(listener.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn an_ipv6_connection_has_ipv6_addresses() {
    let any: SocketAddr = "[::1]:0".parse().unwrap();
    let Ok(listener) = Socket::listen(any, 16, false) else {
        // A machine without IPv6 has nothing to test.
        return assert!(TcpListener::bind(any).is_err());
    };
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    let (server, peer) = util::accept(&listener);
    assert!(peer.is_ipv6() && peer == client.local_addr().unwrap());
    server.set_ttl(33).unwrap();
    assert_eq!(server.ttl().unwrap(), 33);
}

#[test]
fn linux_chooses_a_port_to_connect_from_as_late_as_it_can() {
    for home in ["127.0.0.1:0", "[::1]:0"] {
        let home: SocketAddr = home.parse().unwrap();
        let Ok(listener) = Socket::listen(home, 16, false) else {
            // A machine without IPv6 has nothing to test.
            return assert!(TcpListener::bind(home).is_err());
        };
        let client = Socket::tcp(&home).unwrap();
        client.bind_to_connect(&home).unwrap();
        let bound = client.local_addr().unwrap();
        assert_eq!(bound.ip(), home.ip());
        assert_eq!(bound.port() == 0, cfg!(any(target_os = "linux", target_os = "android")), "{bound}");
        client.connect(&listener.local_addr().unwrap()).unwrap();
        let (_server, peer) = util::accept(&listener);
        assert_eq!(peer, client.local_addr().unwrap());
        // A port that was asked for is had at once.
        let client = Socket::tcp(&home).unwrap();
        let port = TcpListener::bind(home).unwrap().local_addr().unwrap();
        client.bind_to_connect(&port).unwrap();
        assert_eq!(client.local_addr().unwrap(), port);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn connections_to_two_peers_share_the_one_port_that_there_is() {
    // The system leaves out a port to which some socket is bound, at any address, so it may take several.
    assert!((0..100).any(|_| two_peers_share_one_port()));
}

/// False if the port cannot be had.
#[cfg(target_os = "linux")]
fn two_peers_share_one_port() -> bool {
    // An address of which no other test takes a port.
    let home: SocketAddr = "127.0.0.9:0".parse().unwrap();
    let port = TcpListener::bind(home).unwrap().local_addr().unwrap().port();
    // IP_LOCAL_PORT_RANGE, ip(7): the highest port, then the lowest.
    let range = (u32::from(port) << 16 | u32::from(port)).to_ne_bytes();
    let (value, length) = (range.as_ptr().cast(), range.len() as libc::socklen_t);
    let (listeners, mut connected) = ([listener(), listener()], Vec::new());
    for listener in &listeners {
        let client = Socket::tcp(&home).unwrap();
        // SAFETY: the value is readable for its length.
        if unsafe { libc::setsockopt(client.as_raw_fd(), libc::IPPROTO_IP, 51, value, length) } != 0 {
            // Before Linux 6.3 the range is that of the whole machine, which is not a test's to change.
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOPROTOOPT));
            return true;
        }
        client.bind_to_connect(&home).unwrap();
        match client.connect(&listener.local_addr().unwrap()) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return false,
            connecting => connecting.unwrap(),
        };
        let (server, peer) = util::accept(listener);
        assert_eq!(peer, SocketAddr::new(home.ip(), port));
        connected.push((client, server));
    }
    true
}

#[test]
fn an_empty_queue_of_connections_would_block() {
    assert_eq!(listener().accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_address_in_use_is_an_error_unless_the_port_is_shared() {
    let alone = listener();
    let address = alone.local_addr().unwrap();
    assert!(!alone.reuse_port().unwrap());
    let refused = Socket::listen(address, 16, false).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    let refused = Socket::listen(address, 16, true).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);

    let first = Socket::listen(util::any_port(), 16, true).unwrap();
    assert!(first.reuse_port().unwrap());
    let second = Socket::listen(first.local_addr().unwrap(), 16, true).unwrap();
    assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

#[test]
fn a_port_can_be_listened_on_again_while_an_old_connection_lingers() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    // Closed from this side first, so that the address stays in TIME_WAIT.
    drop(util::accept(&listener));
    drop(listener);
    drop(client);
    Socket::listen(address, 16, false).unwrap();
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    let (client, server) = tcp_pair();
    assert_eq!(client.send(b"hello").unwrap(), 5);
    util::await_bytes(&server, 5);
    let mut buffer = [0; 16];
    assert_eq!(server.peek(&mut buffer).unwrap(), 5);
    assert_eq!(server.peek(&mut buffer[..2]).unwrap(), 2);
    assert_eq!(server.recv(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(server.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(server.peek(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(client);
    util::await_end(&server);
    assert_eq!(server.recv(&mut buffer).unwrap(), 0);
}

#[test]
fn an_empty_buffer_is_no_question_and_no_end() {
    let (client, server) = tcp_pair();
    assert_eq!(server.recv(&mut []).unwrap(), 0);
    assert_eq!(server.peek(&mut []).unwrap(), 0);
    assert_eq!(server.recv_vectored(&mut []).unwrap(), 0);
    assert_eq!(server.recv_vectored(&mut [IoSliceMut::new(&mut [])]).unwrap(), 0);
    assert_eq!(client.send(&[]).unwrap(), 0);
    assert_eq!(client.send_vectored(&[]).unwrap(), 0);
    assert_eq!(client.send_vectored(&[IoSlice::new(&[])]).unwrap(), 0);
    assert_eq!(server.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn several_buffers_are_used_in_turn() {
    let (client, server) = tcp_pair();
    let slices = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"three")];
    assert_eq!(client.send_vectored(&slices).unwrap(), 8);
    util::await_bytes(&server, 8);
    let (mut head, mut tail) = ([0; 4], [0; 9]);
    let mut slices = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut []), IoSliceMut::new(&mut tail)];
    assert_eq!(server.recv_vectored(&mut slices).unwrap(), 8);
    let empty = server.recv_vectored(&mut slices).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::WouldBlock);
    assert_eq!((&head, &tail[..4]), (b"onet", b"hree".as_slice()));
}

#[test]
fn no_more_than_1024_buffers_go_into_one_call() {
    let (client, server) = tcp_pair();
    assert_eq!(client.send_vectored(&vec![IoSlice::new(b"x"); 3000]).unwrap(), 1024);
    util::await_bytes(&server, 1024);
    let mut bytes = [[0]; 3000];
    // Empty ones before it do not make a buffer look like the end of the stream.
    let mut empty_first: Vec<_> = (0..1024).map(|_| IoSliceMut::new(&mut [])).collect();
    empty_first.push(IoSliceMut::new(&mut bytes[0]));
    assert_eq!(server.recv_vectored(&mut empty_first).unwrap(), 1);
    let mut slices: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
    assert_eq!(server.recv_vectored(&mut slices).unwrap(), 1023);
}

#[test]
fn a_full_stream_would_block_and_loses_nothing() {
    let (client, server) = tcp_pair();
    let sent = fill(&client);
    let mut received = 0;
    let watch = Watch::new(&server, Interest::READABLE, Mode::Level);
    while received < sent {
        assert!(watch.next().contains(Readiness::READABLE));
        received += drain(&server);
    }
    assert_eq!(received, sent);
}

#[test]
fn shutting_down_ends_the_peers_stream() {
    let (client, server) = tcp_pair();
    client.send(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    util::await_end(&server);
    assert_eq!(server.recv(&mut [0; 9]).unwrap(), 4);
    assert_eq!(server.recv(&mut [0; 9]).unwrap(), 0);
    assert_eq!(client.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(server.send(b"back").unwrap(), 4);
    util::await_bytes(&client, 4);
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn shutting_down_after_the_peer_has_is_no_error() {
    let (client, server) = tcp_pair();
    server.set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    client.shutdown(Shutdown::Both).unwrap();
    client.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn writing_to_a_closed_peer_is_an_error_and_no_signal() {
    util::in_child("writing_to_a_closed_peer_is_an_error_and_no_signal", || {
        // SAFETY: puts back the default action, and takes no pointer.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        for vectored in [false, true] {
            let (client, server) = tcp_pair();
            client.shutdown(Shutdown::Write).unwrap();
            drop(server);
            let sent = match vectored {
                false => client.send(b"x"),
                true => client.send_vectored(&[IoSlice::new(b"x")]),
            };
            assert_eq!(sent.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn a_refused_connect_leaves_its_error_once() {
    let address = listener().local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    let error = match client.connect(&address) {
        Ok(_) => {
            Watch::new(&client, Interest::WRITABLE, Mode::Edge).next();
            client.take_error().unwrap().unwrap()
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(client.take_error().unwrap().is_none());
}

#[test]
fn only_a_tcp_stream_is_one() {
    let (client, server) = tcp_pair();
    assert!(client.is_tcp_stream() && server.is_tcp_stream());
    let udp = UdpSocket::bind(util::any_port()).unwrap();
    let (unix, _peer) = UnixStream::pair().unwrap();
    let (reader, _writer) = util::pipe();
    for fd in [OwnedFd::from(udp), unix.into(), reader] {
        // A pipe is no socket, and on Apple cannot be taken over as one.
        if let Ok(socket) = Socket::from_fd(fd) {
            assert!(!socket.is_tcp_stream());
        }
    }
}

#[test]
fn a_connection_without_an_ip_address_is_not_accepted() {
    let path = std::env::temp_dir().join(format!("mainspring-sys-{}", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path);
    std::fs::remove_file(&path).unwrap();
    client.unwrap();
    let listener = Socket::from_fd(unix.into()).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(listener.local_addr().unwrap_err().kind(), ErrorKind::Unsupported);
}
