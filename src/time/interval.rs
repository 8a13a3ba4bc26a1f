//! Ticks at a fixed period.
//!
//! For heartbeats and reports, as a stream, as a future per tick, and as a try for tick tasks. An interval is one
//! [`Sleep`] that is reset, so it has one entry in the wheel however long it runs. A tick is never early, and says when
//! it was due, not when it was seen.
//!
//! The next tick is counted from the one before, so that lateness does not add up, as it does in a loop around `sleep`;
//! the price is that something has to be said about ticks that were missed: [`MissedTicks`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use super::{Instant, Sleep, sleep_until};

/// Ticks every `period`, the first one now.
///
/// # Panics
///
/// When `period` is zero.
///
/// ```
/// use std::time::Duration;
/// use mainspring::time::{interval, Instant};
///
/// mainspring::run(async {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(1));
///     for _ in 0..3 {
///         ticks.tick().await;
///     }
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// })
/// # .unwrap();
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first one at `start`; one in the past is at once.
///
/// # Panics
///
/// When `period` is zero.
///
/// ```
/// use std::time::Duration;
/// use mainspring::time::{interval_at, Instant};
///
/// mainspring::run(async {
///     let start = Instant::now() + Duration::from_millis(2);
///     let mut ticks = interval_at(start, Duration::from_secs(1));
///     assert_eq!(ticks.tick().await, start);
///     assert!(Instant::now() >= start);
/// })
/// # .unwrap();
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is {period:?}, and must be more than zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTicks::default() }
}

/// What an [`Interval`] does about ticks that nobody took in time.
///
/// ```
/// use std::time::Duration;
/// use mainspring::{Reactor, time::{Clock, Instant, MissedTicks, interval, sleep}};
///
/// let reactor = Reactor::builder().clock(Clock::auto()).build()?;
/// reactor.block_on(async {
///     let second = Duration::from_secs(1);
///     for (missed, next) in [(MissedTicks::Burst, 2), (MissedTicks::Skip, 4)] {
///         let start = Instant::now();
///         let mut ticks = interval(second).missed_ticks(missed);
///         ticks.tick().await;
///         sleep(3 * second).await; // those of 1, 2 and 3 seconds are not taken
///         assert_eq!(ticks.tick().await, start + second);
///         assert_eq!(ticks.tick().await, start + next * second);
///     }
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissedTicks {
    /// Makes up for them at once, one after the other: the number of ticks stays right.
    Burst,
    /// Goes on one period after the late tick: ticks are never closer than a period.
    Delay,
    /// Leaves them out, and goes on at the next multiple of the period. The default: no burst after a pause, no drift.
    #[default]
    Skip,
}

/// The stream of [`interval`].
#[derive(Debug)]
pub struct Interval {
    /// Until the next tick, whose time is its deadline.
    sleep: Sleep,
    /// Between ticks.
    period: Duration,
    /// What happens to ticks that were missed.
    missed: MissedTicks,
}

impl Interval {
    /// Sets what happens to ticks that nobody took in time.
    pub const fn missed_ticks(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// The time between ticks.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick.
    ///
    /// # Panics
    ///
    /// When it has to wait, and no reactor is running on this thread.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// A try in the style of a tick task: `None` is "not yet". Outside a tick nobody is woken, and the answer is that
    /// of [`Instant::now`].
    ///
    /// # Errors
    ///
    /// When it has to wait, in a tick or in [`ready`](crate::ready), and no reactor is running on this thread.
    pub fn try_tick(&mut self) -> io::Result<Option<Instant>> {
        Ok(self.sleep.try_wait()?.map(|()| self.advance()))
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        Poll::Ready(self.advance())
    }

    /// The tick that is due; the sleep goes on to the next.
    fn advance(&mut self) -> Instant {
        let due = self.sleep.deadline();
        let next = due + self.period;
        let now = Instant::now();
        self.sleep.reset(match self.missed {
            MissedTicks::Burst => next,
            MissedTicks::Delay => now + self.period,
            MissedTicks::Skip if next > now => next,
            MissedTicks::Skip => {
                let late = (now - due).as_nanos() % self.period.as_nanos();
                now + (self.period - Duration::from_nanos(late as u64))
            }
        });
        due
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
