//! The set of endpoints that are balanced.
//!
//! Filled by who knows of them: by hand, from a list, or by a stream of changes that a task follows; read by
//! [`Balance`](super::Balance) for each call.
//!
//! Guarantees: a change is seen by the next call; calls in flight keep their endpoint, also when it was removed. Nothing else
//! than what is said here removes one. The set has no bound of its own, since it is as large as the resolver says.
//!
//! The trade-off: a change copies the list, a pointer for each endpoint, so that a call reads it with nothing borrowed.
//! Changes are rare and calls are not. Nobody polls a resolver but the task that follows it: a balancer that did so in its
//! calls would learn nothing while there are none.
use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;

use futures_core::Stream;

use super::change::{Change, next};
use super::endpoint::Endpoint;

/// A set of services with keys and weights. Clones are the same set.
///
/// ```
/// use mainspring::channel::mpsc;
/// use mainspring::service::balance::{Balance, Change, Endpoints};
/// use mainspring::service::{Rejected, Service, service_fn};
/// use mainspring::spawn;
///
/// mainspring::run(async {
///     let endpoints = Endpoints::new();
///     let (resolver, changes) = mpsc::bounded(16);
///     let following = endpoints.clone();
///     spawn(async move { following.follow(changes).await });
///
///     let balance = Balance::new(endpoints.clone());
///     let endpoint = |name: &'static str| service_fn(async move |()| Ok::<_, Rejected>(name));
///     assert_eq!(balance.call(()).await, Err(Rejected::NoEndpoint));
///     resolver.send(Change::insert("10.0.0.1:80", endpoint("first"))).await.unwrap();
///     mainspring::yield_now().await;
///     assert_eq!(balance.call(()).await, Ok("first"));
/// })
/// # .unwrap();
/// ```
pub struct Endpoints<K, S> {
    /// The set of now, which a change replaces.
    set: Rc<RefCell<Rc<Set<K, S>>>>,
}

/// A set that does not change.
pub(super) struct Set<K, S> {
    pub(super) endpoints: Vec<Rc<Endpoint<K, S>>>,
    /// For each endpoint the sum of its weight and of those before it; empty if all weigh the same.
    pub(super) sums: Vec<f64>,
}

impl<K, S> Set<K, S> {
    fn new(endpoints: Vec<Rc<Endpoint<K, S>>>) -> Self {
        let is_even = endpoints.windows(2).all(|pair| pair[0].weight.get() == pair[1].weight.get());
        let weights = endpoints.iter().filter(|_| !is_even).map(|endpoint| endpoint.weight.get());
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect(), endpoints }
    }
}

impl<K, S> Endpoints<K, S> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { set: Rc::new(RefCell::new(Rc::new(Set::new(Vec::new())))) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.now().endpoints.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The set of now.
    pub(super) fn now(&self) -> Rc<Set<K, S>> {
        self.set.borrow().clone()
    }

    fn replace(&self, endpoints: Vec<Rc<Endpoint<K, S>>>) {
        let before = self.set.replace(Rc::new(Set::new(endpoints)));
        // With nothing borrowed, since an endpoint that is dropped may call back.
        drop(before);
    }
}

impl<K: PartialEq, S> Endpoints<K, S> {
    /// An endpoint called `key`, with a weight of one. It takes the place of one that was called so before, of which nothing
    /// that was known is kept.
    pub fn insert(&self, key: K, service: S) {
        self.insert_weighted(key, service, 1.0);
    }

    /// The same with a share of the calls, relative to the others.
    ///
    /// # Panics
    ///
    /// When `weight` is not finite, or not more than zero.
    pub fn insert_weighted(&self, key: K, service: S, weight: f64) {
        let mut endpoints = self.now().endpoints.clone();
        let endpoint = Rc::new(Endpoint::new(key, service, weight));
        match endpoints.iter_mut().find(|known| known.key == endpoint.key) {
            Some(known) => *known = endpoint,
            None => endpoints.push(endpoint),
        }
        self.replace(endpoints);
    }

    /// The endpoint called `key` has another share of the calls, and keeps all that is known of it; false if there is none.
    ///
    /// # Panics
    ///
    /// When `weight` is not finite, or not more than zero.
    pub fn reweigh(&self, key: &K, weight: f64) -> bool {
        let endpoints = self.now().endpoints.clone();
        let Some(endpoint) = endpoints.iter().find(|known| known.key == *key) else { return false };
        endpoint.weigh(weight);
        self.replace(endpoints);
        true
    }

    /// There is no endpoint called `key` any more; false if there was none. Calls that it has in flight go on.
    pub fn remove(&self, key: &K) -> bool {
        let mut endpoints = self.now().endpoints.clone();
        let Some(place) = endpoints.iter().position(|known| known.key == *key) else { return false };
        endpoints.remove(place);
        self.replace(endpoints);
        true
    }

    /// Does what `change` says.
    ///
    /// # Panics
    ///
    /// When its weight is not finite, or not more than zero.
    pub fn apply(&self, change: Change<K, S>) {
        match change {
            Change::Insert { key, service, weight } => self.insert_weighted(key, service, weight),
            Change::Remove(key) => {
                self.remove(&key);
            }
        }
    }

    /// Applies what a resolver says, until it says no more; the set stays as it is then. For a task of its own.
    ///
    /// # Cancel safety
    ///
    /// What was applied stays.
    ///
    /// # Panics
    ///
    /// When a weight is not finite, or not more than zero.
    pub async fn follow(&self, changes: impl Stream<Item = Change<K, S>>) {
        let mut changes = pin!(changes);
        while let Some(change) = next(&mut changes).await {
            self.apply(change);
        }
    }
}

impl<K, S> Default for Endpoints<K, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, S> FromIterator<(K, S)> for Endpoints<K, S> {
    /// A set that does not change unless somebody changes it, all with a weight of one. Of two with the same key the first
    /// one is found when it is removed.
    fn from_iter<I: IntoIterator<Item = (K, S)>>(endpoints: I) -> Self {
        let all = Self::new();
        all.replace(endpoints.into_iter().map(|(key, service)| Rc::new(Endpoint::new(key, service, 1.0))).collect());
        all
    }
}

impl<K, S> Clone for Endpoints<K, S> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone() }
    }
}

impl<K: fmt::Debug, S> fmt::Debug for Endpoints<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.now();
        f.debug_set().entries(set.endpoints.iter().map(|endpoint| &endpoint.key)).finish()
    }
}
