//! Calls that wait in a filter, and how many may.
//!
//! What [`ConcurrencyLimit`](super::ConcurrencyLimit) and [`RateLimit`](super::RateLimit) count: one for each call that
//! stands in a line, until it has its turn or is dropped. A guard, so that no way out of the line forgets it; the line
//! itself does not say how long it is.
use std::cell::Cell;

/// Calls that wait by default, in items: a burst that a server gets over in a second or so. A hundred were too few for
/// users of other proxies, who lost calls in bursts.
pub(super) const WAITERS_MAX: usize = 10_000;

/// One that is counted as waiting, until this is dropped.
pub(super) struct Waiter<'a>(&'a Cell<usize>);

impl<'a> Waiter<'a> {
    pub(super) fn new(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
