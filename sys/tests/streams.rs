//! Bytes through TCP streams under a selector: how much passes, how reading, peeking and writing end.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use mainspring_sys::{Event, Interest, Mode, Readiness, Selector, Socket, Token};
use util::{Watch, accept, connect, drain, everything, listener, tcp_pair};

/// What passes in each of the tests of bulk, in bytes: far more than the kernel's buffers hold.
const BULK: usize = 16 * 1024 * 1024;

/// Writes so many bytes of a pattern, and waits whenever there is no room.
fn write_all(socket: &Socket, bytes: usize) {
    let watch = Watch::new(socket, Interest::WRITABLE, Mode::Edge);
    let mut sent = 0;
    while sent < bytes {
        let chunk: Vec<_> = (sent..bytes.min(sent + 1024)).map(|position| position as u8).collect();
        match socket.send(&chunk) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(watch.until(Readiness::WRITABLE)),
            Err(error) => panic!("{error} after {sent} bytes"),
        }
    }
}

/// Reads to the end with `read`, and waits whenever there is nothing; gives back how many bytes there were.
fn read_all(socket: &Socket, read: impl Fn(&mut [u8]) -> std::io::Result<usize>) -> usize {
    let watch = Watch::new(socket, Interest::READABLE, Mode::Edge);
    let mut received = 0;
    let mut buffer = [0; 1024];
    loop {
        match read(&mut buffer) {
            Ok(0) => return received,
            Ok(count) => {
                let expected = (received..received + count).map(|position| position as u8);
                assert!(buffer[..count].iter().copied().eq(expected), "near byte {received}");
                received += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(watch.until(Readiness::READABLE)),
            Err(error) => panic!("{error} after {received} bytes"),
        }
    }
}

#[test]
fn sixteen_mebibytes_pass_in_small_pieces() {
    let (client, server) = tcp_pair();
    thread::scope(|scope| {
        scope.spawn(move || write_all(&server, BULK));
        assert_eq!(read_all(&client, |buffer| client.recv(buffer)), BULK);
    });
}

#[test]
fn what_is_peeked_at_first_is_read_then() {
    let (client, server) = tcp_pair();
    thread::scope(|scope| {
        scope.spawn(move || write_all(&server, BULK / 16));
        let read = |buffer: &mut [u8]| {
            let mut peeked = [0; 1024];
            let count = client.peek(&mut peeked)?;
            assert_eq!(client.recv(&mut buffer[..count])?, count);
            assert_eq!(buffer[..count], peeked[..count]);
            Ok(count)
        };
        assert_eq!(read_all(&client, read), BULK / 16);
    });
}

#[test]
fn many_writes_succeed_at_once() {
    let (client, server) = tcp_pair();
    Watch::new(&client, Interest::WRITABLE, Mode::Edge).next();
    for _ in 0..16 {
        assert_eq!(client.send(&[7; 1024]).unwrap(), 1024);
    }
    drop(client);
    let watch = Watch::new(&server, Interest::READABLE, Mode::Edge);
    let mut received = drain(&server);
    while received < 16 * 1024 {
        watch.next();
        received += drain(&server);
    }
}

#[test]
fn peeking_leaves_the_data_and_the_readiness() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    server.send(b"abc").unwrap();
    watch.next();
    assert_eq!(client.peek(&mut [0; 9]).unwrap(), 3);
    watch.next();
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 3);
    watch.nothing();
}

#[test]
fn a_peek_that_finds_nothing_does_not_hide_the_next_edge() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    for _ in 0..3 {
        assert_eq!(client.peek(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
        watch.nothing();
        server.send(b"x").unwrap();
        watch.next();
        assert_eq!(client.recv(&mut [0; 9]).unwrap(), 1);
        // Between a read and a peek, too.
        assert_eq!(client.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_peer_that_leaves_at_once_is_readable_and_at_its_end() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    let watch = Watch::new(&client, everything(), Mode::Edge);
    drop(accept(&listener));
    watch.until(Readiness::READABLE | Readiness::READ_CLOSED);
    assert_eq!(client.recv(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn writing_to_a_peer_that_has_left_ends_in_an_error() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::WRITABLE, Mode::Edge);
    drop(server);
    // Each write is answered by a reset at the latest when it arrives: a bounded number of rounds, each of which waits.
    for _ in 0..1000 {
        match client.send(&[0; 1024]) {
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(watch.next()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
                return;
            }
        }
    }
    panic!("no error");
}

#[test]
fn two_connections_of_one_listener_do_not_know_of_each_other() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let clients = [connect(address), connect(address)];
    let servers = [accept(&listener).0, accept(&listener).0];
    let watch = Watch::new(&servers[0], Interest::READABLE, Mode::Edge);
    watch.selector.register(servers[1].as_fd(), Token(1), Interest::READABLE, Mode::Edge).unwrap();
    clients[1].send(b"x").unwrap();
    let tokens = |events: Vec<Event>| events.iter().map(|event| event.token()).collect::<Vec<_>>();
    assert_eq!(tokens(util::expect(&watch.selector)), [Token(1)]);
    clients[0].send(b"x").unwrap();
    assert_eq!(tokens(util::expect(&watch.selector)), [Watch::TOKEN]);
    watch.nothing();
}

#[test]
fn a_reset_peer_ends_a_read_with_its_error_although_it_was_registered_late() {
    let (client, server) = tcp_pair();
    server.set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    util::await_end(&client);
    Watch::new(&client, Interest::READABLE, Mode::Edge).until(Readiness::READABLE);
    assert_eq!(client.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_socket_is_its_descriptor_and_an_event_is_sixteen_bytes() {
    assert_eq!(size_of::<Socket>(), size_of::<std::os::fd::OwnedFd>());
    assert_eq!(size_of::<Option<Socket>>(), 4);
    assert_eq!((size_of::<Event>(), size_of::<Token>(), size_of::<Readiness>()), (16, 8, 1));
}
