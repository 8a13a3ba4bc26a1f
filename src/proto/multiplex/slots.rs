//! The calls that a served connection has in flight, by their ids.
//!
//! Used by `Dispatch`. Calls run side by side, and their answers come out in the order in which they are ready.
//!
//! A slot is made when it is first needed and used again and again, so a call costs no allocation but for its id in the
//! map, and futures that borrow the service stay where they are without `unsafe`.
//!
//! Only calls that were woken are polled: there may be hundreds, most of them slow, or this would be a pipeline. A
//! future in a box for each call was turned down: it costs an allocation for each.
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::woken::{Flag, Woken};

struct Slot<F: Future> {
    /// The running call; `None` once it is done. Pinned by its box for the life of the slot.
    call: Pin<Box<Option<F>>>,
    /// The answer of a call that is done, until it is taken.
    answer: Option<F::Output>,
    /// The id of the request, if it is answered. Written by `start`, as the next one.
    id: Option<u64>,
    /// The number of the call; none in a free slot.
    number: Option<u64>,
    flag: Arc<Flag>,
    waker: Waker,
}

pub(super) struct Slots<F: Future> {
    /// At most `limit`; grows when all are taken.
    slots: Vec<Slot<F>>,
    /// Indices of the slots that are free.
    free: Vec<usize>,
    /// Slots by the ids of their requests.
    ids: HashMap<u64, usize>,
    /// Numbers and slots of calls that are done, in that order. Those of calls that were dropped are passed over.
    done: VecDeque<(u64, usize)>,
    /// Numbers and slots of all calls, oldest first. Those that are gone are passed over.
    order: VecDeque<(u64, usize)>,
    /// How many calls were started.
    started: u64,
    woken: Woken,
    /// Empty between two polls: its memory is used again.
    indices: Vec<usize>,
    /// How many calls may be in flight.
    limit: usize,
}

impl<F: Future> Slots<F> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            done: VecDeque::new(),
            order: VecDeque::new(),
            started: 0,
            woken: Woken::default(),
            indices: Vec::new(),
            limit,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() - self.free.len() == self.limit
    }

    /// Whether a request of this id is in flight.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.ids.contains_key(&id)
    }

    /// Starts a call and polls it for the first time. Without an id, nobody waits for its answer.
    pub(super) fn start(&mut self, id: Option<u64>, call: F) {
        debug_assert!(!self.is_full(), "a call was started beyond the limit of {}", self.limit);
        let index = self.free.pop().unwrap_or_else(|| {
            let flag = self.woken.flag(self.slots.len());
            let waker = Waker::from(flag.clone());
            self.slots.push(Slot { call: Box::pin(None), answer: None, id: None, number: None, flag, waker });
            self.slots.len() - 1
        });
        let number = self.started;
        self.started += 1;
        let slot = &mut self.slots[index];
        slot.call.set(Some(call));
        (slot.id, slot.number) = (id, Some(number));
        self.order.push_back((number, index));
        if let Some(id) = id {
            self.ids.insert(id, index);
        }
        self.poll_slot(index);
        self.sweep();
    }

    /// Polls the calls that were woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let mut indices = std::mem::take(&mut self.indices);
        self.woken.take(&mut indices, cx.waker().clone());
        for &index in &indices {
            self.poll_slot(index);
        }
        self.indices = indices;
    }

    fn poll_slot(&mut self, index: usize) {
        // A call that has left its slot may be woken late, also after all slots are gone.
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.flag.clear();
        let (Some(call), Some(number)) = (slot.call.as_mut().as_pin_mut(), slot.number) else { return };
        if let Poll::Ready(answer) = call.poll(&mut Context::from_waker(&slot.waker)) {
            slot.call.set(None);
            slot.answer = Some(answer);
            self.done.push_back((number, index));
        }
    }

    /// Whether a call is done.
    pub(super) fn is_answered(&mut self) -> bool {
        while let Some(&(number, index)) = self.done.front() {
            if self.slots[index].number == Some(number) {
                return true;
            }
            self.done.pop_front();
        }
        false
    }

    /// The answer of the call that was done first, and the id of its request; its slot becomes free.
    pub(super) fn pop(&mut self) -> Option<(Option<u64>, F::Output)> {
        if !self.is_answered() {
            return None;
        }
        let (_, index) = self.done.pop_front()?;
        let id = self.slots[index].id;
        let answer = self.slots[index].answer.take()?;
        self.release(index);
        Some((id, answer))
    }

    /// Drops the call of this id, or its answer. False if there is none.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let Some(&index) = self.ids.get(&id) else { return false };
        // Why first: dropping a call runs code of the service, which may panic.
        self.release(index);
        self.slots[index].answer = None;
        self.slots[index].call.set(None);
        true
    }

    fn release(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.number = None;
        if let Some(id) = slot.id.take() {
            self.ids.remove(&id);
        }
        self.free.push(index);
    }

    /// The number of the oldest call; that of the next one if there is none.
    pub(super) fn oldest(&mut self) -> u64 {
        while let Some(&(number, index)) = self.order.front() {
            if self.slots[index].number == Some(number) {
                return number;
            }
            self.order.pop_front();
        }
        self.started
    }

    /// Forgets calls that are gone, once they are more than half: one slow call holds up the others in the order.
    fn sweep(&mut self) {
        let slots = &self.slots;
        let is_there = |&(number, index): &(u64, usize)| slots[index].number == Some(number);
        for list in [&mut self.order, &mut self.done] {
            if list.len() > 2 * self.limit {
                list.retain(is_there);
            }
        }
    }

    /// Drops all calls and answers.
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.done.clear();
        self.order.clear();
        self.free.clear();
        self.slots.clear();
    }
}
