//! The life of a registration: what is reported, and under which token, when it is made, changed, ended and made again.
//!
//! What a call refuses stands in `selector.rs`.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use mainspring_sys::{Events, Interest, Mode, OsSelector, Readiness, Selector, Socket, Token};
use util::{LIMIT, Watch, connect, drain, everything, expect, expect_nothing, listener, tcp_pair};

#[test]
fn a_drained_source_is_reported_again_with_new_data() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    for _ in 0..3 {
        server.send(b"abc").unwrap();
        watch.next();
        assert_eq!(drain(&client), 3);
        watch.nothing();
    }
}

#[test]
fn a_connection_is_accepted_read_answered_and_let_go() {
    const LISTENER: Token = Token(0);
    const SERVER: Token = Token(1);
    let listener = listener();
    let selector = OsSelector::new().unwrap();
    selector.register(listener.as_fd(), LISTENER, Interest::READABLE, Mode::Edge).unwrap();
    let client = connect(listener.local_addr().unwrap());
    assert_eq!(expect(&selector)[0].token(), LISTENER);
    let (server, _) = listener.accept().unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);

    selector.register(server.as_fd(), SERVER, Interest::READABLE, Mode::Edge).unwrap();
    expect_nothing(&selector);
    client.send(b"question").unwrap();
    let events = expect(&selector);
    assert!(events.iter().all(|event| event.token() == SERVER && event.is_readable() && !event.is_writable()));
    assert_eq!(drain(&server), 8);

    selector.reregister(server.as_fd(), SERVER, Interest::WRITABLE, Mode::Edge).unwrap();
    let events = expect(&selector);
    assert!(events.iter().all(|event| event.token() == SERVER && event.is_writable() && !event.is_readable()));
    server.send(b"answer").unwrap();
    util::await_bytes(&client, 6);

    selector.deregister(server.as_fd()).unwrap();
    client.send(b"another").unwrap();
    util::await_bytes(&server, 7);
    expect_nothing(&selector);
}

#[test]
fn what_is_ready_at_a_change_comes_under_the_new_token_alone() {
    let (client, server) = tcp_pair();
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    let watch = Watch::new(&client, everything(), Mode::Level);
    watch.next();
    watch.selector.reregister(client.as_fd(), Token(7), everything(), Mode::Level).unwrap();
    for _ in 0..2 {
        let events = expect(&watch.selector);
        assert!(events.iter().all(|event| event.token() == Token(7)), "{events:?}");
    }
}

#[test]
fn a_connect_may_start_after_the_registration_was_changed() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    let selector = OsSelector::new().unwrap();
    selector.register(client.as_fd(), Token(1), Interest::READABLE, Mode::Level).unwrap();
    selector.reregister(client.as_fd(), Token(2), Interest::WRITABLE, Mode::Level).unwrap();
    client.connect(&address).unwrap();
    let mut events;
    loop {
        events = expect(&selector);
        assert!(events.iter().all(|event| event.token() == Token(2)), "{events:?}");
        if events.iter().any(|event| event.is_writable() && !event.is_write_closed()) {
            break;
        }
    }
    assert!(client.peer_addr().is_ok());
}

#[test]
fn a_connect_that_is_let_go_reports_nothing_but_the_wake() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    let watch = Watch::new(&client, everything(), Mode::Edge);
    watch.selector.deregister(client.as_fd()).unwrap();
    let _server = util::accept(&listener);
    let waker = watch.selector.waker().unwrap();
    waker.wake();
    watch.nothing();
    assert!(waker.take());
}

#[test]
fn what_was_let_go_can_be_registered_again() {
    let (client, server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    for round in 0..10 {
        server.send(b"x").unwrap();
        util::await_bytes(&client, 1);
        selector.register(client.as_fd(), Token(round), Interest::READABLE, Mode::Edge).unwrap();
        assert_eq!(expect(&selector)[0].token(), Token(round));
        expect_nothing(&selector);
        assert_eq!(drain(&client), 1);
        selector.deregister(client.as_fd()).unwrap();
        expect_nothing(&selector);
    }
}

#[test]
fn what_was_let_go_works_as_before() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, everything(), Mode::Edge);
    watch.next();
    watch.selector.deregister(client.as_fd()).unwrap();
    assert_eq!(client.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.peek(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.send(b"abc").unwrap(), 3);
    util::await_bytes(&server, 3);
    watch.nothing();
}

