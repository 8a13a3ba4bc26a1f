//! The work of a client connection: requests out, answers in.
//!
//! Made by [`connect`](super::connect), spawned by the caller. Each poll does, in this order:
//!
//! 1. take the answers that have arrived;
//! 2. write requests while there is room, in flight and in the transport;
//! 3. flush, unless it is about to run again at once;
//! 4. close if nobody is left who could call;
//! 5. see whether the deadline of this phase has passed.
//!
//! It guarantees that reading never waits for writing (two peers that both write first would otherwise block
//! each other for ever), that a request is counted as sent in the step in which the transport takes it, and
//! that every call has an outcome when it ends, is dropped, or panics.
//!
//! The connection does not reconnect. A client that does, and chooses among connections, is built above it.
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::exchange::Exchange;
use super::{Error, ErrorKind};
use crate::proto::calls::Completion;
use crate::proto::watchdog::Watchdog;
use crate::proto::{Bodies, Transport};

/// The most answers, and the most requests, that are moved in one poll. The task then goes to the back of the
/// queue, so that a connection which never runs dry does not hold up the others.
const MESSAGES_PER_POLL: usize = 128;

/// How long the answer to a dropped call may hold up those behind it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the last requests may take to be written once nobody waits for answers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the connection waits for that has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing.
    Calm,
    /// The answer to a call that was dropped, after so many answers and parts of bodies.
    Stalled(u64),
    /// The last bytes to be written, and the rest of bodies, after so many parts.
    Closing(u64),
}

/// The future that does the work of a [`Client`](super::Client).
///
/// It resolves to `Ok` when the peer has closed the connection with nothing in flight, or when the last
/// client and call were dropped and what they sent is written. Dropping it ends the connection at once.
///
/// # Errors
///
/// What the transport reports. [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer closes with
/// requests in flight, [`InvalidData`](io::ErrorKind::InvalidData) if it answers what was not asked,
/// [`TimedOut`](io::ErrorKind::TimedOut) if the answer to a dropped call does not come.
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// use mainspring::proto::{Transport, pipeline};
/// use std::time::Duration;
///
/// async fn work<T: Transport<u32>>(transport: T) -> Result<(), T::Error> {
///     let (client, connection) = pipeline::connect(transport);
///     drop(client);
///     connection.max_in_flight(100).max_waiting(1_000).stall_timeout(Duration::from_secs(5)).await
/// }
/// ```
#[must_use = "the calls make no progress unless the connection is polled"]
pub struct Connection<T: Transport<Request>, Request> {
    /// `None` once the connection has ended.
    transport: Option<T>,
    exchange: Rc<RefCell<Exchange<Request, T::Incoming>>>,
    /// Set by a request that was written, cleared by a flush that is done.
    flush_due: bool,
    /// The longest time for the answer to a dropped call. Written by the setter.
    stall_timeout: Duration,
    watchdog: Watchdog<Phase>,
}

/// The transport is only ever used by reference, never pinned.
impl<T: Transport<Request>, Request> Unpin for Connection<T, Request> {}

impl<T: Transport<Request>, Request> Connection<T, Request> {
    pub(super) fn new(transport: T, exchange: Rc<RefCell<Exchange<Request, T::Incoming>>>) -> Self {
        Self {
            transport: Some(transport),
            exchange,
            flush_due: false,
            stall_timeout: STALL_TIMEOUT,
            watchdog: Watchdog::new(),
        }
    }

    /// Sets how many `requests` may be written and not answered. Default 1,000.
    ///
    /// They are counted in items and not in bytes, as are the calls that wait. A request is as large as the caller makes
    /// it, and of those that are written never more bytes wait here than the
    /// [watermarks](crate::codec::Framed::watermarks) and one request; an answer is as large as the codec takes
    /// ([`max_frame`](crate::codec::Framed::max_frame), or less), and is kept until its caller is polled.
    ///
    /// # Panics
    ///
    /// If `requests` is 0.
    pub fn max_in_flight(self, requests: usize) -> Self {
        assert!(requests > 0, "with 0 requests in flight no call can be made");
        self.exchange.borrow_mut().max_in_flight = requests;
        self
    }

    /// Sets how many `calls` may wait to be written; further ones are rejected. Default 10,000. With 0, all are.
    pub fn max_waiting(self, calls: usize) -> Self {
        self.exchange.borrow_mut().calls.max_waiting = calls;
        self
    }

    /// Sets how long the answer to a dropped call may hold up those behind it. Default 30 s. Each part of a body starts
    /// the time again, and it stands still while one that arrives is not read.
    ///
    /// When it is over, the connection ends, for its order cannot be kept without that answer. `Duration::MAX`
    /// turns the limit off; with zero, dropping a call that was written ends the connection.
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// One poll; the numbers are those of the module. Ready is the end of the connection.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        // Why a statement of its own: the waker before is dropped with nothing borrowed.
        let parked = self.exchange.borrow_mut().calls.park(cx.waker().clone());
        drop(parked);

