//! The filters between the protocol and the application: whatever happens, there is a response.
//!
//! Applications see whole requests and nothing else, and the connection never fails for a request that did. More
//! requests than may be at work wait, as many as one more round of them, and further ones are refused at once: a longer
//! queue would make all of them late, and serve no more.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use mainspring::codec::{Encoder, Framed};
use mainspring::net::TcpStream;
use mainspring::server::Connection;
use mainspring::service::{ConcurrencyLimit, Filter, Rejected, Service, ServiceExt};
use mainspring::time::Elapsed;

use super::{Http, Incoming, Lingering, Request, Response, Status, limits};

/// Why an application was not asked, or not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// It took too long.
    Late,
    /// Too many others are at work, and wait.
    Rejected,
}

impl From<Elapsed> for NotServed {
    fn from(_: Elapsed) -> Self {
        Self::Late
    }
}

impl From<Rejected> for NotServed {
    fn from(_: Rejected) -> Self {
        Self::Rejected
    }
}

/// The application with all that stands between it and a connection: at most `limit` of its requests at work and
/// waiting, and each answered within `timeout`.
pub fn stack<A>(
    application: A,
    limit: ConcurrencyLimit,
    timeout: Duration,
) -> impl Service<Incoming, Response = Response, Error = Infallible>
where
    A: Service<Request, Response = Response, Error = NotServed>,
{
    application.filter(limit).timeout(timeout).filter(Answers)
}

/// Serves one connection of a server. What is returned is its stream, if the last response has left it open.
///
/// # Errors
///
/// When the connection fails, or a deadline of the server passes.
pub async fn serve<S>(connection: Connection, service: &S) -> io::Result<Option<TcpStream>>
where
    S: Service<Incoming, Response = Response, Error = Infallible>,
{
    let draining = connection.draining.clone();
    let (stream, server) = connection.pipeline()?;
    let mut framed = Framed::new(Lingering::new(stream, draining), Http::new()).max_frame(limits::REQUEST);
    server.serve(&mut framed, service).await.map_err(io::Error::other)?;
    Ok(framed.codec().leaves_open().then(|| framed.into_parts().0.into_inner()))
}

/// Answers what is no request, and requests that were not served.
struct Answers;

impl<S> Filter<Incoming, S> for Answers
where
    S: Service<Request, Response = Response, Error = NotServed>,
{
    type Inner = Request;
    type Response = Response;
    type Error = Infallible;

    async fn apply(&self, incoming: Incoming, next: &S) -> Result<Response, Infallible> {
        Ok(match incoming {
            Incoming::Request(request) => match next.call(request).await {
                Ok(response) => response,
                Err(NotServed::Late) => Response::of(Status::GatewayTimeout),
                Err(NotServed::Rejected) => Response::of(Status::ServiceUnavailable),
            },
            Incoming::Continue => Response::of(Status::Continue),
            Incoming::Refused(status) => Response::of(status),
        })
    }
}
