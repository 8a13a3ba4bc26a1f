//! The filter that goes on with a response, and may wait and fail.
//!
//! Applied by [`ServiceExt::and_then`](super::ServiceExt::and_then): fetch by what was found, check what was answered.
//! It has no bound, no default and no error of its own.
//!
//! Guarantees: the function is called once per call that succeeds, when that has ended and been dropped. Its future
//! takes the place of the call in memory, so the whole is as large as the larger of the two, and a reference.
//!
//! The trade-off: the error of the function is that of the service. Two types and a conversion would serve who has two,
//! and [`map_err`](super::ServiceExt::map_err) below does too.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Filter, Service};
use crate::pin::{OneOf, Projected, Step};

/// Responds with what an asynchronous function makes of the response.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, service_fn};
/// use std::num::ParseIntError;
///
/// let find = service_fn(async |name: &str| Ok::<_, ParseIntError>(format!("{}7", name.len())));
/// let service = find.and_then(async |found: String| found.parse::<u32>());
/// assert_eq!(futures::executor::block_on(service.call("four")), Ok(47));
/// ```
///
/// A function that calls another service may fail with a [`Rejected`](super::Rejected) of that one. A
/// [`Retry`](super::Retry) around the whole takes it for one of the whole, which says that nothing was done, and does
/// the first part again. So each part has its own:
///
/// ```
/// use mainspring::service::{ConcurrencyLimit, Rejected, Retry, Service, ServiceBuilder, ServiceExt, service_fn};
/// use std::cell::Cell;
///
/// mainspring::testing::run(async {
///     let charged = Cell::new(0);
///     let charge = service_fn(async |amount: u32| {
///         charged.set(charged.get() + amount);
///         Ok::<_, Rejected>(amount)
///     });
///     let full = ConcurrencyLimit::new(0).waiters(0); // as if all places were taken
///     let notify = ServiceBuilder::new().filter(Retry::new()).filter(full);
///     let notify = notify.service_fn(async |_amount: u32| Ok::<_, Rejected>(()));
///     let service = charge.filter(Retry::new()).and_then(async |amount: u32| notify.call(amount).await);
///     assert_eq!((service.call(5).await, charged.get()), (Err(Rejected::Full), 5));
/// });
/// ```
#[derive(Clone, Copy)]
pub struct AndThen<F> {
    /// From a response to a result that arrives later.
    function: F,
}

impl<F> AndThen<F> {
    /// By `function`, an `AsyncFn(S::Response) -> Result<Response, S::Error>`.
    pub const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Request, Response, S> Filter<Request, S> for AndThen<F>
where
    S: Service<Request>,
    F: AsyncFn(S::Response) -> Result<Response, S::Error>,
{
    type Inner = Request;
    type Response = Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<Response, S::Error>> {
        Projected::new(OneOf::First(next.call(request)), Then(|response| (self.function)(response)))
    }
}

/// What makes the second future, beside whichever runs.
struct Then<G>(G);

impl<A, B, G, Inner, Response, Error> Step<OneOf<A, B>> for Then<G>
where
    A: Future<Output = Result<Inner, Error>>,
    G: FnMut(Inner) -> B,
    B: Future<Output = Result<Response, Error>>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, mut running: Pin<&mut OneOf<A, B>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let OneOf::First(call) = running.as_mut().project() {
            match ready!(call.poll(cx)) {
                Ok(response) => running.set(OneOf::Second((self.0)(response))),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match running.project() {
            OneOf::Second(second) => second.poll(cx),
            OneOf::First(_) => unreachable!("the call has ended"),
        }
    }
}

impl<F> fmt::Debug for AndThen<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AndThen").finish_non_exhaustive()
    }
}
