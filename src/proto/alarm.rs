//! The one place in which the protocols ask for time: a deadline that is set, and set again.
//!
//! [`Watchdog`](super::watchdog::Watchdog) tells it when a phase begins, and when its limit is another. It is a [`Sleep`] that is kept for the whole
//! connection: setting it again moves its entry in the wheel, which is O(1).
//!
//! It is made when it is first set, so a connection without deadlines has no timer; one that was never set never goes off.
//! A new sleep for each phase would be simpler, and take an entry out and put one in each time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::time::{Instant, Sleep, sleep_until};

/// A deadline that can be moved.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// Made when it is first set.
    sleep: Option<Sleep>,
    /// When it was set. Written by `set`.
    began: Option<Instant>,
}

impl Alarm {
    /// Lets the alarm go off `after` this long from now. `Duration::MAX` is never.
    pub(super) fn set(&mut self, after: Duration) {
        self.began = Some(Instant::now());
        self.move_to(after);
    }

    /// Lets the alarm that was set go off `after` this long from then.
    pub(super) fn move_to(&mut self, after: Duration) {
        let at = self.began.unwrap_or_else(Instant::now) + after;
        match &mut self.sleep {
            Some(sleep) => sleep.reset(at),
            none => *none = Some(sleep_until(at)),
        }
    }

    /// Whether it has gone off. Pending records the waker.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => Pin::new(sleep).poll(cx),
            None => Poll::Pending,
        }
    }
}
