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

/// In a process of its own, so that there is one eventfd.
#[test]
fn no_wake_of_four_threads_is_lost_and_one_of_each_sleep_is_written() {
    util::in_child("no_wake_of_four_threads_is_lost_and_one_of_each_sleep_is_written", || {
        const THREADS: usize = 4;
        /// Wakes in a row; then a producer waits until all are seen, so that the selector can fall asleep.
        const BURST: usize = 100;
        const ITEMS: usize = 250_000;
        let selector = OsSelector::new().unwrap();
        let waker = selector.waker().unwrap();
        let (inbox, pushed, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut selects = 0_u64;
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..ITEMS / BURST {
                        for _ in 0..BURST {
                            inbox.fetch_add(1, Ordering::Relaxed);
                            pushed.fetch_add(1, Ordering::Relaxed);
                            waker.wake();
                        }
                        let pushed = pushed.load(Ordering::Relaxed);
                        while seen.load(Ordering::Relaxed) < pushed {
                            thread::yield_now();
                        }
                    }
                });
            }
            let mut events = Events::with_capacity(8);
            while seen.load(Ordering::Relaxed) < THREADS * ITEMS {
                let so_far = seen.load(Ordering::Relaxed);
                selects += 1;
                assert!(is_ended_at_once(&selector, &mut events), "lost after {so_far} items");
                if waker.take() {
                    seen.fetch_add(inbox.swap(0, Ordering::Relaxed), Ordering::Relaxed);
                }
            }
        });
        assert_eq!(inbox.into_inner(), 0);
        #[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
        {
            let (wakes, writes) = (THREADS * ITEMS, eventfd_count());
            println!("{wakes} wakes, {selects} selects, {writes} writes");
            // Each write is for one sleep, so the least says that it slept. How many wakes come during one sleep is the
            // scheduler's: on one core each may be answered before the next.
            assert!((100..=selects).contains(&writes), "{writes} writes for {selects} selects and {wakes} wakes");
        }
    });
}

/// The one eventfd of this process.
#[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
fn eventfd() -> i32 {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let is_eventfd = |path: &std::path::PathBuf| {
        std::fs::read_link(path).is_ok_and(|link| link.as_os_str() == "anon_inode:[eventfd]")
    };
    let eventfds: Vec<_> = descriptors.filter(is_eventfd).collect();
    assert_eq!(eventfds.len(), 1, "{eventfds:?}");
    eventfds[0].file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// What has been added up in it. Nobody reads it, so it is the number of writes.
#[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
fn eventfd_count() -> u64 {
    let information = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", eventfd())).unwrap();
    let count = information.lines().find_map(|line| line.strip_prefix("eventfd-count:")).unwrap();
    u64::from_str_radix(count.trim(), 16).unwrap()
}

#[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
#[test]
fn an_eventfd_that_is_full_is_reset_and_still_wakes() {
    util::in_child("an_eventfd_that_is_full_is_reset_and_still_wakes", || {
        const FULL: u64 = u64::MAX - 1;
        let selector = OsSelector::new().unwrap();
        let waker = selector.waker().unwrap();
        let mut events = Events::with_capacity(8);
        // SAFETY: the number is readable for its 8 bytes.
        let written = unsafe { libc::write(eventfd(), std::ptr::from_ref(&FULL).cast(), 8) };
        assert_eq!(written, 8);
        // Until a wake has met the selector asleep.
        for _ in 0..10_000 {
            selector.select(&mut events, Some(Duration::ZERO)).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| waker.wake());
                while !waker.take() {
                    assert!(is_ended_at_once(&selector, &mut events), "the wake was lost");
                }
            });
            if eventfd_count() < FULL {
                return;
            }
        }
        panic!("it was never written to");
    });
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
