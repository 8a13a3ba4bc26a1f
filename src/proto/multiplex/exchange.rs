//! The calls of one client connection, and the ids of those in flight.
//!
//! [`Client`](super::Client) and [`Call`](super::Call) put calls in and take answers out, the
//! [`Connection`](super::Connection) moves them along. What becomes of a call is kept by [`Calls`]; what is added here
//! is which of them an answer belongs to, and which are to be cancelled.
//!
//! It guarantees that an id is not given out again before its answer has come, also if nobody waits for it any more,
//! that ids are used in turn, and that a cancellation is for the call that was dropped and none that came after it.
//!
//! A map by id, since the ids are the protocol's. Keys of the slab as ids were turned down: the last one freed is the
//! first one used again, so that an answer which the peer sends twice would reach another call.
use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::Waker;

use super::Error;
use crate::proto::calls::{Calls, Completion, Ended, MAX_IN_FLIGHT, State};

/// A call in flight.
#[derive(Debug)]
struct Flight {
    /// Of the call.
    key: usize,
    /// Set when it was dropped, cleared when that was told to the peer.
    cancel_due: bool,
}

#[derive(Debug)]
pub(super) struct Exchange<Q, R> {
    pub(super) calls: Calls<Q, R>,
    /// Calls in flight by their ids, abandoned ones included.
    in_flight: HashMap<u64, Flight>,
    /// How many of those are abandoned.
    abandoned: usize,
    /// Ids of calls that were dropped, in that order. Those that are not due any more are passed over.
    cancels: VecDeque<u64>,
    /// The ids there are.
    ids: RangeInclusive<u64>,
    /// Where the search for a free id begins: behind the one that was given out last.
    next_id: u64,
    /// How many answers have come for calls in flight.
    answered: u64,
    /// How many answers have come that no call in flight has asked for.
    pub(super) strays: u64,
    /// The bound of `in_flight`, at most the number of ids.
    max_in_flight: usize,
}

impl<Q, R> Exchange<Q, R> {
    pub(super) fn new(ids: RangeInclusive<u64>) -> Self {
        assert!(!ids.is_empty(), "no request can be sent without ids, and {ids:?} has none");
        let next_id = *ids.start();
        let mut exchange = Self {
            calls: Calls::new(),
            in_flight: HashMap::new(),
            abandoned: 0,
            cancels: VecDeque::new(),
            ids,
            next_id,
            answered: 0,
            strays: 0,
            max_in_flight: 0,
        };
        exchange.set_max_in_flight(MAX_IN_FLIGHT);
        exchange
    }

    pub(super) fn set_max_in_flight(&mut self, requests: usize) {
        let others = usize::try_from(self.ids.end() - self.ids.start()).unwrap_or(usize::MAX);
        self.max_in_flight = requests.min(others.saturating_add(1));
    }

    /// A call is dropped. The caller drops what is returned.
    pub(super) fn abandon(&mut self, key: usize) -> State<Q, R> {
        let dropped = self.calls.abandon(key);
        if let State::InFlight { id, .. } = dropped {
            if let Some(flight) = self.in_flight.get_mut(&id) {
                flight.cancel_due = true;
                self.abandoned += 1;
                self.cancels.push_back(id);
            }
        }
        dropped
    }

    /// Whether a call waits that may be written now.
    pub(super) fn has_next(&self) -> bool {
        self.calls.waiting() > 0 && !self.is_full()
    }

