//! The filter that changes requests on their way in.
//!
//! Applied by [`ServiceExt::map_request`](super::ServiceExt::map_request), wherever a request of one type is to go to a
//! service of another: adding a header, wrapping in an enum, choosing defaults. It has no bound, no default and no
//! error of its own.
//!
//! Guarantees: the function is called once per call, in `call`; the future is that of the call inside and nothing else.
//!
//! The trade-off: the function cannot wait and cannot fail. One that does is a [`Filter`] of a few lines.
use std::fmt;
use std::future::Future;

use super::{Filter, Service};

/// Calls what is inside with what a function makes of the request.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, service_fn};
/// use std::convert::Infallible;
///
/// let length = service_fn(async |text: String| Ok::<_, Infallible>(text.len()));
/// let service = length.map_request(|number: u32| number.to_string());
/// assert_eq!(futures::executor::block_on(service.call(1234)), Ok(4));
/// ```
#[derive(Clone, Copy)]
pub struct MapRequest<F> {
    /// From the request that comes to the one that goes on.
    function: F,
}

impl<F> MapRequest<F> {
    /// By `function`, a `Fn(Request) -> Inner`.
    pub const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Request, Inner, S> Filter<Request, S> for MapRequest<F>
where
    F: Fn(Request) -> Inner,
    S: Service<Inner>,
{
    type Inner = Inner;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        next.call((self.function)(request))
    }
}

impl<F> fmt::Debug for MapRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapRequest").finish_non_exhaustive()
    }
}
