//! What a BSD's kernel does, asked of the double: the backend cannot ask for all of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

const NOW: Option<Duration> = Some(Duration::ZERO);
/// After this an event that has to come is missing.
const LIMIT: Option<Duration> = Some(Duration::from_secs(60));
const CLEAR: u16 = EV_ADD | EV_CLEAR;

struct Kqueue(OwnedFd);

impl Kqueue {
    fn new() -> Self {
        // SAFETY: needs nothing.
        Self(owned(unsafe { kqueue() }).unwrap())
    }

    fn call(&self, changes: &[kevent], room: usize, timeout: Option<Duration>) -> Result<Vec<kevent>, c_int> {
        let mut events = vec![NOTHING; room];
        let time = timeout.map(|time| timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        let (list, count) = (changes.as_ptr(), changes.len() as c_int);
        let number = self.0.as_raw_fd();
        // SAFETY: the lists are as long as they say, and the time lives through the call.
        let result = unsafe { kevent(number, list, count, events.as_mut_ptr(), room as c_int, time) };
        events.truncate(check(result)? as usize);
        Ok(events)
    }

    /// Makes a change, and nothing else.
    fn change(&self, change: kevent) -> Result<(), c_int> {
        self.call(&[change], 0, NOW).map(drop)
    }

    fn add(&self, fd: &impl AsFd, filter: i16, flags: u16) {
        self.change(of(fd, filter, flags)).unwrap();
    }

    /// The one event that comes.
    fn next(&self) -> kevent {
        let events = self.call(&[], 8, LIMIT).unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        events[0]
    }

    /// The next event of this filter, whatever comes of the others.
    fn next_of(&self, filter: i16) -> kevent {
        loop {
            let found = self.call(&[], 8, LIMIT).unwrap();
            assert!(!found.is_empty(), "no event of filter {filter}");
            if let Some(event) = found.into_iter().find(|event| event.filter == filter) {
                return event;
            }
        }
    }

    fn nothing(&self) {
        let events = self.call(&[], 8, NOW).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}

fn of(fd: &impl AsFd, filter: i16, flags: u16) -> kevent {
    kevent { ident: fd.as_fd().as_raw_fd() as usize, filter, flags, ..NOTHING }
}

fn told(event: kevent) -> (i16, u16, u32, isize) {
    (event.filter, event.flags, event.fflags, event.data)
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Takes the error that is kept for it.
fn error_of(fd: &impl AsFd) -> Option<c_int> {
    option(fd.as_fd().as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR)
}

#[test]
fn an_edge_is_told_with_what_there_is_to_read() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    kqueue.add(&ours, EVFILT_READ, CLEAR);
    kqueue.nothing();
    theirs.write_all(b"abc").unwrap();
    assert_eq!(told(kqueue.next()), (EVFILT_READ, 0, 0, 3));
    kqueue.nothing();
    theirs.write_all(b"d").unwrap();
    assert_eq!(kqueue.next().data, 4);
    ours.read_exact(&mut [0; 2]).unwrap();
    kqueue.nothing();
    theirs.write_all(b"e").unwrap();
    ours.read_exact(&mut [0; 3]).unwrap();
    kqueue.nothing();
}

#[test]
fn adding_again_tells_again_and_replaces_the_token_but_not_the_mode() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    theirs.write_all(b"abc").unwrap();
    for (flags, token) in [(CLEAR, 1), (CLEAR, 2), (EV_ADD, 3)] {
        let change = kevent { udata: ptr::without_provenance_mut(token), ..of(&ours, EVFILT_READ, flags) };
        kqueue.change(change).unwrap();
        assert_eq!(kqueue.next().udata.addr(), token);
        kqueue.nothing();
    }
}

#[test]
fn a_level_is_told_for_as_long_as_it_lasts() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    kqueue.add(&ours, EVFILT_READ, EV_ADD);
    theirs.write_all(b"abc").unwrap();
    for left in (1..=3).rev() {
        assert_eq!(kqueue.next().data, left);
        ours.read_exact(&mut [0]).unwrap();
    }
    kqueue.nothing();
    kqueue.change(of(&ours, EVFILT_READ, EV_DISABLE)).unwrap();
    theirs.write_all(b"d").unwrap();
    kqueue.nothing();
    kqueue.change(of(&ours, EVFILT_READ, EV_ENABLE)).unwrap();
    assert_eq!(kqueue.next().data, 1);
}

