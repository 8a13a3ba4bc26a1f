//! The calls of one client connection, and the order of those in flight.
//!
//! [`Client`](super::Client) and [`Call`](super::Call) put calls in and take answers out, the
//! [`Connection`](super::Connection) moves them along. What becomes of a call is kept by [`Calls`]; what is added here
//! is which of them the next answer belongs to.
//!
//! It guarantees that answers meet calls in the order of the writes, and that no more are in flight than allowed.
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::Error;
use crate::proto::calls::{Calls, Completion, Ended, MAX_IN_FLIGHT};

#[derive(Debug)]
pub(super) struct Exchange<Q, R> {
    pub(super) calls: Calls<Q, R>,
    /// Keys of calls in flight, abandoned ones included, in the order of the writes.
    in_flight: VecDeque<usize>,
    /// How many answers have arrived. Names the oldest call in flight.
    answered: u64,
    /// The bound of `in_flight`.
    pub(super) max_in_flight: usize,
}

impl<Q, R> Exchange<Q, R> {
    pub(super) fn new() -> Self {
        Self { calls: Calls::new(), in_flight: VecDeque::new(), answered: 0, max_in_flight: MAX_IN_FLIGHT }
    }

    /// Whether a call waits that may be written now.
    pub(super) fn has_next(&self) -> bool {
        self.calls.waiting() > 0 && self.in_flight.len() < self.max_in_flight
    }

    /// The oldest waiting call becomes the youngest in flight; its request is to be written now.
    pub(super) fn start(&mut self) -> Option<Q> {
        if !self.has_next() {
            return None;
        }
        let (key, request) = self.calls.start(self.answered + self.in_flight.len() as u64)?;
        self.in_flight.push_back(key);
        Some(request)
    }

    /// The request that `start` has just handed out could not be written, and left no bytes.
    pub(super) fn undo_start(&mut self, error: Error) -> Option<Waker> {
        let key = self.in_flight.pop_back()?;
        self.calls.settle(key, Err(error)).ok()
    }

    /// An answer arrived: it belongs to the oldest call in flight. It comes back if there is none, or if its
    /// call was dropped.
    pub(super) fn complete(&mut self, answer: R) -> Completion<R> {
        let Some(key) = self.in_flight.pop_front() else {
            return Completion::Unasked(Ok(answer));
        };
        self.answered += 1;
        match self.calls.settle(key, Ok(answer)) {
            Ok(waker) => Completion::Delivered(waker),
            Err(outcome) => Completion::Discarded(outcome),
        }
    }

    /// Ends all calls: those in flight are lost, those that wait were not sent, later ones are refused.
    pub(super) fn close(&mut self, cause: Arc<str>) -> Ended<Q> {
        self.calls.close(self.in_flight.drain(..), cause)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// If the oldest call in flight was dropped: its number.
    pub(super) fn stalled(&self) -> Option<u64> {
        let oldest = *self.in_flight.front()?;
        self.calls.is_abandoned(oldest).then_some(self.answered)
    }
}
