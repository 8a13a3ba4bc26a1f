//! How many calls may be made beyond those that were asked for.
//!
//! The core of [`RetryBudget`](super::RetryBudget), and of the bound of [`Hedge`](super::Hedge); a pure structure,
//! whose time is a parameter. Each call puts a fraction in, each extra call takes a whole out, and both are forgotten
//! after ten seconds, as in Finagle's; a constant amount is there besides, so that a client with few calls may retry
//! too.
//!
//! Guarantees: in any ten seconds at most `ratio` times the calls of as long a time, and `per_second * 10`, are made
//! extra, and one slot more. Time that goes back is no time.
//!
//! The trade-off: a ring of ten slots of a second each. What was put in is forgotten a slot at a time, which costs an
//! addition for each call; exact ages would cost an entry.

/// Slots that are kept: with their length, the time after which a call is forgotten.
const SLOTS: usize = 10;

/// The length of a slot, in nanoseconds: a second.
pub(super) const SLOT: u64 = 1_000_000_000;

/// What one extra call takes out. A call puts in `ratio` times it, so fractions down to a thousandth count.
const WHOLE: i64 = 1_000;

/// What has been put in and taken out lately.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// What was put in and not taken out, slot by slot.
    slots: [i64; SLOTS],
    /// The slot of the last operation, counted from the beginning of time.
    slot: u64,
    /// What one call puts in.
    deposit: i64,
    /// What is there always.
    reserve: i64,
}

impl Budget {
    /// `ratio` extra calls for each call, down to a thousandth, and `per_second` besides.
    pub(super) fn new(ratio: f64, per_second: u32) -> Self {
        let deposit = (ratio.clamp(0.0, 1_000.0) * WHOLE as f64).round() as i64;
        let reserve = i64::from(per_second) * SLOTS as i64 * WHOLE;
        Self { slots: [0; SLOTS], slot: 0, deposit, reserve }
    }

    /// A call.
    #[inline]
    pub(super) fn deposit(&mut self, now: u64) {
        let deposit = self.deposit;
        *self.at(now) += deposit;
    }

    /// An extra call, if there is enough for one.
    pub(super) fn withdraw(&mut self, now: u64) -> bool {
        let is_enough = self.balance(now) > 0;
        if is_enough {
            *self.at(now) -= WHOLE;
        }
        is_enough
    }

    /// How many extra calls there is enough for.
    pub(super) fn balance(&mut self, now: u64) -> u64 {
        self.at(now);
        let sum = self.slots.iter().sum::<i64>() + self.reserve;
        (sum.max(0) / WHOLE) as u64
    }

    /// The slot of this moment; those that have become too old are emptied.
    #[inline]
    fn at(&mut self, now: u64) -> &mut i64 {
        let slot = (now / SLOT).max(self.slot);
        if slot != self.slot {
            let passed = slot - self.slot;
            for old in 1..=passed.min(SLOTS as u64) {
                self.slots[((self.slot + old) % SLOTS as u64) as usize] = 0;
            }
            self.slot = slot;
        }
        &mut self.slots[(slot % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn random_calls_agree_with_a_list_of_all_of_them() {
        for seed in 0..50 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let (ratio, per_second) = (random.below(1_000) as f64 / 1_000.0, random.below(3) as u32);
            let mut budget = Budget::new(ratio, per_second);
            let deposit = (ratio * 1_000.0).round() as i64;
            let (mut now, mut events) = (random.below(SLOT), Vec::new());
            for _ in 0..500 {
                let is_recent = |at: &u64| now / SLOT - at / SLOT < SLOTS as u64;
                let sum: i64 = events.iter().filter(|(at, _)| is_recent(at)).map(|(_, amount)| amount).sum();
                let expected = (sum + i64::from(per_second) * 10_000).max(0) as u64 / 1_000;
                assert_eq!(budget.balance(now), expected);
                if random.below(3) > 0 {
                    budget.deposit(now);
                    events.push((now, deposit));
                } else {
                    let taken = budget.withdraw(now);
                    assert_eq!(taken, expected > 0);
                    if taken {
                        events.push((now, -1_000));
                    }
                }
                now += random.below([SLOT / 10, SLOT, 30 * SLOT][random.below(3) as usize]);
            }
        }
    }

    #[test]
    fn a_fifth_of_the_calls_and_ten_a_second_by_default_of_finagle() {
        let mut budget = Budget::new(0.2, 10);
        let mut extra = 0;
        for second in 0..60 {
            for nth in 0..1_000 {
                let now = second * SLOT + nth * SLOT / 1_000;
                budget.deposit(now);
                extra += u64::from(budget.withdraw(now));
            }
        }
        assert!((12_000..=12_900).contains(&extra), "{extra} of 60,000");
        assert_eq!(Budget::new(0.0, 0).balance(0), 0);
        assert_eq!(Budget::new(0.2, 10).balance(0), 100);
    }

    #[test]
    fn time_that_goes_back_is_no_time() {
        let mut budget = Budget::new(1.0, 0);
        budget.deposit(u64::MAX);
        assert_eq!(budget.balance(0), 1);
        assert!(budget.withdraw(0));
        assert!(!budget.withdraw(u64::MAX));
    }
}
