//! What a resolver says about a set of endpoints.
//!
//! The items of the stream that [`Endpoints::follow`](super::Endpoints::follow) applies, as they are found out: by DNS,
//! from a registry, from a file. Two cases are enough: an endpoint that has changed is inserted again.
use std::future::poll_fn;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Poll, ready};

use futures_core::Stream;

use crate::scope;

/// An endpoint has come, or has gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<K, S> {
    /// There is one called `key`; it takes the place of one that was called so before.
    Insert {
        /// By which it is removed: an address, most often.
        key: K,
        /// What is called.
        service: S,
        /// Its share of the calls, relative to the others; finite and more than zero.
        weight: f64,
        /// Zero is the first choice. Any other is a reserve: it is called if none of a lower number is open, and none
        /// of those has as good a status.
        priority: u16,
    },
    /// There is none called so any more. Calls that it has in flight go on.
    Remove(K),
}

impl<K, S> Change<K, S> {
    /// An endpoint with a weight of one, of the first choice.
    pub const fn insert(key: K, service: S) -> Self {
        Self::Insert { key, service, weight: 1.0, priority: 0 }
    }
}

/// The next item of a resolver. It costs a unit of the budget: one that always has another must let the others have
/// their turns.
pub(crate) async fn next<P: DerefMut<Target: Stream>>(changes: &mut Pin<P>) -> Option<<P::Target as Stream>::Item> {
    poll_fn(|cx| {
        ready!(scope::poll_admit(cx));
        let item = ready!(changes.as_mut().poll_next(cx));
        scope::spend();
        Poll::Ready(item)
    })
    .await
}
