//! The calling side of a multiplexed connection.
//!
//! Applications and middleware hold clones of a [`Client`] and call it as a
//! [`Service`]; the [`Connection`] that was made with it does the work.
//!
//! It guarantees what the module promises: each answer to its own call in whatever order they come, bounded queues, and
//! an outcome for every call, also when the connection ends while it is being made.
//!
//! The client is for one thread, as that of the [pipeline](crate::proto::pipeline). The two are types of their own and
//! no trait joins them but [`Service`]: whoever writes a driver has one of them in mind.
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::exchange::Exchange;
use super::{Call, Connection, Error, Frame};
use crate::proto::Transport;
use crate::service::{Service, Status};

/// Makes the two ends of a client connection: what calls, and the future that does the work.
///
/// The future is to be spawned, or polled beside the calls. It ends when the connection ends, or when the
/// last [`Client`] and [`Call`] are dropped.
///
/// # Panics
///
/// If [`Frame::IDS`] of the requests is empty.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Transport;
/// use mainspring::proto::multiplex::{self, Error, Frame};
///
/// async fn ask<T, Q: Frame>(transport: T, one: Q, two: Q) -> Result<(T::Incoming, T::Incoming), Error>
/// where
///     T: Transport<Q, Incoming: Frame>,
/// {
///     let (client, connection) = multiplex::connect(transport);
///     let calls = async {
///         let client = client;
///         futures::try_join!(client.call(one), client.call(two))
///     };
///     futures::join!(calls, connection).0
/// }
/// ```
pub fn connect<T, Request>(transport: T) -> (Client<Request, T::Incoming>, Connection<T, Request>)
where
    T: Transport<Request>,
    T::Incoming: Frame,
    Request: Frame,
{
    let exchange = Rc::new(RefCell::new(Exchange::new(Request::IDS)));
    let connection = Connection::new(transport, exchange.clone());
    (Client { exchange }, connection)
}

/// Makes calls on a multiplexed connection. Cheap to clone; clones share the connection.
///
/// # Examples
///
/// ```
/// use mainspring::proto::multiplex::Client;
/// use mainspring::service::{Service, Status};
///
/// /// One that can take a call now.
/// fn pick<Q, R>(clients: &[Client<Q, R>]) -> Option<&Client<Q, R>> {
///     clients.iter().find(|client| client.status() == Status::Open)
/// }
/// ```
pub struct Client<Request, Response> {
    /// Shared with the calls and the connection, which goes by the count of references.
    pub(super) exchange: Rc<RefCell<Exchange<Request, Response>>>,
}

impl<Request, Response> Client<Request, Response> {
    /// Makes a call. It joins the queue when its future is first polled, and gets its id when it is written.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`], which says whether it is safe to try again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before its request is written withdraws it, and nothing is sent. After that, the peer is
    /// told if the protocol has a message for it ([`Frame::cancel`]); an answer that comes all the same is thrown away.
    pub fn call(&self, request: Request) -> Call<Request, Response> {
        Call::new(self.clone(), request)
    }

    /// Begins no further call, of this and of all clones: those that wait fail as not sent, those in flight have their
    /// answers, and then the connection closes. A deadline for that is a [`timeout`](crate::time::timeout) around the
    /// connection.
    pub fn close(&self) {
        let ended = self.exchange.borrow_mut().calls.refuse("the client was closed".into());
        drop(ended);
        self.wake_connection();
    }

    /// How many requests are written and not answered. Those whose call was dropped are counted.
    pub fn in_flight(&self) -> usize {
        self.exchange.borrow().in_flight()
    }

    /// How many calls wait for their request to be written.
    pub fn waiting(&self) -> usize {
        self.exchange.borrow().calls.waiting()
    }

    /// How many answers have come that no call in flight had asked for: late ones, those that were sent twice, or
    /// errors of the peer. They are thrown away.
    pub fn strays(&self) -> u64 {
        self.exchange.borrow().strays
    }

    /// Wakes the connection if it is parked.
    pub(super) fn wake_connection(&self) {
        let parked = self.exchange.borrow_mut().calls.unpark();
        if let Some(waker) = parked {
            waker.wake();
        }
    }
}

impl<Request, Response> Service<Request> for Client<Request, Response> {
    type Response = Response;
    type Error = Error;

    async fn call(&self, request: Request) -> Result<Response, Error> {
        Self::call(self, request).await
    }

    /// Busy while a call would have to wait, closed once no call can be made any more: the connection has ended, the
    /// peer is about to close it, or the client was closed.
    fn status(&self) -> Status {
        let exchange = self.exchange.borrow();
        if exchange.calls.is_closed() {
            Status::Closed
        } else if exchange.calls.waiting() > 0 || exchange.is_full() {
            Status::Busy
        } else {
            Status::Open
        }
    }
}

impl<Request, Response> Clone for Client<Request, Response> {
    fn clone(&self) -> Self {
        Self { exchange: self.exchange.clone() }
    }
}

impl<Request, Response> Drop for Client<Request, Response> {
    fn drop(&mut self) {
        // Why two: this one and the connection's. The connection closes once it is alone.
        if Rc::strong_count(&self.exchange) == 2 {
            self.wake_connection();
        }
    }
}

impl<Request, Response> fmt::Debug for Client<Request, Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("in_flight", &self.in_flight()).field("waiting", &self.waiting()).finish()
    }
}
