//! What a kqueue does and epoll does not, and the other way round. Each test says what it expects of both.
//!
//! What kqueue does was seen on a BSD's kernel, kqueue(2) and its source. What a stand-in for it on Linux
//! cannot do stands in the head of `kqueue_double.rs`; where that shows here the test allows it and says so.
#![cfg(not(loom))]

mod util;

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Connect, Events, Interest, Mode, OsSelector, Readiness, Selector, Socket, Token};
use util::{KQUEUE, URGENT, Watch, drain, expect, listener, pipe, tcp_pair};

const R: Readiness = Readiness::READABLE;
const W: Readiness = Readiness::WRITABLE;
const RC: Readiness = Readiness::READ_CLOSED;
const WC: Readiness = Readiness::WRITE_CLOSED;
const E: Readiness = Readiness::ERROR;
const H: Readiness = Readiness::HANGUP;

fn both() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

/// Watched in both directions, with what is so at first behind it.
fn watch_connected(socket: &Socket) -> Watch {
    let watch = Watch::new(socket, both(), Mode::Edge);
    assert_eq!(watch.next(), W);
    watch
}

/// Waits until all of these are reported, in however many batches.
fn await_all(watch: &Watch, awaited: Readiness) -> Readiness {
    let mut all = Readiness::EMPTY;
    while !all.contains(awaited) {
        all |= watch.next();
    }
    all
}

#[test]
fn a_buffer_of_events_goes_to_any_thread() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Events>();
    is_shared::<OsSelector>();
}

#[test]
fn data_is_reported_on_its_own_filter_by_kqueue_and_with_all_that_is_so_by_epoll() {
    let (client, server) = tcp_pair();
    let watch = watch_connected(&client);
    server.send(b"abc").unwrap();
    assert_eq!(watch.next(), if KQUEUE { R } else { R | W });
    watch.nothing();
}

#[test]
fn two_directions_are_two_events_on_kqueue_and_one_on_epoll_and_none_is_lost() {
    let (client, server) = tcp_pair();
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    let watch = Watch::new(&client, both(), Mode::Edge);
    let mut events = Events::with_capacity(1);
    let mut seen = Readiness::EMPTY;
    for count in if KQUEUE { [1, 1, 0] } else { [1, 0, 0] } {
        watch.selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.len(), count);
        events.iter().for_each(|event| seen |= event.readiness());
    }
    assert_eq!(seen, R | W);
}

#[test]
fn what_was_drained_before_the_select_is_not_reported() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    assert_eq!(drain(&client), 3);
    watch.nothing();
}

#[test]
fn reregister_reports_again_and_replaces_token_and_mode() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    server.send(b"abc").unwrap();
    assert_eq!(watch.next(), R);
    for (mode, token) in [(Mode::Edge, 7), (Mode::Level, 8), (Mode::Oneshot, 9), (Mode::Oneshot, 10), (Mode::Edge, 11)]
    {
        watch.selector.reregister(client.as_fd(), Token(token), Interest::READABLE, mode).unwrap();
        let events = expect(&watch.selector);
        assert_eq!((events.len(), events[0].token(), events[0].readiness()), (1, Token(token), R), "{mode:?}");
        let mut events = Events::with_capacity(8);
        watch.selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.len(), usize::from(mode == Mode::Level), "{mode:?}");
    }
}

#[test]
fn a_half_close_is_told_with_the_data_and_again_after_reregister() {
    let (client, server) = tcp_pair();
    let watch = watch_connected(&client);
    server.send(b"abc").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let told = await_all(&watch, R | RC);
    // epoll tells of writing too; a BSD's kqueue does not, a stand-in may.
    assert!(!told.intersects(WC | E | H), "{told:?}");
    watch.selector.reregister(client.as_fd(), Watch::TOKEN, Interest::READABLE, Mode::Edge).unwrap();
    assert_eq!(watch.next(), R | RC | if KQUEUE { W } else { Readiness::EMPTY });
    assert_eq!(drain(&client), 3);
}

