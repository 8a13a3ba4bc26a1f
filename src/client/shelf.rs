//! Connections that nobody uses: which one is taken next, and which have been there for too long.
//!
//! The core of the [pool](super::pool::Pool): a pure structure, whose time is a parameter, tested against a list that
//! is searched. The one that was used last is taken first, so that those which are not needed grow old and go.
//!
//! Guarantees: one is thrown out when it has been idle for too long and more than are kept are there, or when its age
//! is over, then always; the structure drops nothing itself, since what is dropped may call back.
//!
//! The trade-off: the age of all is looked at each time. They are as many as the pool has at most, 64 unless told
//! otherwise, and a heap beside the stack would be longer than the rest of the file.
use std::time::Duration;

use crate::time::Instant;

/// Connections in the order in which they came back.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    /// The one that has been idle longest stands first.
    idle: Vec<Idle<T>>,
    /// So many are kept however long they are idle.
    keep: usize,
    /// How long the others may be; none for ever.
    limit: Option<Duration>,
}

/// One of them.
#[derive(Debug)]
struct Idle<T> {
    connection: T,
    /// When it came back.
    since: Instant,
    /// When its age is over; none if never.
    ends: Option<Instant>,
}

impl<T> Shelf<T> {
    pub(super) const fn new(keep: usize, limit: Option<Duration>) -> Self {
        Self { idle: Vec::new(), keep, limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    /// One came back, whose age is over at `ends`.
    pub(super) fn put(&mut self, now: Instant, connection: T, ends: Option<Instant>) {
        self.idle.push(Idle { connection, since: now, ends });
    }

    /// The one that came back last, and when its age is over. Those that are to be thrown out are there still.
    pub(super) fn take(&mut self) -> Option<(T, Option<Instant>)> {
        self.idle.pop().map(|idle| (idle.connection, idle.ends))
    }

    /// Those that have been there for too long, which are to be dropped.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        let mut gone = Vec::new();
        let mut index = 0;
        while let Some(idle) = self.idle.get(index) {
            if idle.ends.is_some_and(|ends| ends <= now) {
                gone.push(self.idle.remove(index).connection);
            } else {
                index += 1;
            }
        }
        while self.idle_ends().is_some_and(|ends| ends <= now) {
            gone.push(self.idle.remove(0).connection);
        }
        gone
    }

    /// When the next one is to be thrown out; none if that depends on others coming.
    pub(super) fn next(&self) -> Option<Instant> {
        let ages = self.idle.iter().filter_map(|idle| idle.ends);
        ages.chain(self.idle_ends()).min()
    }

    /// When the first one has been idle for too long, if it need not be kept.
    fn idle_ends(&self) -> Option<Instant> {
        let first = self.idle.first().filter(|_| self.idle.len() > self.keep)?;
        Some(first.since + self.limit?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Known by number, with what is known of them.
    #[derive(Clone, Copy, Debug)]
    struct Listed {
        number: u64,
        since: Instant,
        ends: Option<Instant>,
    }

    /// One at a time, whichever has to go, until none has to.
    fn expire(list: &mut Vec<Listed>, now: Instant, keep: usize, limit: Option<Duration>) -> Vec<u64> {
        let mut gone = Vec::new();
        loop {
            let aged = list.iter().find(|one| one.ends.is_some_and(|ends| ends <= now));
            let used_later = |one: Listed| {
                list.iter().filter(move |other| other.number != one.number && other.since >= one.since).count()
            };
            let is_idle = |one: &&Listed| limit.is_some_and(|limit| now - one.since >= limit);
            let idle = list.iter().filter(is_idle).find(|one| used_later(**one) >= keep);
            let Some(number) = aged.or(idle).map(|one| one.number) else { return gone };
            list.retain(|one| one.number != number);
            gone.push(number);
        }
    }

    #[test]
    fn what_is_taken_and_what_goes_is_what_a_list_that_is_searched_says() {
        let mut expired = 0;
        for seed in 0..200 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let keep = random.below(4) as usize;
            let limit = (random.below(4) > 0).then(|| Duration::from_secs(1 + random.below(20)));
            let (mut shelf, mut list) = (Shelf::new(keep, limit), Vec::<Listed>::new());
            let mut now = Instant::now();
            for number in 0..300 {
                // Never the same moment twice, so that the order of the list is that of the times.
                now += Duration::from_nanos(1 + random.below(3_000_000_000));
                match random.below(4) {
                    0 | 1 => {
                        let ends = (random.below(2) == 0).then(|| now + Duration::from_secs(random.below(60)));
                        shelf.put(now, number, ends);
                        list.push(Listed { number, since: now, ends });
                    }
                    2 => {
                        let last = list.iter().max_by_key(|one| one.since).copied();
                        list.retain(|one| last.is_none_or(|last| last.number != one.number));
                        assert_eq!(shelf.take(), last.map(|last| (last.number, last.ends)));
                    }
                    _ => {
                        // Nothing goes before the time that was told, and something goes then.
                        let gone = shelf.expire(now);
                        assert_eq!(gone, expire(&mut list, now, keep, limit), "at {now:?}, {list:?}");
                        expired += gone.len();
                        if let Some(next) = shelf.next() {
                            let before = now.max(next - Duration::from_nanos(1));
                            assert!(expire(&mut list.clone(), before, keep, limit).is_empty());
                            assert!(!expire(&mut list.clone(), next, keep, limit).is_empty());
                        }
                    }
                }
                assert_eq!(shelf.is_empty(), list.is_empty());
            }
        }
        assert!(expired > 1_000, "{expired} went");
    }
}