#[test]
fn a_oneshot_is_deleted_and_a_dispatch_disabled() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    theirs.write_all(b"abc").unwrap();
    kqueue.add(&ours, EVFILT_READ, EV_ADD | EV_ONESHOT);
    kqueue.next();
    kqueue.nothing();
    assert_eq!(kqueue.change(of(&ours, EVFILT_READ, EV_ENABLE)), Err(libc::ENOENT));
    kqueue.add(&ours, EVFILT_READ, EV_ADD | EV_DISPATCH);
    for _ in 0..2 {
        kqueue.next();
        kqueue.nothing();
        kqueue.change(of(&ours, EVFILT_READ, EV_ENABLE)).unwrap();
    }
}

#[test]
fn one_event_at_a_time_comes_of_each_filter() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    theirs.write_all(b"abc").unwrap();
    kqueue.add(&ours, EVFILT_READ, EV_ADD);
    kqueue.add(&ours, EVFILT_WRITE, EV_ADD);
    // Both last, and neither keeps the other out.
    let filters = (0..8).map(|_| kqueue.call(&[], 1, NOW).unwrap()[0].filter);
    let filters: std::collections::HashSet<_> = filters.collect();
    assert_eq!(filters.len(), 2);
}

#[test]
fn an_end_is_told_with_the_data_and_by_adding_again() {
    let (client, mut server) = tcp();
    let kqueue = Kqueue::new();
    server.write_all(b"abc").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    while client.peek(&mut [0; 8]).unwrap() < 3 {}
    for _ in 0..2 {
        kqueue.add(&client, EVFILT_READ, CLEAR);
        let event = kqueue.next_of(EVFILT_READ);
        // The data may have come before the end.
        let event = if event.flags == 0 { kqueue.next_of(EVFILT_READ) } else { event };
        assert_eq!(told(event), (EVFILT_READ, EV_EOF, 0, 3));
    }
    kqueue.add(&client, EVFILT_WRITE, CLEAR);
    assert_eq!(kqueue.next_of(EVFILT_WRITE).flags, 0);
}

#[test]
fn a_reset_is_told_on_both_filters_and_its_error_stays() {
    let (mut client, server) = tcp();
    let kqueue = Kqueue::new();
    client.write_all(b"not read").unwrap();
    while server.peek(&mut [0; 8]).unwrap() < 8 {}
    drop(server);
    kqueue.add(&client, EVFILT_READ, CLEAR);
    kqueue.add(&client, EVFILT_WRITE, CLEAR);
    while kqueue.next_of(EVFILT_READ).fflags == 0 {}
    kqueue.add(&client, EVFILT_WRITE, CLEAR);
    let event = kqueue.next_of(EVFILT_WRITE);
    assert_eq!((event.flags, event.fflags), (EV_EOF, libc::ECONNRESET as u32));
    assert_eq!(error_of(&client), Some(libc::ECONNRESET));
}

#[test]
fn a_fresh_socket_is_silent_and_a_refused_connect_is_told_on_both_filters() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let kqueue = Kqueue::new();
    kqueue.add(&socket, EVFILT_READ, CLEAR);
    kqueue.add(&socket, EVFILT_WRITE, CLEAR);
    kqueue.nothing();
    assert!(socket.connect(&address.into()).is_err());
    let mut events = Vec::new();
    while events.len() < 2 {
        events.extend(kqueue.call(&[], 8, LIMIT).unwrap());
    }
    for event in events {
        assert_eq!((event.flags, event.fflags), (EV_EOF, libc::ECONNREFUSED as u32), "{event:?}");
    }
    assert_eq!(error_of(&socket), Some(libc::ECONNREFUSED));
}

