//! The filter between the protocol and the application: whatever happens, there is a response.
//!
//! Applications see whole requests and nothing else, and the connection never fails for a request that did.

use std::convert::Infallible;

use examples::http::{Incoming, Request, Response, Status};
use mainspring::service::{Filter, Service};
use mainspring::time::Elapsed;

/// Answers what is no request, and requests that took too long.
pub(crate) struct Answers;

impl<S> Filter<Incoming, S> for Answers
where
    S: Service<Request, Response = Response, Error = Elapsed>,
{
    type Inner = Request;
    type Response = Response;
    type Error = Infallible;

    async fn apply(&self, incoming: Incoming, next: &S) -> Result<Response, Infallible> {
        Ok(match incoming {
            Incoming::Request(request) => match next.call(request).await {
                Ok(response) => response,
                Err(Elapsed { .. }) => Response::of(Status::GatewayTimeout),
            },
            Incoming::Continue => Response::of(Status::Continue),
            Incoming::Refused(status) => Response::of(status),
        })
    }
}
