//! The one place in which the protocols ask for time: a deadline that is set, and set again.
//!
//! [`Watchdog`](super::watchdog::Watchdog) tells it when a phase begins, and when its limit is another. It is a
//! [`Sleep`] that is kept for the whole connection. Phases begin with each request, and hardly any lasts until its
//! limit: so a later deadline is a store, and the sleep ends at the one before, to be moved then. Only an earlier one
//! moves it at once, which is O(1).
//!
//! It is made when it is first set, so a connection without deadlines has no timer; one that was never set never goes
//! off. The price is a wake for nothing where a short phase was followed by longer ones, once in the length of a phase.
//! A new sleep for each phase would be simpler, and take an entry out and put one in each time.
//!
//! The time is that of a reading of the clock in the same poll, which all that ask in it share.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::time::{Instant, Limit, sleep_until};

/// A deadline that can be moved.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// Made when it is first set. It ends at the deadline, or before it.
    limit: Option<Limit>,
    /// When it was set. Written by `set`.
    began: Option<Instant>,
    /// When it is to go off; none if it was never set. Written by `move_to`.
    deadline: Option<Instant>,
}

impl Alarm {
    /// Lets the alarm go off `after` this long from now. `Duration::MAX` is never.
    #[inline]
    pub(super) fn set(&mut self, after: Duration) {
        self.began = Some(Instant::recent());
        self.move_to(after);
    }

    /// Lets the alarm that was set go off `after` this long from then.
    #[inline]
    pub(super) fn move_to(&mut self, after: Duration) {
        let at = self.began.unwrap_or_else(Instant::recent) + after;
        self.deadline = Some(at);
        match &mut self.limit {
            Some(Limit(sleep)) if !sleep.is_elapsed() && sleep.deadline() <= at => {}
            Some(Limit(sleep)) => sleep.reset(at),
            none => *none = Some(Limit(sleep_until(at))),
        }
    }

    /// Whether it has gone off. Pending records the waker.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(limit), Some(deadline)) = (&mut self.limit, self.deadline) else { return Poll::Pending };
        ready!(Pin::new(&mut *limit).poll(cx));
        if limit.0.deadline() >= deadline {
            return Poll::Ready(());
        }
        // It has ended for a deadline that was put off.
        limit.0.reset(deadline);
        Pin::new(limit).poll(cx)
    }
}
