//! How long a reactor runs tasks before it looks at anything else, while there are tasks to run.
//!
//! A poll takes nanoseconds or, where something is computed, milliseconds, and to read the clock for each would cost as
//! much as a short one. So it is read once per batch, and a batch that took too long is followed by shorter ones until
//! polls are short again.

/// Polls per batch at most: what may run before the inbox and the timers are looked at.
const BATCH: usize = 64;

/// Batches after which the selector is asked although tasks are runnable.
const BATCHES_MAX: u32 = 8;

/// Time after which it is asked, and that a batch is to take at most, nanoseconds.
const UNASKED_MAX: u64 = 1_000_000;

/// When the selector is asked, and how many polls a batch has.
pub(crate) struct Pace {
    /// Polls of the next batch.
    batch: usize,
    /// Batches since the selector was asked.
    batches: u32,
    /// From when on the time without it counts.
    unasked_since: u64,
    /// When the batch began; if that was not read, when the first one ended.
    batch_since: u64,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { batch: BATCH, batches: 0, unasked_since: 0, batch_since: 0 }
    }

    /// Polls of the next batch.
    pub(crate) const fn batch(&self) -> usize {
        self.batch
    }

    /// After a batch that has left tasks in the queue: whether the selector has its turn before the next one.
    pub(crate) fn is_over(&mut self, now: impl FnOnce() -> u64) -> bool {
        self.batches += 1;
        if self.batches >= BATCHES_MAX {
            return true;
        }
        let now = now();
        if self.batches == 1 && self.batch == BATCH {
            (self.unasked_since, self.batch_since) = (now, now);
        } else {
            self.adapt(now - self.batch_since);
            self.batch_since = now;
        }
        now - self.unasked_since >= UNASKED_MAX
    }

    /// The selector was asked.
    pub(crate) fn asked(&mut self, now: impl FnOnce() -> u64) {
        self.batches = 0;
        // Not read for the sake of short polls, whose first batch after a select is not measured.
        if self.batch < BATCH {
            let now = now();
            (self.unasked_since, self.batch_since) = (now, now);
        }
    }

    fn adapt(&mut self, took: u64) {
        if took > UNASKED_MAX {
            self.batch = usize::try_from(self.batch as u64 * UNASKED_MAX / took).unwrap_or(1).max(1);
        } else if took <= UNASKED_MAX / 2 {
            self.batch = BATCH.min(self.batch * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs polls that take `poll` nanoseconds each until the selector is asked, and says how many.
    fn polls_until_asked(pace: &mut Pace, now: &mut u64, poll: u64) -> u64 {
        let mut polls = 0;
        loop {
            polls += pace.batch() as u64;
            *now += pace.batch() as u64 * poll;
            if pace.is_over(|| *now) {
                pace.asked(|| *now);
                return polls;
            }
        }
    }

    #[test]
    fn short_polls_have_eight_batches() {
        let (mut pace, mut now) = (Pace::new(), 0);
        assert_eq!([0; 3].map(|_| polls_until_asked(&mut pace, &mut now, 20)), [512; 3]);
    }

    #[test]
    fn polls_of_microseconds_have_a_millisecond_and_a_batch() {
        let (mut pace, mut now) = (Pace::new(), 0);
        // 64 are 320 us, so four batches and the first, which is not measured.
        assert_eq!([0; 3].map(|_| polls_until_asked(&mut pace, &mut now, 5_000)), [320; 3]);
    }

    #[test]
    fn long_polls_have_short_batches_after_two() {
        for (poll, then) in [(1_000_000, 1), (50_000_000, 1), (400_000, 4), (100_000, 10)] {
            let (mut pace, mut now) = (Pace::new(), 0);
            assert_eq!(polls_until_asked(&mut pace, &mut now, poll), 128, "{poll}");
            for _ in 0..10 {
                let polls = polls_until_asked(&mut pace, &mut now, poll);
                assert!(polls <= then && polls * poll <= 2 * UNASKED_MAX.max(poll), "{polls} of {poll}");
            }
        }
    }

    #[test]
    fn batches_grow_again_once_polls_are_short() {
        let (mut pace, mut now) = (Pace::new(), 0);
        for _ in 0..3 {
            polls_until_asked(&mut pace, &mut now, 5_000_000);
        }
        assert_eq!(pace.batch(), 1);
        polls_until_asked(&mut pace, &mut now, 20);
        assert_eq!(pace.batch(), BATCH);
    }
}
