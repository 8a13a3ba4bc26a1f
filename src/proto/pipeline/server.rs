//! The answering side of a pipelined connection.
//!
//! [`serve`] answers the requests of one connection with a service; [`Server`] is the same with settings. An
//! accept loop spawns one for each connection.
//!
//! It guarantees answers in the order of the requests, a bound on the requests in flight, no more reading
//! while the bound is reached, and deadlines for a peer that does nothing.
//!
//! The service is borrowed, so one that lives beside the connection is served without a reference count:
//! `async move { serve(transport, &service).await }`. Owning it was turned down: the calls in flight borrow
//! it, and a future that owns both is not possible without `unsafe`.
use std::future::{Pending, pending, poll_fn};
use std::pin::pin;

use super::ServeError;
use super::dispatch::Dispatch;
use crate::proto::{Deadlines, Pressure, Transport};
use crate::service::Service;

/// The most requests of one connection in flight, and the default: all of them are polled on each wake.
const MAX_IN_FLIGHT: usize = 32;

/// Answers the requests that arrive on `transport` with `service`, with the default settings.
///
/// # Errors
///
/// As [`Server::serve`].
///
/// # Cancel safety
///
/// Dropping the future drops the calls in flight and ends the connection at once.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, HalfClose, Lines};
/// use mainspring::proto::pipeline;
/// use mainspring::service::Service;
/// use std::io::{self, Read, Write};
///
/// struct Upper;
///
/// impl Service<String> for Upper {
///     type Response = String;
///     type Error = io::Error;
///
///     async fn call(&self, line: String) -> io::Result<String> {
///         Ok(line.to_uppercase())
///     }
/// }
///
/// async fn shout<T: Read + Write + HalfClose>(io: T) {
///     if let Err(error) = pipeline::serve(Framed::new(io, Lines::new()), &Upper).await {
///         eprintln!("{error}");
///     }
/// }
/// # futures::executor::block_on(shout(io::Cursor::new(Vec::new())));
/// ```
pub async fn serve<T, S, Response>(transport: T, service: &S) -> Result<(), ServeError<T::Error, S::Error>>
where
    T: Transport<Response>,
    S: Service<T::Incoming, Response = Response>,
{
    Server::new().serve(transport, service).await
}

/// Settings of a served connection.
///
/// # Examples
///
/// A connection that handles four requests at a time, and ends in good order when `stop` resolves:
///
/// ```
/// use mainspring::proto::{Transport, pipeline};
/// use mainspring::service::Service;
///
/// async fn serve<T, S, Response>(transport: T, service: &S, stop: impl Future<Output = ()>)
/// where
///     T: Transport<Response>,
///     S: Service<T::Incoming, Response = Response>,
/// {
///     let _end = pipeline::Server::new().max_in_flight(4).drain(stop).serve(transport, service).await;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Server<D = Pending<()>> {
    max_in_flight: usize,
    deadlines: Deadlines,
    /// Under which deadlines are shortened.
    pressure: Option<Pressure>,
    /// When it resolves, the connection finishes what it has and closes.
    drain: D,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Makes the default settings: 32 requests in flight, all deadlines on, no drain.
    pub fn new() -> Self {
        Self { max_in_flight: MAX_IN_FLIGHT, deadlines: Deadlines::default(), pressure: None, drain: pending() }
    }
}

impl<D: Future<Output = ()>> Server<D> {
    /// Sets how many `requests` may be in flight, an answer that waits to be written included. Default 32.
    ///
    /// When they are, reading stops until the oldest is answered. 1 handles one request after the other.
    ///
    /// They are counted in items and not in bytes. Each is a request, as large as the codec takes
    /// ([`max_frame`](crate::codec::Framed::max_frame), or less), and then its answer, as large as the service makes
    /// it; of answers that are encoded there are never more bytes than the
    /// [watermarks](crate::codec::Framed::watermarks) and one answer. If either may be large, set fewer, or have bodies
    /// [stream](crate::proto::streaming).
    ///
    /// # Panics
    ///
    /// If `requests` is 0 or more than 32.
    #[must_use]
    pub fn max_in_flight(self, requests: usize) -> Self {
        assert!(
            (1..=MAX_IN_FLIGHT).contains(&requests),
            "{requests} requests in flight on one connection, 1 to {MAX_IN_FLIGHT} are possible"
        );
        Self { max_in_flight: requests, ..self }
    }

    /// Sets how long a peer may do nothing.
    #[must_use]
    pub fn deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// Shortens the waits for a peer while `pressure` is high. By default nothing does.
    #[must_use]
    pub fn pressure(self, pressure: Pressure) -> Self {
        Self { pressure: Some(pressure), ..self }
    }

    /// Sets what ends the connection in good order, in place of the drain before.
    ///
    /// When `drain` resolves, no further request is begun. Those that have arrived are answered, 1,024 at most, also
    /// one of which a part has, once its rest is there; the answers are written and the connection closed. With nothing
    /// to answer that is at once.
    ///
    /// The codec hears which answer is the last ([`Encoder::before_last`](crate::codec::Encoder::before_last)), unless
    /// that one was encoded before, or the rest of another request was waited for and did not come. To know it takes
    /// one more look at the connection, for which an answer with none behind it waits, as a rule a turn of the reactor
    /// or two.
    #[must_use]
    pub fn drain<N: Future<Output = ()>>(self, drain: N) -> Server<N> {
        Server { max_in_flight: self.max_in_flight, deadlines: self.deadlines, pressure: self.pressure, drain }
    }

    /// Answers the requests that arrive on `transport` with `service`.
    ///
    /// Calls run side by side, and their answers are written in the order of the requests. When the peer has
    /// sent its last request, the rest is answered, and then the writing side closed.
    ///
    /// A service that can fail in the ordinary course of things has the failure in its response type. Its
    /// `Err` means that the connection cannot go on: the answers to earlier requests are written, later ones
    /// are dropped, and the connection is closed. A panic of a call ends this connection and no other.
    ///
    /// # Errors
    ///
    /// [`ServeError::Transport`] if the connection fails, which drops the calls in flight; if what arrives
    /// is not a message, after the requests before it were answered; if a response has no encoding; if a
    /// deadline other than [`Deadlines::idle`] expires. [`ServeError::Service`] if the service fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls in flight and ends the connection at once.
    pub async fn serve<T, S, Response>(self, transport: T, service: &S) -> Result<(), ServeError<T::Error, S::Error>>
    where
        T: Transport<Response>,
        S: Service<T::Incoming, Response = Response>,
    {
        let mut drain = pin!(self.drain);
        let mut call = |request| service.call(request);
        let mut dispatch = Dispatch::new(transport, self.max_in_flight, self.deadlines, self.pressure);
        poll_fn(|cx| dispatch.poll(cx, drain.as_mut(), &mut call)).await
    }
}