        // 1.
        if let Poll::Ready(end) = self.receive(cx, MESSAGES_PER_POLL) {
            return Poll::Ready(end);
        }

        // 2. and 3.
        if let Err(error) = self.write(cx) {
            // Why read on: the peer may have answered before it closed. Nothing more can be asked.
            let in_flight = self.exchange.borrow().in_flight();
            let _ended = self.receive(cx, in_flight);
            return Poll::Ready(Err(error));
        }

        // 4.
        let is_alone = self.is_alone();
        let bodies = self.transport().bodies();
        if is_alone && !bodies.wanted {
            if let Poll::Ready(closed) = self.transport().poll_close(cx) {
                return Poll::Ready(closed);
            }
        }

        // 5.
        let (phase, limit) = self.phase(is_alone, bodies);
        ready!(self.watchdog.poll(cx, phase, limit));
        let message = format!("the connection made no progress for {limit:?} while {phase:?}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message).into()))
    }

    fn phase(&self, is_alone: bool, bodies: Bodies) -> (Phase, Duration) {
        if bodies.held_up {
            // Nothing is read: the peer is not to blame.
            (Phase::Calm, Duration::MAX)
        } else if is_alone {
            (Phase::Closing(bodies.moved), CLOSE_TIMEOUT)
        } else if let Some(answered) = self.exchange.borrow().stalled() {
            (Phase::Stalled(answered + bodies.moved), self.stall_timeout)
        } else {
            (Phase::Calm, Duration::MAX)
        }
    }

    /// Takes at most `count` answers. Pending is "go on", ready the end of the connection.
    fn receive(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<Result<(), T::Error>> {
        for _ in 0..count {
            let answer = match ready!(self.transport().poll_receive(cx)) {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(self.ended_by_peer()),
            };
            let completion = self.exchange.borrow_mut().complete(answer);
            match completion {
                Completion::Delivered(waker) => waker.wake(),
                Completion::Discarded(outcome) => drop(outcome),
                Completion::Unasked(answer) => {
                    drop(answer);
                    let message = "the peer answered, and no request is in flight";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message).into()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what waits and has room, and flushes.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), T::Error> {
        let mut count = 0;
        while self.exchange.borrow().has_next() {
            if count == MESSAGES_PER_POLL {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if self.transport().poll_ready(cx)?.is_pending() {
                break;
            }
            let started = self.exchange.borrow_mut().start();
            let Some(request) = started else { break };
            match self.transport().send(request) {
                Ok(()) => self.flush_due = true,
                Err(error) => self.undo_start(&error),
            }
            count += 1;
        }
        if self.flush_due && self.transport().poll_flush(cx)?.is_ready() {
            self.flush_due = false;
        }
        Ok(())
    }

    /// The request that was started last has no encoding: only its call fails.
    fn undo_start(&mut self, error: &T::Error) {
        let error = Error::new(ErrorKind::Unencodable, error.to_string().into());
        let waker = self.exchange.borrow_mut().undo_start(error);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn ended_by_peer(&self) -> Result<(), T::Error> {
        let in_flight = self.exchange.borrow().in_flight();
        if in_flight == 0 || self.is_alone() {
            return Ok(());
        }
        let message = format!("the peer closed the connection with {in_flight} requests in flight");
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, message).into())
    }

    /// Whether every client and every call has been dropped.
    fn is_alone(&self) -> bool {
        Rc::strong_count(&self.exchange) == 1
    }

    fn transport(&mut self) -> &mut T {
        self.transport.as_mut().expect("a connection was polled after it had ended")
    }
}

impl<T: Transport<Request>, Request> Future for Connection<T, Request> {
    type Output = Result<(), T::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let end = ready!(self.drive(cx));
        self.transport = None;
        match &end {
            Ok(()) => close(&self.exchange, "the connection was closed".into()),
            Err(error) => close(&self.exchange, error.to_string().into()),
        }
        Poll::Ready(end)
    }
}

impl<T: Transport<Request>, Request> Drop for Connection<T, Request> {
    fn drop(&mut self) {
        if self.transport.is_some() {
            close(&self.exchange, "the connection was dropped".into());
        }
    }
}

impl<T: Transport<Request> + fmt::Debug, Request> fmt::Debug for Connection<T, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Gives every call its outcome. Drops and wakes with nothing borrowed.
fn close<Q, R>(exchange: &RefCell<Exchange<Q, R>>, cause: Arc<str>) {
    let ended = exchange.borrow_mut().close(cause);
    drop(ended);
}
