//! A service that hands each request to the one that its key names.
//!
//! Used on servers, for paths, commands and types of messages, and on clients, for shards. The key is made by a
//! function of the request, so nothing is known here of any protocol.
//!
//! Guarantees: one look into a hash map per call; the future is that of the service and a word. Its own error is
//! [`NoRoute`], for a key that no service was named for, unless there is a service [for the rest](Router::otherwise).
//!
//! The trade-off: all services have one type. Those of several types are boxed, which also is what a table that is
//! filled at run time comes to. The key is owned, so that one may be computed; one that is cheap (a number, an
//! `Rc<str>`) is worth it.
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::hash::Hash;
use std::io;

use super::{Service, Status};
use crate::pin::OneOf;

/// One service for each key. The number of routes is chosen by who builds it; there is no other bound.
///
/// ```
/// use mainspring::service::{BoxService, NoRoute, Router, Service, ServiceExt, service_fn};
///
/// type Handler = BoxService<(&'static str, u32), u32, NoRoute>;
/// let double: Handler = service_fn(async |(_, n)| Ok(n * 2)).boxed();
/// let square: Handler = service_fn(async |(_, n)| Ok(n * n)).boxed();
///
/// let router = Router::new(|request: &(&'static str, u32)| request.0).route("double", double).route("square", square);
/// futures::executor::block_on(async {
///     assert_eq!(router.call(("double", 5)).await, Ok(10));
///     assert_eq!(router.call(("square", 5)).await, Ok(25));
///     assert_eq!(router.call(("half", 5)).await, Err(NoRoute));
/// });
/// ```
#[derive(Clone)]
pub struct Router<F, K, S> {
    /// From a request to its key.
    key: F,
    /// The service of each key.
    services: HashMap<K, S>,
    /// The service of all other keys.
    rest: Option<S>,
}

impl<F, K: Hash + Eq, S> Router<F, K, S> {
    /// One without routes, that asks `key`, a `Fn(&Request) -> K`.
    pub fn new<Request>(key: F) -> Self
    where
        F: Fn(&Request) -> K,
    {
        Self { key, services: HashMap::new(), rest: None }
    }

    /// Requests with that key go to `service`; it takes the place of one that was named before.
    #[must_use]
    pub fn route(mut self, key: K, service: S) -> Self {
        self.services.insert(key, service);
        self
    }

    /// Requests whose key names no other service go to this one.
    #[must_use]
    pub fn otherwise(mut self, service: S) -> Self {
        self.rest = Some(service);
        self
    }
}

impl<F, K, S, Request> Service<Request> for Router<F, K, S>
where
    F: Fn(&Request) -> K,
    K: Hash + Eq,
    S: Service<Request>,
    S::Error: From<NoRoute>,
{
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        match self.services.get(&(self.key)(&request)).or(self.rest.as_ref()) {
            Some(service) => OneOf::First(service.call(request)),
            None => OneOf::Second(no_route()),
        }
    }

    /// The best of all routes: which one the next request takes is not known.
    fn status(&self) -> Status {
        self.services.values().chain(&self.rest).map(S::status).min().unwrap_or(Status::Closed)
    }
}

fn no_route<Response, Error: From<NoRoute>>() -> Ready<Result<Response, Error>> {
    ready(Err(NoRoute.into()))
}

impl<F, K: fmt::Debug, S> fmt::Debug for Router<F, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("keys", &self.services.keys()).finish_non_exhaustive()
    }
}

/// No service was named for the key of a request.
///
/// Converts into an [`io::Error`] of kind [`NotFound`](io::ErrorKind::NotFound).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoute;

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no service has the key of the request")
    }
}

impl Error for NoRoute {}

impl From<NoRoute> for io::Error {
    fn from(error: NoRoute) -> Self {
        Self::new(io::ErrorKind::NotFound, error)
    }
}
