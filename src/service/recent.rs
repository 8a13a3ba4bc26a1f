//! How long calls took lately.
//!
//! What [`Hedge`](super::Hedge) asks for a quantile: a pure structure, whose time is a parameter. Two counts take
//! turns: one is filled, the other is that of the time before, and both are asked, so what is known is between one and
//! two periods old.
//!
//! Guarantees: no answer before [`CALLS_MIN`] calls are known; an answer is at most a second old, and an eighth too
//! large.
//!
//! The trade-off: an answer is kept for a second, since to find it takes a walk over a thousand counts.
use super::buckets::{Buckets, quantile};

/// How long one of the two counts is filled, in nanoseconds.
pub(super) const PERIOD: u64 = 15_000_000_000;

/// How long an answer is good, in nanoseconds.
const FRESH: u64 = 1_000_000_000;

/// The fewest calls of which a quantile near one says something.
pub(super) const CALLS_MIN: u64 = 100;

/// Latencies of the last half minute or so.
pub(super) struct Recent {
    current: Buckets,
    before: Buckets,
    /// When the current one was begun.
    since: u64,
    /// The last answer, and until when it is good.
    answer: Option<u64>,
    fresh_until: u64,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { current: Buckets::new(), before: Buckets::new(), since: 0, answer: None, fresh_until: 0 }
    }

    /// A call took so long.
    pub(super) fn record(&mut self, now: u64, latency: u64) {
        self.turn(now);
        self.current.record(latency);
    }

    /// What the fraction `rank` of the calls took at most; always the same `rank`.
    pub(super) fn quantile(&mut self, now: u64, rank: f64) -> Option<u64> {
        if now >= self.fresh_until {
            self.turn(now);
            self.fresh_until = now.saturating_add(FRESH);
            let is_enough = self.current.count() + self.before.count() >= CALLS_MIN;
            self.answer = if is_enough { quantile(&[&self.current, &self.before], rank) } else { None };
        }
        self.answer
    }

    fn turn(&mut self, now: u64) {
        let passed = now.saturating_sub(self.since);
        if passed < PERIOD {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.before);
        self.current.clear();
        if passed >= 2 * PERIOD {
            self.before.clear();
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_of_few_calls_and_old_ones_are_forgotten() {
        let mut recent = Recent::new();
        let start = 7 * PERIOD;
        for nth in 0..CALLS_MIN {
            assert_eq!(recent.quantile(start + nth * FRESH / 10, 0.5), None);
            recent.record(start + nth, 1_000);
        }
        let mut now = start + CALLS_MIN * FRESH;
        assert_eq!(recent.quantile(now, 0.5), None, "they are two periods old");
        let mut seen = Vec::new();
        for latency in [10, 10, 1_000_000, 1_000_000, 1_000_000] {
            for _ in 0..200 {
                recent.record(now, latency);
            }
            now += PERIOD;
            seen.push(recent.quantile(now, 0.9).unwrap() > 100_000);
        }
        assert_eq!(seen, [false, false, true, true, true]);
    }
}
