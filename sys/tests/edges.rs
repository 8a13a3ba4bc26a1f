//! What is reported of a descriptor that is watched while its state changes, and what follows from an edge.
//!
//! Watched for everything, edge-triggered, as the reactor does. The states themselves, each way of asking for them and
//! each mode stand in `truth_table.rs`. Where epoll and kqueue differ, the test says in which bit.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Connect, Interest, Mode, Readiness, Socket};
use util::{KQUEUE, URGENT, Watch, drain, everything, fill, fill_pipe, listener, pipe, tcp_pair};

const R: Readiness = Readiness::READABLE;
const W: Readiness = Readiness::WRITABLE;
const RC: Readiness = Readiness::READ_CLOSED;
const WC: Readiness = Readiness::WRITE_CLOSED;
const E: Readiness = Readiness::ERROR;
const P: Readiness = Readiness::PRIORITY;
const H: Readiness = Readiness::HANGUP;

fn watch(source: &impl AsFd) -> Watch {
    Watch::new(source, everything(), Mode::Edge)
}

#[test]
fn an_idle_listener_reports_nothing_and_a_connection_is_readable() {
    let listener = listener();
    let watch = watch(&listener);
    watch.nothing();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    assert_eq!(watch.next(), R);
}

#[test]
fn a_listener_that_is_not_drained_reports_the_next_connection_alone() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let _clients = [0; 3].map(|_| util::connect(address));
    let watch = watch(&listener);
    watch.until(R);
    listener.accept().unwrap();
    watch.nothing();
    let _fourth = util::connect(address);
    watch.until(R);
    for _ in 0..3 {
        listener.accept().unwrap();
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_connect_that_succeeds_is_writable_and_nothing_else() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.peer_addr().unwrap(), address);
    // And the end of the peer is another event.
    drop(util::accept(&listener));
    watch.until(R | RC);
    assert_eq!(client.recv(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_connect_that_is_refused_is_an_error_on_both_sides() {
    let address = listener().local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    assert_eq!(client.connect(&address).unwrap(), Connect::InProgress);
    assert_eq!(watch(&client).next(), R | W | RC | WC | E | H);
    let error = client.take_error().unwrap().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
}

#[test]
fn a_connecting_socket_watched_for_reading_alone_does_not_report_success() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let _server = util::accept(&listener);
    watch.nothing();
}

#[test]
fn a_connected_socket_is_writable_once() {
    let (client, _server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    client.send(b"abc").unwrap();
    if !KQUEUE {
        watch.nothing();
    }
}

#[test]
fn data_and_the_end_come_in_one_event_and_nothing_follows() {
    let (client, server) = tcp_pair();
    server.send(b"abc").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    util::await_end(&client);
    let watch = watch(&client);
    assert_eq!(watch.next(), R | W | RC);
    // A short read has not seen the end, and no event will tell of it.
    assert_eq!(client.recv(&mut [0; 100]).unwrap(), 3);
    watch.nothing();
    assert_eq!(client.recv(&mut [0; 100]).unwrap(), 0);
}

#[test]
fn a_half_closed_stream_is_still_writable_and_not_hung_up() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watch.next(), R | W | RC);
    client.send(b"still").unwrap();
    util::await_bytes(&server, 5);
    assert_eq!(server.recv(&mut [0; 9]).unwrap(), 5);
    client.shutdown(Shutdown::Write).unwrap();
    // The shutdown is an event at once; that the connection is over may be another.
    watch.until(WC);
}

#[test]
fn ones_own_shutdowns_are_reported() {
    let (client, _server) = tcp_pair();
    let watched = watch(&client);
    assert_eq!(watched.next(), W);
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(watched.next(), R | W | RC);
    client.shutdown(Shutdown::Write).unwrap();
    watched.until(WC);

    let (client, _server) = tcp_pair();
    let watched = watch(&client);
    assert_eq!(watched.next(), W);
    client.shutdown(Shutdown::Write).unwrap();
    // Linux makes an edge of it, and does not say why.
    assert_eq!(watched.next(), if KQUEUE { W | WC } else { W });
    assert_eq!(client.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_reset_is_an_error_on_both_sides_and_then_quiet() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    server.set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(watch.next(), R | W | RC | WC | E | H);
    let error = client.recv(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    watch.nothing();
}

#[test]
fn a_reset_for_unread_data_ends_both_sides() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    client.send(b"never read").unwrap();
    util::await_bytes(&server, 10);
    drop(server);
    watch.until(RC | WC);
    assert!(!matches!(client.recv(&mut [0; 9]), Ok(1..)));
}

#[test]
fn urgent_data_is_a_priority_and_ends_a_read_at_its_mark() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    server.send(b"ab").unwrap();
    util::send_urgent(&server);
    server.send(b"cd").unwrap();
    watch.until(if URGENT { R | P } else { R });
    // What is sent last has come when it can be peeked behind the mark; until then the first two can.
    assert_eq!(client.recv(&mut [0; 100]).unwrap(), 2);
    util::await_bytes(&client, 2);
    // A short read on a stream with a mark in it has not taken all.
    assert_eq!(client.recv(&mut [0; 100]).unwrap(), 2);
}

