//! HTTP/1.1 and HTTP/2 on one port, by hyper: what a server of Mainspring does with each of its connections.
//!
//! Which of the two a client speaks is told by its first bytes (RFC 9113 §3.4, "prior knowledge"). hyper's timer is
//! installed in [`builder`], so that its timeout for the head of a request is in force; until it is known which
//! protocol it is to be, the server's own limit for a silent peer,
//! [`ServerBuilder::idle`](mainspring::server::ServerBuilder::idle), bounds each wait.
//!
//! Nothing here is `Send`: the service may hold an `Rc`, and each stream of HTTP/2 is a task of the same reactor.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use mainspring::hyper::{Executor, Timer};
use mainspring::io::{HalfClose, Pollable};
use mainspring::server::{Connection, Draining};

/// How long the head of a request may take to arrive. It is also how long a connection of HTTP/1.1 may be idle, since
/// hyper begins to count when it begins to wait.
pub const HEAD: Duration = Duration::from_secs(30);

/// How long an HTTP/2 peer may say nothing before it is asked whether it is there.
const PING: Duration = Duration::from_secs(30);

/// How long it may take to answer that.
const PONG: Duration = Duration::from_secs(10);

/// Any error, as hyper takes them from services and bodies.
type Any = Box<dyn Error + Send + Sync>;

/// hyper's server with its timer installed, and its timeouts in force. Whoever wants others sets them on it.
pub fn builder() -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(Executor);
    builder.http1().timer(Timer).header_read_timeout(HEAD);
    builder.http2().timer(Timer).keep_alive_interval(PING).keep_alive_timeout(PONG);
    builder
}

/// Serves one connection, until its peer closes it or the server drains: then what is in flight is answered first.
///
/// # Errors
///
/// Those of hyper: a peer that does not speak HTTP, one that took too long, a connection that failed.
///
/// # Cancel safety
///
/// Not cancel safe: the connection is dropped with the future.
pub async fn serve<S, B>(builder: &auto::Builder<Executor>, connection: Connection, service: S) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: 'static,
    S::Error: Into<Any>,
    B: Body + 'static,
    B::Error: Into<Any>,
{
    let Connection { stream, draining, .. } = connection;
    // What is written is whole already: hyper writes a head and its body together.
    stream.set_nodelay(true)?;
    serve_stream(builder, stream, draining, service).await
}

/// The same over a stream of any kind, such as TLS.
///
/// # Errors
///
/// As [`serve`].
///
/// # Cancel safety
///
/// As [`serve`].
pub async fn serve_stream<T, S, B>(
    builder: &auto::Builder<Executor>,
    stream: T,
    mut draining: Draining,
    service: S,
) -> io::Result<()>
where
    T: Read + Write + HalfClose + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: 'static,
    S::Error: Into<Any>,
    B: Body + 'static,
    B::Error: Into<Any>,
{
    let mut served = pin!(builder.serve_connection(Pollable::new(stream), service));
    let mut drains = false;
    let end = poll_fn(|cx| {
        if !drains && pin!(&mut draining).poll(cx).is_ready() {
            drains = true;
            served.as_mut().graceful_shutdown();
        }
        served.as_mut().poll(cx)
    });
    end.await.map_err(io::Error::other)
}
