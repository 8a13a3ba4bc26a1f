//! Letting everything happen that can happen now, and moving a clock by hand.
//!
//! A [`Settle`] watches the counters of its reactor: when the selector was asked twice and nobody else was polled in
//! between, nothing is left to do at the present time. It wakes itself meanwhile, so the clock does not jump, and costs
//! the loop nothing, at the price of the thousand polls that it takes until the loop asks its selector although a task
//! is runnable.
//!
//! Several at a time leave each other's polls out, and end one after the other, the last that began first: what comes
//! after its end is work that the others wait for.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mainspring_sys::Clock;

use crate::core::Core;
use crate::time::nanoseconds;
use crate::timer::Timer;
use crate::waker;
use crate::wheel::Wheel;

thread_local! {
    static SETTLING: Cell<Settling> = const { Cell::new(Settling { begun: 0, polls: 0, last: 0, newest: (0, 0) }) };
}

/// What those that settle on one thread know of each other.
#[derive(Clone, Copy)]
struct Settling {
    /// How many have begun.
    begun: u64,
    /// Polls of tasks in which one or more were polled, so that two do not take each other for something that happens.
    polls: u64,
    /// The number of the last of them, by its reactor's count.
    last: u64,
    /// The one that began last, of those that are still polled, and in which of these polls it was polled.
    newest: (u64, u64),
}

/// How often the selector is asked with nothing polled in between. What the first answer wakes is polled before the
/// second.
const SELECTS: u64 = 2;

/// Waits until nothing else is left to do at the present time: tasks that were woken have run, what the kernel has to
/// say was heard, due timers have fired, blocking work is done. Time does not move.
///
/// Of several at a time those that began later end first, and what follows then has happened too. It cannot tell what
/// else the task that awaits it does, beside it in a `join`, and does not wait for that: spawn it.
///
/// For tests. With a task that always wakes itself, or settles again and again, it never ends.
///
/// # Panics
///
/// When it is polled outside a reactor.
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
///
/// ```
/// use mainspring::{channel::mpsc, spawn, testing::{self, settle}};
///
/// testing::run(async {
///     let (sender, mut receiver) = mpsc::bounded(1);
///     let task = spawn(async move { while receiver.recv().await.is_some() {} });
///     sender.send(1).await.unwrap();
///     settle().await;
///     assert!(!task.is_finished());
///     drop(sender);
///     settle().await;
///     assert!(task.is_finished());
/// });
/// ```
pub const fn settle() -> Settle {
    Settle { number: 0, since: None }
}

/// The future of [`settle`](fn@settle).
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Settle {
    /// Which of those of its thread; 0 before the first poll.
    number: u64,
    /// When something was last seen to happen; none before the first poll.
    since: Option<Moment>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Calls of the selector.
    selects: u64,
    /// Polls of the reactor in which nothing settles.
    others: u64,
    /// Those in which something does.
    settling: u64,
}

impl Future for Settle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut settling = SETTLING.get();
        let (now, is_blocking) = with_reactor("settle", |core| (settling.poll(core), core.is_blocking()));
        if self.number == 0 {
            settling.begun += 1;
            self.number = settling.begun;
        }
        let (newest, polled) = settling.newest;
        let waits = newest > self.number && self.since.is_some_and(|since| polled >= since.settling);
        if !waits {
            settling.newest = (self.number, now.settling);
        }
        SETTLING.set(settling);
        match self.since {
            Some(since) if since.others == now.others && !waits && !is_blocking => {
                if now.selects - since.selects >= SELECTS {
                    return Poll::Ready(());
                }
            }
            _ => self.since = Some(now),
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Settling {
    /// Counts the poll that is running, once.
    fn poll(&mut self, core: &Core) -> Moment {
        let polls = core.poll_number();
        if self.last != polls {
            self.last = polls;
            self.polls += 1;
        }
        Moment { selects: core.counters.selects.get(), others: polls.wrapping_sub(self.polls), settling: self.polls }
    }
}

/// Lets `step` pass on the virtual clock of this reactor: all that is due within it happens at its own moment and in
/// its order, as in real time. What can happen now happens first, and what can happen then has happened when it
/// returns.
///
/// The step ends where a timer that was set for its end fires, which is up to 33 µs later: timers are rounded up to the
/// next tick of their wheel. Zero is [`settle`](fn@settle), of which this is made: the same goes for several at a time,
/// and for what the task does beside it. A clock that would go beyond `u64::MAX` nanoseconds stays there.
///
/// # Panics
///
/// When it is polled outside a reactor, or the reactor's clock is the system's.
///
/// # Cancel safety
///
/// Dropped before its end, it has moved the clock by a part of `step`.
pub async fn advance(step: Duration) {
    settle().await;
    if step.is_zero() {
        return;
    }
    let clock = with_reactor("advance", |core| core.clock.clone());
    let end = Wheel::<Timer>::due(clock.now().saturating_add(nanoseconds(step)));
    while let Some(next) = with_reactor("advance", Core::next_timer).filter(|&next| next <= end) {
        move_to(&clock, next).await;
    }
    move_to(&clock, end).await;
}

async fn move_to(clock: &Clock, time: u64) {
    if let Err(error) = clock.advance_to(time) {
        panic!("{error}");
    }
    settle().await;
}

fn with_reactor<R>(what: &str, f: impl FnOnce(&Core) -> R) -> R {
    waker::current(|core| core.map(f))
        .unwrap_or_else(|| panic!("{what} needs a reactor, and none is running on this thread"))
}
