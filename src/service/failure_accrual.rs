//! The filter that takes a service for dead when its calls fail, and tries it again after a while: a circuit breaker.
//!
//! Its place is around one endpoint, below the balancer, which then takes another, and above pool and timeout, whose
//! failures it is to see. Below a limit of calls, which would have a healthy endpoint taken for dead for want of a
//! place in front of it. Each endpoint has one of its own.
//!
//! Guarantees: after five failures in a row, or when fewer than 80 % of at least five calls in 30 s have succeeded, the
//! status is Busy for half to the whole of 10 s. Then it is Open for one call, the probe: its success makes the service
//! alive, its failure makes it dead for twice as long, up to 300 s. All that can be set. It never fails a call: one
//! that is sent while the service is dead, since all others are too, goes through. It has no error of its own.
//!
//! The trade-off: it fails open and is driven by calls, as Finagle's: no pings, no timers, and nothing is lost when all
//! endpoints are taken for dead at once. What must not be called while it is down stands below a
//! [`LoadShed`](super::LoadShed), or a [`FailFast`](super::FailFast).
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use super::accrual::{Accrual, End, Policy};
use super::observed::{Hears, Observed, Observer};
use super::{Backoff, Cautious, Class, Classifier, Filter, Service, Status};
use crate::random::Random;
use crate::time::{Instant, nanoseconds};

/// What Finagle has: five in a row, or less than 80 % of at least five in 30 s; for 5 s at least, and at most 300 s.
fn policy() -> Policy {
    Policy {
        consecutive: 5,
        success_rate: 0.8,
        window: nanoseconds(Duration::from_secs(30)),
        calls_min: 5,
        backoff: Backoff::new(Duration::from_secs(10), Duration::from_secs(300)),
    }
}

/// Says Busy while the service is taken for dead. Clones share what is thought of it, so each endpoint has its own.
///
/// ```
/// use mainspring::service::{FailureAccrual, Service, ServiceExt, Status, service_fn};
/// use mainspring::time::sleep;
/// use std::cell::Cell;
/// use std::io;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let works = Cell::new(false);
///     let endpoint = service_fn(async |()| match works.get() {
///         true => Ok(()),
///         false => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
///     });
///     let endpoint = endpoint.filter(FailureAccrual::new().consecutive(3));
///     for _ in 0..3 {
///         assert_eq!(endpoint.status(), Status::Open);
///         endpoint.call(()).await.unwrap_err();
///     }
///     assert_eq!(endpoint.status(), Status::Busy);
///     works.set(true);
///     sleep(Duration::from_secs(10)).await;
///     assert_eq!(endpoint.status(), Status::Open); // for the probe
///     endpoint.call(()).await.unwrap();
///     assert_eq!(endpoint.status(), Status::Open);
/// });
/// ```
#[derive(Clone)]
pub struct FailureAccrual<C = Cautious> {
    /// What is a failure.
    classifier: C,
    /// What is thought of the service.
    accrual: Rc<RefCell<Accrual>>,
    /// With what it was made.
    policy: Policy,
}

impl FailureAccrual {
    /// With the values above.
    #[must_use]
    pub fn new() -> Self {
        let accrual = Rc::new(RefCell::new(Accrual::new(policy(), Random::from_entropy())));
        Self { classifier: Cautious, accrual, policy: policy() }
    }
}

impl Default for FailureAccrual {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> FailureAccrual<C> {
    /// What is a failure: [`Class::Failure`] and [`Class::Retryable`] of `classifier`; what is [`Class::Ignored`] says
    /// nothing.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> FailureAccrual<D> {
        FailureAccrual { classifier, accrual: self.accrual, policy: self.policy }
    }

    /// Dead after so many failures in a row; zero never.
    #[must_use]
    pub fn consecutive(self, failures: u32) -> Self {
        self.set(|policy| policy.consecutive = failures)
    }

    /// Dead when less than the fraction `rate` of at least `calls` calls in a time of `window` has succeeded; a rate of
    /// zero never.
    #[must_use]
    pub fn success_rate(self, rate: f64, window: Duration, calls: u32) -> Self {
        self.set(|policy| {
            (policy.success_rate, policy.window, policy.calls_min) = (rate, nanoseconds(window).max(1), calls);
        })
    }

    /// How long it is dead, the first time and the following ones.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|policy| policy.backoff = backoff)
    }

    /// Seeds the random part of the waits, for a run that repeats.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        let accrual = Rc::new(RefCell::new(Accrual::new(self.policy, Random::seeded(seed))));
        Self { accrual, ..self }
    }

    /// One for another service: with the same settings, and of which nothing is thought.
    pub(crate) fn anew(&self) -> Self
    where
        C: Clone,
    {
        self.clone().set(|_| ())
    }

    /// Nothing has been thought yet, so a new one takes its place.
    fn set(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        let fresh = self.accrual.borrow().with_policy(self.policy);
        self.accrual = Rc::new(RefCell::new(fresh));
        self
    }
}

impl<C, Request, S> Filter<Request, S> for FailureAccrual<C>
where
    C: Classifier<S::Response, S::Error>,
    S: Service<Request>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let call = Call { accrual: &self.accrual, is_probe: false };
        Observed::new(next.call(request), Watch { call, classifier: &self.classifier })
    }

    fn status(&self, next: &S) -> Status {
        next.status().worst(status(&self.accrual))
    }
}

/// What is thought of it now.
pub(super) fn status(accrual: &RefCell<Accrual>) -> Status {
    let mut accrual = accrual.borrow_mut();
    // A clock is read for one that is down alone.
    if accrual.is_alive() { Status::Open } else { accrual.status(Instant::recent().nanoseconds()) }
}

/// One call of a service of which something is thought.
pub(super) struct Call<'a> {
    pub(super) accrual: &'a RefCell<Accrual>,
    /// Whether it is the probe.
    pub(super) is_probe: bool,
}

impl Call<'_> {
    #[inline]
    pub(super) fn begins(&mut self) {
        let mut accrual = self.accrual.borrow_mut();
        self.is_probe = !accrual.is_alive() && accrual.begin(Instant::recent().nanoseconds());
    }

    #[inline]
    pub(super) fn ends(&mut self, class: Class) {
        let end = match class {
            Class::Success => End::Success,
            Class::Ignored => End::Nothing,
            Class::Retryable | Class::Failure => End::Failure,
        };
        self.accrual.borrow_mut().end(Instant::recent().nanoseconds(), self.is_probe, end);
    }
}

/// What hears of a call.
struct Watch<'a, C> {
    call: Call<'a>,
    classifier: &'a C,
}

impl<C> Observer for Watch<'_, C> {
    #[inline]
    fn begins(&mut self) {
        self.call.begins();
    }

    fn is_dropped(&mut self) {
        self.call.ends(Class::Ignored);
    }
}

impl<C: Classifier<Response, Error>, Response, Error> Hears<Response, Error> for Watch<'_, C> {
    #[inline]
    fn ends(&mut self, result: &Result<Response, Error>) {
        self.call.ends(self.classifier.classify(result));
    }
}

impl<C> fmt::Debug for FailureAccrual<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureAccrual")
            .field("status", &status(&self.accrual))
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
