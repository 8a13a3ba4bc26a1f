//! The calls of one client connection: what waits, what is in flight, what has its answer.
//!
//! The part that pipelining and multiplexing have in common. [`pipeline`](super::pipeline) knows the calls in flight by
//! their order, [`multiplex`](super::multiplex) by their ids; both keep that beside this. Pure bookkeeping: no I/O, no
//! user code. Whatever has to be dropped or woken is handed back, so that it happens with nothing borrowed.
//!
//! ```text
//! Waiting --start--> InFlight --settle--> Answered --> (taken by its call)
//!    | call dropped     | call dropped
//! Withdrawn          Abandoned --settle--> (freed, the answer goes to nobody)
//! ```
//!
//! It guarantees that calls start in the order in which they joined, that each gets exactly one outcome, and that the
//! queue is bounded.
//!
//! A withdrawn call leaves a mark in the queue, swept once half of the queue is marks: amortised O(1). A
//! linked list would save the sweep and cost two links for each call that is never withdrawn.
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use slab::Slab;

use super::{Error, ErrorKind};

/// Requests written and not answered, unless `max_in_flight` of the connection says otherwise. More than the product of
/// any usual delay and request rate.
pub(super) const MAX_IN_FLIGHT: usize = 1_000;

/// Calls that wait to be written, unless `max_waiting` of the connection says otherwise. Ten times what may be in
/// flight: a longer queue only makes every call late.
const MAX_WAITING: usize = 10_000;

#[derive(Debug)]
pub(super) enum State<Q, R> {
    /// Not written yet.
    Waiting { request: Q, waker: Waker },
    /// Dropped before it was written: a mark in the queue, to be skipped.
    Withdrawn,
    /// Written under this id, and the call waits for the answer.
    InFlight { id: u64, waker: Waker },
    /// Written, and the call was dropped: its answer is thrown away.
    Abandoned,
    /// The outcome, until the call takes it.
    Answered(Result<R, Error>),
}

#[derive(Debug)]
pub(super) struct Calls<Q, R> {
    calls: Slab<State<Q, R>>,
    /// Keys of `Waiting` and `Withdrawn` calls, oldest first.
    waiting: VecDeque<usize>,
    /// How many of `waiting` are `Withdrawn`.
    withdrawn: usize,
    /// Why no call can be made any more. Written once, by `refuse`.
    closed: Option<Arc<str>>,
    /// The connection's waker, while it is parked.
    connection: Option<Waker>,
    /// The bound of `waiting`, marks not counted.
    pub(super) max_waiting: usize,
}

impl<Q, R> Calls<Q, R> {
    pub(super) fn new() -> Self {
        Self {
            calls: Slab::new(),
            waiting: VecDeque::new(),
            withdrawn: 0,
            closed: None,
            connection: None,
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
            State::Waiting { waker: recorded, .. } | State::InFlight { waker: recorded, .. } => {
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

    /// A call is dropped. What it was is returned, for the caller to drop.
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

    /// The oldest waiting call is in flight from now on, as `id`; its request is to be written now.
    pub(super) fn start(&mut self, id: u64) -> Option<(usize, Q)> {
        loop {
            let key = self.waiting.pop_front()?;
            match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
                State::Waiting { request, waker } => {
                    self.calls[key] = State::InFlight { id, waker };
                    return Some((key, request));
                }
                _ => {
                    self.withdrawn -= 1;
                    self.calls.remove(key);
                }
            }
        }
    }

    /// Ends a call that was in flight: whom to wake, or the outcome if nobody waits for it.
    pub(super) fn settle(&mut self, key: usize, outcome: Result<R, Error>) -> Result<Waker, Result<R, Error>> {
        match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
            State::InFlight { waker, .. } => {
                self.calls[key] = State::Answered(outcome);
                Ok(waker)
            }
            _ => {
                self.calls.remove(key);
                Err(outcome)
            }
        }
    }

    /// A call that was abandoned will have no answer.
    pub(super) fn forget(&mut self, key: usize) {
        debug_assert!(self.is_abandoned(key), "a call that is waited for is forgotten");
        self.calls.remove(key);
    }

    /// Ends the calls that wait: they were not sent. Later ones are refused with the first cause.
    pub(super) fn refuse(&mut self, cause: Arc<str>) -> Ended<Q> {
        let mut ended = Ended { requests: Vec::new(), wakers: Wakers(VecDeque::new()) };
        for key in self.waiting.drain(..) {
            match std::mem::replace(&mut self.calls[key], State::Withdrawn) {
                State::Waiting { request, waker } => {
                    let error = Error::new(ErrorKind::NotSent, cause.clone());
                    self.calls[key] = State::Answered(Err(error));
                    ended.wakers.0.push_back(waker);
                    ended.requests.push(request);
                }
                _ => drop(self.calls.remove(key)),
            }
        }
        self.withdrawn = 0;
        self.closed.get_or_insert(cause);
        ended
    }

    /// Ends all calls: those in flight, by their keys, are lost, those that wait were not sent, later ones are refused.
    pub(super) fn close(&mut self, in_flight: impl Iterator<Item = usize>, cause: Arc<str>) -> Ended<Q> {
        let lost = Error::new(ErrorKind::ConnectionLost, cause.clone());
        let mut wakers: VecDeque<_> = in_flight.filter_map(|key| self.settle(key, Err(lost.clone())).ok()).collect();
        let mut ended = self.refuse(cause);
        wakers.append(&mut ended.wakers.0);
        wakers.extend(self.connection.take());
        ended.wakers.0 = wakers;
        ended
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

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() - self.withdrawn
    }

    /// Whether a call that is in flight was dropped.
    pub(super) fn is_abandoned(&self, key: usize) -> bool {
        matches!(self.calls[key], State::Abandoned)
    }

    /// Whether nothing is kept of any call.
    #[cfg(test)]
    pub(super) fn is_vacant(&self) -> bool {
        self.calls.is_empty() && self.waiting.is_empty() && self.withdrawn == 0
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
    /// No call in flight has asked for it.
    Unasked(Result<R, Error>),
}

/// Calls that have ended, to be dropped with nothing borrowed: that drops their requests, and then wakes.
#[derive(Debug)]
pub(super) struct Ended<Q> {
    requests: Vec<Q>,
    /// Behind the requests, for fields are dropped in their order, the later ones also if an earlier one panics.
    wakers: Wakers,
}

/// Wakes when it is dropped.
#[derive(Debug)]
struct Wakers(VecDeque<Waker>);

impl Wakers {
    fn wake(&mut self) {
        while let Some(waker) = self.0.pop_front() {
            waker.wake();
        }
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        /// Why a second try: when one of them panics, the rest is woken on the way out.
        struct Rest<'a>(&'a mut Wakers);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                self.0.wake();
            }
        }
        Rest(self).0.wake();
    }
}