#[test]
fn a_refused_packet_is_no_end() {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(gone).unwrap();
    let kqueue = Kqueue::new();
    kqueue.add(&socket, EVFILT_READ, CLEAR);
    socket.send(b"anyone?").unwrap();
    assert_eq!(told(kqueue.next()), (EVFILT_READ, 0, 0, 0));
    assert_eq!(error_of(&socket), Some(libc::ECONNREFUSED));
}

#[test]
fn ones_own_shutdown_is_told() {
    let ((client, _server), (ours, _theirs)) = (tcp(), UnixStream::pair().unwrap());
    let kqueue = Kqueue::new();
    client.shutdown(Shutdown::Write).unwrap();
    kqueue.add(&client, EVFILT_WRITE, CLEAR);
    assert_eq!(kqueue.next().flags, EV_EOF);
    let kqueue = Kqueue::new();
    ours.shutdown(Shutdown::Write).unwrap();
    kqueue.add(&ours, EVFILT_WRITE, CLEAR);
    assert_eq!(kqueue.next().flags, EV_EOF);
    ours.shutdown(Shutdown::Read).unwrap();
    kqueue.add(&ours, EVFILT_READ, CLEAR);
    assert_eq!(kqueue.next_of(EVFILT_READ).flags, EV_EOF);
}

#[test]
fn both_ends_of_a_pipe_are_told_when_the_other_is_gone() {
    let pipe = || {
        let mut ends = [0; 2];
        // SAFETY: there is room for two.
        check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
        (owned(ends[0]).unwrap(), std::fs::File::from(owned(ends[1]).unwrap()))
    };
    let kqueue = Kqueue::new();
    let (reader, mut writer) = pipe();
    writer.write_all(b"abc").unwrap();
    drop(writer);
    kqueue.add(&reader, EVFILT_READ, CLEAR);
    assert_eq!(told(kqueue.next()), (EVFILT_READ, EV_EOF, 0, 3));
    let (reader, writer) = pipe();
    kqueue.add(&writer, EVFILT_WRITE, CLEAR);
    assert_eq!(kqueue.next().flags, 0);
    drop(reader);
    assert_eq!(told(kqueue.next()), (EVFILT_WRITE, EV_EOF, 0, 1));
}

#[test]
fn a_closed_number_has_no_note_although_a_duplicate_is_open() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    for flags in [CLEAR, EV_ADD] {
        // Other tests may take the number in between.
        let is_tested = (0..100).any(|_| {
            let copy = ours.try_clone().unwrap();
            let note = of(&copy, EVFILT_READ, flags);
            kqueue.change(note).unwrap();
            drop(copy);
            theirs.write_all(b"abc").unwrap();
            kqueue.nothing();
            assert!(matches!(kqueue.change(kevent { flags: EV_DELETE, ..note }), Err(libc::EBADF | libc::ENOENT)));
            // The next socket of this number has none either, and gets one of its own.
            let (other, mut peer) = UnixStream::pair().unwrap();
            if other.as_raw_fd() as usize != note.ident {
                return false;
            }
            peer.write_all(b"x").unwrap();
            theirs.write_all(b"abc").unwrap();
            kqueue.nothing();
            assert_eq!(kqueue.change(of(&other, EVFILT_READ, EV_DELETE)), Err(libc::ENOENT));
            kqueue.add(&other, EVFILT_READ, CLEAR);
            assert_eq!(kqueue.next().data, 1);
            kqueue.change(of(&other, EVFILT_READ, EV_DELETE)).unwrap();
            assert_eq!(kqueue.change(of(&other, EVFILT_READ, EV_DELETE)), Err(libc::ENOENT));
            true
        });
        assert!(is_tested);
    }
}

