//! The filter that changes errors on their way out.
//!
//! Applied by [`ServiceExt::map_err`](super::ServiceExt::map_err). Its place is below a filter with an error of its
//! own, so that what is inside fails with a type which that error converts into: a service that cannot fail has no
//! `From<Elapsed>`, and gets an error that has one here. It has no bound and no default.
//!
//! Guarantees: the function is called once per call that fails; the future is that of the call inside and a reference.
//!
//! The trade-off: it is written out where it is wanted. Filters that converted errors by themselves would need to know
//! into what, in a type parameter of each.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Filter, Service};
use crate::pin::{Projected, Step};

/// Fails with what a function makes of the error.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, service_fn};
/// use std::io;
/// use std::time::Duration;
///
/// let parse = service_fn(async |text: &str| text.parse::<u32>());
/// let service = parse.map_err(io::Error::other).timeout(Duration::from_secs(1));
/// mainspring::run(async {
///     assert_eq!(service.call("7").await.unwrap(), 7);
///     assert_eq!(service.call("seven").await.unwrap_err().kind(), io::ErrorKind::Other);
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Copy)]
pub struct MapErr<F> {
    /// From the error that comes to the one that goes on.
    function: F,
}

impl<F> MapErr<F> {
    /// By `function`, a `Fn(S::Error) -> Error`.
    pub const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Request, Error, S> Filter<Request, S> for MapErr<F>
where
    S: Service<Request>,
    F: Fn(S::Error) -> Error,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, Error>> {
        Projected::new(next.call(request), Map(&self.function))
    }
}

/// The function, beside a call.
struct Map<'a, F>(&'a F);

impl<C, F, Response, Inner, Error> Step<C> for Map<'_, F>
where
    C: Future<Output = Result<Response, Inner>>,
    F: Fn(Inner) -> Error,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        call.poll(cx).map(|result| result.map_err(self.0))
    }
}

impl<F> fmt::Debug for MapErr<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapErr").finish_non_exhaustive()
    }
}
