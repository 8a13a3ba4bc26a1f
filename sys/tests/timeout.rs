//! How long a `select` waits. The conversion itself is tested at every boundary in `timeout.rs`.
#![cfg(not(loom))]

mod util;

use std::time::{Duration, Instant};

use mainspring_sys::{Events, OsSelector, Selector};

#[test]
fn a_wait_is_never_early() {
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    for nanoseconds in [1, 999, 50_000, 100_001, 999_999, 1_000_000, 1_000_001, 3_100_000] {
        let timeout = Duration::from_nanos(nanoseconds);
        for _ in 0..20 {
            let start = Instant::now();
            selector.select(&mut events, Some(timeout)).unwrap();
            assert!(start.elapsed() >= timeout, "{timeout:?}: {:?}", start.elapsed());
            assert!(events.is_empty());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_wait_below_a_millisecond_is_shorter_than_one() {
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    let shortest = (0..100).map(|_| {
        let start = Instant::now();
        selector.select(&mut events, Some(Duration::from_micros(100))).unwrap();
        start.elapsed()
    });
    assert!(shortest.min().unwrap() < Duration::from_millis(1));
}

#[test]
fn a_zero_timeout_does_not_wait() {
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    let mut times: Vec<_> = (0..1000)
        .map(|_| {
            let start = Instant::now();
            selector.select(&mut events, Some(Duration::ZERO)).unwrap();
            start.elapsed()
        })
        .collect();
    // Not all, and not their sum: a busy machine may let this thread stand still for a second.
    times.sort_unstable();
    assert!(times[500] < Duration::from_millis(1), "{:?} at the median", times[500]);
}

#[test]
fn every_duration_is_a_timeout() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    let longest = [Duration::MAX, Duration::from_secs(1 << 40), Duration::new(999_999, 999_999_999)];
    for timeout in longest.map(Some).into_iter().chain([None]) {
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            while !waker.take() {
                selector.select(&mut events, timeout).unwrap();
            }
        });
    }
}
