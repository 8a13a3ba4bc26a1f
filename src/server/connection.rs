//! One accepted connection, and the terms under which it is served.
//!
//! Made by [`Serving`](super::Serving), and handed to the handler. One that speaks a protocol of [`crate::proto`] turns
//! it into that protocol's server, with all terms kept; one that reads the stream itself finds them as fields.
//!
//! The terms are values and not a layer around the stream: the phases of a connection are known to its protocol alone.
use std::io;
use std::time::Duration;

use super::{Draining, Retiring};
use crate::inside::Inside;
use crate::net::{StreamSocket, TcpStream};
use crate::proto::{Deadlines, Pressure, multiplex, pipeline};

/// One accepted connection: of TCP, or a `Connection<UnixStream>` of a server that listens at a path.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection<S: StreamSocket = TcpStream> {
    /// Its stream, with the read and write timeouts of the server.
    pub stream: S,
    /// The address of the other end; of a Unix socket unnamed, as a rule.
    pub peer: S::Address,
    /// Ready when the server is asked to drain.
    pub draining: Draining,
    /// How long each phase of it may last.
    pub deadlines: Deadlines,
    /// How near to its limits the server is; the filter that rejects requests beyond them.
    pub pressure: Pressure,
    /// How old it is to become, jitter included.
    pub(super) age: Option<Duration>,
}

impl<S: StreamSocket> Connection<S> {
    /// Its stream, and what answers its requests in order: with the server's deadlines, which are shorter under
    /// [`Pressure`], and drained with the server or when the connection is old
    /// ([`max_age`](super::ServerBuilder::max_age)). Requests are bounded by
    /// [`in_flight`](super::ServerBuilder::in_flight) if the service has the filter, as below.
    ///
    /// # Errors
    ///
    /// When the stream has been closed.
    ///
    /// ```
    /// use mainspring::codec::{Framed, Lines};
    /// use mainspring::server::Connection;
    /// use mainspring::service::{ServiceExt, service_fn};
    /// use std::io;
    ///
    /// async fn shout(connection: Connection) -> io::Result<()> {
    ///     let service = service_fn(async |line: String| io::Result::Ok(line.to_uppercase()));
    ///     let service = service.filter(connection.pressure.admission());
    ///     let (stream, server) = connection.pipeline()?;
    ///     server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
    /// }
    /// # mainspring::run(async {
    /// #     let server = mainspring::Server::bind("127.0.0.1:0")?;
    /// #     let client = mainspring::net::TcpStream::connect(server.local_addr()).await?;
    /// #     let _serving = server.serve(shout)?;
    /// #     client.write_all(b"hello\n").await?;
    /// #     let mut answer = [0; 16];
    /// #     assert_eq!(client.read(&mut answer).await?, 6);
    /// #     io::Result::Ok(())
    /// # })??;
    /// # io::Result::Ok(())
    /// ```
    pub fn pipeline(self) -> io::Result<(S, pipeline::Server<Retiring>)> {
        let (stream, deadlines, pressure, retiring) = self.terms()?;
        Ok((stream, pipeline::Server::new().deadlines(deadlines).pressure(pressure).drain(retiring)))
    }

    /// As [`pipeline`](Self::pipeline), for a protocol that answers by ids.
    ///
    /// # Errors
    ///
    /// When the stream has been closed.
    pub fn multiplex(self) -> io::Result<(S, multiplex::Server<Retiring>)> {
        let (stream, deadlines, pressure, retiring) = self.terms()?;
        Ok((stream, multiplex::Server::new().deadlines(deadlines).pressure(pressure).drain(retiring)))
    }

    fn terms(self) -> io::Result<(S, Deadlines, Pressure, Retiring)> {
        // Why none: the deadlines cover each phase, and end an idle connection in good order.
        self.stream.stream(Inside).set_read_timeout(None)?;
        Ok((self.stream, self.deadlines, self.pressure, Retiring::new(self.draining, self.age)))
    }
}
