//! A bucket of tokens: so many calls at once, and then one each so often.
//!
//! What [`RateLimit`](super::RateLimit) asks. It is a pure structure, whose time is a parameter: one number says it
//! all, the moment at which the bucket will be full again ("generic cell rate", ITU-T I.371). A count of tokens that is
//! topped up says the same, and has to round what it adds each time.
//!
//! Guarantees: in any time there are taken at most `burst` tokens, and one more for each period that passes; time that
//! goes back is no time; arithmetic saturates.

/// Tokens that come back one by one.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// From one token to the next, in nanoseconds.
    period: u64,
    /// How long the whole bucket takes to fill, but for one token.
    depth: u64,
    /// When it will be full, if nobody takes any more; it is full now if that has passed.
    full_at: u64,
}

impl Bucket {
    /// A full one. `period` is in nanoseconds, `burst` is the number of tokens, both at least 1.
    pub(super) const fn new(period: u64, burst: u64) -> Self {
        Self { period, depth: period.saturating_mul(burst.saturating_sub(1)), full_at: 0 }
    }

    /// Takes a token, or says how long there will be none, in nanoseconds.
    #[inline]
    pub(super) fn take(&mut self, now: u64) -> Result<(), u64> {
        let wait = self.full_at.saturating_sub(now.saturating_add(self.depth));
        if wait > 0 {
            return Err(wait);
        }
        self.full_at = self.full_at.max(now).saturating_add(self.period);
        Ok(())
    }

    /// Whether there is a token.
    pub(super) const fn has(&self, now: u64) -> bool {
        self.full_at <= now.saturating_add(self.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A count of tokens, in parts of a token as large as a nanosecond of its period.
    struct Naive {
        period: u128,
        most: u128,
        level: u128,
        at: u64,
    }

    impl Naive {
        fn take(&mut self, now: u64) -> Result<(), u64> {
            self.level = self.most.min(self.level + u128::from(now - self.at));
            self.at = now;
            if self.level < self.period {
                return Err((self.period - self.level) as u64);
            }
            self.level -= self.period;
            Ok(())
        }
    }

    #[test]
    fn random_takes_agree_with_a_count_of_tokens() {
        for seed in 0..50 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let (period, burst) = (1 + random.below(1_000), 1 + random.below(20));
            let mut now = random.below(1_000_000);
            let mut bucket = Bucket::new(period, burst);
            let most = u128::from(period * burst);
            let mut naive = Naive { period: period.into(), most, level: most, at: now };
            for _ in 0..1_000 {
                assert_eq!(bucket.has(now), bucket.clone().take(now).is_ok());
                let taken = bucket.take(now);
                assert_eq!(taken, naive.take(now));
                now += match taken {
                    Err(wait) if random.below(2) == 0 => wait,
                    _ => random.below(period * [1, 1, 3, 50][random.below(4) as usize]),
                };
            }
        }
    }

    #[test]
    fn in_no_time_are_more_taken_than_the_burst_and_one_for_each_period() {
        let (period, burst) = (100, 3);
        let (mut bucket, mut taken) = (Bucket::new(period, burst), Vec::new());
        let (random, mut now) = (Random::seeded(7), 0);
        while taken.len() < 300 {
            if bucket.take(now).is_ok() {
                taken.push(now);
            }
            now += random.below(150);
        }
        for (nth, first) in taken.iter().enumerate() {
            for (count, last) in taken[nth..].iter().enumerate() {
                assert!((count as u64) < burst + (last - first) / period);
            }
        }
    }

    #[test]
    fn the_extremes_saturate() {
        let mut bucket = Bucket::new(u64::MAX, u64::MAX);
        assert_eq!(bucket.take(u64::MAX), Ok(()));
        assert_eq!(bucket.take(0), Ok(()));
        let mut single = Bucket::new(u64::MAX, 1);
        assert_eq!(single.take(5), Ok(()));
        assert_eq!(single.take(5), Err(u64::MAX - 5));
    }
}
