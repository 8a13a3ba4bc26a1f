//! The waker from outside: nothing is lost, pending wakes are one, and it outlives its selector.
//!
//! The state machine itself is modelled in `park.rs`, over all interleavings.
#![cfg(not(loom))]

mod util;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Waker};
use util::{LIMIT, Watch, tcp_pair};

fn is_ended_at_once(selector: &OsSelector, events: &mut Events) -> bool {
    let start = Instant::now();
    selector.select(events, Some(LIMIT)).unwrap();
    start.elapsed() < LIMIT
}

#[test]
fn a_waker_goes_to_any_thread() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_shared::<Waker>();
}

#[test]
fn a_wake_before_select_ends_it_and_leaves_the_token() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    waker.wake();
    for _ in 0..3 {
        assert!(is_ended_at_once(&selector, &mut events));
        assert!(events.is_empty());
    }
    assert!(waker.take());
    assert!(!waker.take());
}

#[test]
fn a_thousand_pending_wakes_are_one_token() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    for _ in 0..1000 {
        waker.clone().wake();
    }
    assert!(waker.take());
    assert!(!waker.take());
    // Nothing is left to end a wait: it takes its time.
    let (start, wait) = (Instant::now(), Duration::from_millis(20));
    selector.select(&mut events, Some(wait)).unwrap();
    assert!(start.elapsed() >= wait);
}

#[test]
fn a_select_that_does_not_wait_leaves_the_token() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(!waker.take());
    waker.wake();
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(waker.take());
}

#[test]
fn a_wake_during_a_wait_ends_it_and_does_not_show_as_an_event() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    for _ in 0..100 {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                waker.wake();
            });
            barrier.wait();
            while !waker.take() {
                assert!(is_ended_at_once(&selector, &mut events));
                assert!(events.is_empty());
                assert_eq!(events.len(), 0);
                assert_eq!(events.iter().count(), 0);
            }
        });
    }
}

#[test]
fn events_come_beside_a_wake() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let waker = watch.selector.waker().unwrap();
    server.send(b"x").unwrap();
    util::await_bytes(&client, 1);
    waker.wake();
    let mut events = Events::with_capacity(8);
    watch.selector.select(&mut events, None).unwrap();
    assert_eq!(events.len(), 1);
    assert!(waker.take());
}

#[test]
fn no_wake_of_four_threads_is_lost() {
    const THREADS: usize = 4;
    const ITEMS: usize = 50_000;
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let inbox = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (waker, inbox) = (waker.clone(), &inbox);
            scope.spawn(move || {
                for item in 0..ITEMS {
                    inbox.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                    // Lets the selector fall asleep now and then.
                    if (item + thread) % 16 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut events = Events::with_capacity(8);
        let mut seen = 0;
        while seen < THREADS * ITEMS {
            assert!(is_ended_at_once(&selector, &mut events), "lost after {seen} items");
            if waker.take() {
                seen += inbox.swap(0, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(inbox.into_inner(), 0);
}

#[test]
fn every_wake_of_a_sleeping_selector_ends_its_wait() {
    // One item at a time, answered before the next, so that nearly every one meets a selector asleep.
    const ITEMS: usize = 20_000;
    let (ours, theirs) = (OsSelector::new().unwrap(), OsSelector::new().unwrap());
    let (our_waker, their_waker) = (ours.waker().unwrap(), theirs.waker().unwrap());
    let await_token = |selector: &OsSelector, waker: &Waker| {
        let mut events = Events::with_capacity(8);
        while !waker.take() {
            assert!(is_ended_at_once(selector, &mut events), "a wake was lost");
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ITEMS {
                await_token(&theirs, &their_waker);
                our_waker.wake();
            }
        });
        for _ in 0..ITEMS {
            their_waker.wake();
            await_token(&ours, &our_waker);
        }
    });
}

#[test]
fn a_wake_after_the_selector_is_gone_is_harmless() {
    let selector = OsSelector::new().unwrap();
    let wakers: Vec<_> = (0..4).map(|_| selector.waker().unwrap()).collect();
    drop(selector);
    // What takes the number of the selector's descriptor gets nothing written to it.
    let (client, server) = tcp_pair();
    thread::scope(|scope| {
        for waker in &wakers {
            scope.spawn(|| (0..1000).for_each(|_| waker.wake()));
        }
    });
    assert_eq!(util::drain(&client) + util::drain(&server), 0);
}
