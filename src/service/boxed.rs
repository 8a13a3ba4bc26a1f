//! A service whose type is hidden.
//!
//! Used at the edge of a stack, where its type becomes too long to write, or where services of several types stand in
//! one collection.
//!
//! Guarantees: clones share one service; each call allocates once, for its future, whatever the depth of the stack
//! inside; the status is that of the service inside.
//!
//! The trade-off: it counts references with `Rc` and its futures are not `Send`, because services belong to one reactor
//! and `Service` promises no `Send` to hide. A stack that boxes once pays one allocation per call; boxing each layer,
//! the alternative that keeps types short everywhere, costs as much as all layers together.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::{Service, Status};

/// A service of which only the request, the response and the error are known.
///
/// ```
/// use mainspring::service::{BoxService, Service, ServiceExt, service_fn};
/// use std::convert::Infallible;
///
/// let services: Vec<BoxService<u32, u32, Infallible>> = vec![
///     service_fn(async |n: u32| Ok(n + 1)).boxed(),
///     service_fn(async |n: u32| Ok(n * 2)).boxed(),
/// ];
/// futures::executor::block_on(async {
///     assert_eq!(services[0].call(5).await, Ok(6));
///     assert_eq!(services[1].call(5).await, Ok(10));
/// });
/// ```
pub struct BoxService<Request, Response, Error> {
    /// The service, shared by the clones.
    service: Rc<dyn DynService<Request, Response, Error>>,
}

impl<Request, Response, Error> BoxService<Request, Response, Error> {
    /// Hides the type of `service`.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Error> + 'static,
    {
        Self { service: Rc::new(service) }
    }
}

impl<Request, Response, Error> Service<Request> for BoxService<Request, Response, Error> {
    type Response = Response;
    type Error = Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> {
        self.service.call_boxed(request)
    }

    fn status(&self) -> Status {
        self.service.status_dyn()
    }
}

impl<Request, Response, Error> Clone for BoxService<Request, Response, Error> {
    fn clone(&self) -> Self {
        Self { service: Rc::clone(&self.service) }
    }
}

impl<Request, Response, Error> fmt::Debug for BoxService<Request, Response, Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxService").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// [`Service`] with a boxed future, which makes it dyn-compatible.
trait DynService<Request, Response, Error> {
    fn call_boxed<'a>(&'a self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>>
    where
        Request: 'a;

    fn status_dyn(&self) -> Status;
}

impl<S, Request, Response, Error> DynService<Request, Response, Error> for S
where
    S: Service<Request, Response = Response, Error = Error>,
{
    fn call_boxed<'a>(&'a self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>>
    where
        Request: 'a,
    {
        Box::pin(self.call(request))
    }

    fn status_dyn(&self) -> Status {
        self.status()
    }
}
