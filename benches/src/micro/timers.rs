//! Timers: the rows `timer_…` and `timers_fire`.
//!
//! Live sleeps are spread over ten hours, so that they stand on several levels of a wheel. They are made once for each
//! runtime and row, before its first turn: a million of them take longer to make than to measure.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::runtime::Runtime;
use crate::schedstat::Ran;

/// Over what time the live sleeps are spread.
const SPREAD: Duration = Duration::from_secs(36_000);

/// Within what time a flight of timers is due.
const WINDOW: Duration = Duration::from_secs(1);

/// Sleeps that are live to the end of the row.
pub(super) struct Live<R: Runtime>(#[expect(dead_code, reason = "they are held")] Vec<Pin<Box<R::Sleep>>>);

impl<R: Runtime> Live<R> {
    /// So many sleeps that have been polled once, on the runtime that is running.
    pub(super) async fn new(count: usize) -> Self {
        let mut sleeps: Vec<_> = (1..=count)
            .map(|nth| Box::pin(R::sleep(SPREAD.mul_f64(nth as f64 / count as f64) + Duration::from_secs(600))))
            .collect();
        poll_fn(|cx| {
            for sleep in &mut sleeps {
                is_pending(sleep.as_mut(), cx);
            }
            Poll::Ready(())
        })
        .await;
        Self(sleeps)
    }
}

fn is_pending(sleep: Pin<&mut impl Future>, cx: &mut Context<'_>) {
    assert!(sleep.poll(cx).is_pending(), "a sleep of minutes has ended");
}

/// Makes a sleep of 30 s, polls it once and drops it: a timeout that does not expire. The clock is read for each.
pub(super) async fn arm_and_cancel<R: Runtime>(count: usize) -> Duration {
    poll_fn(|cx| {
        let start = Instant::now();
        for _ in 0..count {
            let sleep = pin!(R::sleep(Duration::from_secs(30)));
            is_pending(sleep, cx);
        }
        Poll::Ready(start.elapsed())
    })
    .await
}

/// Moves the deadline of a sleep that is armed, a second later each time. No clock is read.
pub(super) async fn reset<R: Runtime>(count: usize) -> Duration {
    let mut sleep = pin!(R::sleep(Duration::from_secs(30)));
    poll_fn(|cx| {
        is_pending(sleep.as_mut(), cx);
        Poll::Ready(())
    })
    .await;
    let mut deadline = R::after(R::now(), Duration::from_secs(30));
    let start = Instant::now();
    for _ in 0..count {
        deadline = R::after(deadline, Duration::from_secs(1));
        R::reset(sleep.as_mut(), deadline);
    }
    start.elapsed()
}

/// What came of a flight of timers.
pub(super) struct Fired {
    /// Processor time of the whole process, per timer.
    pub(super) processor: Duration,
    /// How late each was, ascending.
    late: Vec<Duration>,
}

impl Fired {
    /// How late those in this hundredth were.
    pub(super) fn late(&self, hundredth: usize) -> Duration {
        self.late[self.late.len() * hundredth / 100]
    }
}

/// Starts `count` tasks that each sleep once, so that they end one by one within the window, in no order; waits for
/// all.
pub(super) fn fire<R: Runtime>(runtime: &R, count: usize) -> io::Result<Fired> {
    let before = Ran::of("self")?;
    let (done, end) = R::oneshot();
    let fired = Arc::new(Mutex::new((Vec::with_capacity(count), Some(done))));
    let shared = Arc::clone(&fired);
    runtime.run(async move {
        // Time to start them all, before the first is due.
        let first = Instant::now() + Duration::from_micros(count as u64 * 5);
        for nth in 0..count {
            // A multiplier without a common divisor visits every place once.
            let place = nth * 7_919 % count;
            let due = first + WINDOW.mul_f64(place as f64 / count as f64);
            let fired = Arc::clone(&shared);
            // A moment, since a task may be run for the first time long after it was started.
            let deadline = R::after(R::now(), due.saturating_duration_since(Instant::now()));
            R::start_sleeping(deadline, move || {
                let late = due.elapsed();
                let mut fired = fired.lock().expect("no task panics");
                fired.0.push(late);
                if fired.0.len() == count {
                    assert!(R::fulfil(fired.1.take().expect("it is sent once"), ()));
                }
            });
        }
        assert!(R::answer(end).await.is_some());
    });
    let processor = Ran::of("self")?.since(before).time / count as u32;
    let mut late = std::mem::take(&mut fired.lock().expect("no task panics").0);
    late.sort_unstable();
    Ok(Fired { processor, late })
}

/// Reads the clock.
pub(super) async fn clock<R: Runtime>(count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        std::hint::black_box(R::now());
    }
    start.elapsed()
}
