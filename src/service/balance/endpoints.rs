//! The set of endpoints that are balanced.
//!
//! Filled by who knows of them: by hand, from a list, or by a stream of changes that a task follows; read by
//! [`Balance`](super::Balance) for each call.
//!
//! Guarantees: a change is seen by the next call; calls in flight keep their endpoint, also when it was removed.
//! Nothing else than what is said here removes one. The set has no bound of its own, since it is as large as the
//! resolver says.
//!
//! The trade-off: a change copies the list, a pointer for each endpoint, so that a call reads it with nothing borrowed.
//! Changes are rare and calls are not. Nobody polls a resolver but the task that follows it: a balancer that did so in
//! its calls would learn nothing while there are none.
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
    /// In the order of their priorities.
    endpoints: Vec<Rc<Endpoint<K, S>>>,
    /// For each priority where its endpoints end, and for each of those the sum of its weight and of those before it;
    /// no sums if all weigh the same.
    tiers: Vec<(usize, Vec<f64>)>,
}

/// The endpoints of one priority, at least one.
pub(super) struct Tier<'s, K, S> {
    pub(super) endpoints: &'s [Rc<Endpoint<K, S>>],
    /// The sums of their weights; empty if all weigh the same.
    pub(super) sums: &'s [f64],
    /// Whether there is none behind it.
    pub(super) is_last: bool,
}

impl<K, S> Set<K, S> {
    fn new(mut endpoints: Vec<Rc<Endpoint<K, S>>>) -> Self {
        endpoints.sort_by_key(|endpoint| endpoint.priority.get());
        let mut tiers = Vec::new();
        let mut end = 0;
        for tier in endpoints.chunk_by(|one, other| one.priority.get() == other.priority.get()) {
            let is_even = tier.windows(2).all(|pair| pair[0].weight.get() == pair[1].weight.get());
            let weights = tier.iter().filter(|_| !is_even).map(|endpoint| endpoint.weight.get());
            let sums = weights.scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            end += tier.len();
            tiers.push((end, sums.collect()));
        }
        Self { endpoints, tiers }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Rc<Endpoint<K, S>>] {
        &self.endpoints
    }

    /// Tier by tier, the first choice first.
    pub(super) fn tiers(&self) -> impl Iterator<Item = Tier<'_, K, S>> {
        let mut begin = 0;
        self.tiers.iter().map(move |(end, sums)| {
            let endpoints = &self.endpoints[begin..*end];
            begin = *end;
            Tier { endpoints, sums, is_last: *end == self.endpoints.len() }
        })
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
    /// An endpoint called `key`, with a weight of one. It takes the place of one that was called so before, of which
    /// nothing that was known is kept.
    pub fn insert(&self, key: K, service: S) {
        self.insert_weighted(key, service, 1.0);
    }

    /// The same with a share of the calls, relative to the others.
    ///
    /// # Panics
    ///
    /// When `weight` is not finite, or not more than zero.
    pub fn insert_weighted(&self, key: K, service: S, weight: f64) {
        self.insert_endpoint(Endpoint::new(key, service, weight, 0));
    }

    fn insert_endpoint(&self, endpoint: Endpoint<K, S>) {
        let mut endpoints = self.now().endpoints.clone();
        let endpoint = Rc::new(endpoint);
        match endpoints.iter_mut().find(|known| known.key == endpoint.key) {
            Some(known) => *known = endpoint,
            None => endpoints.push(endpoint),
        }
        self.replace(endpoints);
    }

    /// The endpoint called `key` has another share of the calls, and keeps all that is known of it; false if there is
    /// none.
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

    /// The endpoint called `key` belongs to another tier, and keeps all that is known of it; false if there is none.
    /// Those that are [inserted](Self::insert) are of the first choice, which is zero.
    pub fn prioritise(&self, key: &K, priority: u16) -> bool {
        let endpoints = self.now().endpoints.clone();
        let Some(endpoint) = endpoints.iter().find(|known| known.key == *key) else { return false };
        endpoint.priority.set(priority);
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
            Change::Insert { key, service, weight, priority } => {
                self.insert_endpoint(Endpoint::new(key, service, weight, priority));
            }
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
    /// A set that does not change unless somebody changes it, all with a weight of one. Of two with the same key the
    /// first one is found when it is removed.
    fn from_iter<I: IntoIterator<Item = (K, S)>>(endpoints: I) -> Self {
        let all = Self::new();
        all.replace(endpoints.into_iter().map(|(key, service)| Rc::new(Endpoint::new(key, service, 1.0, 0))).collect());
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
