//! Middleware: a step around a service, written as one async function.
//!
//! Users implement [`Filter`] and apply it with [`ServiceExt::filter`](super::ServiceExt::filter); the result,
//! [`Filtered`], is a service again, so filters stack. The filter applied last is the outermost.
//!
//! Guarantees: applying a filter adds no future of its own around that of `apply`, and passes the status of the inner
//! service on unless the filter says otherwise.
//!
//! The trade-off: a filter names the request that it passes on (`Inner`), so that the types of both sides and the
//! status are known to the compiler. A single request type would do for most, and would forbid filters that decode,
//! sign or wrap requests. A struct, a layer and a named future for each filter, as elsewhere, is three items for one
//! function.
use std::future::Future;

use super::{Service, Status};

/// A step around a service `S`.
///
/// It may change the request and the response, answer by itself, or call `next` more than once, also at the same time.
///
/// ```
/// use mainspring::service::{Filter, Service, ServiceExt, service_fn};
/// use std::convert::Infallible;
///
/// struct Trim;
///
/// impl<'a, S: Service<&'a str>> Filter<&'a str, S> for Trim {
///     type Inner = &'a str;
///     type Response = S::Response;
///     type Error = S::Error;
///
///     async fn apply(&self, request: &'a str, next: &S) -> Result<S::Response, S::Error> {
///         next.call(request.trim()).await
///     }
/// }
///
/// let length = service_fn(async |text: &str| Ok::<_, Infallible>(text.len()));
/// let service = length.filter(Trim);
/// assert_eq!(futures::executor::block_on(service.call("  four ")), Ok(4));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no filter of requests `{Request}` around `{S}`",
    note = "an error that a filter adds (`Elapsed`, `Rejected`) has to convert into that of the service: `map_err` below it makes one that does",
    note = "a request that may be sent twice (`Retry`, `Hedge`, `Coalesce`) has to be `Clone`"
)]
pub trait Filter<Request, S>
where
    S: Service<Self::Inner>,
{
    /// The request that `next` is called with.
    type Inner;

    /// What a call that succeeds resolves to.
    type Response;

    /// What a call that fails resolves to.
    type Error;

    /// Serves `request` with the help of `next`.
    ///
    /// # Errors
    ///
    /// Those of `next`, and the filter's own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call, and with it those of `next` that are in flight.
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<Self::Response, Self::Error>>;

    /// The status of the whole. The default is that of `next`; a filter that limits combines it with
    /// [`Status::worst`].
    fn status(&self, next: &S) -> Status {
        next.status()
    }
}

impl<F: Filter<Request, S>, Request, S: Service<F::Inner>> Filter<Request, S> for &F {
    type Inner = F::Inner;
    type Response = F::Response;
    type Error = F::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<F::Response, F::Error>> {
        (**self).apply(request, next)
    }

    fn status(&self, next: &S) -> Status {
        (**self).status(next)
    }
}

/// A service with a filter around it, made by [`ServiceExt::filter`](super::ServiceExt::filter).
#[derive(Clone, Copy, Debug)]
pub struct Filtered<F, S> {
    /// The step around `service`.
    filter: F,
    /// What the filter calls next.
    service: S,
}

impl<F, S> Filtered<F, S> {
    /// Puts `filter` around `service`.
    ///
    /// Without bounds, for services that take several types of request; `ServiceExt::filter` checks them at once.
    pub const fn new(filter: F, service: S) -> Self {
        Self { filter, service }
    }
}

impl<F, S, Request> Service<Request> for Filtered<F, S>
where
    F: Filter<Request, S>,
    S: Service<F::Inner>,
{
    type Response = F::Response;
    type Error = F::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<F::Response, F::Error>> {
        self.filter.apply(request, &self.service)
    }

    fn status(&self) -> Status {
        self.filter.status(&self.service)
    }
}
