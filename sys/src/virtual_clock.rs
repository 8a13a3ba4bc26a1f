//! A clock that a test moves, or that the reactor moves to its next deadline.
//!
//! Held by [`Clock::Virtual`](crate::Clock::Virtual); clones share one time, so a test keeps one and
//! gives the other to a reactor. It may be moved from any thread, and no reader ever sees it go back.
//! A reactor that waits in the kernel does not notice that it was moved: wake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where a virtual clock starts, in nanoseconds: one hour. Not zero, so that code which takes zero for
/// "no time", or goes back a little from the start, shows in tests what it does elsewhere.
const START: u64 = 3_600_000_000_000;

/// A time that moves only when it is told to.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// The time in nanoseconds; it only grows.
    now: AtomicU64,
    /// Set at the start if the reactor may move the time to its next deadline.
    auto: bool,
}

impl VirtualClock {
    /// A clock that the reactor moves to its next deadline when it has nothing else to do.
    pub fn auto() -> Self {
        Self::new(true)
    }

    /// A clock that nobody moves but through `advance` and `advance_to`.
    pub fn manual() -> Self {
        Self::new(false)
    }

    fn new(auto: bool) -> Self {
        let now = AtomicU64::new(START);
        Self { state: Arc::new(State { now, auto }) }
    }

    /// The time in nanoseconds; one hour at the start.
    #[inline]
    pub fn now(&self) -> u64 {
        self.state.now.load(Ordering::Acquire)
    }

    /// Moves the time on by `step`, to `u64::MAX` nanoseconds at most.
    pub fn advance(&self, step: Duration) {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        // The closure always gives a value, so the update cannot fail.
        let _ = self.state.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_add(step)));
    }

    /// Moves the time to `time` nanoseconds, or leaves it if it is there or past it.
    pub fn advance_to(&self, time: u64) {
        self.state.now.fetch_max(time, Ordering::AcqRel);
    }

    /// True if the reactor moves this clock to its next deadline.
    #[inline]
    pub fn is_auto(&self) -> bool {
        self.state.auto
    }
}
