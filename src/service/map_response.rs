//! The filter that changes responses on their way out.
//!
//! Applied by [`ServiceExt::map_response`](super::ServiceExt::map_response), for what can be said of a response alone.
//! It has no bound, no default and no error of its own.
//!
//! Guarantees: the function is called once per call that succeeds; the future is that of the call inside and a
//! reference.
//!
//! The trade-off: the function cannot wait and cannot fail; that is what [`AndThen`](super::AndThen) is for, whose
//! future has room for a second one.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Filter, Service};
use crate::pin::{Projected, Step};

/// Responds with what a function makes of the response.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, service_fn};
/// use std::convert::Infallible;
///
/// let length = service_fn(async |text: &str| Ok::<_, Infallible>(text.len()));
/// let service = length.map_response(|length| length > 3);
/// assert_eq!(futures::executor::block_on(service.call("four")), Ok(true));
/// ```
#[derive(Clone, Copy)]
pub struct MapResponse<F> {
    /// From the response that comes to the one that goes on.
    function: F,
}

impl<F> MapResponse<F> {
    /// By `function`, a `Fn(S::Response) -> Response`.
    pub const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Request, Response, S> Filter<Request, S> for MapResponse<F>
where
    S: Service<Request>,
    F: Fn(S::Response) -> Response,
{
    type Inner = Request;
    type Response = Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<Response, S::Error>> {
        Projected::new(next.call(request), Map(&self.function))
    }
}

/// The function, beside a call.
struct Map<'a, F>(&'a F);

impl<C, F, Inner, Response, Error> Step<C> for Map<'_, F>
where
    C: Future<Output = Result<Inner, Error>>,
    F: Fn(Inner) -> Response,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        call.poll(cx).map(|result| result.map(self.0))
    }
}

impl<F> fmt::Debug for MapResponse<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapResponse").finish_non_exhaustive()
    }
}
