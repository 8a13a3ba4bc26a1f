//! The filter that makes a call again when it has failed in a way that allows it.
//!
//! Its place is above the balancer, so that another endpoint has its turn, above the timeout of an attempt and below
//! that of the whole.
//!
//! Guarantees: a call is made again only if its [`Classifier`] says so, or it has failed and its request is known to be
//! [idempotent](Retry::idempotent); at most thrice in all or as often as was set, while the [budget](RetryBudget) has
//! enough, after a [wait](Backoff) that ends before the [deadline](super::Deadline). Else the last result is returned
//! as it is. By default only what is known not to have been done is made again. It has no error of its own.
//!
//! What is inside is to be one call. Where it is several, a rejection of a later one looks like one of the whole, and
//! what the earlier ones have done would be done again: around each of them there is a `Retry` of its own then, as
//! [`AndThen`](super::AndThen) shows.
//!
//! The trade-off: the request is cloned for each attempt but the last, whether or not it will be needed; large ones
//! share their bytes (`Rc<[u8]>`). To make it anew from a response that failed would need both in one type.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Backoff, Cautious, Class, Classifier, Deadline, Filter, RetryBudget, Service};
use crate::pin::{Loose, OneOf, Projected, Step};
use crate::random::Random;
use crate::time::{Instant, Sleep, sleep};

/// Attempts in all, by default: the first and two more. What fails thrice in a row will not be saved by the fourth.
const ATTEMPTS: u32 = 3;

/// The first wait and the longest, by default: what a failover takes, and what a user waits for.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Makes calls again that have failed. Clones share the budget.
///
/// ```
/// use mainspring::service::{Idempotent, Retry, Service, ServiceBuilder};
/// use std::cell::Cell;
/// use std::io;
///
/// let failures = Cell::new(2_i32);
/// let service = ServiceBuilder::new().filter(Retry::new().classifier(Idempotent)).service_fn(async |n: u32| {
///     failures.set(failures.get() - 1);
///     if failures.get() >= 0 { Err(io::Error::from(io::ErrorKind::ConnectionReset)) } else { Ok(n) }
/// });
/// mainspring::testing::run(async { assert_eq!(service.call(7).await.unwrap(), 7) });
/// ```
#[derive(Clone)]
pub struct Retry<C = Cautious, I = ()> {
    /// What may be made again.
    classifier: C,
    /// Which requests may be, whatever their failure.
    idempotent: I,
    /// How often, in all.
    attempts: u32,
    /// How long before each.
    backoff: Backoff,
    /// The bound over all calls.
    budget: RetryBudget,
    /// For the waits.
    random: Random,
}

impl Retry {
    /// What was rejected is made again, at most thrice in all, after 10 ms, 20 ms and so on up to a second, half of
    /// each at random, within a budget of its own. Not for what makes several calls, of which the last may be rejected:
    /// see [`AndThen`](super::AndThen).
    #[must_use]
    pub fn new() -> Self {
        Self {
            classifier: Cautious,
            idempotent: (),
            attempts: ATTEMPTS,
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
            budget: RetryBudget::default(),
            random: Random::from_entropy(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, I> Retry<C, I> {
    /// What may be made again: what is [`Class::Retryable`] to `classifier`.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> Retry<D, I> {
        let Self { idempotent, attempts, backoff, budget, random, .. } = self;
        Retry { classifier, idempotent, attempts, backoff, budget, random }
    }

    /// Which requests do the same however often they are done: theirs is made again after a [`Class::Failure`] too. By
    /// default none is known to. For a service some of whose requests are; [`Idempotent`](super::Idempotent) is for one
    /// all of whose are.
    ///
    /// ```
    /// use mainspring::service::{Retry, Service, ServiceBuilder};
    /// use std::cell::Cell;
    /// use std::io;
    ///
    /// let calls = Cell::new(0);
    /// let retry = Retry::new().idempotent(|method: &&str| ["GET", "PUT"].contains(method));
    /// let service = ServiceBuilder::new().filter(retry).service_fn(async |_method: &str| {
    ///     calls.set(calls.get() + 1);
    ///     Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionReset)) // perhaps it was done
    /// });
    /// mainspring::testing::run(async {
    ///     service.call("POST").await.unwrap_err();
    ///     assert_eq!(calls.replace(0), 1);
    ///     service.call("GET").await.unwrap_err();
    ///     assert_eq!(calls.get(), 3);
    /// });
    /// ```
    #[must_use]
    pub fn idempotent<J>(self, idempotent: J) -> Retry<C, J> {
        let Self { classifier, attempts, backoff, budget, random, .. } = self;
        Retry { classifier, idempotent, attempts, backoff, budget, random }
    }

    /// At most so many attempts in all, the first among them; zero and one make none again.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long to wait before each attempt but the first.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The budget, which others may share. Each call is put into it once by each of the `Retry`s that it passes.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Seeds the random part of the waits, for a run that repeats.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = Random::seeded(seed);
        self
    }
}

/// Says which requests do the same however often they are done: a closure, or `()` for none.
pub trait IsIdempotent<Request> {
    /// Whether `request` does.
    fn is_idempotent(&self, request: &Request) -> bool;
}

impl<Request> IsIdempotent<Request> for () {
    fn is_idempotent(&self, _: &Request) -> bool {
        false
    }
}

impl<F: Fn(&Request) -> bool, Request> IsIdempotent<Request> for F {
    fn is_idempotent(&self, request: &Request) -> bool {
        self(request)
    }
}

impl<C, I, Request, S> Filter<Request, S> for Retry<C, I>
where
    C: Classifier<S::Response, S::Error>,
    I: IsIdempotent<Request>,
    S: Service<Request>,
    Request: Clone,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let call = |request| next.call(request);
        let attempts = Attempts { retry: self, call, request: Some(request), made: 0 };
        Projected::new(OneOf::Second(Loose(None)), attempts)
    }
}

