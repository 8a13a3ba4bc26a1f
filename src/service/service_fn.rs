//! A service from a closure.
//!
//! Used for handlers that need no type of their own, and in tests.
//!
//! It takes `async` closures, whose future may borrow what the closure captured, and plain closures that return a
//! future. It adds nothing to that future, and is always [`Status::Open`](super::Status::Open).
//!
//! The trade-off: the bound is `AsyncFn`, not `Fn(Request) -> Future`. Both kinds of closure satisfy it, and shared
//! state needs no `Rc` that is cloned for each call; the price is that the future has no name to bound.
use std::fmt;
use std::future::Future;

use super::Service;

/// Makes a service that calls `function` for each request.
///
/// ```
/// use mainspring::service::{Service, service_fn};
/// use std::cell::Cell;
/// use std::convert::Infallible;
///
/// let count = Cell::new(0);
/// let service = service_fn(async |step: u32| {
///     count.set(count.get() + step);
///     Ok::<_, Infallible>(count.get())
/// });
/// futures::executor::block_on(async {
///     assert_eq!(service.call(2).await, Ok(2));
///     assert_eq!(service.call(3).await, Ok(5));
/// });
/// ```
pub const fn service_fn<F, Request, Response, Error>(function: F) -> ServiceFn<F>
where
    F: AsyncFn(Request) -> Result<Response, Error>,
{
    ServiceFn { function }
}

/// The service of [`service_fn()`].
#[derive(Clone, Copy)]
pub struct ServiceFn<F> {
    /// Called for each request.
    function: F,
}

impl<F, Request, Response, Error> Service<Request> for ServiceFn<F>
where
    F: AsyncFn(Request) -> Result<Response, Error>,
{
    type Response = Response;
    type Error = Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> {
        (self.function)(request)
    }
}

impl<F> fmt::Debug for ServiceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceFn").finish_non_exhaustive()
    }
}
