//! Filters as methods.
//!
//! Used to build a stack from the inside out: `service.filter(a).filter(b)` calls `b` first, then `a`, then the
//! service.
//!
//! It is implemented for every [`Service`] and adds nothing but spelling: each method is the constructor of the type
//! that it returns, with the bounds of its `Service` implementation, so that a mismatch is reported where the stack is
//! built and not where it is used.
//!
//! The trade-off: a stack is a nested type. A list of layers with names, as Finagle has, can be edited at run time and
//! boxes each layer; here the compiler sees through the whole stack.
use std::time::Duration;

use super::{
    AndThen, BoxService, ConcurrencyLimit, Deadline, Filter, Filtered, LoadShed, MapErr, MapRequest, MapResponse,
    RateLimit, Rejected, Service, Timeout,
};
use crate::time::Elapsed;

/// Builds stacks: filters as methods of the service that they go around.
///
/// ```
/// use mainspring::service::{Filter, Service, ServiceExt, service_fn};
/// use std::convert::Infallible;
///
/// struct Add(u32);
///
/// impl<S: Service<u32>> Filter<u32, S> for Add {
///     type Inner = u32;
///     type Response = S::Response;
///     type Error = S::Error;
///
///     async fn apply(&self, request: u32, next: &S) -> Result<S::Response, S::Error> {
///         next.call(request + self.0).await
///     }
/// }
///
/// let service = service_fn(async |n: u32| Ok::<_, Infallible>(n * 2)).filter(Add(1)).boxed();
/// assert_eq!(futures::executor::block_on(service.call(20)), Ok(42));
/// ```
pub trait ServiceExt<Request>: Service<Request> + Sized {
    /// Puts `filter` around the service; the next one goes around both.
    ///
    /// The request of the result may be of another type, `Outer`, than that of the service.
    fn filter<F, Outer>(self, filter: F) -> Filtered<F, Self>
    where
        F: Filter<Outer, Self, Inner = Request>,
    {
        Filtered::new(filter, self)
    }

    /// Fails calls that take longer than `duration`, counted from when they first wait, with the error made from
    /// [`Elapsed`].
    ///
    /// Zero gives a call one poll; [`Duration::MAX`] is no bound.
    fn timeout(self, duration: Duration) -> Filtered<Timeout, Self>
    where
        Self::Error: From<Elapsed>,
    {
        Filtered::new(Timeout::new(duration), self)
    }

    /// Gives calls a [deadline](Deadline): that of the call around, and at most `duration` from the call on.
    fn deadline(self, duration: Duration) -> Filtered<Deadline, Self>
    where
        Self::Error: From<Elapsed>,
    {
        Filtered::new(Deadline::within(duration), self)
    }

    /// Lets at most `max` calls in at once; 10,000 [may wait](ConcurrencyLimit::waiters).
    fn concurrency_limit(self, max: usize) -> Filtered<ConcurrencyLimit, Self>
    where
        Self::Error: From<Rejected>,
    {
        Filtered::new(ConcurrencyLimit::new(max), self)
    }

    /// Lets at most `count` calls in within a time of `per`, with a [burst](RateLimit::burst) of a tenth of a second;
    /// 10,000 [may wait](RateLimit::waiters).
    ///
    /// # Panics
    ///
    /// When `count` or `per` is zero.
    fn rate_limit(self, count: u32, per: Duration) -> Filtered<RateLimit, Self>
    where
        Self::Error: From<Rejected>,
    {
        Filtered::new(RateLimit::new(count, per), self)
    }

    /// Fails calls at once while the service is not open.
    fn load_shed(self) -> Filtered<LoadShed, Self>
    where
        Self::Error: From<Rejected>,
    {
        Filtered::new(LoadShed, self)
    }

    /// Calls the service with what `function` makes of the request.
    fn map_request<F, Outer>(self, function: F) -> Filtered<MapRequest<F>, Self>
    where
        F: Fn(Outer) -> Request,
    {
        Filtered::new(MapRequest::new(function), self)
    }

    /// Responds with what `function` makes of the response.
    fn map_response<F, Response>(self, function: F) -> Filtered<MapResponse<F>, Self>
    where
        F: Fn(Self::Response) -> Response,
    {
        Filtered::new(MapResponse::new(function), self)
    }

    /// Fails with what `function` makes of the error.
    fn map_err<F, Error>(self, function: F) -> Filtered<MapErr<F>, Self>
    where
        F: Fn(Self::Error) -> Error,
    {
        Filtered::new(MapErr::new(function), self)
    }

    /// Responds with what the asynchronous `function` makes of the response; it may fail.
    fn and_then<F, Response>(self, function: F) -> Filtered<AndThen<F>, Self>
    where
        F: AsyncFn(Self::Response) -> Result<Response, Self::Error>,
    {
        Filtered::new(AndThen::new(function), self)
    }

    /// Hides the type of the service, for the edge of a stack: each call allocates its future.
    fn boxed(self) -> BoxService<Request, Self::Response, Self::Error>
    where
        Self: 'static,
    {
        BoxService::new(self)
    }
}

impl<S: Service<Request>, Request> ServiceExt<Request> for S {}
