//! What the senders and the receiver of a queue share: the queue, who waits, and how much room is spoken for.
//!
//! Called by `sender.rs` and `receiver.rs` alone; each function is one locked step of a public operation and returns
//! what is to be woken or dropped, or does so itself after unlocking.
//!
//! Guarantees: `queue.len() + reserved` never exceeds the bound, and while somebody waits in `waiting` there is no
//! room, so whoever finds room may take it without overtaking anybody. Each value taken hands its place to the first in
//! `waiting`; only if nobody stands there are the ticks woken.
//!
//! The trade-off: waiting senders stand in a `BTreeMap` by ticket, which is first come first served, finds a cancelled
//! one in O(log n) and needs no unsafe. An intrusive list is O(1), and is pinned memory that other threads write to.
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::task::{Poll, Waker, ready};

use super::{SendError, TrySendError};
use crate::channel::reach::Reach;
use crate::channel::wait::{Wakers, poll_locked, wake};
use crate::locks::Lock;

/// An emptied queue keeps memory for this many values: steady small traffic never allocates.
const KEEP_ITEMS: usize = 32;
/// An emptied queue keeps this many bytes even if that is more than `KEEP_ITEMS` values: one page.
const KEEP_BYTES: usize = 4096;
/// Ticks that may wait beyond one per sender, for senders that several tasks share. Beyond that the oldest is woken
/// early, which a living one answers by waiting again; so wakers of tasks that ended cannot pile up (16 KiB at most).
const EXTRA_TICKS: usize = 1024;

/// A place in the line of waiting senders, never reused.
pub(super) type Ticket = u64;

/// One queue.
pub(super) struct Shared<T, R: Reach> {
    /// The most values the queue may hold; `None` is no bound.
    bound: Option<usize>,
    /// Everything that changes.
    state: R::Lock<State<T>>,
}

struct State<T> {
    /// Values that were accepted and not received. Senders push, the receiver pops.
    queue: VecDeque<T>,
    /// Places handed to senders that have left `waiting` and not pushed yet. Without meaning once `closed`.
    reserved: usize,
    /// How many senders there are. At zero the receiver gets the end once the queue is empty.
    senders: usize,
    /// Set when the receiver closes or is dropped; nothing is accepted from then on.
    closed: bool,
    /// Waits for a value. Written by the receiver, taken by senders.
    receiver: Option<Waker>,
    /// Waits for room, first come first served. `None` only while its sender clones a waker.
    waiting: BTreeMap<Ticket, Option<Waker>>,
    /// Ticks that found no room, oldest first, each once. `None` only while a tick clones its waker.
    ticks: Vec<Option<Waker>>,
    /// Waits for the receiver to close.
    closing: BTreeMap<Ticket, Option<Waker>>,
    /// The ticket that the next one to wait gets.
    next_ticket: Ticket,
}

impl<T, R: Reach> Shared<T, R> {
    /// An open queue with one sender.
    pub(super) fn new(bound: Option<usize>) -> Self {
        let state = R::Lock::new(State {
            queue: VecDeque::new(),
            reserved: 0,
            senders: 1,
            closed: false,
            receiver: None,
            waiting: BTreeMap::new(),
            ticks: Vec::new(),
            closing: BTreeMap::new(),
            next_ticket: 0,
        });
        Self { bound, state }
    }

    pub(super) fn bound(&self) -> Option<usize> {
        self.bound
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().queue.len()
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn memory(&self) -> usize {
        self.state.lock().queue.capacity() * size_of::<T>()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    pub(super) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    /// Counts a sender out; the last one tells the receiver.
    pub(super) fn remove_sender(&self) {
        let mut state = self.state.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        // The ticks that waited with these senders have none left to send with.
        let ticks = mem::take(&mut state.ticks);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            wake(receiver);
        }
        drop(ticks);
    }

    /// Sends if there is room. With a waker, "no room" leaves it among the ticks.
    pub(super) fn try_send(&self, value: T, waker: Option<&Waker>) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        let (mut receiver, mut early) = (None, Wakers::default());
        let sent = poll_locked(&self.state, waker, |state| {
            if state.closed {
                return Ok(false);
            }
            if state.has_room(self.bound) {
                receiver = state.push(&mut value);
                return Ok(true);
            }
            Err(state.tick_slot(waker, &mut early.rest))
        });
        early.wake();
        match (sent, value) {
            (Poll::Ready(true), _) => {
                if let Some(receiver) = receiver {
                    receiver.wake();
                }
                Ok(())
            }
            (Poll::Ready(false), Some(value)) => Err(TrySendError::Closed(value)),
            (Poll::Pending, Some(value)) => Err(TrySendError::Full(value)),
            (_, None) => unreachable!("the value is taken only when it is sent"),
        }
    }

    /// Sends if there is room or a place was handed over; else waits in line. `value` is taken when it is ready.
    #[inline]
    pub(super) fn poll_send(
        &self,
        value: &mut Option<T>,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
    ) -> Poll<Result<(), SendError<T>>> {
        // Whom to wake; none if the queue is closed.
        let sent = poll_locked(&self.state, Some(waker), |state| {
            if state.closed {
                *ticket = None;
                return Ok(None);
            }
            let place = match *ticket {
                None => state.has_room(self.bound),
                Some(held) if state.waiting.contains_key(&held) => false,
                Some(_) => {
                    state.reserved -= 1;
                    true
                }
            };
            if place {
                *ticket = None;
                return Ok(Some(state.push(value)));
            }
            let held = *ticket.get_or_insert_with(|| state.next_ticket());
            Err(state.waiting.entry(held).or_default())
        });
        match (ready!(sent), value) {
            (Some(receiver), _) => {
                if let Some(receiver) = receiver {
                    receiver.wake();
                }
                Poll::Ready(Ok(()))
            }
            (None, value) => {
                let value = value.take().expect("the value is taken only when it is sent");
                Poll::Ready(Err(SendError(value)))
            }
        }
    }

