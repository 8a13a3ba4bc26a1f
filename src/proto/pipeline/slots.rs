//! The calls that a served connection has in flight, in order.
//!
//! Used by `Dispatch`. Calls run side by side and finish in any order; their answers come out in the order
//! in which the calls were started.
//!
//! A slot is made when it is first needed and used again and again, so a call costs no allocation, and
//! futures that borrow the service stay where they are without `unsafe`.
//!
//! Every call that has no answer yet is polled on each wake, which needs no waker but the task's. With at most
//! 32 slots that is cheaper than the set of flags and wakers that knows which call was woken.
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

struct Slot<F: Future> {
    /// The running call; `None` once it is done. Pinned by its box for the life of the slot.
    call: Pin<Box<Option<F>>>,
    /// The answer of a call that is done, until its turn comes.
    answer: Option<F::Output>,
}

pub(super) struct Slots<F: Future> {
    /// At most `limit`; grows when all are taken.
    slots: Vec<Slot<F>>,
    /// Indices of the slots that are taken, oldest call first.
    taken: VecDeque<usize>,
    /// Indices of the slots that are free.
    free: Vec<usize>,
    /// How many calls may be in flight.
    limit: usize,
}

impl<F: Future> Slots<F> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), taken: VecDeque::new(), free: Vec::new(), limit }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.taken.len() == self.limit
    }

    /// Whether there is one call, and it has its answer.
    pub(super) fn is_one_answer(&self) -> bool {
        self.taken.len() == 1 && self.is_answered()
    }

    /// Starts a call behind the others and polls it for the first time. If that is all it takes, and no other call is
    /// in flight, the answer is given back at once.
    #[inline]
    pub(super) fn start(&mut self, call: F, cx: &mut Context<'_>) -> Option<F::Output> {
        debug_assert!(!self.is_full(), "a call was started beyond the limit of {}", self.limit);
        let index = match self.free.last() {
            Some(&index) => {
                self.slots[index].call.set(Some(call));
                index
            }
            None => {
                self.slots.push(Slot { call: Box::pin(Some(call)), answer: None });
                self.free.push(self.slots.len() - 1);
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[index];
        let answer = slot.step(cx);
        if self.taken.is_empty() && answer.is_some() {
            return answer;
        }
        slot.answer = answer;
        self.free.pop();
        self.taken.push_back(index);
        None
    }

    /// Keeps an answer that was given back at once, and cannot be written yet or is held back.
    pub(super) fn keep(&mut self, answer: F::Output) {
        debug_assert!(self.is_empty(), "an answer was given back before its turn");
        let index = self.free.pop().unwrap_or_else(|| unreachable!("the slot of its call is free"));
        self.slots[index].answer = Some(answer);
        self.taken.push_back(index);
    }

    /// Polls every call that has no answer.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        for &index in &self.taken {
            self.slots[index].poll(cx);
        }
    }

    /// Whether the oldest call has its answer.
    #[inline]
    pub(super) fn is_answered(&self) -> bool {
        self.taken.front().is_some_and(|&index| self.slots[index].answer.is_some())
    }

    /// The answer of the oldest call, if it is there; its slot becomes free.
    pub(super) fn pop(&mut self) -> Option<F::Output> {
        let index = *self.taken.front()?;
        let answer = self.slots[index].answer.take()?;
        self.taken.pop_front();
        self.free.push(index);
        Some(answer)
    }

    /// Drops all calls and answers.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
        self.free.clear();
        self.slots.clear();
    }
}

impl<F: Future> Slot<F> {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(answer) = self.step(cx) {
            self.answer = Some(answer);
        }
    }

    /// Polls the call, if there is one; its answer, once.
    #[inline]
    fn step(&mut self, cx: &mut Context<'_>) -> Option<F::Output> {
        let call = self.call.as_mut().as_pin_mut()?;
        let Poll::Ready(answer) = call.poll(cx) else { return None };
        self.call.set(None);
        Some(answer)
    }
}