    /// Whether no further call may be written.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.len() >= self.max_in_flight
    }

    /// The oldest waiting call is in flight from now on; its request is to be written now, with this id.
    pub(super) fn start(&mut self) -> Option<(u64, Q)> {
        if !self.has_next() {
            return None;
        }
        // At most as many steps as there are calls in flight: one of that many ids and one more is free.
        while self.in_flight.contains_key(&self.next_id) {
            self.next_id = self.after(self.next_id);
        }
        let id = self.next_id;
        let (key, request) = self.calls.start(id)?;
        self.next_id = self.after(id);
        self.in_flight.insert(id, Flight { key, cancel_due: false });
        Some((id, request))
    }

    fn after(&self, id: u64) -> u64 {
        if id == *self.ids.end() { *self.ids.start() } else { id + 1 }
    }

    /// The request that `start` has just handed out could not be written, and left no bytes.
    pub(super) fn undo_start(&mut self, id: u64, error: Error) -> Option<Waker> {
        match self.complete(id, Err(error)) {
            Completion::Delivered(waker) => Some(waker),
            // Encoding it has dropped its call.
            Completion::Discarded(_) | Completion::Unasked(_) => None,
        }
    }

    /// The outcome of the call of this id arrived. It comes back if there is none, or if that was dropped.
    pub(super) fn complete(&mut self, id: u64, outcome: Result<R, Error>) -> Completion<R> {
        let Some(flight) = self.in_flight.remove(&id) else {
            self.strays = self.strays.saturating_add(1);
            return Completion::Unasked(outcome);
        };
        self.answered += 1;
        match self.calls.settle(flight.key, outcome) {
            Ok(waker) => Completion::Delivered(waker),
            Err(outcome) => {
                self.abandoned -= 1;
                Completion::Discarded(outcome)
            }
        }
    }

    /// The id of the call that was dropped first and is not cancelled, if there is one.
    pub(super) fn next_cancel(&mut self) -> Option<u64> {
        while let Some(id) = self.cancels.front() {
            if self.in_flight.get(id).is_some_and(|flight| flight.cancel_due) {
                return Some(*id);
            }
            self.cancels.pop_front();
        }
        None
    }

    /// The peer is told that this call was dropped. Its id stays taken if an answer comes all the same.
    pub(super) fn cancelled(&mut self, id: u64, is_answered: bool) {
        if is_answered {
            if let Some(flight) = self.in_flight.get_mut(&id) {
                flight.cancel_due = false;
            }
        } else if let Some(flight) = self.in_flight.remove(&id) {
            self.calls.forget(flight.key);
            self.abandoned -= 1;
        }
    }

    /// Ends all calls: those in flight are lost, those that wait were not sent, later ones are refused.
    pub(super) fn close(&mut self, cause: Arc<str>) -> Ended<Q> {
        self.abandoned = 0;
        self.cancels.clear();
        self.calls.close(self.in_flight.drain().map(|(_, flight)| flight.key), cause)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many calls in flight somebody waits for.
    pub(super) fn awaited(&self) -> usize {
        self.in_flight.len() - self.abandoned
    }

    /// If calls wait and dropped ones hold all places in flight: how many answers had come by then.
    pub(super) fn stalled(&self) -> Option<u64> {
        (self.calls.waiting() > 0 && self.is_full() && self.awaited() == 0).then_some(self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ErrorKind;

    /// A number below `limit`, of a generator by Lehmer.
    fn below(state: &mut u64, limit: usize) -> usize {
        *state = *state * 48_271 % 0x7fff_ffff;
        *state as usize % limit
    }

    #[test]
    fn nothing_is_kept_of_calls_that_are_over() {
        for seed in 1..=200 {
            println!("seed {seed}");
            let mut state = seed;
            let is_answered = below(&mut state, 2) == 0;
            let mut exchange = Exchange::<(), ()>::new(3..=6);
            let (mut calls, mut flying) = (Vec::new(), Vec::new());
            for _ in 0..below(&mut state, 300) {
                match below(&mut state, 6) {
                    0 | 1 => calls.extend(exchange.calls.enqueue((), Waker::noop().clone()).ok()),
                    2 if !calls.is_empty() => {
                        let key = calls.swap_remove(below(&mut state, calls.len()));
                        drop(exchange.abandon(key));
                    }
                    3 => {
                        if let Some((id, ())) = exchange.start() {
                            assert!(!flying.contains(&id) && (3..=6).contains(&id), "{id} in {flying:?}");
                            flying.push(id);
                        }
                    }
                    4 if !flying.is_empty() => {
                        let id = flying.swap_remove(below(&mut state, flying.len()));
                        assert!(!matches!(exchange.complete(id, Ok(())), Completion::Unasked(_)));
                    }
                    _ => {
                        if let Some(id) = exchange.next_cancel() {
                            exchange.cancelled(id, is_answered);
                            flying.retain(|flying| is_answered || *flying != id);
                        }
                    }
                }
                assert_eq!(exchange.in_flight(), flying.len());
                calls.retain(|&key| exchange.calls.poll_answer(key, &mut Waker::noop().clone()).is_pending());
            }
            if below(&mut state, 2) == 0 {
                drop(exchange.close("closed".into()));
                for key in calls {
                    let outcome = exchange.calls.poll_answer(key, &mut Waker::noop().clone());
                    assert!(matches!(outcome, std::task::Poll::Ready(Err(_))), "{outcome:?}");
                }
                assert!(matches!(exchange.calls.enqueue((), Waker::noop().clone()), Err((_, error))
                    if error.kind() == ErrorKind::NotSent));
            } else {
                calls.into_iter().for_each(|key| drop(exchange.abandon(key)));
                for id in flying {
                    exchange.complete(id, Ok(()));
                }
                assert_eq!(exchange.next_cancel(), None);
                assert!(exchange.start().is_none());
            }
            assert_eq!((exchange.in_flight(), exchange.awaited()), (0, 0));
            assert!(exchange.calls.is_vacant(), "{exchange:?}");
        }
    }
}
