//! What several threads may do with one selector at once.
#![cfg(not(loom))]

mod util;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::{Event, Events, Interest, Mode, OsSelector, Readiness, Selector, Socket, Token};
use util::{LIMIT, expect, expect_nothing, tcp_pair};

#[test]
fn selectors_events_and_sockets_go_to_any_thread() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<OsSelector>();
    is_shared::<Events>();
    is_shared::<Event>();
    is_shared::<Socket>();
    is_shared::<(Token, Interest, Mode, Readiness)>();
}

#[test]
fn what_other_threads_register_during_a_wait_is_reported() {
    const THREADS: u64 = 4;
    let selector = Arc::new(OsSelector::new().unwrap());
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (selector, sender) = (Arc::clone(&selector), sender.clone());
            thread::spawn(move || {
                for source in 0..50 {
                    let (ours, theirs) = tcp_pair();
                    let token = Token(thread * 1000 + source);
                    selector.register(ours.as_fd(), token, Interest::WRITABLE, Mode::Edge).unwrap();
                    sender.send((ours, theirs)).unwrap();
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    let mut events = Events::with_capacity(16);
    while seen.len() < 50 * THREADS as usize {
        selector.select(&mut events, Some(LIMIT)).unwrap();
        assert!(!events.is_empty(), "{} of {}", seen.len(), 50 * THREADS);
        seen.extend(events.iter().map(|event| event.token().0));
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq((0..THREADS).flat_map(|thread| (0..50).map(move |source| thread * 1000 + source))));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(receiver.try_iter().count(), 200);
}

#[test]
fn what_other_threads_change_during_a_wait_is_reported_as_changed() {
    let (client, server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    selector.register(client.as_fd(), Token(0), Interest::READABLE, Mode::Edge).unwrap();
    for round in 1..=200 {
        thread::scope(|scope| {
            scope.spawn(|| {
                // Alternately by a change, and by an end and a beginning.
                if round % 2 == 0 {
                    selector.deregister(client.as_fd()).unwrap();
                    selector.register(client.as_fd(), Token(round), Interest::WRITABLE, Mode::Edge).unwrap();
                } else {
                    selector.reregister(client.as_fd(), Token(round), Interest::WRITABLE, Mode::Edge).unwrap();
                }
            });
            let events = expect(&selector);
            assert!(events.iter().all(|event| event.token() == Token(round) && event.is_writable()), "{events:?}");
        });
        expect_nothing(&selector);
    }
    drop(server);
}

#[test]
fn a_registration_that_another_thread_ends_is_not_reported_after_that() {
    let (client, server) = tcp_pair();
    server.send(b"x").unwrap();
    util::await_bytes(&client, 1);
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    // The last round that was reported, the last that was ended, and how many selects there were.
    let (reported, ended, selects) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let until = |is_so: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < LIMIT, "the other thread has ended");
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=500 {
                selector.register(client.as_fd(), Token(round), Interest::READABLE, Mode::Level).unwrap();
                until(&|| reported.load(Ordering::SeqCst) == round);
                selector.deregister(client.as_fd()).unwrap();
                ended.store(round, Ordering::SeqCst);
                // One of two has begun after that.
                let before = selects.load(Ordering::SeqCst);
                until(&|| selects.load(Ordering::SeqCst) >= before + 2);
            }
            waker.wake();
        });
        let mut events = Events::with_capacity(8);
        while !waker.take() {
            let ended = ended.load(Ordering::SeqCst);
            selector.select(&mut events, Some(Duration::ZERO)).unwrap();
            for event in events.iter() {
                assert!(event.token().0 > ended, "{event:?} after the end of {ended}");
                reported.store(event.token().0, Ordering::SeqCst);
            }
            selects.fetch_add(1, Ordering::SeqCst);
        }
    });
    expect_nothing(&selector);
}
