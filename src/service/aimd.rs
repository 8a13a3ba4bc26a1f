//! A limit that finds itself: up by one when all goes well, down by a fraction when it does not.
//!
//! The core of [`AdaptiveLimit`](super::AdaptiveLimit): a pure structure, that needs no time. The rule is that of TCP's
//! congestion avoidance (additive increase, multiplicative decrease; Chiu and Jain, 1989): in the time of one round of
//! calls the limit grows by one, and shrinks once, however many of them say that it was too much.
//!
//! Guarantees: the limit stays within its range, and grows only while half of it is used, so that a time without calls
//! does not raise it to what was never tried. A round is over when a call ends that began after the last decrease.

/// What a call has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Well, and in time.
    Good,
    /// Badly, or late: there were too many.
    Congested,
    /// It says nothing.
    Nothing,
}

/// The rule, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Aimd {
    /// How many calls may be in flight; the fraction is progress to the next.
    limit: f64,
    /// The range of the limit.
    least: f64,
    most: f64,
    /// What is left of the limit when there were too many.
    backoff: f64,
    /// How often it was lowered.
    round: u64,
    /// Calls in flight.
    in_flight: usize,
}

impl Aimd {
    /// One that begins with `initial`, and stays within `least` and `most`, which are at least 1.
    pub(super) fn new(initial: usize, least: usize, most: usize, backoff: f64) -> Self {
        let least = least.max(1) as f64;
        let most = least.max(most as f64);
        Self { limit: (initial as f64).clamp(least, most), least, most, backoff, round: 0, in_flight: 0 }
    }

    /// How many calls may be in flight.
    #[inline]
    pub(super) const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// How many are.
    #[inline]
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A call begins, in the round that is returned; none if there may be no more.
    #[inline]
    pub(super) fn begin(&mut self) -> Option<u64> {
        if self.in_flight >= self.limit() {
            return None;
        }
        self.in_flight += 1;
        Some(self.round)
    }

    /// A call ends that began in `round`.
    pub(super) fn end(&mut self, round: u64, end: End) {
        match end {
            End::Good if 2 * self.in_flight >= self.limit() => {
                self.limit = self.most.min(self.limit + 1.0 / self.limit);
            }
            End::Congested if round == self.round => {
                self.limit = self.least.max(self.limit * self.backoff);
                self.round += 1;
            }
            _ => {}
        }
        self.in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn random_calls_keep_the_limit_in_its_range_and_lower_it_once_a_round() {
        for seed in 0..50 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let (least, most) = (1 + random.below(5) as usize, 6 + random.below(50) as usize);
            let mut aimd = Aimd::new(10, least, most, 0.75);
            // Each call with the number of the last decrease before it.
            let (mut calls, mut decreases): (Vec<(u64, u64)>, u64) = (Vec::new(), 0);
            for _ in 0..2_000 {
                assert!((least..=most).contains(&aimd.limit()));
                assert_eq!(aimd.in_flight(), calls.len());
                if random.below(5) < 3 {
                    let began = aimd.begin();
                    assert_eq!(began.is_some(), calls.len() < aimd.limit());
                    calls.extend(began.map(|round| (round, decreases)));
                } else if !calls.is_empty() {
                    let (round, began) = calls.swap_remove(random.below(calls.len() as u64) as usize);
                    let end = [End::Good, End::Good, End::Congested, End::Nothing][random.below(4) as usize];
                    let (before, used) = (aimd.limit, 2 * (calls.len() + 1) >= aimd.limit());
                    aimd.end(round, end);
                    let expected = match end {
                        End::Good if used => (before + 1.0 / before).min(most as f64),
                        End::Congested if began == decreases => {
                            decreases += 1;
                            (before * 0.75).max(least as f64)
                        }
                        _ => before,
                    };
                    assert_eq!(aimd.limit, expected);
                }
            }
            assert!(decreases > 10);
        }
    }

    #[test]
    fn a_range_that_is_upside_down_is_that_of_its_least() {
        assert_eq!(Aimd::new(10, 5, 2, 0.9).limit(), 5);
        assert_eq!(Aimd::new(0, 0, 0, 0.9).limit(), 1);
    }
}