#[test]
fn a_full_stream_is_writable_again_when_the_peer_has_read() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::WRITABLE, Mode::Edge);
    assert_eq!(watch.next(), W);
    let mut left = fill(&client);
    let ready = Watch::new(&server, Interest::READABLE, Mode::Level);
    while left > 0 {
        ready.next();
        left -= drain(&server);
    }
    watch.until(W);
    assert!(client.send(b"x").is_ok());
}

#[test]
fn a_full_stream_is_not_writable_after_a_little_was_read() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (ours, theirs) = (Socket::from_fd(ours.into()).unwrap(), Socket::from_fd(theirs.into()).unwrap());
    fill(&ours);
    let watch = Watch::new(&ours, Interest::WRITABLE, Mode::Edge);
    watch.nothing();
    theirs.recv(&mut [0; 1]).unwrap();
    watch.nothing();
    drain(&theirs);
    watch.until(W);
}

#[test]
fn a_pipe_whose_writer_goes_wakes_its_reader() {
    let (reader, writer) = pipe();
    let watch = Watch::new(&reader, Interest::READABLE, Mode::Edge);
    watch.nothing();
    drop(writer);
    // One event, with all there is to say.
    assert_eq!(watch.next(), if KQUEUE { R | W | RC } else { R | W | RC | WC | H });
    watch.nothing();
}

#[test]
fn a_pipe_whose_reader_goes_wakes_its_writer_and_is_called_closed_on_kqueue_alone() {
    let ended = if KQUEUE { W | WC } else { R | W | E };
    let (reader, writer) = pipe();
    let watch = Watch::new(&writer, Interest::WRITABLE, Mode::Edge);
    assert_eq!(watch.next(), W);
    drop(reader);
    assert_eq!(watch.next(), ended);

    let (reader, writer) = pipe();
    fill_pipe(&writer);
    let watch = Watch::new(&writer, Interest::WRITABLE, Mode::Edge);
    watch.nothing();
    drop(reader);
    assert_eq!(watch.next(), ended);
}

#[test]
fn each_write_into_a_pipe_is_an_edge_although_nothing_is_read() {
    let (reader, writer) = pipe();
    let watch = Watch::new(&reader, Interest::READABLE, Mode::Edge);
    for _ in 0..3 {
        // SAFETY: the byte is readable.
        assert_eq!(unsafe { libc::write(writer.as_raw_fd(), b"x".as_ptr().cast(), 1) }, 1);
        assert_eq!(watch.next(), R);
        watch.nothing();
    }
}

#[test]
fn a_datagram_socket_with_a_refused_packet_is_not_closed() {
    let (socket, gone) = (util::udp(), util::udp().local_addr().unwrap());
    socket.connect(gone).unwrap();
    let watch = watch(&socket);
    assert_eq!(watch.next(), W);
    socket.send(b"anyone?").unwrap();
    // One event for the packet that has left, one for the answer, or one for both.
    let seen = watch.until(R);
    assert!(!seen.intersects(RC | WC | H), "{seen:?}");
    assert_eq!(seen.contains(E), !KQUEUE);
    assert_eq!(socket.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    socket.send(b"still sends").unwrap();
}

#[test]
fn two_datagrams_may_be_one_event_and_each_read_takes_one() {
    let (ours, theirs) = (util::udp(), util::udp());
    let address = ours.local_addr().unwrap();
    theirs.send_to(b"one", address).unwrap();
    theirs.send_to(b"", address).unwrap();
    let watch = Watch::new(&ours, Interest::READABLE, Mode::Edge);
    watch.next();
    assert_eq!(ours.recv(&mut [0; 9]).unwrap(), 3);
    watch.nothing();
    // An empty datagram is one too.
    assert_eq!(ours.recv(&mut [0; 9]).unwrap(), 0);
    assert_eq!(ours.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    theirs.send_to(b"three", address).unwrap();
    watch.next();
}
