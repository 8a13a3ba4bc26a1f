//! What a call passes at one endpoint, below the balancer: a limit of calls, failure accrual, a timeout, the pool.
//!
//! Made by the builder for each address. It adds nothing to its stack but a name: its response and its error are said
//! here outright. The compiler follows them through a stack of filters in a time that doubles with each filter, and the
//! client's are seven, so that two parts take it far less than one. Whoever builds a deep stack can do the same, or end
//! a part of it with [`BoxService`](crate::service::BoxService).

use std::future::Future;

use super::Error;
use super::pool::Pool;
use crate::service::{Classifier, ConcurrencyLimit, FailureAccrual, Filtered, Service, Status, Timeout};

/// The calls to one endpoint.
pub(super) struct Attempt<S, C>(pub(super) Stack<S, C>);

type Stack<S, C> = Filtered<ConcurrencyLimit, Filtered<FailureAccrual<C>, Filtered<Option<Timeout>, Pool<S>>>>;

impl<S, C, Request> Service<Request> for Attempt<S, C>
where
    S: Service<Request> + 'static,
    C: Classifier<S::Response, Error<S::Error>>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;

    #[inline]
    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, Error<S::Error>>> {
        self.0.call(request)
    }

    #[inline]
    fn status(&self) -> Status {
        self.0.status()
    }
}
