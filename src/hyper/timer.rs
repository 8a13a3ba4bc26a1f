//! The timer of hyper: its timeouts and keep-alives, in the wheel of the reactor.
//!
//! It has no state. A sleep finds the reactor of its thread when it is polled, and the time is that of the reactor's
//! clock: a test in virtual time runs hyper's timeouts through at once.
//!
//! hyper counts in std's instants, which cannot be made from a number. So one pair of readings, made once in a process,
//! tells which std instant a nanosecond of the clock is. For the system's clock that is the moment itself; for a
//! virtual one, which begins anywhere, it is a moment long ago, of which only differences mean something. Durations
//! alone, counted from std's own `now`, were turned down: the two clocks would drift apart between the reading of hyper
//! and ours.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant as StdInstant};

use ::hyper::rt;
use mainspring_sys::Clock;

use super::Sleep;
use crate::time::Instant;

/// A moment by both clocks of the system.
static READING: LazyLock<(StdInstant, u64)> = LazyLock::new(|| (StdInstant::now(), Clock::Os.now()));

/// hyper's timer, for `Builder::timer` of its servers and clients.
///
/// What it is for is off without it: the timeout for the head of a request, and the pings of HTTP/2.
///
/// ```
/// use hyper::rt::Timer as _;
/// use mainspring::{hyper::Timer, testing};
/// use std::time::Duration;
///
/// let year = Duration::from_secs(365 * 24 * 3600);
/// testing::run(async {
///     let start = Timer.now();
///     Timer.sleep(year).await; // in virtual time
///     assert!(Timer.now() - start >= year);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::until(Instant::now() + duration))
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::until(from_std(deadline)))
    }

    fn now(&self) -> StdInstant {
        to_std(Instant::now())
    }

    /// Moves the sleep that is there, which allocates nothing: hyper does so for each request.
    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: StdInstant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(mut sleep) => sleep.reset(from_std(deadline)),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// The same moment in std's terms. One before the system's clock began is when it began.
fn to_std(instant: Instant) -> StdInstant {
    let (std, nanoseconds) = *READING;
    let at = instant.nanoseconds();
    let (ahead, behind) = (at.saturating_sub(nanoseconds), nanoseconds.saturating_sub(at));
    // Why it is never out of range: 584 years ahead, and as long ago as the clock has run.
    std.checked_add(Duration::from_nanos(ahead))
        .and_then(|at| at.checked_sub(Duration::from_nanos(behind)))
        .unwrap_or(std)
}

/// The same moment in the terms of the wheel; saturates.
fn from_std(at: StdInstant) -> Instant {
    let (std, nanoseconds) = *READING;
    let behind = std.saturating_duration_since(at);
    Instant::at(nanoseconds) + at.saturating_duration_since(std) - behind
}
