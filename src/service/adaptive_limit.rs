//! The filter that bounds how many calls are in flight by how well they go.
//!
//! Its place is that of a [`ConcurrencyLimit`](super::ConcurrencyLimit) whose right number nobody knows: above a
//! backend of unknown capacity, or one that is shared.
//!
//! Guarantees: the limit begins at 20 and stays between 1 and 1,000, or what was set; it grows by one in the time of a
//! round of calls while they go well, and shrinks to nine tenths, once a round, when one has failed or taken longer
//! than a second, or what was set. A call that finds no place fails at once with [`Rejected::Full`]; none waits here,
//! since a line in front of a backend that is too slow makes it no faster, and its time would have to be told from the
//! backend's.
//!
//! The trade-off: what is too long is told and not found out. A gradient of latencies needs no such bound, and takes a
//! backend that has slowly become slow for a new normal; here it cannot drift.
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::aimd::{Aimd, End};
use super::{Cautious, Class, Classifier, Filter, Rejected, Service, Status};
use crate::pin::{Later, Projected, Step};
use crate::time::Instant;

/// The limit at the beginning, and its range, by default: as Netflix's, whose range is narrower.
const LIMITS: (usize, usize, usize) = (20, 1, 1_000);

/// What is left of the limit when there were too many.
const BACKOFF: f64 = 0.9;

/// What is too long, by default.
const SLOW: Duration = Duration::from_secs(1);

/// Lets as many calls in as go well. Clones share the limit.
///
/// ```
/// use mainspring::service::{AdaptiveLimit, Rejected, Service, ServiceExt, service_fn};
/// use std::time::Duration;
///
/// let limit = AdaptiveLimit::new().slow(Duration::from_millis(100));
/// let service = service_fn(async |()| Ok::<_, Rejected>(())).filter(limit.clone());
/// futures::executor::block_on(service.call(())).unwrap();
/// assert_eq!((limit.limit(), limit.in_flight()), (20, 0));
/// ```
#[derive(Clone)]
pub struct AdaptiveLimit<C = Cautious> {
    /// What goes well.
    classifier: C,
    /// What is too long.
    slow: Duration,
    /// The limit, and what is in flight.
    aimd: Rc<RefCell<Aimd>>,
}

impl AdaptiveLimit {
    /// With the values above.
    #[must_use]
    pub fn new() -> Self {
        let (initial, least, most) = LIMITS;
        Self { classifier: Cautious, slow: SLOW, aimd: Rc::new(RefCell::new(Aimd::new(initial, least, most, BACKOFF))) }
    }
}

impl Default for AdaptiveLimit {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> AdaptiveLimit<C> {
    /// What has gone badly: [`Class::Failure`] and [`Class::Retryable`] of `classifier`; [`Class::Ignored`] says
    /// nothing.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> AdaptiveLimit<D> {
        AdaptiveLimit { classifier, slow: self.slow, aimd: self.aimd }
    }

    /// A call that takes longer was one too many.
    #[must_use]
    pub const fn slow(mut self, slow: Duration) -> Self {
        self.slow = slow;
        self
    }

    /// The limit at the beginning, and its range; each is at least 1.
    #[must_use]
    pub fn limits(mut self, initial: usize, least: usize, most: usize) -> Self {
        self.aimd = Rc::new(RefCell::new(Aimd::new(initial, least, most, BACKOFF)));
        self
    }

    /// How many calls may be in flight now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.aimd.borrow().limit()
    }

    /// How many are.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.aimd.borrow().in_flight()
    }
}

impl<C, Request, S> Filter<Request, S> for AdaptiveLimit<C>
where
    C: Classifier<S::Response, S::Error>,
    S: Service<Request>,
    S::Error: From<Rejected>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(Later::new(move || next.call(request)), Place { limit: self, stage: Stage::New })
    }

    fn status(&self, next: &S) -> Status {
        let is_full = self.in_flight() >= self.limit();
        next.status().worst(if is_full { Status::Busy } else { Status::Open })
    }
}

/// What a call has of the limit.
struct Place<'a, C> {
    limit: &'a AdaptiveLimit<C>,
    stage: Stage,
}

enum Stage {
    /// It was not polled yet.
    New,
    /// It is inside, waits since then if it has had to, and began in that round.
    Inside(Option<Instant>, u64),
    /// It has ended.
    Ended,
}

impl<C> Place<'_, C> {
    /// It has gone so, or was dropped.
    fn end(&mut self, class: Class) {
        if let Stage::Inside(since, round) = std::mem::replace(&mut self.stage, Stage::Ended) {
            let end = match class {
                Class::Failure | Class::Retryable => End::Congested,
                _ if since.is_some_and(|since| since.elapsed() > self.limit.slow) => End::Congested,
                Class::Success => End::Good,
                Class::Ignored => End::Nothing,
            };
            self.limit.aimd.borrow_mut().end(round, end);
        }
    }
}

impl<C, F, G, Response, Error> Step<Later<F, G>> for Place<'_, C>
where
    C: Classifier<Response, Error>,
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::New = self.stage {
            let Some(round) = self.limit.aimd.borrow_mut().begin() else {
                return Poll::Ready(Err(Rejected::Full.into()));
            };
            self.stage = Stage::Inside(None, round);
        }
        if let Poll::Ready(result) = call.begun().poll(cx) {
            self.end(self.limit.classifier.classify(&result));
            return Poll::Ready(result);
        }
        // One that answers at once is not slow, and needs no reading of the clock.
        if let Stage::Inside(since @ None, _) = &mut self.stage {
            *since = Some(Instant::now());
        }
        Poll::Pending
    }
}

impl<C> Drop for Place<'_, C> {
    fn drop(&mut self) {
        // One that was given up for taking too long has taken too long.
        self.end(Class::Ignored);
    }
}

impl<C> fmt::Debug for AdaptiveLimit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveLimit")
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .field("slow", &self.slow)
            .finish_non_exhaustive()
    }
}
