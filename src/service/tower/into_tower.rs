//! A service of this crate as one of tower.
//!
//! Used to hand a stack to a library of that ecosystem which runs on one thread, or asks for no `Send`.
//!
//! Guarantees: clones share the service; it is always ready, since capacity is taken inside the call; each call
//! allocates its future, which keeps the service alive.
//!
//! The trade-off: the future is not `Send`. One that is has to be boxed where its type is known to be, which a generic
//! adapter is not; a user writes that one for a concrete stack in the ten lines of this file.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tower_service::Service as TowerService;

use super::super::Service;

/// A [`Service`] as a [`tower_service::Service`], for one thread.
///
/// ```
/// use mainspring::service::{service_fn, tower::IntoTower};
/// use std::convert::Infallible;
/// use tower_service::Service;
///
/// let mut service = IntoTower::new(service_fn(async |n: u32| Ok::<_, Infallible>(n * 2)));
/// assert_eq!(futures::executor::block_on(service.call(21)), Ok(42));
/// ```
pub struct IntoTower<S> {
    /// What is called; each call that is in flight holds it too.
    service: Rc<S>,
}

impl<S> IntoTower<S> {
    /// Makes a service of tower, whose clones share `service`.
    pub fn new(service: S) -> Self {
        Self { service: Rc::new(service) }
    }
}

impl<S, Request> TowerService<Request> for IntoTower<S>
where
    S: Service<Request> + 'static,
    Request: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let service = self.service.clone();
        Box::pin(async move { service.call(request).await })
    }
}

impl<S> Clone for IntoTower<S> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone() }
    }
}

impl<S> fmt::Debug for IntoTower<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoTower").finish_non_exhaustive()
    }
}
