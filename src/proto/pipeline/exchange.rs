//! The calls of one client connection: what waits, what is in flight, what has its answer.
//!
//! [`Client`](super::Client) and [`Call`](super::Call) put calls in and take answers out, the
//! [`Connection`](super::Connection) moves them along. Pure bookkeeping: no I/O, no user code. Whatever has
//! to be dropped or woken is handed back, so that it happens with nothing borrowed.
//!
//! ```text
//! Waiting --start--> InFlight --complete--> Answered --> (taken by its call)
//!    | call dropped     | call dropped
//! Withdrawn          Abandoned --complete--> (freed, the answer goes to nobody)
//! ```
//!
//! It guarantees that answers meet calls in the order of the writes, that each call gets exactly one
//! outcome, and that both queues are bounded.
//!
//! A withdrawn call leaves a mark in the queue, swept once half of the queue is marks: amortised O(1). A
//! linked list would save the sweep and cost two links for each call that is never withdrawn.
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use slab::Slab;

use super::{Error, ErrorKind};

/// Requests written and not answered, unless [`Connection::max_in_flight`](super::Connection::max_in_flight)
/// says otherwise. More than the product of any usual delay and request rate.
const MAX_IN_FLIGHT: usize = 1_000;

/// Calls that wait to be written, unless [`Connection::max_waiting`](super::Connection::max_waiting) says
/// otherwise. Ten times what may be in flight: a longer queue only makes every call late.
const MAX_WAITING: usize = 10_000;

#[derive(Debug)]
pub(super) enum State<Q, R> {
    /// Not written yet.
    Waiting { request: Q, waker: Waker },
    /// Dropped before it was written: a mark in the queue, to be skipped.
    Withdrawn,
    /// Written, and the call waits for the answer.
    InFlight { waker: Waker },
    /// Written, and the call was dropped: the next answer in order is thrown away.
    Abandoned,
    /// The outcome, until the call takes it.
    Answered(Result<R, Error>),
}

#[derive(Debug)]
pub(super) struct Exchange<Q, R> {
    calls: Slab<State<Q, R>>,
    /// Keys of `Waiting` and `Withdrawn` calls, oldest first.
    waiting: VecDeque<usize>,
    /// How many of `waiting` are `Withdrawn`.
    withdrawn: usize,
    /// Keys of `InFlight` and `Abandoned` calls, in the order of the writes.
    in_flight: VecDeque<usize>,
    /// How many answers have arrived. Names the oldest call in flight.
    answered: u64,
    /// Why the connection has ended. Written once, by `close`.
    closed: Option<Arc<str>>,
    /// The connection's waker, while it is parked.
    connection: Option<Waker>,
    /// The bound of `in_flight`, abandoned calls included.
    pub(super) max_in_flight: usize,
    /// The bound of `waiting`, marks not counted.
    pub(super) max_waiting: usize,
}

impl<Q, R> Exchange<Q, R> {
    pub(super) fn new() -> Self {
        Self {
            calls: Slab::new(),
            waiting: VecDeque::new(),
            withdrawn: 0,
            in_flight: VecDeque::new(),
            answered: 0,
            closed: None,
            connection: None,
            max_in_flight: MAX_IN_FLIGHT,
            max_waiting: MAX_WAITING,
        }
    }

    /// Queues a call, or gives its request back with the reason. Wake the connection afterwards.
    pub(super) fn enqueue(&mut self, request: Q, waker: Waker) -> Result<usize, (Q, Error)> {
        if let Some(cause) = &self.closed {
            return Err((request, Error::new(ErrorKind::NotSent, cause.clone())));
        }
        if self.waiting() >= self.max_waiting {
            let cause = format!("{} calls wait already", self.max_waiting);
            return Err((request, Error::new(ErrorKind::Rejected, cause.into())));
        }
        let key = self.calls.insert(State::Waiting { request, waker });
        self.waiting.push_back(key);
        Ok(key)
    }

    /// The outcome of a call, once. Without one, `waker` is exchanged for the one before.
    pub(super) fn poll_answer(&mut self, key: usize, waker: &mut Waker) -> Poll<Result<R, Error>> {
        match &mut self.calls[key] {
            State::Waiting { waker: recorded, .. } | State::InFlight { waker: recorded } => {
                std::mem::swap(recorded, waker);
                Poll::Pending
            }
            State::Answered(_) => match self.calls.remove(key) {
                State::Answered(outcome) => Poll::Ready(outcome),
                _ => unreachable!("the state was looked at in the line above"),
            },
            State::Withdrawn | State::Abandoned => {
                unreachable!("a call that was dropped is polled")
            }
        }
    }

    /// A call is dropped. The caller drops what is returned.
    pub(super) fn abandon(&mut self, key: usize) -> State<Q, R> {
        let next = match &self.calls[key] {
            State::Waiting { .. } => State::Withdrawn,
            State::InFlight { .. } => State::Abandoned,
            _ => return self.calls.remove(key),
        };
        if matches!(next, State::Withdrawn) {
            self.withdrawn += 1;
        }
        let dropped = std::mem::replace(&mut self.calls[key], next);
        if self.withdrawn * 2 >= self.waiting.len() && self.withdrawn > 0 {
            self.sweep();
        }
        dropped
    }

