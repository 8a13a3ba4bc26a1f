//! The work of a client connection: requests out, answers in.
//!
//! Made by [`connect`](super::connect), spawned by the caller. Each poll does, in this order:
//!
//! 1. take the messages that have arrived;
//! 2. write answers to pings, cancellations and requests, in this order, while there is room;
//! 3. flush, unless it is about to run again at once;
//! 4. close if nobody is left who could call, or if no call can be made and none in flight is waited for;
//! 5. see whether the deadline of this phase has passed.
//!
//! It guarantees what that of the [pipeline](crate::proto::pipeline) does: reading never waits for writing, a request
//! is counted as sent in the step in which the transport takes it, and every call has an outcome when it ends, is
//! dropped, or panics. A cancellation follows its request, and is sent only if that was.
//!
//! The connection does not reconnect. A client that does, and chooses among connections, is built above it.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::exchange::Exchange;
use super::{CONTROLS_MAX, Error, ErrorKind, Frame, Role};
use crate::proto::calls::Completion;
use crate::proto::watchdog::Watchdog;
use crate::proto::{Bodies, Transport};

/// The most messages that are taken, and the most that are written, in one poll. The task then goes to the back of the
/// queue, so that a connection which never runs dry does not hold up the others.
const MESSAGES_PER_POLL: usize = 128;

/// How long dropped calls may hold all places in flight while others wait.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the last messages may take to be written once the connection closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a peer is silent before it is asked whether it is there. Finagle's, as the next one.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long it is silent after that until it is taken for dead.
const PING_TIMEOUT: Duration = Duration::from_secs(4);

/// What the connection waits for that has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A message, after so many.
    Silent(u64),
    /// Any message after this ping.
    Pinged(u64),
    /// An answer to one of the dropped calls, after so many answers and parts of bodies.
    Stalled(u64),
    /// The last bytes to be written, and the rest of bodies, after so many parts.
    Closing(u64),
}

/// The future that does the work of a [`Client`](super::Client).
///
/// It resolves to `Ok` when the peer has closed the connection with no call waited for; when the last client and call
/// were dropped and what they sent is written; and, after [`Client::close`](super::Client::close) or when the peer has
/// said that it will go away, once the last call in flight has its answer. Dropping it ends the connection at once.
///
/// # Errors
///
/// What the transport reports. [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer closes with requests in
/// flight that are waited for; [`InvalidData`](io::ErrorKind::InvalidData) if it sends pings and does not read the
/// answers, or, of a [strict](Self::strict) connection, what was not asked; [`TimedOut`](io::ErrorKind::TimedOut) if it
/// does not answer a ping, or if dropped calls hold all places.
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Transport;
/// use mainspring::proto::multiplex::{self, Frame};
/// use std::time::Duration;
///
/// async fn work<T: Transport<Q, Incoming: Frame>, Q: Frame>(transport: T) -> Result<(), T::Error> {
///     let (client, connection) = multiplex::connect(transport);
///     drop(client);
///     connection
///         .max_in_flight(100)
///         .on_push(|event| drop(event))
///         .ping(Duration::from_secs(60), Duration::from_secs(10))
///         .await
/// }
/// ```
#[must_use = "the calls make no progress unless the connection is polled"]
pub struct Connection<T: Transport<Request>, Request> {
    /// `None` once the connection has ended.
    transport: Option<T>,
    exchange: Rc<RefCell<Exchange<Request, T::Incoming>>>,
    /// Answers to pings, and a ping, that are to be written before all else.
    controls: VecDeque<Request>,
    /// Who gets messages that belong to no call.
    push: Option<Box<dyn FnMut(T::Incoming)>>,
    /// Whether an answer that was not asked for ends the connection. Written by the setter.
    is_strict: bool,
    /// Set by a message that was written, cleared by a flush that is done.
    flush_due: bool,
    /// How many messages have arrived.
    heard: u64,
    /// How many pings were sent.
    pings: u64,
    /// Whether the protocol has pings.
    has_pings: bool,
    /// Set by a ping, cleared by the next message that arrives.
    pinged: bool,
    /// How long the peer may be silent until a ping, and from then on. Written by the setter.
    ping_interval: Duration,
    ping_timeout: Duration,
    /// How long dropped calls may hold all places. Written by the setter.
    stall_timeout: Duration,
    watchdog: Watchdog<Phase>,
}

/// The transport is only ever used by reference, never pinned.
impl<T: Transport<Request>, Request> Unpin for Connection<T, Request> {}