#[test]
fn receipts_take_the_place_of_their_changes_and_do_not_wait() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let kqueue = Kqueue::new();
    theirs.write_all(b"abc").unwrap();
    let good = of(&ours, EVFILT_READ, CLEAR | EV_RECEIPT);
    let bad = kevent { ident: i32::MAX as usize, ..good };
    let mut list = [good, bad];
    let number = kqueue.0.as_raw_fd();
    // SAFETY: both lists are of two.
    let count = unsafe { kevent(number, list.as_ptr(), 2, list.as_mut_ptr(), 2, ptr::null()) };
    assert_eq!((count, list.map(|receipt| (receipt.flags, receipt.data))), (2, [(EV_ERROR, 0), (EV_ERROR, 9)]));
    assert_eq!(kqueue.next().data, 3);
    // Without a receipt only an error is told, in the list if there is room.
    let (good, bad) = (of(&ours, EVFILT_READ, CLEAR), kevent { flags: CLEAR, ..bad });
    assert_eq!(kqueue.call(&[bad], 0, NOW).unwrap_err(), libc::EBADF);
    assert_eq!(kqueue.call(&[good, bad], 1, NOW).unwrap()[0].flags, EV_ERROR);
    assert_eq!(kqueue.change(kevent { filter: 100, ..good }), Err(libc::EINVAL));
    assert_eq!(kqueue.change(of(&ours, EVFILT_WRITE, EV_DELETE)), Err(libc::ENOENT));
}

#[test]
fn user_notes_are_triggered_once_for_any_number_of_times() {
    let kqueue = Kqueue::new();
    let note = |ident, flags, fflags| kevent { ident, filter: EVFILT_USER, flags, fflags, ..NOTHING };
    assert_eq!(kqueue.change(note(1, 0, NOTE_TRIGGER)), Err(libc::ENOENT));
    for ident in [1, 2] {
        kqueue.change(note(ident, CLEAR, 0)).unwrap();
    }
    kqueue.nothing();
    for ident in [1, 1, 2] {
        kqueue.change(note(ident, 0, NOTE_TRIGGER)).unwrap();
    }
    let mut numbers = [(); 2].map(|()| kqueue.call(&[], 1, LIMIT).unwrap()[0].ident);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    kqueue.nothing();
    kqueue.change(note(1, EV_DELETE, 0)).unwrap();
    kqueue.change(note(2, 0, NOTE_TRIGGER)).unwrap();
    assert_eq!(kqueue.next().ident, 2);
}

#[test]
fn urgent_data_has_a_filter() {
    let (client, server) = tcp();
    let kqueue = Kqueue::new();
    kqueue.add(&client, EVFILT_EXCEPT, CLEAR);
    kqueue.nothing();
    // SAFETY: the byte is readable.
    unsafe { libc::send(server.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(kqueue.next().fflags, NOTE_OOB);
    kqueue.nothing();
}

#[test]
fn a_duplicate_is_the_same_kqueue_and_it_can_be_polled_and_watched() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let first = Kqueue::new();
    let second = Kqueue(first.0.try_clone().unwrap());
    let outer = Kqueue::new();
    outer.add(&second.0, EVFILT_READ, CLEAR);
    first.add(&ours, EVFILT_READ, CLEAR);
    drop(first);
    outer.nothing();
    theirs.write_all(b"x").unwrap();
    outer.next();
    let mut entry = libc::pollfd { fd: second.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the entry is writable.
    assert_eq!(unsafe { libc::poll(&mut entry, 1, 0) }, 1);
    assert_eq!(second.next().data, 1);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::poll(&mut entry, 1, 0) }, 0);
    // What is no kqueue is told from one.
    assert_eq!(Kqueue(ours.into()).call(&[], 1, NOW).unwrap_err(), libc::EBADF);
}

#[test]
fn a_wait_takes_its_time_to_the_nanosecond_and_not_less() {
    let kqueue = Kqueue::new();
    for time in [Duration::from_nanos(1), Duration::from_micros(300), Duration::from_millis(3)] {
        let start = Instant::now();
        assert!(kqueue.call(&[], 1, Some(time)).unwrap().is_empty());
        assert!(start.elapsed() >= time);
    }
}
