//! The calling side of a pipelined connection.
//!
//! Applications and middleware hold clones of a [`Client`] and call it as a
//! [`Service`]; the [`Connection`] that was made with it does the work.
//!
//! It guarantees what the module promises: answers in order, bounded queues, and an outcome for every call,
//! also when the connection ends while it is being made.
//!
//! The client is for one thread, an `Rc` and no lock. A client for many threads was turned down: calls from
//! elsewhere go through a channel to a task beside the connection, and only those who need it pay.
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::exchange::Exchange;
use super::{Call, Connection, Error};
use crate::proto::Transport;
use crate::service::{Service, Status};

/// Makes the two ends of a client connection: what calls, and the future that does the work.
///
/// The future is to be spawned, or polled beside the calls. It ends when the connection ends, or when the
/// last [`Client`] and [`Call`] are dropped.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, HalfClose, Lines};
/// use mainspring::proto::pipeline;
/// use std::io::{Read, Write};
///
/// async fn ask<T: Read + Write + HalfClose>(io: T) -> Result<String, pipeline::Error> {
///     let (client, connection) = pipeline::connect::<_, String>(Framed::new(io, Lines::new()));
///     let calls = async {
///         let client = client;
///         let (one, two) = futures::join!(client.call("one".into()), client.call("two".into()));
///         Ok(one? + &two?)
///     };
///     futures::join!(calls, connection).0
/// }
/// ```
pub fn connect<T, Request>(transport: T) -> (Client<Request, T::Incoming>, Connection<T, Request>)
where
    T: Transport<Request>,
{
    let exchange = Rc::new(RefCell::new(Exchange::new()));
    let connection = Connection::new(transport, exchange.clone());
    (Client { exchange }, connection)
}

/// Makes calls on a pipelined connection. Cheap to clone; clones share the connection.
///
/// # Examples
///
/// ```
/// use mainspring::proto::pipeline::{Client, Error};
///
/// /// Asks again while it is certain that nothing was done.
/// async fn insist(client: &Client<u32, String>, request: u32) -> Result<String, Error> {
///     for _ in 0..3 {
///         match client.call(request).await {
///             Err(error) if error.is_retryable() => {}
///             outcome => return outcome,
///         }
///     }
///     client.call(request).await
/// }
/// ```
pub struct Client<Request, Response> {
    /// Shared with the calls and the connection, which goes by the count of references.
    pub(super) exchange: Rc<RefCell<Exchange<Request, Response>>>,
}

impl<Request, Response> Client<Request, Response> {
    /// Makes a call. It joins the queue when its future is first polled.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`], which says whether it is safe to try again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before its request is written withdraws it, and nothing is sent. After that, the
    /// peer carries it out and the answer is thrown away.
    pub fn call(&self, request: Request) -> Call<Request, Response> {
        Call::new(self.clone(), request)
    }

    /// How many requests are written and not answered. Those whose call was dropped are counted.
    pub fn in_flight(&self) -> usize {
        self.exchange.borrow().in_flight()
    }

    /// How many calls wait for their request to be written.
    pub fn waiting(&self) -> usize {
        self.exchange.borrow().calls.waiting()
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

    /// Busy while a call would have to wait, closed once the connection has ended.
    fn status(&self) -> Status {
        let exchange = self.exchange.borrow();
        if exchange.calls.is_closed() {
            Status::Closed
        } else if exchange.calls.waiting() > 0 || exchange.in_flight() >= exchange.max_in_flight {
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