impl<T, Request> Connection<T, Request>
where
    T: Transport<Request>,
    T::Incoming: Frame,
    Request: Frame,
{
    pub(super) fn new(transport: T, exchange: Rc<RefCell<Exchange<Request, T::Incoming>>>) -> Self {
        Self {
            transport: Some(transport),
            exchange,
            controls: VecDeque::new(),
            push: None,
            is_strict: false,
            flush_due: false,
            heard: 0,
            pings: 0,
            has_pings: Request::ping(0).is_some(),
            pinged: false,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            watchdog: Watchdog::new(),
        }
    }

    /// Sets how many `requests` may be written and not answered. Default 1,000, and never more than there are ids
    /// ([`Frame::IDS`]).
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
        self.exchange.borrow_mut().set_max_in_flight(requests);
        self
    }

    /// Sets how many `calls` may wait to be written; further ones are rejected. Default 10,000. With 0, all are.
    pub fn max_waiting(self, calls: usize) -> Self {
        self.exchange.borrow_mut().calls.max_waiting = calls;
        self
    }

    /// Sets who gets the messages that belong to no call ([`Role::Push`]). By default they are dropped.
    ///
    /// It is called while the connection is polled, so it hands them on and does not wait: a bounded channel and its
    /// `try_send`.
    pub fn on_push(mut self, push: impl FnMut(T::Incoming) + 'static) -> Self {
        self.push = Some(Box::new(push));
        self
    }

    /// Sets whether an answer that no call in flight has asked for ends the connection. By default it is thrown away
    /// and counted ([`Client::strays`](super::Client::strays)), for one that is late is no error.
    pub fn strict(mut self, is_strict: bool) -> Self {
        self.is_strict = is_strict;
        self
    }

    /// Sets how long the peer may be silent before it is asked whether it is there, and how long after that until the
    /// connection fails. Default 5 s and 4 s, if the protocol has pings ([`Frame::ping`]). `Duration::MAX` as
    /// `interval` sends none.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.ping_interval, self.ping_timeout) = (interval, timeout);
        self
    }

    /// Sets how long calls that were dropped may hold all places in flight while others wait. Default 30 s.
    ///
    /// When it is over, the connection ends, for their ids cannot be used again. Each answer and each part of a body
    /// starts the time again. `Duration::MAX` turns the limit off.
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
        loop {
            // 2. and 3.
            if let Err(error) = self.write(cx) {
                // Why read on: the peer may have answered before it closed. Nothing more can be asked.
                let in_flight = self.exchange.borrow().in_flight();
                self.controls.clear();
                let _ended = self.receive(cx, in_flight);
                return Poll::Ready(Err(error));
            }

            // 4.
            let is_closing = self.is_closing();
            let bodies = self.transport().bodies();
            if is_closing && !self.has_control() && !bodies.wanted {
                if let Poll::Ready(closed) = self.transport().poll_close(cx) {
                    return Poll::Ready(closed);
                }
            }

            // 5.
            let (phase, limit) = self.phase(is_closing, bodies);
            ready!(self.watchdog.poll(cx, phase, limit));
            let Phase::Silent(_) = phase else {
                let message = format!("the connection made no progress for {limit:?} while {phase:?}");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message).into()));
            };
            self.pings += 1;
            self.pinged = true;
            self.controls.extend(Request::ping(self.pings));
        }
    }

    fn phase(&self, is_closing: bool, bodies: Bodies) -> (Phase, Duration) {
        if bodies.held_up {
            // Nothing is read, and so nothing heard: the peer is not to blame.
            (Phase::Silent(self.heard), Duration::MAX)
        } else if is_closing {
            (Phase::Closing(bodies.moved), CLOSE_TIMEOUT)
        } else if self.pinged {
            (Phase::Pinged(self.pings), self.ping_timeout)
        } else if let Some(answered) = self.exchange.borrow().stalled() {
            (Phase::Stalled(answered + bodies.moved), self.stall_timeout)
        } else {
            (Phase::Silent(self.heard + bodies.moved), if self.has_pings { self.ping_interval } else { Duration::MAX })
        }
    }

    /// Takes at most `count` messages, and fewer if there is much to be written before. Pending is "go on", ready the
    /// end of the connection.
    fn receive(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<Result<(), T::Error>> {
        for _ in 0..count {
            let message = match ready!(self.transport().poll_receive(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(self.ended_by_peer()),
            };
            self.heard += 1;
            self.pinged = false;
            if let Err(error) = self.take(message) {
                return Poll::Ready(Err(error.into()));
            }
            if self.controls.len() == CONTROLS_MAX {
                // They are written first: a peer that reads may send any number of pings at once.
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what a message asks for.
    fn take(&mut self, message: T::Incoming) -> io::Result<()> {
        match message.role() {
            Role::Call(id) => self.complete(id, Ok(message)),
            Role::Refuse(id) => {
                self.complete(id, Err(Error::new(ErrorKind::Rejected, "the peer has refused it".into())))
            }
            Role::Cancel(id) => self.complete(id, Err(Error::new(ErrorKind::Cancelled, "it said so".into()))),
            Role::Push => {
                if let Some(push) = &mut self.push {
                    push(message);
                }
                Ok(())
            }
            Role::Ping(number) => {
                self.controls.extend(Request::pong(number));
                if self.controls.len() <= CONTROLS_MAX {
                    return Ok(());
                }
                let message = format!("the peer sends pings, and does not read the {CONTROLS_MAX} answers before");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
            Role::Pong(_) => Ok(()),
            Role::GoAway => {
                let ended = self.exchange.borrow_mut().calls.refuse("the peer is about to close the connection".into());
                drop(ended);
                Ok(())
            }
        }
    }

    fn complete(&mut self, id: u64, outcome: Result<T::Incoming, Error>) -> io::Result<()> {
        let completion = self.exchange.borrow_mut().complete(id, outcome);
        match completion {
            Completion::Delivered(waker) => waker.wake(),
            Completion::Discarded(outcome) => drop(outcome),
            Completion::Unasked(_) if self.is_strict => {
                let message = format!("the peer answered request {id}, which is not in flight");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            Completion::Unasked(outcome) => drop(outcome),
        }
        Ok(())
    }

    /// Writes what waits and has room, and flushes.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), T::Error> {
        let mut count = 0;
        while self.has_control() || self.exchange.borrow().has_next() {
            if count == MESSAGES_PER_POLL {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if self.transport().poll_ready(cx)?.is_pending() {
                break;
            }
            self.write_next()?;
            count += 1;
        }
        if self.flush_due && self.transport().poll_flush(cx)?.is_ready() {
            self.flush_due = false;
        }
        Ok(())
    }

    /// Hands the next message to the transport, which has room for one.
    fn write_next(&mut self) -> Result<(), T::Error> {
        if let Some(message) = self.controls.pop_front() {
            return self.send(message);
        }
        let cancel = self.exchange.borrow_mut().next_cancel();
        if let Some(id) = cancel {
            let message = Request::cancel(id);
            // Without a message for it, the peer answers as if nothing had been.
            let is_answered = message.is_none() || Request::ANSWERS_CANCELLED;
            self.exchange.borrow_mut().cancelled(id, is_answered);
            return message.map_or(Ok(()), |message| self.send(message));
        }
        let started = self.exchange.borrow_mut().start();
        if let Some((id, mut request)) = started {
            request.set_id(id);
            if let Err(error) = self.send(request) {
                self.undo_start(id, &error);
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Request) -> Result<(), T::Error> {
        self.transport().send(message)?;
        self.flush_due = true;
        Ok(())
    }

    /// The request that was started last has no encoding: only its call fails.
    fn undo_start(&mut self, id: u64, error: &T::Error) {
        let error = Error::new(ErrorKind::Unencodable, error.to_string().into());
        let waker = self.exchange.borrow_mut().undo_start(id, error);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn ended_by_peer(&self) -> Result<(), T::Error> {
        let awaited = self.exchange.borrow().awaited();
        if awaited == 0 {
            return Ok(());
        }
        let message = format!("the peer closed the connection with {awaited} requests in flight");
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, message).into())
    }

    /// Whether something other than a request is to be written.
    fn has_control(&self) -> bool {
        !self.controls.is_empty() || self.exchange.borrow_mut().next_cancel().is_some()
    }

    /// Whether nothing is left but to write and close.
    fn is_closing(&self) -> bool {
        let exchange = self.exchange.borrow();
        // Why one reference: every client and every call has been dropped.
        Rc::strong_count(&self.exchange) == 1 || (exchange.calls.is_closed() && exchange.awaited() == 0)
    }

    fn transport(&mut self) -> &mut T {
        self.transport.as_mut().expect("a connection was polled after it had ended")
    }
}

impl<T, Request> Future for Connection<T, Request>
where
    T: Transport<Request>,
    T::Incoming: Frame,
    Request: Frame,
{
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
