//! The states of a descriptor and what is reported for each: the table on `Readiness`, row by row.
//!
//! Watched for everything, edge-triggered, as the reactor does. The rows are Linux's.
#![cfg(all(not(loom), not(mainspring_force_kqueue), target_os = "linux"))]

mod util;

use std::net::{Shutdown, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mainspring_sys::{Connect, Interest, Mode, Readiness, Socket};
use util::{Watch, drain, everything, fill, listener, pipe, tcp_pair};

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

/// Makes closing the socket send a reset.
fn reset(socket: Socket) {
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_fresh_socket_hangs_up() {
    let socket = Socket::tcp(&util::any_port()).unwrap();
    assert_eq!(watch(&socket).next(), R | W | RC | WC | H);
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
fn a_connect_that_succeeds_is_writable() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    assert_eq!(watch(&client).next(), W);
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.peer_addr().unwrap(), address);
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
fn a_connected_socket_is_writable_once() {
    let (client, _server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    client.send(b"abc").unwrap();
    watch.nothing();
}

#[test]
fn data_is_readable() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    server.send(b"abc").unwrap();
    assert_eq!(watch.next(), R | W);
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
    assert_eq!(watch.next(), R | W | RC | WC | H);
}

#[test]
fn ones_own_shutdowns_are_reported() {
    let (client, _server) = tcp_pair();
    let watched = watch(&client);
    assert_eq!(watched.next(), W);
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(watched.next(), R | W | RC);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watched.next(), R | W | RC | WC | H);

    let (client, _server) = tcp_pair();
    let watched = watch(&client);
    assert_eq!(watched.next(), W);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watched.next(), W);
}

#[test]
fn a_reset_is_an_error_on_both_sides() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    reset(server);
    assert_eq!(watch.next(), R | W | RC | WC | E | H);
    let error = client.recv(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn urgent_data_is_a_priority() {
    let (client, server) = tcp_pair();
    let watch = watch(&client);
    assert_eq!(watch.next(), W);
    let byte = b"!";
    // SAFETY: the byte is readable.
    let sent = unsafe { libc::send(server.as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    assert_eq!(watch.next(), R | W | P);
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
    assert_eq!(watch.next(), W);
}

#[test]
fn a_pipe_whose_writer_is_gone_hangs_up_and_wakes_readers() {
    let (reader, writer) = pipe();
    let watch = watch(&reader);
    watch.nothing();
    drop(writer);
    assert_eq!(watch.next(), R | W | RC | WC | H);
}

#[test]
fn a_pipe_whose_reader_is_gone_is_an_error_and_not_called_closed() {
    let (reader, writer) = pipe();
    drop(reader);
    assert_eq!(watch(&writer).next(), R | W | E);
}

#[test]
fn a_full_pipe_whose_reader_is_gone_wakes_both_sides() {
    let (reader, writer) = pipe();
    let bytes = [0_u8; 4096];
    // SAFETY: the bytes are readable.
    while unsafe { libc::write(writer.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) } > 0 {}
    let watch = watch(&writer);
    watch.nothing();
    drop(reader);
    assert_eq!(watch.next(), R | W | E);
}

#[test]
fn a_datagram_socket_with_a_refused_packet_is_not_closed() {
    let gone = UdpSocket::bind(util::any_port()).unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind(util::any_port()).unwrap();
    socket.connect(gone).unwrap();
    socket.set_nonblocking(true).unwrap();
    let watch = watch(&socket);
    assert_eq!(watch.next(), W);
    socket.send(b"anyone?").unwrap();
    // One event for the packet that has left, one for the answer, or one for both.
    while !watch.next().contains(E) {}
    assert_eq!(socket.recv(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    socket.send(b"still sends").unwrap();
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