/// A call, or the wait before it: none before the first.
type Attempt<F> = OneOf<F, Loose<Option<Sleep>>>;

/// What is known beside an attempt.
struct Attempts<'a, C, I, G, Request> {
    retry: &'a Retry<C, I>,
    /// Makes a call of a request.
    call: G,
    /// What is called with; taken by the last attempt.
    request: Option<Request>,
    /// How many attempts have begun.
    made: u32,
}

impl<C, I, G, F, Request> Attempts<'_, C, I, G, Request>
where
    G: Fn(Request) -> F,
    Request: Clone,
{
    /// The next attempt.
    #[inline]
    fn begin(&mut self) -> F {
        self.made += 1;
        if self.made == 1 {
            self.retry.budget.deposit();
        }
        let is_last = self.made >= self.retry.attempts;
        let request = if is_last { self.request.take() } else { self.request.clone() };
        (self.call)(request.unwrap_or_else(|| panic!("a call was polled after it was ready")))
    }

    /// How long to wait before another attempt; none if there will be no other.
    #[cold]
    fn again(&self) -> Option<Duration> {
        if self.made >= self.retry.attempts {
            return None;
        }
        let wait = self.retry.backoff.wait(self.made - 1, &self.retry.random);
        let is_in_time = Deadline::current().is_none_or(|deadline| Instant::now() + wait < deadline);
        (is_in_time && self.retry.budget.withdraw()).then_some(wait)
    }
}

impl<C, I, G, F, Request, Response, Error> Step<Attempt<F>> for Attempts<'_, C, I, G, Request>
where
    C: Classifier<Response, Error>,
    I: IsIdempotent<Request>,
    G: Fn(Request) -> F,
    F: Future<Output = Result<Response, Error>>,
    Request: Clone,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, mut attempt: Pin<&mut Attempt<F>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match attempt.as_mut().project() {
                OneOf::Second(mut wait) => {
                    if let Some(wait) = &mut wait.0 {
                        ready!(Pin::new(wait).poll(cx));
                    }
                    let call = self.begin();
                    attempt.set(OneOf::First(call));
                }
                OneOf::First(call) => {
                    let result = ready!(call.poll(cx));
                    let may_be_again = match self.retry.classifier.classify(&result) {
                        Class::Retryable => true,
                        // The last attempt has taken the request, and there will be no other.
                        Class::Failure => {
                            self.request.as_ref().is_some_and(|request| self.retry.idempotent.is_idempotent(request))
                        }
                        Class::Success | Class::Ignored => false,
                    };
                    let Some(wait) = may_be_again.then(|| self.again()).flatten() else { return Poll::Ready(result) };
                    attempt.set(OneOf::Second(Loose(Some(sleep(wait)))));
                }
            }
        }
    }
}

impl<C, I> fmt::Debug for Retry<C, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
