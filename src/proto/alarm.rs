//! One timer that can be set again and again. (Stand-in: it never goes off.)
use std::task::{Context, Poll};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Alarm {}

impl Alarm {
    /// Lets the alarm go off `after` this long from now. `Duration::MAX` is never.
    pub(super) fn set(&mut self, _after: Duration) {}

    /// Whether it has gone off. Pending records the waker.
    pub(super) fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