#[test]
fn what_was_written_arrives_though_the_registration_or_the_socket_ends() {
    for closed in [false, true] {
        let (client, server) = tcp_pair();
        let watch = Watch::new(&server, Interest::WRITABLE, Mode::Edge);
        watch.next();
        server.send(b"1234").unwrap();
        let mut kept = None;
        if closed {
            drop(server);
        } else {
            watch.selector.deregister(server.as_fd()).unwrap();
            kept = Some(server);
        }
        let reader = Watch::new(&client, Interest::WRITABLE, Mode::Edge);
        reader.next();
        reader.selector.reregister(client.as_fd(), Watch::TOKEN, Interest::READABLE, Mode::Edge).unwrap();
        reader.until(Readiness::READABLE);
        util::await_bytes(&client, 4);
        assert_eq!(client.recv(&mut [0; 9]).unwrap(), 4);
        drop(kept);
    }
}

#[test]
fn closing_a_registered_stream_ends_the_peers() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, everything(), Mode::Edge);
    watch.next();
    let peer = Watch::new(&server, Interest::READABLE, Mode::Edge);
    drop(client);
    peer.until(Readiness::READ_CLOSED);
    assert_eq!(server.recv(&mut [0; 1]).unwrap(), 0);
    watch.nothing();
}

#[test]
fn a_closed_listener_reports_nothing() {
    let listener = listener();
    let client = connect(listener.local_addr().unwrap());
    let watch = Watch::new(&listener, Interest::READABLE, Mode::Level);
    watch.next();
    drop(listener);
    watch.nothing();
    drop(client);
    watch.nothing();
}

#[test]
fn the_mode_can_be_changed() {
    let (client, server) = tcp_pair();
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    let change = |mode| watch.selector.reregister(client.as_fd(), Watch::TOKEN, Interest::READABLE, mode).unwrap();
    watch.next();
    watch.next();
    for mode in [Mode::Oneshot, Mode::Edge] {
        change(mode);
        watch.next();
        watch.nothing();
    }
    change(Mode::Level);
    watch.next();
    watch.next();
}

#[test]
fn two_selectors_may_watch_one_descriptor() {
    for mode in [Mode::Edge, Mode::Level, Mode::Oneshot] {
        let (client, server) = tcp_pair();
        let watches = [0; 2].map(|_| Watch::new(&client, Interest::READABLE, mode));
        server.send(b"abc").unwrap();
        util::await_bytes(&client, 3);
        for watch in &watches {
            watch.next();
            if mode == Mode::Level {
                watch.next();
            } else {
                watch.nothing();
            }
        }
        // One letting go is nothing to the other.
        watches[0].selector.deregister(client.as_fd()).unwrap();
        server.send(b"d").unwrap();
        util::await_bytes(&client, 4);
        watches[0].nothing();
        if mode != Mode::Oneshot {
            watches[1].next();
        }
    }
}

#[test]
fn a_hundred_sources_are_told_apart_in_any_order() {
    let pairs: Vec<_> = (0..100).map(|_| tcp_pair()).collect();
    let selector = OsSelector::new().unwrap();
    for (index, (ours, _)) in pairs.iter().enumerate() {
        selector.register(ours.as_fd(), Token(index as u64), Interest::READABLE, Mode::Edge).unwrap();
    }
    let mut events = Events::with_capacity(8);
    for step in 0..100_u64 {
        // 37 has no divisor in common with 100: each comes once.
        let index = step * 37 % 100;
        pairs[index as usize].1.send(b"x").unwrap();
        selector.select(&mut events, Some(LIMIT)).unwrap();
        let tokens: Vec<_> = events.iter().map(|event| event.token()).collect();
        assert_eq!(tokens, [Token(index)]);
    }
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
}

#[test]
fn a_level_that_does_not_fit_comes_around() {
    let pairs: Vec<_> = (0..4).map(|_| tcp_pair()).collect();
    let selector = OsSelector::new().unwrap();
    for (index, (ours, theirs)) in pairs.iter().enumerate() {
        theirs.send(b"x").unwrap();
        util::await_bytes(ours, 1);
        selector.register(ours.as_fd(), Token(index as u64), Interest::READABLE, Mode::Level).unwrap();
    }
    // With room for one event each source has its turn.
    let mut events = Events::with_capacity(1);
    let mut seen = [0; 4];
    for _ in 0..12 {
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        for event in events.iter() {
            seen[event.token().0 as usize] += 1;
        }
    }
    assert_eq!(seen, [3; 4]);
}

#[test]
fn each_select_replaces_the_events_of_the_one_before() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let mut events = Events::with_capacity(8);
    server.send(b"x").unwrap();
    watch.selector.select(&mut events, Some(LIMIT)).unwrap();
    assert_eq!(events.len(), 1);
    watch.selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
}

#[test]
fn a_selector_that_is_dropped_first_leaves_its_sources_working() {
    let (client, server) = tcp_pair();
    drop(Watch::new(&client, everything(), Mode::Edge));
    client.send(b"abc").unwrap();
    util::await_bytes(&server, 3);
    Watch::new(&client, Interest::WRITABLE, Mode::Edge).next();
}
