//! The filter that bounds how many calls are in flight at once.
//!
//! On a server its place is right above the handler, below statistics and deadlines, so that what waits is seen by
//! both; on a client below the retries, since each attempt needs a place of its own. Applied by
//! [`ServiceExt::concurrency_limit`](super::ServiceExt::concurrency_limit).
//!
//! Guarantees: at most `max` calls are inside; those above wait in the order of arrival, at most 10,000 or as many as
//! was set, and further ones fail at once with [`Rejected::Full`]. The place of a call is given back when it has its
//! result, before what is left of it is dropped; that of one which is dropped without, after what is inside was. A call
//! inside begins when it has its place, so a timeout inside of this filter leaves the wait out, and one outside counts
//! it.
//!
//! Places are counted, and handed over by a [`Semaphore`] while somebody waits: without a line, a place is an addition.
//!
//! The trade-off: waiters are bounded in number and not in time, which a timeout above does. The status is Busy while
//! all places are taken, also with room to wait, since another endpoint is then the better choice.
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::waiter::{WAITERS_MAX, Waiter};
use super::{Filter, Rejected, Service, Status};
use crate::pin::{Later, Projected, Step};
use crate::sync::{Acquire, Permit, Semaphore};

/// At most so many calls at once. Clones share the limit.
///
/// ```
/// use mainspring::service::{ConcurrencyLimit, Rejected, Service, ServiceBuilder};
/// use mainspring::time::{Instant, sleep};
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let limit = ConcurrencyLimit::new(1).waiters(1);
///     let service = ServiceBuilder::new().filter(limit).service_fn(async |()| {
///         sleep(Duration::from_secs(1)).await;
///         Ok::<_, Rejected>(())
///     });
///     let start = Instant::now();
///     let results = futures::join!(service.call(()), service.call(()), service.call(()));
///     assert_eq!(results, (Ok(()), Ok(()), Err(Rejected::Full)));
///     assert_eq!(start.elapsed().as_secs(), 2); // one after the other
/// });
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit {
    /// What clones share.
    shared: Rc<Shared>,
    /// How many calls may wait.
    waiters: usize,
}

struct Shared {
    /// How many places there are.
    max: usize,
    /// Places that are taken: by calls inside, by those that were handed one and have not seen it, and by nobody, which
    /// are the permits of `line`. All of them are while somebody waits.
    taken: Cell<usize>,
    /// Those who wait; a permit is a place that is handed over.
    line: Semaphore,
    /// How many they are.
    waiting: Cell<usize>,
}

impl ConcurrencyLimit {
    /// At most `max` calls at once; zero rejects what may not wait, and lets the rest wait for ever. 10,000 may wait.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let shared = Shared { max, taken: Cell::new(0), line: Semaphore::new(0), waiting: Cell::new(0) };
        Self { shared: Rc::new(shared), waiters: WAITERS_MAX }
    }

    /// At most so many calls wait; with zero a call that finds no place fails at once.
    #[must_use]
    pub const fn waiters(mut self, waiters: usize) -> Self {
        self.waiters = waiters;
        self
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.taken.get() - self.shared.line.available()
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.get()
    }
}

impl Shared {
    /// Takes a place, if there is one that was not handed over. Nobody is overtaken: while somebody waits, there is
    /// none.
    #[inline]
    fn take(&self) -> bool {
        if self.taken.get() < self.max {
            self.taken.set(self.taken.get() + 1);
            return true;
        }
        self.take_back()
    }

    /// Takes one that was handed to somebody who did not want it any more, which is rare.
    #[cold]
    fn take_back(&self) -> bool {
        // Asked first: to try is to wait, if a tick does it.
        if self.line.available() == 0 {
            return false;
        }
        let permit = self.line.try_acquire(1).ok().flatten();
        permit.map(Permit::forget).is_some()
    }

    /// A place goes to the next in line, or back.
    #[inline]
    fn leave(&self) {
        if self.waiting.get() > 0 {
            self.line.add_permits(1);
        } else {
            self.taken.set(self.taken.get() - 1);
        }
    }
}

impl<Request, S> Filter<Request, S> for ConcurrencyLimit
where
    S: Service<Request>,
    S::Error: From<Rejected>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(Later::new(move || next.call(request)), Admission { limit: self, stage: Stage::New })
    }

    fn status(&self, next: &S) -> Status {
        let own = if self.in_flight() >= self.shared.max { Status::Busy } else { Status::Open };
        next.status().worst(own)
    }
}

/// How far a call has come.
struct Admission<'a> {
    limit: &'a ConcurrencyLimit,
    stage: Stage<'a>,
}

enum Stage<'a> {
    /// It was not polled yet.
    New,
    /// It stands in the line.
    Waiting(Acquire, #[expect(dead_code, reason = "held until it is dropped")] Waiter<'a>),
    /// It is inside, and has a place.
    Inside,
    /// It has ended.
    Ended,
}

impl Admission<'_> {
    /// Goes on until it is inside, or is rejected.
    #[cold]
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let shared = &*self.limit.shared;
        if let Stage::New = self.stage {
            if shared.waiting.get() >= self.limit.waiters {
                return Poll::Ready(Err(Rejected::Full));
            }
            self.stage = Stage::Waiting(shared.line.acquire(1), Waiter::new(&shared.waiting));
        }
        if let Stage::Waiting(acquire, _) = &mut self.stage {
            let Ok(permit) = ready!(Pin::new(acquire).poll(cx)) else { return Poll::Ready(Err(Rejected::Full)) };
            permit.forget();
            self.stage = Stage::Inside;
        }
        Poll::Ready(Ok(()))
    }
}

impl<F, G, Response, Error> Step<Later<F, G>> for Admission<'_>
where
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.stage {
            Stage::New if self.limit.shared.take() => self.stage = Stage::Inside,
            Stage::New | Stage::Waiting(..) => ready!(self.wait(cx))?,
            Stage::Inside | Stage::Ended => {}
        }
        let result = ready!(call.begun().poll(cx));
        self.leave();
        Poll::Ready(result)
    }
}

impl Admission<'_> {
    /// Gives back its place, if it has one.
    #[inline]
    fn leave(&mut self) {
        if let Stage::Inside = self.stage {
            self.stage = Stage::Ended;
            self.limit.shared.leave();
        }
    }
}

impl Drop for Admission<'_> {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("max", &self.shared.max)
            .field("in_flight", &self.in_flight())
            .field("waiting", &self.waiting())
            .field("waiters", &self.waiters)
            .finish()
    }
}
