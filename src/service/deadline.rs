//! The filter that gives a request a deadline which all that it causes can see.
//!
//! Its place is the outermost but for statistics and tracing, on a server to enforce what the client has sent, on a
//! client for the total over all attempts. Applied by [`ServiceExt::deadline`](super::ServiceExt::deadline).
//!
//! Guarantees: inside a call the deadline is [`Deadline::current`], and never later than that of the call around it;
//! retries do not wait beyond it. A call whose deadline has passed fails at once with [`Elapsed`], and nothing inside
//! has heard of it; one that reaches it fails as with [`Timeout`](super::Timeout). What it has for a default is its
//! argument.
//!
//! The trade-off: the deadline stands beside the call, for the length of each poll, and not in the request. A request
//! with a context would do without, in every signature of every service. A task that is spawned inside does not inherit
//! it: hand it over with [`Deadline::scope`]. Nor does what several callers share, behind a
//! [`Coalesce`](super::Coalesce): none of theirs is that of all.
use std::cell::Cell;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::called::called;
use super::{Filter, Service};
use crate::pin::{OneOf, Projected, Step};
use crate::time::{Elapsed, Instant, Limit, sleep_until_later};

thread_local! {
    /// That of the call which is polled.
    static CURRENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Bounds calls by a moment, which is known to all that is called inside.
///
/// ```
/// use mainspring::service::{Deadline, Service, ServiceBuilder};
/// use std::io;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let inner = ServiceBuilder::new()
///         .filter(Deadline::within(Duration::from_secs(60)))
///         .service_fn(async |()| io::Result::Ok(Deadline::current()));
///     let outer = ServiceBuilder::new().filter(Deadline::within(Duration::from_secs(1))).service(inner);
///     let deadline = outer.call(()).await.unwrap().unwrap();
///     assert_eq!((deadline - mainspring::time::Instant::now()).as_secs(), 1); // the earlier one
///     assert_eq!(Deadline::current(), None);
/// });
/// ```
#[derive(Clone, Copy)]
pub struct Deadline {
    /// How long a call may take, at most.
    within: Option<Duration>,
}

impl Deadline {
    /// That of the call around, and at most `duration` from the call on. Zero has passed already; [`Duration::MAX`]
    /// bounds nothing.
    pub const fn within(duration: Duration) -> Self {
        Self { within: Some(duration) }
    }

    /// That of the call around, if there is one.
    pub const fn inherited() -> Self {
        Self { within: None }
    }

    /// That of the call whose poll is running on this thread. A dispatcher sends what is left of it to its peer.
    #[must_use]
    pub fn current() -> Option<Instant> {
        CURRENT.try_with(Cell::get).ok().flatten()
    }

    /// `future`, in whose polls the deadline is `deadline`, or that of now if it is earlier. For dispatchers that were
    /// sent one, and for tasks. It bounds nothing by itself.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn scope<F: Future>(deadline: Instant, future: F) -> impl Future<Output = F::Output> {
        Projected::new(future, Scoped(earlier(Self::current(), Some(deadline))))
    }
}

/// The earlier of two, of which either may be missing.
#[inline]
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl<Request, S> Filter<Request, S> for Deadline
where
    S: Service<Request>,
    S::Error: From<Elapsed>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let now = called();
        let deadline = earlier(Self::current(), self.within.map(|within| now + within));
        if deadline.is_some_and(|deadline| deadline <= now) {
            return OneOf::Second(elapsed());
        }
        let scoped = Scoped(deadline);
        let limit = deadline.map(|at| Limit(sleep_until_later(at)));
        // What is inside may look already when it is called.
        let _restore = scoped.set();
        OneOf::First(Projected::new(next.call(request), Enforced { scoped, limit }))
    }
}

fn elapsed<Response, Error: From<Elapsed>>() -> Ready<Result<Response, Error>> {
    ready(Err(Elapsed(()).into()))
}

/// There is no deadline until what is returned is dropped: for the polls of a call that several share, each with one of
/// its own.
pub(super) fn none() -> Restore {
    Scoped(None).set()
}

/// A deadline, beside the future in whose polls it is the current one.
#[derive(Clone, Copy)]
struct Scoped(Option<Instant>);

impl Scoped {
    /// It is the current one, until what is returned is dropped.
    #[inline]
    fn set(self) -> Restore {
        // Why not `with`: while a thread ends there is nothing to be kept.
        Restore(CURRENT.try_with(|current| current.replace(self.0)).ok())
    }
}

/// Puts back what stood there before, when the poll ends or panics.
pub(super) struct Restore(Option<Option<Instant>>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = CURRENT.try_with(|current| current.set(before));
        }
    }
}

impl<F: Future> Step<F> for Scoped {
    type Output = F::Output;

    #[inline]
    fn step(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = self.set();
        future.poll(cx)
    }
}

/// The same with the sleep until then.
struct Enforced {
    scoped: Scoped,
    limit: Option<Limit>,
}

impl<F, Response, Error> Step<F> for Enforced
where
    F: Future<Output = Result<Response, Error>>,
    Error: From<Elapsed>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(result) = self.scoped.step(call, cx) {
            return Poll::Ready(result);
        }
        match &mut self.limit {
            Some(limit) => Pin::new(limit).poll(cx).map(|()| Err(Elapsed(()).into())),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("within", &self.within).finish()
    }
}
