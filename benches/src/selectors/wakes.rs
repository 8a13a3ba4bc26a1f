//! Wakes: while one is pending, before a wait, from another thread, and from several at once.
//!
//! Each waits for its wakes as the library's documentation has it. A wait is bounded, so that a wake that is lost is an
//! error and not a benchmark that never ends. The storm counts what was pushed before each wake, as a channel would,
//! and ends when all of it has been seen: how many wakes that took is the selector's own affair, and the fewer the
//! better.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::peer::Peer;

/// The threads of a storm.
const THREADS: usize = 4;

/// Room for the event of the waker, where it is one.
const EVENTS: usize = 16;

/// Wakes a selector that has been woken already and has not looked, `wakes` times.
pub(super) fn pending<P: Peer>(wakes: usize) -> io::Result<Duration> {
    let mut peer = P::new(EVENTS)?;
    let waker = peer.waker();
    P::wake(&waker)?;
    let start = Instant::now();
    for _ in 0..wakes {
        P::wake(&waker)?;
    }
    let elapsed = start.elapsed();
    peer.wait_for_wake()?;
    Ok(elapsed)
}

/// Wakes the selector and then lets it wait, `wakes` times, on one thread: the wait finds the wake and does not sleep.
pub(super) fn before_a_wait<P: Peer>(wakes: usize) -> io::Result<Duration> {
    let mut peer = P::new(EVENTS)?;
    let waker = peer.waker();
    let start = Instant::now();
    for _ in 0..wakes {
        P::wake(&waker)?;
        peer.wait_for_wake()?;
    }
    Ok(start.elapsed())
}

/// Two threads that wake each other in turns, `wakes` times in all, so each wake is of a selector that sleeps or is
/// about to: from the wake until the wait returns.
pub(super) fn across<P: Peer>(wakes: usize) -> io::Result<Duration> {
    let turns = wakes / 2;
    let (mut here, mut there) = (P::new(EVENTS)?, P::new(EVENTS)?);
    let (wake_here, wake_there) = (here.waker(), there.waker());
    thread::scope(|scope| {
        let other = scope.spawn(move || -> io::Result<()> {
            for _ in 0..turns {
                there.wait_for_wake()?;
                P::wake(&wake_here)?;
            }
            Ok(())
        });
        let start = Instant::now();
        for _ in 0..turns {
            P::wake(&wake_there)?;
            here.wait_for_wake()?;
        }
        let elapsed = start.elapsed();
        other.join().map_err(|_| io::Error::other("the other thread panicked"))??;
        Ok(elapsed)
    })
}

/// Four threads that push and wake as fast as they can, `wakes` times in all, and one that is woken until it has seen
/// all that was pushed: from the first push until all have ended.
pub(super) fn storm<P: Peer>(wakes: usize) -> io::Result<Duration> {
    let each = wakes / THREADS;
    let mut peer = P::new(EVENTS)?;
    let pushed = AtomicUsize::new(0);
    let ready = Barrier::new(THREADS + 1);
    // Says when it started: the one that waits may be told late that all are ready.
    let push = |waker: P::Waker| -> io::Result<Instant> {
        ready.wait();
        let start = Instant::now();
        for _ in 0..each {
            pushed.fetch_add(1, Ordering::Release);
            P::wake(&waker)?;
        }
        Ok(start)
    };
    let push = &push;
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(THREADS);
        for _ in 0..THREADS {
            let waker = peer.waker();
            threads.push(scope.spawn(move || push(waker)));
        }
        ready.wait();
        while pushed.load(Ordering::Acquire) < each * THREADS {
            peer.wait_for_wake()?;
        }
        let mut starts = Vec::with_capacity(THREADS);
        for thread in threads {
            starts.push(thread.join().map_err(|_| io::Error::other("a thread of the storm panicked"))??);
        }
        let end = Instant::now();
        Ok(starts.into_iter().min().map_or(Duration::ZERO, |first| end - first))
    })
}
