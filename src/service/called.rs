//! The moment at which a call is made, for all filters around it that count from then.
//!
//! [`Statistics`](super::Statistics) and [`Trace`](super::Trace) read the clock when a call passes;
//! [`Deadline`](super::Deadline)s and further `Statistics` inside, which are asked before `call` returns, take that
//! reading.
//!
//! Guarantees: a moment is that of a `call` which has not returned, so it is older than a reading by what is done in
//! `call`: filters make a future there, and what a closure of the user's computes before it returns one counts as time
//! of the call. It is gone when `call` returns, and not seen by what runs in its polls.
//!
//! The trade-off: a word of the thread, set and put back. The first reading in a poll of the task, which is remembered
//! already, was turned down: a task that computes for a while between two calls would count that as the time of the
//! second.
use std::cell::Cell;

use crate::time::Instant;

thread_local! {
    /// When the call was made that has not returned.
    static CALLED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// That of the call around, or now.
#[inline]
pub(super) fn called() -> Instant {
    // Why not `get`: while a thread ends there is nothing to be kept.
    CALLED.try_with(Cell::get).ok().flatten().unwrap_or_else(Instant::now)
}

/// Until it is dropped a call is being made, at the moment that it knows.
pub(super) struct Calling {
    /// When that is.
    pub(super) since: Instant,
    /// What stood there before; none while a thread ends.
    before: Option<Option<Instant>>,
}

impl Calling {
    /// Begins: at the moment of the call around, or now.
    #[inline]
    pub(super) fn begin() -> Self {
        let since = called();
        Self { since, before: CALLED.try_with(|called| called.replace(Some(since))).ok() }
    }
}

impl Drop for Calling {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            let _ = CALLED.try_with(|called| called.set(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// Waits until the clock has gone on.
    fn later_than(moment: Instant) -> Instant {
        loop {
            let now = Instant::now();
            if now > moment {
                return now;
            }
        }
    }

    #[test]
    fn a_call_has_one_moment_until_it_returns_or_panics() {
        let outer = Calling::begin();
        later_than(outer.since);
        let inner = Calling::begin();
        assert_eq!((called(), inner.since), (outer.since, outer.since));
        drop(inner);
        assert_eq!(called(), outer.since);
        drop(outer);
        let before = Instant::now();
        assert!(called() >= before);
        let unwound = catch_unwind(|| {
            let calling = Calling::begin();
            assert_ne!(calling.since, calling.since, "it panics in between");
        });
        assert!(unwound.is_err());
        let before = later_than(Instant::now());
        assert!(called() >= before);
    }
}
