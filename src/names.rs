//! Addresses of host names that were looked up lately, and the lookups that are under way.
//!
//! Each reactor has one cache, so that a client which connects to the same few hosts again and again does not ask a
//! thread and a name server each time. It is bounded in items and in time, and pure: `now` is an argument.
//!
//! The system's resolver does not say for how long an answer is good, so the time is short: long enough for a burst of
//! connections, short enough that a host which moves is found again soon. Failures are not kept, since whoever asks
//! again after one wants to know whether it still fails.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::lookup::{Lookup, with_port};

/// The most hosts that are kept, in items: all are looked at for each, on the thread of the reactor.
const KEPT_MAX: usize = 4_096;

/// Answers of the resolver, by host name.
pub(crate) struct Names {
    /// Each host once, the oldest first. A list, since to read all of one so short costs less than a lookup.
    answers: Vec<Answer>,
    /// How many are kept, in items.
    kept: usize,
    /// For how long, nanoseconds.
    lifetime: u64,
    /// The lookups that somebody waits for, each host once, and some that nobody does any more: as many as there were
    /// jobs of the pool at a time.
    lookups: Vec<Weak<Lookup>>,
}

/// What the resolver has said of a host.
struct Answer {
    host: String,
    addresses: Vec<SocketAddr>,
    /// The moment at which it is not good any more.
    end: u64,
}

impl Names {
    /// Keeps `kept` names, each for `lifetime` nanoseconds; with zero of either it keeps none.
    pub(crate) const fn new(kept: usize, lifetime: u64) -> Self {
        let kept = if kept < KEPT_MAX { kept } else { KEPT_MAX };
        Self { answers: Vec::new(), kept, lifetime, lookups: Vec::new() }
    }

    /// The addresses of `host`, with `port`, unless they are unknown or too old.
    pub(crate) fn get(&self, host: &str, port: u16, now: u64) -> Option<Vec<SocketAddr>> {
        let answer = self.answers.iter().find(|answer| answer.host == host && now < answer.end)?;
        Some(with_port(&answer.addresses, port))
    }

    /// The lookup of `host` that is under way, if somebody waits for one.
    pub(crate) fn under_way(&self, host: &str) -> Option<Arc<Lookup>> {
        let mut lookups = self.lookups.iter().filter_map(Weak::upgrade);
        lookups.find(|lookup| lookup.host() == host && !lookup.has_ended())
    }

    /// A lookup has begun. Another of the same host, which has ended and not been heard of, is too old.
    pub(crate) fn begin(&mut self, lookup: &Arc<Lookup>) {
        self.lookups.retain(|other| other.upgrade().is_some_and(|other| other.host() != lookup.host()));
        self.lookups.push(Arc::downgrade(lookup));
    }

    /// A lookup has ended, of which one hears who has waited for it: the first of them keeps its answer.
    pub(crate) fn end(&mut self, lookup: &Arc<Lookup>, now: u64) {
        let index = self.lookups.iter().position(|other| other.as_ptr() == Arc::as_ptr(lookup));
        if let Some(index) = index {
            self.lookups.swap_remove(index);
            if let Ok(addresses) = lookup.addresses(0) {
                self.insert(lookup.host().to_owned(), addresses, now);
            }
        }
    }

    /// Keeps the answer of the resolver. Those that are too old go; where there is still no room, the oldest does.
    pub(crate) fn insert(&mut self, host: String, addresses: Vec<SocketAddr>, now: u64) {
        if self.kept == 0 || self.lifetime == 0 {
            return;
        }
        self.answers.retain(|answer| answer.host != host && now < answer.end);
        if self.answers.len() >= self.kept {
            self.answers.remove(0);
        }
        self.answers.push(Answer { host, addresses, end: now.saturating_add(self.lifetime) });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn addresses(last: u8) -> Vec<SocketAddr> {
        vec![(Ipv4Addr::new(127, 0, 0, last), 1).into()]
    }

    #[test]
    fn an_answer_is_good_for_its_time_and_for_every_port() {
        let mut names = Names::new(2, 10);
        names.insert("host".into(), addresses(1), 100);
        assert_eq!(names.get("host", 80, 109), Some(vec![(Ipv4Addr::LOCALHOST, 80).into()]));
        assert_eq!(names.get("host", 80, 110), None);
        assert_eq!(names.get("other", 80, 100), None);
    }

    #[test]
    fn there_are_never_more_names_than_may_be_and_the_oldest_goes_first() {
        let mut names = Names::new(3, 1000);
        for number in 0..100_u8 {
            names.insert(number.to_string(), addresses(number), number.into());
            assert!(names.answers.len() <= 3);
        }
        let known = |names: &Names, number: u8| names.get(&number.to_string(), 1, 100).is_some();
        assert!(known(&names, 97) && known(&names, 98) && known(&names, 99) && !known(&names, 96));
        // Renewed, so it is not the oldest any more.
        names.insert("97".into(), addresses(1), 200);
        names.insert("new".into(), addresses(2), 201);
        assert!(known(&names, 97) && !known(&names, 98) && known(&names, 99));
        // One that is too old makes room alone.
        names.insert("newer".into(), addresses(3), 99 + 1000);
        assert_eq!(names.answers.len(), 3);
        assert!(names.get("97", 1, 1100).is_some() && names.get("99", 1, 1100).is_none());
    }

    #[test]
    fn a_cache_of_nothing_keeps_nothing() {
        for (kept, lifetime) in [(0, 10), (10, 0)] {
            let mut names = Names::new(kept, lifetime);
            names.insert("host".into(), addresses(1), 0);
            assert_eq!(names.answers.len(), 0);
        }
        let mut names = Names::new(1, u64::MAX);
        names.insert("host".into(), addresses(1), 5);
        assert!(names.get("host", 1, u64::MAX - 1).is_some());
    }
}
