//! What a call to an endpoint is likely to cost, by what the last ones took.
//!
//! The core of the load of [`Balance`](super::Balance): a pure structure, whose time is a parameter. The cost is the
//! largest of all latencies, each of which weighs less the older it is, `exp(-age / decay)`: what the peak-sensitive
//! moving average of Finagle comes to when it is asked for each call. Samples come unevenly, so it is time that weighs
//! and not their number.
//!
//! A failure is a penalty beside it, which is over as a call that took so long would be: what is left of it is the cost
//! until then. As a latency it would be forgotten as slowly as one, and a service that answers in a millisecond would
//! for 85 s have no call for one failure that counts five seconds, nor the probe by which it is found to be back.
//!
//! Guarantees: one call that was slow is known at once, and forgotten in a few times `decay`, also if nobody calls; so
//! an endpoint that was slow is tried again. The cost is a word and two times.
//!
//! The trade-off: a peak, and not a mean. A mean needs many calls to see that an endpoint has become slow, which all
//! wait.

/// The cost of a call whose endpoint has none that has ended, and one in flight: above all others, so that the first
/// call remains the only one until it has ended. In nanoseconds, a day and a half, so that calls in flight can still be
/// added.
const UNKNOWN: f64 = (1_u64 << 47) as f64;

/// What calls to an endpoint cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ewma {
    /// In nanoseconds; zero if nothing is known.
    cost: f64,
    /// When that was so.
    at: u64,
    /// When the penalty is over.
    penalty_ends: u64,
}

impl Ewma {
    /// A call took so long; all in nanoseconds.
    #[inline]
    pub(super) fn observe(&mut self, now: u64, latency: u64, decay: u64) {
        // Not zero, which is for nothing known.
        self.cost = self.latency(now, decay).max(latency.max(1) as f64);
        self.at = self.at.max(now);
    }

    /// A call has failed, which counts for as long as `penalty`.
    #[inline]
    pub(super) fn penalise(&mut self, now: u64, penalty: u64) {
        self.penalty_ends = self.penalty_ends.max(now.saturating_add(penalty));
    }

    /// What it has come down to, or what is left of the penalty if that is more.
    #[inline]
    pub(super) fn cost(&self, now: u64, decay: u64) -> f64 {
        self.latency(now, decay).max(self.penalty_ends.saturating_sub(now) as f64)
    }

    /// What it has come down to.
    #[inline]
    fn latency(&self, now: u64, decay: u64) -> f64 {
        let age = now.saturating_sub(self.at);
        self.cost * (-(age as f64) / decay as f64).exp()
    }

    /// What one more call would wait for, if so many are in flight.
    #[inline]
    pub(super) fn load(&self, now: u64, in_flight: usize, decay: u64) -> f64 {
        if self.cost == 0.0 && in_flight > 0 {
            return UNKNOWN + in_flight as f64;
        }
        self.cost(now, decay) * (in_flight + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_cost_is_the_largest_of_all_latencies_by_their_ages() {
        for seed in 0..50 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let decay = 1 + random.below(20_000_000_000);
            let (mut ewma, mut samples, mut now) = (Ewma::default(), Vec::new(), random.below(1_000_000));
            for _ in 0..300 {
                if random.below(3) == 0 {
                    let latency = random.bits() >> (random.below(20) + 25);
                    ewma.observe(now, latency, decay);
                    samples.push((now, latency.max(1)));
                }
                let aged = samples.iter().map(|&(at, latency)| {
                    let age = (now - at) as f64;
                    latency as f64 * (-age / decay as f64).exp()
                });
                let (expected, found) = (aged.fold(0.0, f64::max), ewma.cost(now, decay));
                assert!((found - expected).abs() <= expected * 1e-9 + 1e-9, "{found} in place of {expected}");
                assert_eq!(ewma.load(now, 3, decay), if samples.is_empty() { UNKNOWN + 3.0 } else { found * 4.0 });
                now += random.below(decay / 10 + 2);
            }
        }
    }

    #[test]
    fn a_penalty_is_what_is_left_of_it_and_then_nothing() {
        let mut ewma = Ewma::default();
        ewma.observe(100, 7, 1_000_000);
        ewma.penalise(100, 500);
        ewma.penalise(200, 50);
        assert_eq!([100, 300, 590].map(|now| ewma.cost(now, u64::MAX)), [500.0, 300.0, 10.0]);
        assert!(ewma.cost(600, u64::MAX) <= 7.0 && ewma.cost(600, u64::MAX) > 6.9);
        ewma.penalise(600, u64::MAX);
        assert!(ewma.cost(601, 1) > 1e19);
    }

    #[test]
    fn of_an_endpoint_of_which_nothing_is_known_the_first_call_alone_is_welcome() {
        let ewma = Ewma::default();
        assert_eq!(ewma.load(0, 0, 1), 0.0);
        assert!(ewma.load(0, 1, 1) > 1e14 && ewma.load(0, 2, 1) > ewma.load(0, 1, 1));
    }

    #[test]
    fn time_that_goes_back_is_no_time() {
        let mut ewma = Ewma::default();
        ewma.observe(u64::MAX, 100, 10);
        ewma.observe(0, 50, 10);
        assert_eq!(ewma.cost(0, 10), 100.0);
    }
}
