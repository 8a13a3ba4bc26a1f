//! What the dashboard shows: the counters of the reactor, the connections, and how long requests took.
//!
//! One for each thread, which counts with no atomic operation. What a page sees is the thread that serves it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use examples::http::{Response, Status};
use mainspring::Stats;
use mainspring::service::{Class, Classifier, Histogram, Statistics};
use mainspring::time::Instant;
use serde_json::{Value, json};

/// How many latencies are told apart: each takes up to twice as long as the one before, the first up to 2 µs and the
/// last but one 4 s.
const BUCKETS: usize = 23;

/// The figures of one thread.
pub(crate) struct Figures {
    start: Instant,
    /// Connections that are open.
    connections: Cell<u64>,
    /// The filter that counts requests.
    pub(crate) requests: Statistics<ByStatus, Latencies>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        let requests = Statistics::with(ByStatus, Latencies::default());
        Self { start: Instant::now(), connections: Cell::new(0), requests }
    }

    /// Counts a connection, until what is returned is dropped.
    pub(crate) fn connection(self: &Rc<Self>) -> Open {
        self.connections.set(self.connections.get() + 1);
        Open(Rc::clone(self))
    }

    /// All of them.
    pub(crate) fn json(&self) -> Value {
        json!({
            "seconds": self.start.elapsed().as_secs_f64(),
            "connections": self.connections.get(),
            "in_flight": self.requests.in_flight(),
            "answered": self.requests.success(),
            "failed": self.requests.failure() + self.requests.dropped(),
            "latencies": self.requests.latencies().0.each_ref().map(Cell::get),
            "reactor": stats(),
        })
    }
}

/// What the reactor of this thread has done.
pub(crate) fn stats() -> Value {
    Value::from_iter(Stats::current().unwrap_or_default().fields())
}

/// A connection that is open.
pub(crate) struct Open(Rc<Figures>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}

/// What the service could not do is a failure, and what the peer has done wrong is not.
pub(crate) struct ByStatus;

impl<E> Classifier<Response, E> for ByStatus {
    fn classify(&self, result: &Result<Response, E>) -> Class {
        match result.as_ref().map(Response::status) {
            Ok(Status::Continue) => Class::Ignored,
            Ok(Status::GatewayTimeout | Status::ServiceUnavailable) | Err(_) => Class::Failure,
            Ok(_) => Class::Success,
        }
    }
}

/// How many requests took how long: number `n` counts those below 2^(n+1) µs that no number before it counts.
#[derive(Default)]
pub(crate) struct Latencies([Cell<u64>; BUCKETS]);

impl Histogram for Latencies {
    fn record(&self, latency: Duration) {
        let place = latency.as_micros().max(1).ilog2() as usize;
        let bucket = &self.0[place.min(BUCKETS - 1)];
        bucket.set(bucket.get() + 1);
    }
}
