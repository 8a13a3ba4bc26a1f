//! Unix sockets: streams, listeners, datagrams, and the three kinds of addresses.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use mainspring_sys::{
    Connect, Datagrams, Interest, Mode, PeerCredentials, Readiness, Socket, abstract_address, abstract_name,
};
use util::{TemporaryPath, Watch, in_child, is_well_born};

fn address(path: &Path) -> SocketAddr {
    SocketAddr::from_pathname(path).unwrap()
}

/// A client that has been connected, and what the listener has accepted.
fn connect(listener: &Socket, to: &SocketAddr) -> (Socket, Socket, SocketAddr) {
    let watch = Watch::new(listener, Interest::READABLE, Mode::Edge);
    watch.nothing();
    let client = Socket::unix_stream().unwrap();
    assert_eq!(client.connect_unix(to).unwrap(), Connect::Done);
    assert!(watch.next().contains(Readiness::READABLE));
    let (server, peer) = listener.accept_unix().unwrap();
    (client, server, peer)
}

#[test]
fn a_stream_connects_by_path_and_bytes_go_both_ways() {
    let path = TemporaryPath::new();
    let listener = Socket::listen_unix(&address(&path), 16).unwrap();
    assert_eq!(listener.accept_unix().unwrap_err().kind(), ErrorKind::WouldBlock);
    let (client, server, peer) = connect(&listener, &address(&path));
    for socket in [&listener, &client, &server] {
        assert!(is_well_born(socket.as_fd()) && !socket.is_tcp_stream(), "{socket:?}");
    }
    assert!(peer.is_unnamed());
    assert!(client.local_unix_addr().unwrap().is_unnamed());
    assert!(server.peer_unix_addr().unwrap().is_unnamed());
    for bound in [client.peer_unix_addr(), server.local_unix_addr(), listener.local_unix_addr()] {
        assert_eq!(bound.unwrap().as_pathname(), Some(&*path));
    }
    for (from, to) in [(&client, &server), (&server, &client)] {
        assert_eq!(from.send(b"hello").unwrap(), 5);
        let mut buffer = [0; 9];
        assert_eq!(to.recv(&mut buffer).unwrap(), 5);
        assert_eq!(to.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    drop(server);
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 0);
    assert_eq!(client.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_bound_client_is_known_by_its_path() {
    let (here, there) = (TemporaryPath::new(), TemporaryPath::new());
    let listener = Socket::listen_unix(&address(&there), 16).unwrap();
    let client = Socket::unix_stream().unwrap();
    client.bind_unix(&address(&here)).unwrap();
    client.connect_unix(&address(&there)).unwrap();
    let (_server, peer) = listener.accept_unix().unwrap();
    assert_eq!(peer.as_pathname(), Some(&*here));
}

#[test]
fn a_path_is_taken_until_it_is_removed() {
    let path = TemporaryPath::new();
    drop(Socket::listen_unix(&address(&path), 16).unwrap());
    let client = Socket::unix_stream().unwrap();
    assert_eq!(client.connect_unix(&address(&path)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(Socket::listen_unix(&address(&path), 16).unwrap_err().kind(), ErrorKind::AddrInUse);
    std::fs::remove_file(&*path).unwrap();
    assert_eq!(client.connect_unix(&address(&path)).unwrap_err().kind(), ErrorKind::NotFound);
    Socket::listen_unix(&address(&path), 16).unwrap();
}

#[test]
fn an_abstract_name_is_an_address_or_an_error_that_says_so() {
    let name = format!("\0mainspring-sys {} \u{1}", std::process::id()).into_bytes();
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return assert_eq!(abstract_address(&name).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let address = abstract_address(&name).unwrap();
    let listener = Socket::listen_unix(&address, 16).unwrap();
    assert_eq!(abstract_name(&listener.local_unix_addr().unwrap()), Some(name.as_slice()));
    let (client, _server, peer) = connect(&listener, &address);
    assert!(peer.is_unnamed());
    assert_eq!(abstract_name(&client.peer_unix_addr().unwrap()), Some(name.as_slice()));
    assert_eq!(Socket::listen_unix(&address, 16).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop((listener, client, _server));
    // A child that another test has just made holds a copy until it runs its program.
    let start = Instant::now();
    while let Err(error) = Socket::listen_unix(&address, 16) {
        assert!(error.kind() == ErrorKind::AddrInUse && start.elapsed() < Duration::from_secs(60), "{error}");
        std::thread::yield_now();
    }
    // Datagrams too, single and in a batch.
    let (sender, receiver) = (Socket::unix_datagram().unwrap(), Socket::unix_datagram().unwrap());
    receiver.bind_unix(&address).unwrap();
    sender.send_to_unix(b"x", &address).unwrap();
    assert!(receiver.recv_from_unix(&mut [0; 9]).unwrap().1.is_unnamed());
    receiver.send_to_unix(b"self", &address).unwrap();
    let (length, from) = receiver.recv_from_unix(&mut [0; 9]).unwrap();
    assert_eq!((length, abstract_name(&from)), (4, Some(name.as_slice())));
}

#[test]
fn a_full_queue_is_neither_in_progress_nor_an_error() {
    const ATTEMPTS: usize = 64;
    let path = TemporaryPath::new();
    let listener = Socket::listen_unix(&address(&path), 1).unwrap();
    let mut clients = Vec::new();
    let refused = (0..ATTEMPTS).find_map(|_| {
        let client = Socket::unix_stream().unwrap();
        match client.connect_unix(&address(&path)) {
            Ok(Connect::Done) => {
                clients.push(client);
                None
            }
            other => Some((client, other)),
        }
    });
    let (client, outcome) = refused.expect("a queue of one is full before 64");
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(outcome.unwrap(), Connect::QueueFull);
    // Nothing has started: no error is kept, there is no peer, and once there is room the same socket connects.
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.peer_unix_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(client.connect_unix(&address(&path)).unwrap(), Connect::QueueFull);
    listener.accept_unix().unwrap();
    assert_eq!(client.connect_unix(&address(&path)).unwrap(), Connect::Done);
    assert_eq!(client.send(b"x").unwrap(), 1);
}

#[test]
fn datagrams_are_answered_by_the_path_of_their_sender() {
    let (here, there) = (TemporaryPath::new(), TemporaryPath::new());
    let (client, server) = (Socket::unix_datagram().unwrap(), Socket::unix_datagram().unwrap());
    assert!(is_well_born(server.as_fd()));
    server.bind_unix(&address(&there)).unwrap();
    client.bind_unix(&address(&here)).unwrap();
    assert_eq!(client.send_to_unix(b"hello", &address(&there)).unwrap(), 5);
    let mut buffer = [0; 3];
    let (length, from) = server.peek_from_unix(&mut buffer).unwrap();
    assert_eq!((length, from.as_pathname()), (3, Some(&*here)));
    let (length, from) = server.recv_from_unix(&mut buffer).unwrap();
    assert_eq!((length, &buffer, from.as_pathname()), (3, b"hel", Some(&*here)));
    assert_eq!(server.recv_from_unix(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(server.send_to_unix(b"back", &from).unwrap(), 4);
    assert_eq!(client.connect_unix(&address(&there)).unwrap(), Connect::Done);
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 4);
    assert_eq!(client.send(b"again").unwrap(), 5);
    // An unbound sender has no address, and an unnamed address is none to send to.
    server.recv(&mut buffer).unwrap();
    Socket::unix_datagram().unwrap().send_to_unix(b"?", &address(&there)).unwrap();
    let (_, from) = server.recv_from_unix(&mut buffer).unwrap();
    assert!(from.is_unnamed());
    assert_eq!(server.send_to_unix(b"back", &from).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(server.connect_unix(&from).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.bind_unix(&from).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_batch_carries_unix_datagrams_and_their_senders() {
    let (here, there) = (TemporaryPath::new(), TemporaryPath::new());
    let (client, server) = (Socket::unix_datagram().unwrap(), Socket::unix_datagram().unwrap());
    client.bind_unix(&address(&here)).unwrap();
    server.bind_unix(&address(&there)).unwrap();
    let mut batch = Datagrams::new(4, 16);
    for text in [b"one", b"two"] {
        batch.push_unix(text, &address(&there)).unwrap();
    }
    assert_eq!(client.send_datagrams(&mut batch).unwrap(), 2);
    // The same room has held a longer address before.
    for unbound in [false, true] {
        let senders = [&client, &Socket::unix_datagram().unwrap()];
        if unbound {
            senders[1].send_to_unix(b"three", &address(&there)).unwrap();
        }
        let count = server.recv_datagrams(&mut batch).unwrap();
        assert_eq!(count, if unbound { 1 } else { 2 });
        for datagram in batch.iter() {
            assert!(datagram.address().is_none());
            let from = datagram.unix_address().unwrap();
            assert_eq!(from.as_pathname(), (!unbound).then_some(&*here));
        }
    }
}

#[test]
fn a_pair_is_connected_and_unnamed() {
    for (left, right) in [Socket::unix_stream_pair().unwrap(), Socket::unix_datagram_pair().unwrap()] {
        for socket in [&left, &right] {
            assert!(is_well_born(socket.as_fd()));
            assert!(socket.local_unix_addr().unwrap().is_unnamed());
            assert!(socket.peer_unix_addr().unwrap().is_unnamed());
            assert_eq!(socket.local_addr().unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let watch = Watch::new(&right, Interest::READABLE, Mode::Edge);
        watch.nothing();
        left.send(b"hello").unwrap();
        assert!(watch.next().contains(Readiness::READABLE));
        assert_eq!(right.recv(&mut [0; 9]).unwrap(), 5);
    }
    let ip = Socket::udp(&util::any_port()).unwrap();
    assert_eq!(ip.local_unix_addr().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_peer_is_known_by_its_user_and_group() {
    in_child("the_peer_is_known_by_its_user_and_group", || {
        // A group of another number than the user, where one may.
        // SAFETY: takes no pointer.
        unsafe { libc::setegid(4_242) };
        let path = TemporaryPath::new();
        let listener = Socket::listen_unix(&address(&path), 16).unwrap();
        let (client, server, _) = connect(&listener, &address(&path));
        let (left, right) = Socket::unix_stream_pair().unwrap();
        // SAFETY: neither call takes a pointer.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        let tells_process = cfg!(any(target_os = "linux", target_os = "android", target_vendor = "apple"));
        let process = tells_process.then_some(std::process::id() as i32);
        for socket in [&client, &server, &left, &right] {
            assert_eq!(socket.peer_credentials().unwrap(), PeerCredentials { user, group, process });
        }
        assert!(Socket::unix_stream().unwrap().peer_credentials().is_err());
        let (tcp, _peer) = util::tcp_pair();
        assert!(tcp.peer_credentials().is_err());
    });
}
