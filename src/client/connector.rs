//! What makes the connections to one endpoint.
//!
//! A service whose response is a connection, so that [`FailFast`](crate::service::FailFast) goes around it. Called by
//! the [pool](super::pool::Pool) when no connection is idle.
//!
//! Guarantees: connecting and what the user's closure does with the stream (a handshake, most often) take no longer
//! than the timeout together; a future that is dropped closes the socket. `TCP_NODELAY` is on unless told otherwise,
//! as requests are written whole.
//!
//! The trade-off: the closure's future is boxed, an allocation for each connection, and in return its type is not part
//! of that of the client, which can be named.
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::Error;
use crate::net::{ConnectOptions, TcpStream, UnixStream};
use crate::service::Service;
use crate::time::timeout;

/// Makes connections to one address.
pub(super) struct Connector<S> {
    /// Where to, and what is made of the stream.
    pub(super) target: Target<S>,
    /// How long it may take; none for ever.
    pub(super) timeout: Option<Duration>,
}

/// Where to connect, and what makes a service of the stream.
pub(super) enum Target<S> {
    /// With what is set before connecting.
    Tcp(SocketAddr, ConnectOptions, Rc<dyn Make<TcpStream, S>>),
    /// By the path from the root.
    Unix(PathBuf, Rc<dyn Make<UnixStream, S>>),
}

impl<S> Service<()> for Connector<S> {
    type Response = S;
    type Error = Error<Infallible>;

    async fn call(&self, (): ()) -> Result<S, Error<Infallible>> {
        let connecting = async {
            match &self.target {
                Target::Tcp(address, options, make) => make.make(options.clone().connect(*address).await?).await,
                Target::Unix(path, make) => make.make(UnixStream::connect(path).await?).await,
            }
        };
        let made = match self.timeout {
            Some(limit) => timeout(limit, connecting).await.unwrap_or_else(|_elapsed| {
                let message = format!("no connection within {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }),
            None => connecting.await,
        };
        made.map_err(|error| match &self.target {
            Target::Tcp(address, ..) => Error::Connect(*address, error),
            Target::Unix(path, _) => Error::ConnectUnix(path.clone(), error),
        })
    }
}

/// A closure that makes a service of a stream, with a boxed future, which makes it dyn-compatible.
pub(super) trait Make<T: 'static, S> {
    fn make(&self, stream: T) -> Pin<Box<dyn Future<Output = io::Result<S>> + '_>>;
}

impl<F, T: 'static, S> Make<T, S> for F
where
    F: AsyncFn(T) -> io::Result<S>,
{
    fn make(&self, stream: T) -> Pin<Box<dyn Future<Output = io::Result<S>> + '_>> {
        Box::pin(self(stream))
    }
}
