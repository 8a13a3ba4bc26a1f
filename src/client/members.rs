//! The endpoints that a name stands for, as they change.
//!
//! Made by [`ClientBuilder`](super::ClientBuilder) of the first answer; a task follows the next ones, of the system's
//! resolver or of another one.
//!
//! Guarantees: an address that stays keeps its endpoint, with its connections and what is thought of it; one that is
//! gone gets no further call, and those in flight end. A lookup that fails, or finds nothing, changes nothing: the name
//! server being down is no reason to stop.
//!
//! The trade-off: the system's resolver tells no time to live, so the time between lookups is a setting, 30 s as most
//! records of services have it. One that knows better says what has changed, in its own time, and is believed whatever
//! it says: also that there is no endpoint any more.
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_core::Stream;

use super::Key;
use crate::service::balance::{Change, Endpoints, next};
use crate::time::sleep;

/// A set of endpoints by their addresses.
pub(super) struct Members<T> {
    endpoints: Endpoints<Key, T>,
    /// Those that are in it, what they weigh, and their priorities.
    known: Vec<(SocketAddr, f64, u16)>,
    /// Whether that is one; read by its pool.
    is_alone: Rc<Cell<bool>>,
    /// Makes an endpoint.
    make: Box<dyn Fn(SocketAddr) -> T>,
}

impl<T> Members<T> {
    pub(super) fn new(is_alone: Rc<Cell<bool>>, make: impl Fn(SocketAddr) -> T + 'static) -> Self {
        Self { endpoints: Endpoints::new(), known: Vec::new(), is_alone, make: Box::new(make) }
    }

    /// The set, which is shared.
    pub(super) fn endpoints(&self) -> Endpoints<Key, T> {
        self.endpoints.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// These are the addresses from now on, all of the same weight.
    pub(super) fn update(&mut self, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return;
        }
        let gone = self.known.iter().map(|(address, ..)| *address).filter(|address| !found.contains(address));
        let gone: Vec<_> = gone.collect();
        // In this order, so that the set is never empty.
        found.into_iter().for_each(|address| self.insert(address, 1.0, 0));
        gone.into_iter().for_each(|address| self.remove(address));
    }

    /// Does what `change` says.
    pub(super) fn apply(&mut self, change: Change<SocketAddr, ()>) {
        match change {
            Change::Insert { key, service: (), weight, priority } => self.insert(key, weight, priority),
            Change::Remove(address) => self.remove(address),
        }
    }

    fn insert(&mut self, address: SocketAddr, weight: f64, priority: u16) {
        match self.known.iter_mut().find(|(known, ..)| *known == address) {
            Some(known) if *known == (address, weight, priority) => return,
            Some(known) => {
                self.endpoints.reweigh(&Some(address), weight);
                self.endpoints.prioritise(&Some(address), priority);
                *known = (address, weight, priority);
            }
            None => {
                let service = (self.make)(address);
                self.endpoints.apply(Change::Insert { key: Some(address), service, weight, priority });
                self.known.push((address, weight, priority));
            }
        }
        self.is_alone.set(self.known.len() == 1);
    }

    fn remove(&mut self, address: SocketAddr) {
        self.endpoints.remove(&Some(address));
        self.known.retain(|(known, ..)| *known != address);
        self.is_alone.set(self.known.len() == 1);
    }

    /// Applies what a resolver says, until it says no more.
    pub(super) async fn apply_all(mut self, mut changes: Pin<Box<impl Stream<Item = Change<SocketAddr, ()>>>>) {
        while let Some(change) = next(&mut changes).await {
            self.apply(change);
        }
    }

    /// Asks `lookup` each time that `every` has passed, for ever.
    pub(super) async fn follow(mut self, every: Duration, lookup: impl AsyncFn() -> io::Result<Vec<SocketAddr>>) {
        loop {
            sleep(every).await;
            if let Ok(found) = lookup().await {
                self.update(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;
    use crate::{spawn, testing};

    fn addresses(numbers: &[u8]) -> Vec<SocketAddr> {
        numbers.iter().map(|number| SocketAddr::from(([127, 0, 0, *number], 80))).collect()
    }

    #[test]
    fn a_name_is_looked_up_again_and_what_stays_is_not_made_anew() {
        testing::run(async {
            let made = Rc::new(RefCell::new(Vec::new()));
            let (making, is_alone) = (made.clone(), Rc::new(Cell::new(false)));
            let mut members = Members::new(is_alone.clone(), move |address| making.borrow_mut().push(address));
            members.update(addresses(&[1, 1]));
            assert!(is_alone.get());
            let endpoints = members.endpoints();
            let answers =
                [Ok(addresses(&[2, 1])), Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new()), Ok(addresses(&[3, 2]))];
            let answers = RefCell::new(VecDeque::from(answers));
            let every = Duration::from_secs(30);
            spawn(members.follow(every, async move || {
                let answer = answers.borrow_mut().pop_front();
                answer.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
            }));
            sleep(every / 2).await;
            for expected in [&[1][..], &[1, 2], &[1, 2], &[1, 2], &[2, 3], &[2, 3]] {
                let expected: Vec<_> = addresses(expected).iter().map(|address| format!("Some({address})")).collect();
                assert_eq!(format!("{endpoints:?}"), format!("{{{}}}", expected.join(", ")));
                sleep(every).await;
            }
            assert!(!is_alone.get());
            assert_eq!(*made.borrow(), addresses(&[1, 2, 3]));
        });
    }
}
