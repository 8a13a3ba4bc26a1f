//! The answering side of a multiplexed connection.
//!
//! [`serve`] answers the requests of one connection with a service; [`Server`] is the same with settings. An
//! accept loop spawns one for each connection.
//!
//! It guarantees answers as soon as they are there, a bound on the requests in flight, no more reading
//! while the bound is reached, and deadlines for a peer that does nothing.
//!
//! The settings are those of the [pipeline](crate::proto::pipeline), with another bound. What the server sends of its
//! own accord is a stream that is given with the service; a handle to push through was turned down: it would be a
//! second queue with a bound of its own before the transport's.
use std::future::{Pending, pending, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::dispatch::Dispatch;
use super::{Frame, ServeError};
use crate::proto::{Deadlines, Pressure, Transport};
use crate::service::Service;

/// The most requests of one connection in flight by default: enough for calls that are slow, and few enough that a peer
/// which floods has little of the memory.
const MAX_IN_FLIGHT: usize = 128;

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
/// use mainspring::proto::Transport;
/// use mainspring::proto::multiplex::{self, Frame};
/// use mainspring::service::Service;
///
/// async fn accept<T, S, Response>(transport: T, service: &S)
/// where
///     T: Transport<Response, Incoming: Frame>,
///     S: Service<T::Incoming, Response = Response>,
///     Response: Frame,
/// {
///     if multiplex::serve(transport, service).await.is_err() {
///         eprintln!("a connection has failed");
///     }
/// }
/// ```
pub async fn serve<T, S, Response>(transport: T, service: &S) -> Result<(), ServeError<T::Error, S::Error>>
where
    T: Transport<Response>,
    T::Incoming: Frame,
    S: Service<T::Incoming, Response = Response>,
    Response: Frame,
{
    Server::new().serve(transport, service).await
}

/// Settings of a served connection.
///
/// # Examples
///
/// A connection that handles 1,000 requests at a time, sends events, and ends in good order when `stop` resolves:
///
/// ```
/// use mainspring::channel::mpsc::Receiver;
/// use mainspring::proto::Transport;
/// use mainspring::proto::multiplex::{Frame, Server};
/// use mainspring::service::Service;
///
/// async fn serve<T, S, Response>(
///     transport: T,
///     service: &S,
///     events: Receiver<Response>,
///     stop: impl Future<Output = ()>,
/// ) where
///     T: Transport<Response, Incoming: Frame>,
///     S: Service<T::Incoming, Response = Response>,
///     Response: Frame,
/// {
///     let server = Server::new().max_in_flight(1_000).drain(stop);
///     let _end = server.serve_and_push(transport, service, events).await;
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
    /// Makes the default settings: 128 requests in flight, all deadlines on, no drain.
    pub fn new() -> Self {
        Self { max_in_flight: MAX_IN_FLIGHT, deadlines: Deadlines::default(), pressure: None, drain: pending() }
    }
}

impl<D: Future<Output = ()>> Server<D> {
    /// Sets how many `requests` may be in flight, an answer that waits to be written included. Default 128.
    ///
    /// When they are, reading stops until one is answered. While they read bodies that
    /// [stream](crate::proto::streaming), it goes on: further requests are refused, if the protocol can, and pushes
    /// dropped.
    ///
    /// They are counted in items and not in bytes. Each is a request, as large as the codec takes
    /// ([`max_frame`](crate::codec::Framed::max_frame), or less), and then its answer, as large as the service makes it;
    /// of answers that are encoded there are never more bytes than the
    /// [watermarks](crate::codec::Framed::watermarks) and one answer. If either may be large, set fewer, or have bodies
    /// stream.
    ///
    /// # Panics
    ///
    /// If `requests` is 0.
    #[must_use]
    pub fn max_in_flight(self, requests: usize) -> Self {
        assert!(requests > 0, "with 0 requests in flight none can be answered");
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
    /// When `drain` resolves, the peer is told ([`Frame::go_away`]), if the protocol has a message for it. If it can
    /// refuse ([`Frame::refuse`]), requests that arrive from then on are refused, and cancellations heeded. If not,
    /// those that have arrived are answered, 1,024 at most, also one of which a part has, and no further one is read.
    /// Once the requests in flight are answered, the connection is closed.
    #[must_use]
    pub fn drain<N: Future<Output = ()>>(self, drain: N) -> Server<N> {
        Server { max_in_flight: self.max_in_flight, deadlines: self.deadlines, pressure: self.pressure, drain }
    }

    /// Answers the requests that arrive on `transport` with `service`.
    ///
    /// Calls run side by side, and each answer is written when it is there; it gets the id of its request. A request
    /// that is cancelled is dropped, its answer too if it waits to be written, and [confirmed](Frame::cancel). When the
    /// peer has sent its last request, the rest is answered, and then the writing side closed.
    ///
    /// A service that can fail in the ordinary course of things has the failure in its response type. Its `Err` means
    /// that the connection cannot go on: what was written still leaves, the other calls are dropped, and the connection
    /// is closed. A panic of a call ends this connection and no other.
    ///
    /// # Errors
    ///
    /// [`ServeError::Transport`] if the connection fails, which drops the calls in flight; if what arrives is not a
    /// message, or a request with the id of one in flight, after the requests before it were answered; if a response
    /// has no encoding; if a deadline other than [`Deadlines::idle`] expires. [`ServeError::Service`] if the service
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls in flight and ends the connection at once.
    pub async fn serve<T, S, Response>(self, transport: T, service: &S) -> Result<(), ServeError<T::Error, S::Error>>
    where
        T: Transport<Response>,
        T::Incoming: Frame,
        S: Service<T::Incoming, Response = Response>,
        Response: Frame,
    {
        self.serve_and_push(transport, service, Nothing(PhantomData)).await
    }

    /// As [`serve`](Self::serve), and sends what `pushes` gives as well, as it is.
    ///
    /// The stream is polled while there is room to write and no answer waits, so a peer that does not read holds it up,
    /// and an answer overtakes what was pushed before it and is not written. It may end before the connection does, and
    /// does not keep it open: when the last answer is written and nothing more is read, what it has left is not sent. A
    /// call whose answer is to come behind its pushes, as the end of a stream of items, waits until the transport has
    /// them.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_and_push<T, S, Response>(
        self,
        transport: T,
        service: &S,
        pushes: impl Stream<Item = Response>,
    ) -> Result<(), ServeError<T::Error, S::Error>>
    where
        T: Transport<Response>,
        T::Incoming: Frame,
        S: Service<T::Incoming, Response = Response>,
        Response: Frame,
    {
        let (mut drain, mut pushes) = (pin!(self.drain), pin!(pushes));
        let mut call = |request| service.call(request);
        let mut dispatch = Dispatch::new(transport, self.max_in_flight, self.deadlines, self.pressure);
        poll_fn(|cx| dispatch.poll(cx, drain.as_mut(), pushes.as_mut(), &mut call)).await
    }
}

/// A stream that has ended before it began.
struct Nothing<T>(PhantomData<T>);

impl<T> Stream for Nothing<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(None)
    }
}
