//! One of the services that are balanced, and what is known of it.
//!
//! Made when a resolver says that it is there, kept by the set and by each call that it has in flight: one that is
//! removed finishes what it has begun, and is dropped with the last call.
//!
//! Both loads are kept whichever is asked for, since they are a few words, so that one set may be balanced in several
//! ways.
use std::cell::Cell;

use super::super::{Service, Status};
use super::ewma::Ewma;

/// A service, and what is known of it.
pub(super) struct Endpoint<K, S> {
    /// By which it is removed.
    pub(super) key: K,
    /// What is called.
    pub(super) service: S,
    /// Its share of the calls, relative to the others. Written by the set.
    pub(super) weight: Cell<f64>,
    /// The tier that it belongs to; those of lower numbers come first. Written by the set.
    pub(super) priority: Cell<u16>,
    /// Calls that have begun and not ended.
    pub(super) in_flight: Cell<usize>,
    /// What they cost.
    pub(super) ewma: Cell<Ewma>,
    /// How much it is its turn, for those who take turns; written by them alone.
    pub(super) turn: Cell<f64>,
}

impl<K, S> Endpoint<K, S> {
    pub(super) fn new(key: K, service: S, weight: f64, priority: u16) -> Self {
        check(weight);
        Self {
            key,
            service,
            weight: Cell::new(weight),
            priority: Cell::new(priority),
            in_flight: Cell::new(0),
            ewma: Cell::default(),
            turn: Cell::new(0.0),
        }
    }

    /// From now on it has this share.
    pub(super) fn weigh(&self, weight: f64) {
        check(weight);
        self.weight.set(weight);
    }

    /// Whether it is open.
    pub(super) fn status<Request>(&self) -> Status
    where
        S: Service<Request>,
    {
        self.service.status()
    }
}

/// A weight is one that can be divided by.
fn check(weight: f64) {
    assert!(weight.is_finite() && weight > 0.0, "a weight is {weight}, and must be finite and more than zero");
}