    /// Leaves the line; a place that was handed over already goes to the next.
    pub(super) fn cancel_send(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let waker = state.waiting.remove(&ticket);
        let mut next = Wakers::default();
        if waker.is_none() {
            state.reserved -= 1;
            state.hand_on(self.bound, &mut next);
        }
        drop(state);
        next.wake();
        drop(waker);
    }

    /// Ready when the receiver has closed.
    pub(super) fn poll_closed(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<()> {
        poll_locked(&self.state, Some(waker), |state| {
            if state.closed {
                *ticket = None;
                return Ok(());
            }
            let held = *ticket.get_or_insert_with(|| state.next_ticket());
            Err(state.closing.entry(held).or_default())
        })
    }

    /// Ends the wait of a `poll_closed`.
    pub(super) fn cancel_closed(&self, ticket: Ticket) {
        let waker = self.state.lock().closing.remove(&ticket);
        drop(waker);
    }

    /// The next value, the end, or "not yet" with `waker` left behind.
    #[inline]
    pub(super) fn receive(&self, waker: Option<&Waker>) -> Poll<Option<T>> {
        // Woken and dropped after the lock.
        let mut rest = None;
        let received = poll_locked(&self.state, waker, |state| {
            if let Some(value) = state.queue.pop_front() {
                if state.owes() {
                    rest = Some(state.settle(self.bound));
                }
                return Ok(Some(value));
            }
            if state.closed || state.senders == 0 {
                return Ok(None);
            }
            Err(&mut state.receiver)
        });
        if let Some((next, _surplus)) = rest {
            next.wake();
        }
        received
    }

    /// Ends the wait of a `receive`.
    pub(super) fn cancel_receive(&self) {
        let waker = self.state.lock().receiver.take();
        drop(waker);
    }

    /// Accepts nothing more and wakes all who wait; with `discard`, drops what the queue holds.
    pub(super) fn close(&self, discard: bool) {
        let mut state = self.state.lock();
        state.closed = true;
        let mut wakers = Wakers { one: state.receiver.take(), rest: Vec::new() };
        let waiting = mem::take(&mut state.waiting).into_values();
        let closing = mem::take(&mut state.closing).into_values();
        let ticks = mem::take(&mut state.ticks);
        wakers.rest.extend(waiting.chain(ticks).chain(closing).flatten());
        // Dropped after the lock, and also if a waker panics: a value may use this channel in its drop.
        let discarded = discard.then(|| mem::take(&mut state.queue));
        drop(state);
        wakers.wake();
        drop(discarded);
    }
}

impl<T> State<T> {
    fn has_room(&self, bound: Option<usize>) -> bool {
        bound.is_none_or(|bound| self.queue.len() + self.reserved < bound)
    }

    /// Puts the value at the end of the queue; what is returned wakes the receiver.
    fn push(&mut self, value: &mut Option<T>) -> Option<Waker> {
        if let Some(value) = value.take() {
            self.queue.push_back(value);
        }
        self.receiver.take()
    }

    fn next_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Whether there is more to do after a value was taken: somebody waits for the room, or the memory was for more.
    #[inline]
    fn owes(&self) -> bool {
        !self.waiting.is_empty() || !self.ticks.is_empty() || (self.queue.is_empty() && self.is_large())
    }

    /// Does that; returns whom to wake, and the memory to be freed.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, bound: Option<usize>) -> (Wakers, Option<VecDeque<T>>) {
        let mut next = Wakers::default();
        self.hand_on(bound, &mut next);
        let surplus = (self.queue.is_empty() && self.is_large()).then(|| mem::take(&mut self.queue));
        (next, surplus)
    }

    /// Room has appeared: hands it to those in line, and to all ticks what is then left.
    ///
    /// Why all ticks for one place? A tick need not use the place, and nobody could tell; waking one could lose it.
    fn hand_on(&mut self, bound: Option<usize>, next: &mut Wakers) {
        while self.has_room(bound) {
            let Some((_, waker)) = self.waiting.pop_first() else {
                next.rest.extend(mem::take(&mut self.ticks).into_iter().flatten());
                return;
            };
            self.reserved += 1;
            if next.one.is_none() {
                next.one = waker;
            } else {
                next.rest.extend(waker);
            }
        }
    }

    /// The slot in which the tick of `waker` waits: its own if it has one, else a new one at the end.
    ///
    /// If the list is at its limit, the oldest leaves it through `early`, to be woken. Without a waker nothing will be
    /// stored, so any slot does.
    fn tick_slot(&mut self, waker: Option<&Waker>, early: &mut Vec<Waker>) -> &mut Option<Waker> {
        let own = |slot: &Option<Waker>| match (slot, waker) {
            (Some(stored), Some(waker)) => stored.will_wake(waker),
            _ => true,
        };
        let index = self.ticks.iter().position(own).unwrap_or_else(|| {
            if self.ticks.len() >= self.senders.saturating_add(EXTRA_TICKS) {
                early.extend(self.ticks.remove(0));
            }
            self.ticks.push(None);
            self.ticks.len() - 1
        });
        &mut self.ticks[index]
    }

    /// Whether the queue has more memory than an empty one keeps.
    #[inline]
    fn is_large(&self) -> bool {
        let items = self.queue.capacity();
        items > KEEP_ITEMS && items.saturating_mul(size_of::<T>()) > KEEP_BYTES
    }
}