#[test]
fn a_reset_is_told_on_both_sides_and_its_error_is_left_to_be_taken() {
    let (client, server) = tcp_pair();
    let watch = watch_connected(&client);
    server.set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    await_all(&watch, R | W | RC | WC | E | H);
    let error = client.take_error().unwrap().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn a_refused_connect_is_told_on_both_sides_and_its_error_is_left_to_be_taken() {
    let address = listener().local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    match client.connect(&address) {
        Ok(state) => assert_eq!(state, Connect::InProgress),
        // A BSD may know at once, and then there is nothing to wait for.
        Err(error) => return assert!(KQUEUE && error.kind() == io::ErrorKind::ConnectionRefused, "{error}"),
    }
    await_all(&Watch::new(&client, both(), Mode::Edge), R | W | RC | WC | E | H);
    let error = client.take_error().unwrap().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
}

#[test]
fn a_fresh_socket_is_silent_on_kqueue_and_hangs_up_on_epoll_and_both_tell_of_its_connect() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    let watch = Watch::new(&client, both(), Mode::Edge);
    if KQUEUE {
        watch.nothing();
    } else {
        assert_eq!(watch.next(), R | W | RC | WC | H);
    }
    client.connect(&address).unwrap();
    assert_eq!(await_all(&watch, W), W);
}

#[test]
fn ones_own_end_of_writing_is_told_by_kqueue_and_not_by_epoll() {
    let (client, _server) = tcp_pair();
    let watch = watch_connected(&client);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watch.next(), if KQUEUE { W | WC } else { W });
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let watch = Watch::new(&ours, both(), Mode::Edge);
    assert_eq!(watch.next(), W);
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watch.next(), if KQUEUE { W | WC } else { W });
}

#[test]
fn ones_own_end_of_reading_is_told_by_both() {
    let (client, _server) = tcp_pair();
    let watch = watch_connected(&client);
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(await_all(&watch, R | RC), R | W | RC);
}

#[test]
fn closing_a_number_ends_its_reports_on_kqueue_and_not_on_epoll_if_a_duplicate_is_open() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let duplicate = client.as_fd().try_clone_to_owned().unwrap();
    drop(client);
    server.send(b"abc").unwrap();
    Watch::new(&duplicate, Interest::READABLE, Mode::Edge).next();
    // A stand-in may be as epoll is.
    if !KQUEUE {
        assert_eq!(watch.next(), R);
    } else if !cfg!(mainspring_force_kqueue) {
        watch.nothing();
    }
}

#[test]
fn a_number_that_is_used_again_is_registered_anew() {
    let selector = OsSelector::new().unwrap();
    let mut number = None;
    let mut reused = 0;
    for token in 0..20 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        reused += usize::from(number == Some(ours.as_raw_fd()));
        number = Some(ours.as_raw_fd());
        selector.register(ours.as_fd(), Token(token), Interest::READABLE, Mode::Edge).unwrap();
        theirs.write_all(b"x").unwrap();
        let events = expect(&selector);
        assert_eq!((events.len(), events[0].token()), (1, Token(token)));
        drop(ours);
        let (other, _) = UnixStream::pair().unwrap();
        let unknown = selector.deregister(other.as_fd()).unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
    }
    assert!(reused > 0, "no number was used again, so nothing was tested");
}

#[test]
fn the_end_of_a_pipe_is_told_to_its_reader() {
    let (reader, writer) = pipe();
    let watch = Watch::new(&reader, both(), Mode::Edge);
    // kqueue has a filter for writing there too, which may have something to say.
    if !KQUEUE {
        watch.nothing();
    }
    let mut writer = std::fs::File::from(writer);
    writer.write_all(b"abc").unwrap();
    await_all(&watch, R);
    drop(writer);
    let told = await_all(&watch, R | W | RC);
    // epoll hangs up. kqueue tells of an end for each filter.
    assert_eq!((told.contains(H), told.contains(E)), (!KQUEUE, false));
}

#[test]
fn the_end_of_a_pipes_reader_is_told_to_its_writer_as_closed_by_kqueue_and_as_an_error_by_epoll() {
    let (reader, writer) = pipe();
    let watch = Watch::new(&writer, Interest::WRITABLE, Mode::Edge);
    assert_eq!(watch.next(), W);
    drop(reader);
    assert_eq!(await_all(&watch, if KQUEUE { W | WC } else { R | W | E }).contains(WC), KQUEUE);
}

#[test]
fn a_pipe_whose_reader_is_gone_can_still_be_registered_and_tells_it() {
    let (reader, writer) = pipe();
    drop(reader);
    // A BSD has no filter for writing any more; that for reading tells.
    let watch = Watch::new(&writer, both(), Mode::Edge);
    assert!(watch.next().contains(W));
}

#[test]
fn urgent_data_alone_is_unsupported_where_there_is_no_filter_for_it() {
    let (client, server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    let asked = selector.register(client.as_fd(), Token(1), Interest::PRIORITY, Mode::Edge);
    if !URGENT {
        assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::Unsupported);
        return;
    }
    asked.unwrap();
    util::send_urgent(&server);
    let events = expect(&selector);
    assert!(events[0].is_priority() && events[0].is_readable() && !events[0].is_read_closed());
}
