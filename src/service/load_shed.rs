//! The filter that fails calls at once when what is inside is not open.
//!
//! Its place is right above what says Busy: a limit whose line is not to be used, a balancer all of whose endpoints are
//! down. On a server that is below statistics, so that what was shed is counted. Applied by
//! [`ServiceExt::load_shed`](super::ServiceExt::load_shed).
//!
//! Guarantees: a call that finds the status Busy or Closed at its first poll fails with [`Rejected::Shed`], and nothing
//! inside has heard of it. It has no bound and nothing to set; its state is a reference.
//!
//! The trade-off: the status is advice, read once. Between many calls that begin at the same moment it does not change,
//! so a limit below still has to bound what gets through; `ConcurrencyLimit::waiters(0)` alone is exact.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Filter, Rejected, Service, Status};
use crate::pin::{Later, OneOf, Projected, Step};

/// Rejects calls while the service inside is not [`Open`](Status::Open).
///
/// ```
/// use mainspring::service::{ConcurrencyLimit, LoadShed, Rejected, Service, ServiceBuilder};
///
/// let full = ConcurrencyLimit::new(0); // as if all places were taken
/// let service = ServiceBuilder::new().filter(LoadShed).filter(full).service_fn(async |()| Ok::<_, Rejected>(()));
/// assert_eq!(futures::executor::block_on(service.call(())), Err(Rejected::Shed));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadShed;

impl<Request, S> Filter<Request, S> for LoadShed
where
    S: Service<Request>,
    S::Error: From<Rejected>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(Later::new(move || next.call(request)), Unless(|| next.status() != Status::Open))
    }
}

/// Asked once, before the call begins.
struct Unless<B>(B);

impl<B, F, G, Response, Error> Step<Later<F, G>> for Unless<B>
where
    B: Fn() -> bool,
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, mut call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let OneOf::Second(_) = call.as_mut().project() {
            if (self.0)() {
                return Poll::Ready(Err(Rejected::Shed.into()));
            }
        }
        call.begun().poll(cx)
    }
}
