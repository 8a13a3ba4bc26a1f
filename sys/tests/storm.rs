//! Waits under a storm of signals, whose handler interrupts system calls.
//!
//! A handler that has run ends a `select` without events, and the caller looks at its clock. So no wait may end before
//! its time unless the handler has run meanwhile, and a wait that goes on until its deadline is late by the storm's own
//! time at most. How late is printed; it fails the test only if `LATENESS_MAX_US` says how much is too much, at the
//! median, in microseconds. `STORM_SECONDS` sets how long it lasts.
#![cfg(all(not(loom), target_os = "linux"))]

mod util;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Readiness, Selector};
use util::{LIMIT, Watch, number, tcp_pair};

/// From one signal to the next: 10,000 a second.
const PERIOD: Duration = Duration::from_micros(100);

/// How often the handler has run.
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn handled() -> u64 {
    HANDLED.load(Ordering::SeqCst)
}

/// Signals to the thread that made it, until it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    fn new() -> Self {
        // SAFETY: all zeros is a valid value of this plain C structure: no flags, so calls are interrupted.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler touches one atomic alone.
        assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
        // SAFETY: as above.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        // SAFETY: takes nothing.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = std::ptr::null_mut();
        // SAFETY: the event is readable and the timer writable.
        assert_eq!(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) }, 0);
        let period = libc::timespec { tv_sec: 0, tv_nsec: PERIOD.as_nanos() as libc::c_long };
        let times = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer was just made, the times are readable, and the old ones are not asked for.
        assert_eq!(unsafe { libc::timer_settime(timer, 0, &times, std::ptr::null_mut()) }, 0);
        Self(timer)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: the timer was made in `new`, and is deleted here alone.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// One test, because the two waits share the count of the handler.
#[test]
fn no_wait_is_early_or_cut_short_and_no_event_is_lost_in_a_storm_of_signals() {
    let seconds = number("STORM_SECONDS", 1);
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let empty = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    let (mut lateness, mut interrupted) = (Vec::new(), 0_u64);
    let _storm = Storm::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    for microseconds in [30, 70, 150, 999, 1_000, 1_001, 3_100, 20_000].into_iter().cycle() {
        let timeout = Duration::from_micros(microseconds);
        let start = Instant::now();
        // A bounded number of interruptions: the storm ends, and each wait with it.
        while let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            let (before, began) = (handled(), Instant::now());
            empty.select(&mut events, Some(left)).unwrap();
            assert!(events.is_empty());
            if handled() == before {
                assert!(began.elapsed() >= left, "{left:?}: returned after {:?}", began.elapsed());
            } else {
                interrupted += 1;
            }
        }
        lateness.push(start.elapsed() - timeout);

        server.send(b"x").unwrap();
        watch.until_interrupted(Readiness::READABLE);
        assert_eq!(client.recv(&mut [0; 9]).unwrap(), 1);
        // On a busy machine it takes longer until there was a storm.
        if start > end && (interrupted >= 100 * seconds || start > end + LIMIT) {
            break;
        }
    }
    lateness.sort_unstable();
    let at = |share: f64| lateness[((lateness.len() - 1) as f64 * share) as usize];
    let (count, median, most) = (lateness.len(), at(0.5), at(1.0));
    println!(
        "{} signals, {interrupted} waits interrupted; {count} deadlines, late by {median:?} at the median, {:?} at \
        the 99th percentile, {most:?} at most",
        handled(),
        at(0.99)
    );
    assert!(interrupted >= 100 * seconds, "{interrupted} interruptions in {seconds} s are no storm");
    let limit = Duration::from_micros(number("LATENESS_MAX_US", u64::MAX));
    assert!(median <= limit, "late by {median:?} at the median, more than {limit:?}");
}
