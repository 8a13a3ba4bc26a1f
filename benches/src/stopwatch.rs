//! Nanoseconds per operation, over several rounds.
//!
//! The best round is what the code costs when nothing disturbs it, the median what it costs on this machine now; both
//! are shown, and neither is asserted. A mean would say mostly what else the machine did. Used by the commands that
//! time, for operations so short that a round has to repeat them thousands of times.

use std::io;
use std::time::Duration;

/// Nanoseconds per operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Of the best round.
    pub(crate) best: f64,
    /// Of the round in the middle.
    pub(crate) median: f64,
}

impl Times {
    /// Calls `round` so many times; it does `operations` operations and says how long they took.
    pub(crate) fn of(
        rounds: usize,
        operations: usize,
        mut round: impl FnMut(usize) -> io::Result<Duration>,
    ) -> io::Result<Self> {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            times.push(round(operations)?.as_secs_f64() * 1e9 / operations as f64);
        }
        times.sort_by(f64::total_cmp);
        Ok(Self { best: times[0], median: times[rounds / 2] })
    }
}