    /// Whether a call waits that may be written now.
    pub(super) fn has_next(&self) -> bool {
        self.waiting() > 0 && self.in_flight.len() < self.max_in_flight
    }

    /// The oldest waiting call becomes the youngest in flight; its request is to be written now.
    pub(super) fn start(&mut self) -> Option<Q> {
        while self.has_next() {
            let key = self.waiting.pop_front()?;
            match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
                State::Waiting { request, waker } => {
                    self.calls[key] = State::InFlight { waker };
                    self.in_flight.push_back(key);
                    return Some(request);
                }
                _ => {
                    self.withdrawn -= 1;
                    self.calls.remove(key);
                }
            }
        }
        None
    }

    /// The request that `start` has just handed out could not be written, and left no bytes.
    pub(super) fn undo_start(&mut self, error: Error) -> Option<Waker> {
        let key = self.in_flight.pop_back()?;
        self.settle(key, Err(error)).ok()
    }

    /// An answer arrived: it belongs to the oldest call in flight. It comes back if there is none, or if its
    /// call was dropped.
    pub(super) fn complete(&mut self, answer: R) -> Completion<R> {
        let Some(key) = self.in_flight.pop_front() else {
            return Completion::Unasked(answer);
        };
        self.answered += 1;
        match self.settle(key, Ok(answer)) {
            Ok(waker) => Completion::Delivered(waker),
            Err(outcome) => Completion::Discarded(outcome),
        }
    }

    /// Ends all calls: those in flight are lost, those that wait were not sent, later ones are refused.
    pub(super) fn close(&mut self, cause: Arc<str>) -> (Wakers, Vec<Q>) {
        let (mut wakers, mut requests) = (Wakers::default(), Vec::new());
        for key in self.in_flight.drain(..) {
            match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
                State::InFlight { waker } => {
                    let error = Error::new(ErrorKind::ConnectionLost, cause.clone());
                    self.calls[key] = State::Answered(Err(error));
                    wakers.0.push_back(waker);
                }
                _ => drop(self.calls.remove(key)),
            }
        }
        for key in self.waiting.drain(..) {
            match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
                State::Waiting { request, waker } => {
                    let error = Error::new(ErrorKind::NotSent, cause.clone());
                    self.calls[key] = State::Answered(Err(error));
                    wakers.0.push_back(waker);
                    requests.push(request);
                }
                _ => drop(self.calls.remove(key)),
            }
        }
        self.withdrawn = 0;
        self.closed.get_or_insert(cause);
        wakers.0.extend(self.connection.take());
        (wakers, requests)
    }

    /// The connection is about to park. The waker before is handed back.
    pub(super) fn park(&mut self, waker: Waker) -> Option<Waker> {
        self.connection.replace(waker)
    }

    /// The connection's waker if it is parked, for the caller to wake.
    pub(super) fn unpark(&mut self) -> Option<Waker> {
        self.connection.take()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() - self.withdrawn
    }

    /// If the oldest call in flight was dropped: its number.
    pub(super) fn stalled(&self) -> Option<u64> {
        let oldest = *self.in_flight.front()?;
        matches!(self.calls[oldest], State::Abandoned).then_some(self.answered)
    }

    /// Ends a call that was in flight. Gives the outcome back if nobody waits for it.
    fn settle(&mut self, key: usize, outcome: Result<R, Error>) -> Result<Waker, Result<R, Error>> {
        match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
            State::InFlight { waker } => {
                self.calls[key] = State::Answered(outcome);
                Ok(waker)
            }
            _ => {
                self.calls.remove(key);
                Err(outcome)
            }
        }
    }

    fn sweep(&mut self) {
        let calls = &mut self.calls;
        self.waiting.retain(|&key| {
            let waits = matches!(calls[key], State::Waiting { .. });
            if !waits {
                calls.remove(key);
            }
            waits
        });
        self.withdrawn = 0;
    }
}

/// What became of an answer.
#[derive(Debug)]
pub(super) enum Completion<R> {
    /// Its call has it, and is to be woken.
    Delivered(Waker),
    /// Its call was dropped; to be dropped by the caller.
    Discarded(Result<R, Error>),
    /// No call is in flight: the peer breaks the protocol.
    Unasked(R),
}

/// Wakers that were taken out, to be woken with nothing borrowed.
#[derive(Debug, Default)]
pub(super) struct Wakers(VecDeque<Waker>);

impl Wakers {
    pub(super) fn wake(mut self) {
        self.wake_rest();
    }

    fn wake_rest(&mut self) {
        while let Some(waker) = self.0.pop_front() {
            waker.wake();
        }
    }
}

/// Why also here: when one of them panics, the rest is woken on the way out.
impl Drop for Wakers {
    fn drop(&mut self) {
        self.wake_rest();
    }
}
