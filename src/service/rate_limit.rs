//! The filter that bounds how many calls there are in a time.
//!
//! On a client its place is below the retries, since each attempt is a call to the one who counts them; on a server
//! above what costs something. Applied by [`ServiceExt::rate_limit`](super::ServiceExt::rate_limit).
//!
//! Guarantees: in any time there begin at most `burst` calls, and one more for each `per / count` that passes. A call
//! for which it is too early waits in the order of arrival; at most 10,000 wait, or as many as was set, and further
//! ones fail at once with [`Rejected::TooFast`]. One that is dropped while it waits has used up nothing.
//!
//! The trade-off: only the first in the line sleeps, the others wait for it. To give each a moment of its own when it
//! comes is shorter, and loses the turns of those that were dropped; in a line, one that is left lying holds up those
//! behind it. A window that begins anew each second, as elsewhere, lets twice the number through around its edge.
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::bucket::Bucket;
use super::waiter::{WAITERS_MAX, Waiter};
use super::{Filter, Rejected, Service, Status};
use crate::pin::{Later, Projected, Step};
use crate::sync::{Acquire, Closed, Permit, Semaphore};
use crate::time::{Instant, Sleep, nanoseconds, sleep};

/// The part of a second whose calls may come at once, by default: a tenth.
const BURST_TIME: Duration = Duration::from_millis(100);

/// At most so many calls in a time. Clones share the limit.
///
/// ```
/// use mainspring::service::{RateLimit, Rejected, Service, ServiceBuilder};
/// use mainspring::time::Instant;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let limit = RateLimit::new(10, Duration::from_secs(1)).burst(3);
///     let service = ServiceBuilder::new().filter(limit).service_fn(async |()| Ok::<_, Rejected>(Instant::now()));
///     let start = Instant::now();
///     for waited in [0, 0, 0, 100, 200, 300] {
///         let begun = service.call(()).await.unwrap();
///         assert_eq!((begun - start).as_millis(), waited);
///     }
/// });
/// ```
#[derive(Clone)]
pub struct RateLimit {
    /// What clones share.
    shared: Rc<Shared>,
    /// From one call to the next, in nanoseconds.
    period: u64,
    /// How many calls may wait.
    waiters: usize,
}

struct Shared {
    bucket: RefCell<Bucket>,
    /// Whoever has its one permit is the first in the line, and sleeps.
    first: Semaphore,
    /// How many calls wait.
    waiting: Cell<usize>,
}

impl RateLimit {
    /// At most `count` calls in a time of `per`. The burst is what comes in a tenth of a second, and at least one.
    ///
    /// # Panics
    ///
    /// When `count` or `per` is zero.
    #[must_use]
    pub fn new(count: u32, per: Duration) -> Self {
        assert!(count > 0 && !per.is_zero(), "a rate of {count} calls in {per:?}, which must both be more than zero");
        // Why rounded up: the rate is a bound.
        let period = nanoseconds(per).div_ceil(u64::from(count)).max(1);
        Self::with(period, (nanoseconds(BURST_TIME) / period).max(1))
    }

    /// At most `burst` calls at once, at least one, after a time without.
    #[must_use]
    pub fn burst(self, burst: u32) -> Self {
        Self { waiters: self.waiters, ..Self::with(self.period, u64::from(burst.max(1))) }
    }

    /// At most so many calls wait; with zero a call for which it is too early fails at once.
    #[must_use]
    pub const fn waiters(mut self, waiters: usize) -> Self {
        self.waiters = waiters;
        self
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.get()
    }

    fn with(period: u64, burst: u64) -> Self {
        let bucket = RefCell::new(Bucket::new(period, burst));
        let shared = Shared { bucket, first: Semaphore::new(1), waiting: Cell::new(0) };
        Self { shared: Rc::new(shared), period, waiters: WAITERS_MAX }
    }
}

impl Shared {
    /// Takes a token, or says how long there will be none.
    #[inline]
    fn take(&self) -> Result<(), Duration> {
        self.bucket.borrow_mut().take(Instant::now().nanoseconds()).map_err(Duration::from_nanos)
    }
}

impl<Request, S> Filter<Request, S> for RateLimit
where
    S: Service<Request>,
    S::Error: From<Rejected>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(Later::new(move || next.call(request)), Turn { limit: self, stage: Stage::New })
    }

    fn status(&self, next: &S) -> Status {
        let is_early = self.waiting() > 0 || !self.shared.bucket.borrow().has(Instant::now().nanoseconds());
        next.status().worst(if is_early { Status::Busy } else { Status::Open })
    }
}

/// How far a call has come.
struct Turn<'a> {
    limit: &'a RateLimit,
    stage: Stage<'a>,
}

enum Stage<'a> {
    /// It was not polled yet.
    New,
    /// It stands in the line.
    Waiting(Acquire, Waiter<'a>),
    /// It is the first, and sleeps until there is a token.
    First(Permit, Sleep, Waiter<'a>),
    /// It has its token.
    Inside,
}

impl Turn<'_> {
    /// Goes on until it has a token, or is rejected.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let shared = &*self.limit.shared;
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Inside) {
                Stage::Inside => return Poll::Ready(Ok(())),
                // Nobody is overtaken.
                Stage::New if shared.waiting.get() == 0 && shared.take().is_ok() => Stage::Inside,
                Stage::New if shared.waiting.get() >= self.limit.waiters => {
                    return Poll::Ready(Err(Rejected::TooFast));
                }
                Stage::New => Stage::Waiting(shared.first.acquire(1), Waiter::new(&shared.waiting)),
                Stage::Waiting(mut acquire, waiter) => match Pin::new(&mut acquire).poll(cx) {
                    Poll::Ready(Ok(permit)) => Stage::First(permit, sleep(Duration::ZERO), waiter),
                    Poll::Ready(Err(Closed)) => return Poll::Ready(Err(Rejected::TooFast)),
                    Poll::Pending => {
                        self.stage = Stage::Waiting(acquire, waiter);
                        return Poll::Pending;
                    }
                },
                Stage::First(permit, mut until, waiter) => {
                    if Pin::new(&mut until).poll(cx).is_pending() {
                        self.stage = Stage::First(permit, until, waiter);
                        return Poll::Pending;
                    }
                    match shared.take() {
                        Ok(()) => Stage::Inside,
                        Err(wait) => Stage::First(permit, sleep(wait), waiter),
                    }
                }
            };
        }
    }
}

impl<F, G, Response, Error> Step<Later<F, G>> for Turn<'_>
where
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.wait(cx))?;
        call.begun().poll(cx)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("period", &Duration::from_nanos(self.period))
            .field("waiting", &self.waiting())
            .field("waiters", &self.waiters)
            .finish()
    }
}
