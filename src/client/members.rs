//! The endpoints that a name stands for, as they change.
//!
//! Made by [`ClientBuilder::connect`](super::ClientBuilder::connect) of the first answer; of a name a task follows the next ones.
//!
//! Guarantees: an address that stays keeps its endpoint, with its connections and what is thought of it; one that is gone gets
//! no further call, and those in flight end. A lookup that fails, or finds nothing, changes nothing: the name server being down
//! is no reason to stop.
//!
//! The trade-off: the system's resolver tells no time to live, so the time between lookups is a setting, 30 s as most records of
//! services have it. A resolver of one's own fills [`Endpoints`] itself.
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::service::balance::Endpoints;
use crate::time::sleep;

/// A set of endpoints by their addresses.
pub(super) struct Members<T> {
    endpoints: Endpoints<SocketAddr, T>,
    /// Those that are in it.
    known: Vec<SocketAddr>,
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
    pub(super) fn endpoints(&self) -> Endpoints<SocketAddr, T> {
        self.endpoints.clone()
    }

    /// These are the addresses from now on.
    pub(super) fn update(&mut self, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return;
        }
        self.is_alone.set(found.len() == 1);
        for &address in found.iter().filter(|address| !self.known.contains(address)) {
            self.endpoints.insert(address, (self.make)(address));
        }
        for gone in self.known.iter().filter(|address| !found.contains(address)) {
            self.endpoints.remove(gone);
        }
        self.known = found;
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
                let expected: Vec<_> = addresses(expected).iter().map(ToString::to_string).collect();
                assert_eq!(format!("{endpoints:?}"), format!("{{{}}}", expected.join(", ")));
                sleep(every).await;
            }
            assert!(!is_alone.get());
            assert_eq!(*made.borrow(), addresses(&[1, 2, 3]));
        });
    }
}
