//! The filter that fails at once while a peer cannot be reached.
//!
//! Its place is around what connects to one endpoint, a service whose response is a session: when connecting has failed
//! once, the next callers are told so without trying, and one of them tries again after a while.
//!
//! Guarantees: after one failure the status is Busy, and calls fail with [`Rejected::Down`], for half to the whole of a
//! second, then of two, up to 32 s, as in Finagle; then one call at a time goes through, until one succeeds. So a peer
//! that is down is asked by one caller each half a minute or so, however many there are.
//!
//! The trade-off: it fails closed, and the try is a caller's. One in the background would find the peer back without a
//! caller, as a task that belongs to nobody. For a service that has one endpoint only it does more harm than good: a
//! call that may fail is better than one that has to.
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::accrual::{Accrual, Policy};
use super::failure_accrual::{Call, status};
use super::{Backoff, Cautious, Class, Classifier, Filter, Rejected, Service, Status};
use crate::pin::{Later, OneOf, Projected, Step};
use crate::random::Random;

/// The first failure is enough, for up to 32 s.
fn policy(backoff: Backoff) -> Policy {
    Policy { consecutive: 1, success_rate: 0.0, window: 1, calls_min: 0, backoff }
}

/// Rejects calls while the service is down. Clones share what is known of it, so each endpoint has its own.
///
/// ```
/// use mainspring::service::{FailFast, Service, ServiceExt, service_fn};
/// use std::io;
///
/// mainspring::testing::run(async {
///     let connect = service_fn(async |()| Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)));
///     let connect = connect.filter(FailFast::new());
///     assert_eq!(connect.call(()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
///     assert_eq!(connect.call(()).await.unwrap_err().kind(), io::ErrorKind::ResourceBusy); // nobody was asked
/// });
/// ```
#[derive(Clone)]
pub struct FailFast<C = Cautious> {
    /// What is a failure.
    classifier: C,
    /// What is known of the service.
    accrual: Rc<RefCell<Accrual>>,
}

impl FailFast {
    /// With the values above.
    #[must_use]
    pub fn new() -> Self {
        let policy = policy(Backoff::new(Duration::from_secs(1), Duration::from_secs(32)));
        let accrual = Accrual::new(policy, Random::from_entropy());
        Self { classifier: Cautious, accrual: Rc::new(RefCell::new(accrual)) }
    }
}

impl Default for FailFast {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> FailFast<C> {
    /// What is a failure: [`Class::Failure`] and [`Class::Retryable`] of `classifier`.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> FailFast<D> {
        FailFast { classifier, accrual: self.accrual }
    }

    /// How long it is down, the first time and the following ones.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        let fresh = self.accrual.borrow().with_policy(policy(backoff));
        self.accrual = Rc::new(RefCell::new(fresh));
        self
    }
}

impl<C, Request, S> Filter<Request, S> for FailFast<C>
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
        let call = Call { accrual: &self.accrual, is_probe: false };
        let gate = Gate { call, classifier: &self.classifier, is_inside: false };
        Projected::new(Later::new(move || next.call(request)), gate)
    }

    fn status(&self, next: &S) -> Status {
        next.status().worst(status(&self.accrual))
    }
}

/// What lets a call through, and hears of it.
struct Gate<'a, C> {
    call: Call<'a>,
    classifier: &'a C,
    /// Whether it was let through and has not ended.
    is_inside: bool,
}

impl<C, F, G, Response, Error> Step<Later<F, G>> for Gate<'_, C>
where
    C: Classifier<Response, Error>,
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, mut call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let OneOf::Second(_) = call.as_mut().project() {
            if status(self.call.accrual) != Status::Open {
                return Poll::Ready(Err(Rejected::Down.into()));
            }
            self.call.begins();
            self.is_inside = true;
        }
        let result = ready!(call.begun().poll(cx));
        self.is_inside = false;
        self.call.ends(self.classifier.classify(&result));
        Poll::Ready(result)
    }
}

impl<C> Drop for Gate<'_, C> {
    fn drop(&mut self) {
        if self.is_inside {
            self.call.ends(Class::Ignored);
        }
    }
}

impl<C> fmt::Debug for FailFast<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailFast").field("status", &status(&self.accrual)).finish_non_exhaustive()
    }
}
