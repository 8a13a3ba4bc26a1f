//! One of two services, or of two filters, of which a value says which.
//!
//! Used where a stack differs by what is known at run time alone: with or without a filter, this backend or that. As a
//! filter, `None` is no filter at all. It has no bound, no default and no error of its own.
//!
//! Guarantees: nothing is boxed, and the future is the larger of the two and a word; the status is that of the one that
//! it is.
//!
//! The trade-off: both have the same response and error. For more than two there is [`Router`](super::Router), or
//! [`BoxService`](super::BoxService).
use std::future::Future;

use super::{Filter, Service, Status};
use crate::pin::OneOf;

/// One of two services, or of two filters.
///
/// ```
/// use mainspring::service::{Either, Service, ServiceExt, Timeout, service_fn};
/// use std::io;
/// use std::time::Duration;
///
/// fn stack(is_remote: bool, limit: Option<Duration>) -> impl Service<u32, Response = u32, Error = io::Error> {
///     let service = match is_remote {
///         true => Either::Left(service_fn(async |n: u32| io::Result::Ok(n * 2))),
///         false => Either::Right(service_fn(async |n: u32| io::Result::Ok(n + n))),
///     };
///     service.filter(limit.map(Timeout::new))
/// }
///
/// mainspring::run(async {
///     assert_eq!(stack(true, None).call(21).await.unwrap(), 42);
///     assert_eq!(stack(false, Some(Duration::from_secs(1))).call(21).await.unwrap(), 42);
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The one.
    Left(A),
    /// The other.
    Right(B),
}

impl<A, B, Request> Service<Request> for Either<A, B>
where
    A: Service<Request>,
    B: Service<Request, Response = A::Response, Error = A::Error>,
{
    type Response = A::Response;
    type Error = A::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<A::Response, A::Error>> {
        match self {
            Self::Left(service) => OneOf::First(service.call(request)),
            Self::Right(service) => OneOf::Second(service.call(request)),
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Left(service) => service.status(),
            Self::Right(service) => service.status(),
        }
    }
}

impl<A, B, Request, S> Filter<Request, S> for Either<A, B>
where
    A: Filter<Request, S>,
    B: Filter<Request, S, Inner = A::Inner, Response = A::Response, Error = A::Error>,
    S: Service<A::Inner>,
{
    type Inner = A::Inner;
    type Response = A::Response;
    type Error = A::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<A::Response, A::Error>> {
        match self {
            Self::Left(filter) => OneOf::First(filter.apply(request, next)),
            Self::Right(filter) => OneOf::Second(filter.apply(request, next)),
        }
    }

    fn status(&self, next: &S) -> Status {
        match self {
            Self::Left(filter) => filter.status(next),
            Self::Right(filter) => filter.status(next),
        }
    }
}

impl<F, Request, S> Filter<Request, S> for Option<F>
where
    F: Filter<Request, S, Inner = Request, Response = S::Response, Error = S::Error>,
    S: Service<Request>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        match self {
            Some(filter) => OneOf::First(filter.apply(request, next)),
            None => OneOf::Second(next.call(request)),
        }
    }

    fn status(&self, next: &S) -> Status {
        match self {
            Some(filter) => filter.status(next),
            None => next.status(),
        }
    }
}
