//! How long to wait before one more try.
//!
//! Used by [`Retry`](super::Retry) between attempts, and by [`FailureAccrual`](super::FailureAccrual) and
//! [`FailFast`](super::FailFast) between probes.
//!
//! Guarantees: the n-th wait is between half and the whole of `first * 2^n`, and never more than `most`; arithmetic
//! saturates.
//!
//! The trade-off: half of the wait is fixed and half random ("equal jitter", as Finagle has it). All of it random
//! spreads better, and may also be nothing, which for a peer that has just failed is too soon.
use std::time::Duration;

use crate::random::Random;
use crate::time::nanoseconds;

/// Waits that double up to a bound, the second half of each at random.
///
/// ```
/// use mainspring::service::{Backoff, Retry};
/// use std::time::Duration;
///
/// // From 50 to 100 ms, from 100 to 200 ms, ... from 1 to 2 s.
/// let _retry = Retry::new().backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait at its longest, in nanoseconds.
    first: u64,
    /// The longest.
    most: u64,
}

impl Backoff {
    /// Waits of at most `first`, then twice that and so on, and never more than `most`. Zero does not wait.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first: nanoseconds(first), most: nanoseconds(most) }
    }

    /// The wait number `nth`, counted from 0.
    pub(crate) fn wait(&self, nth: u32, random: &Random) -> Duration {
        let doubled = self.first.checked_shl(nth).filter(|doubled| doubled >> nth == self.first);
        let whole = doubled.unwrap_or(if self.first == 0 { 0 } else { u64::MAX }).min(self.most);
        let half = whole / 2;
        Duration::from_nanos(whole - (random.unit() * half as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_are_at_least_half() {
        let (random, backoff) =
            (Random::seeded(1), Backoff::new(Duration::from_millis(10), Duration::from_millis(1_000)));
        for nth in 0..200 {
            let whole = Duration::from_millis(10 * (1 << nth.min(20))).min(Duration::from_millis(1_000));
            for _ in 0..20 {
                let wait = backoff.wait(nth, &random);
                assert!((whole / 2..=whole).contains(&wait), "{wait:?} in place of {whole:?}");
            }
        }
    }

    #[test]
    fn the_extremes_saturate() {
        let random = Random::seeded(1);
        let never = Backoff::new(Duration::ZERO, Duration::MAX);
        assert_eq!(never.wait(u32::MAX, &random), Duration::ZERO);
        let longest = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(longest.wait(63, &random) >= Duration::from_nanos(u64::MAX / 2));
        assert_eq!(Backoff::new(Duration::MAX, Duration::ZERO).wait(3, &random), Duration::ZERO);
    }
}
