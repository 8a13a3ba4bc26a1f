//! The filter that asks a second time when an answer is late, and takes the one that comes first.
//!
//! Its place is above the balancer, so that the second call goes to another endpoint, and below the retries and the
//! total timeout. For requests that do the same however often they are done, and for no others. Finagle calls it a
//! backup request.
//!
//! Guarantees: a second call is made once, when the first has taken longer than all but the fraction `extra` of the
//! calls of the last half minute, 5 % by default, and at least a millisecond; not before a hundred are known; and only
//! within a budget of `extra` for each call over ten seconds, and within the [budget](RetryBudget) of the retries if it
//! was given one. So it adds at most that to the load, also when everything is late. The first success wins, and the
//! other call is dropped; a failure waits for the other, if there is one. It has no error of its own.
//!
//! The trade-off: the second call is boxed, since one in twenty is made. Room for two in each future would be paid by
//! all.
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::budget::Budget;
use super::recent::Recent;
use super::{Cautious, Classifier, Filter, RetryBudget, Service};
use crate::pin::{Projected, Stages, Step};
use crate::time::{Instant, Limit, nanoseconds, sleep_until_later};

/// Second calls for each call, by default: they cut off what is slower than 19 of 20.
const EXTRA: f64 = 0.05;

/// The least time before a second call: below it, what is late is the own reactor.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Makes a second call when the first is late. Clones share what is known, and the budget.
///
/// ```
/// use mainspring::service::{Hedge, Service, ServiceExt, service_fn};
/// use mainspring::time::{Instant, sleep};
/// use std::cell::Cell;
/// use std::io;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let calls = Cell::new(0);
///     let service = service_fn(async |n: u32| {
///         calls.set(calls.get() + 1);
///         // Every twentieth takes a second, the others ten milliseconds.
///         sleep(Duration::from_millis(if calls.get() % 20 == 0 { 1_000 } else { 10 })).await;
///         io::Result::Ok(n)
///     });
///     let service = service.filter(Hedge::new().extra(0.1));
///     let mut slowest = Duration::ZERO;
///     for nth in 0..1_000 {
///         let start = Instant::now();
///         service.call(nth).await.unwrap();
///         slowest = if nth < 200 { slowest } else { slowest.max(start.elapsed()) };
///     }
///     assert!(slowest < Duration::from_millis(30), "{slowest:?}");
/// });
/// ```
#[derive(Clone)]
pub struct Hedge<C = Cautious> {
    /// What is a success.
    classifier: C,
    /// Second calls for each call.
    extra: f64,
    /// What clones share.
    shared: Rc<RefCell<Shared>>,
    /// That of the retries.
    budget: Option<RetryBudget>,
}

struct Shared {
    recent: Recent,
    budget: Budget,
}

impl Hedge {
    /// With the values above, and without the budget of the retries.
    #[must_use]
    pub fn new() -> Self {
        Self { classifier: Cautious, extra: EXTRA, shared: shared(EXTRA), budget: None }
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self::new()
    }
}

fn shared(extra: f64) -> Rc<RefCell<Shared>> {
    Rc::new(RefCell::new(Shared { recent: Recent::new(), budget: Budget::new(extra, 0) }))
}

impl<C> Hedge<C> {
    /// What is a success: whatever is no failure to `classifier`.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> Hedge<D> {
        Hedge { classifier, extra: self.extra, shared: self.shared, budget: self.budget }
    }

    /// So many second calls for each call, from 0 up to 1 and down to a thousandth; zero makes none.
    #[must_use]
    pub fn extra(mut self, extra: f64) -> Self {
        self.extra = extra.clamp(0.0, 1.0);
        self.shared = shared(self.extra);
        self
    }

    /// Second calls are taken out of this budget too. They are not put in: that is for the retries.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// After how long a call is late.
    fn late(&self, now: Instant) -> Option<Duration> {
        let late = self.shared.borrow_mut().recent.quantile(now.nanoseconds(), 1.0 - self.extra);
        late.map(|late| Duration::from_nanos(late).max(WAIT_MIN))
    }

    /// Whether there is enough for a second call.
    fn withdraw(&self) -> bool {
        let now = Instant::now().nanoseconds();
        let mut shared = self.shared.borrow_mut();
        shared.budget.balance(now) > 0
            && self.budget.as_ref().is_none_or(RetryBudget::withdraw)
            && shared.budget.withdraw(now)
    }
}

impl<C, Request, S> Filter<Request, S> for Hedge<C>
where
    C: Classifier<S::Response, S::Error>,
    S: Service<Request>,
    Request: Clone,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let first = next.call(request.clone());
        let again = Some(|| Box::pin(next.call(request)));
        let race = Race { hedge: self, has_begun: false, since: None, late: None, again, second: None };
        Projected::new(Stages::First(first), race)
    }
}

/// A first call, until it is over.
type First<F> = Stages<F, ()>;

/// What is known beside the first call.
struct Race<'a, C, F, G> {
    hedge: &'a Hedge<C>,
    /// Whether it has begun.
    has_begun: bool,
    /// Since when it has had to wait; none before.
    since: Option<Instant>,
    /// Until it is late; none if that is not known, or has been.
    late: Option<Limit>,
    /// Makes the second call.
    again: Option<G>,
    /// The second call.
    second: Option<Pin<Box<F>>>,
}

impl<C, F, G> Race<'_, C, F, G> {
    /// The first call has taken so long, at least.
    fn record(&self) {
        let (now, latency) = match self.since {
            Some(since) => (Instant::now(), since.elapsed()),
            None => (Instant::recent(), Duration::ZERO),
        };
        self.hedge.shared.borrow_mut().recent.record(now.nanoseconds(), nanoseconds(latency));
    }

    /// Whether there is time for a second call, and enough; it is made then.
    fn make_second(&mut self, cx: &mut Context<'_>)
    where
        G: FnOnce() -> Pin<Box<F>>,
    {
        let Some(late) = &mut self.late else { return };
        if Pin::new(late).poll(cx).is_ready() {
            self.late = None;
            if self.hedge.withdraw() {
                self.second = self.again.take().map(|again| again());
            }
        }
    }
}

impl<C, F, G, Response, Error> Step<First<F>> for Race<'_, C, F, G>
where
    C: Classifier<Response, Error>,
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> Pin<Box<F>>,
{
    type Output = Result<Response, Error>;

    fn step(&mut self, mut first: Pin<&mut First<F>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_failure = |result: &_| self.hedge.classifier.classify(result).is_failure();
        let is_new = !std::mem::replace(&mut self.has_begun, true);
        if is_new {
            self.hedge.shared.borrow_mut().budget.deposit(Instant::recent().nanoseconds());
        }
        if let Some(Poll::Ready(result)) = first.as_mut().running().map(|call| call.poll(cx)) {
            first.as_mut().end(());
            let has_failed = is_failure(&result);
            if !has_failed {
                self.record();
            }
            if !has_failed || self.second.is_none() {
                self.second = None;
                return Poll::Ready(result);
            }
        }
        if is_new {
            // One that answers at once was not late, and needs no reading of the clock.
            let now = Instant::now();
            self.since = Some(now);
            self.late = self.hedge.late(now).map(|late| Limit(sleep_until_later(now + late)));
        }
        self.make_second(cx);
        if let Some(Poll::Ready(result)) = self.second.as_mut().map(|call| call.as_mut().poll(cx)) {
            self.second = None;
            let first_goes_on = first.as_mut().running().is_some();
            if first_goes_on && is_failure(&result) {
                return Poll::Pending;
            }
            if first_goes_on {
                self.record();
                first.end(());
            }
            return Poll::Ready(result);
        }
        Poll::Pending
    }
}

impl<C> fmt::Debug for Hedge<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("extra", &self.extra)
            .field("late", &self.late(Instant::now()))
            .finish_non_exhaustive()
    }
}
