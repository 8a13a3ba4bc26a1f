//! The task table and the run queue of one reactor.
//!
//! A task is a slot, which is used again, and one allocation, its body ([`crate::work`]). Wakers and handles hold its
//! number, which the table turns into the slot, checked against the number that stands there. The run queue holds the
//! slots themselves, so that running one looks nothing up. While a task is polled its body is lent out, so that user
//! code may spawn, wake, abort and join with nothing borrowed.
//!
//! The counts are of one thread. A task cell with atomic counts, as in async-task, frees a task from any thread that
//! drops the last waker; here wakers hold nothing, and only the loop and the `JoinHandle`, on the reactor's thread,
//! ever drop a future or an output, but for an output that was sent to another thread ([`crate::remote_task`]). Slot
//! and body in one allocation were turned down: where the body of a forgotten type stands has to be computed at each
//! step, which costs more than a second pointer.

use std::cell::Cell;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use crate::join_error::JoinError;
use crate::remote;
use crate::waker::{Number, TASKS_MAX};
use crate::work::{Body, Run};

/// Set if the slot is in the run queue, where it has one place.
const QUEUED: u8 = 1;
/// Set if it is to be dropped when its turn comes, instead of polled. Set by `abort`.
const ABORTED: u8 = 1 << 1;
/// Set if a `JoinHandle` will take the output. Cleared when it is dropped.
const JOINED: u8 = 1 << 2;
/// Set if it has ended; its output may wait for the `JoinHandle`.
const DONE: u8 = 1 << 3;

/// A task, or the place for one.
pub(crate) struct Slot {
    /// Which task it is; the root's number if it is none.
    number: Cell<Number>,
    /// `QUEUED` and the other constants above.
    state: Cell<u8>,
    /// Its work and output; none while it is lent out.
    body: Cell<Option<Body>>,
    /// Who awaits its `JoinHandle`.
    joiner: Cell<Option<Waker>>,
}

impl Slot {
    fn new(number: Number) -> Rc<Self> {
        Rc::new(Self {
            number: Cell::new(number),
            state: Cell::new(DONE),
            body: Cell::new(None),
            joiner: Cell::new(None),
        })
    }

    #[inline]
    fn has(&self, bits: u8) -> bool {
        self.state.get() & bits != 0
    }

    #[inline]
    fn set(&self, bits: u8) {
        self.state.set(self.state.get() | bits);
    }

    #[inline]
    fn unset(&self, bits: u8) {
        self.state.set(self.state.get() & !bits);
    }

    /// Which task it is.
    #[inline]
    pub(crate) fn number(&self) -> Number {
        self.number.get()
    }

    /// It comes out of the queue: false if there is nothing to poll, because it has ended or is to be dropped.
    #[inline]
    pub(crate) fn begin(&self) -> bool {
        let state = self.state.get() ^ QUEUED;
        self.state.set(state);
        state & (QUEUED | ABORTED | DONE) == 0
    }

    /// Whether it is to be dropped, and has not been.
    pub(crate) fn is_aborted(&self) -> bool {
        self.has(ABORTED) && !self.is_done()
    }

    /// Whether it has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.has(DONE)
    }

    /// What it is called; none if it has no name, has ended, or is being polled.
    pub(crate) fn name(&self) -> Option<Rc<str>> {
        self.lend(|body| body.name()).flatten()
    }

    /// Calls `f` with the body, unless that is lent out already: then there is nothing to be done.
    #[inline]
    pub(crate) fn lend<R>(&self, f: impl FnOnce(Pin<&mut dyn Run>) -> R) -> Option<R> {
        let mut lent = Lent { slot: self, body: self.body.take() };
        lent.body.as_mut().map(|body| f(body.as_mut()))
    }
}

/// A body that is lent out. It goes back to its slot, also after a panic.
struct Lent<'a> {
    slot: &'a Slot,
    body: Option<Body>,
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        // Why forgotten: the place is empty, since it is filled once for each task; to look whether it is would cost
        // the loop.
        mem::forget(self.slot.body.replace(self.body.take()));
    }
}

/// A task, or the place for one.
pub(crate) type Task = Rc<Slot>;

/// What awaiting a `JoinHandle` finds.
pub(crate) enum Join {
    /// It has ended, and has the output.
    Done(Option<Body>),
    /// Not yet. The waker that was recorded before, to be dropped with nothing borrowed.
    Waiting(Option<Waker>),
    /// There is no such task.
    Gone,
}

/// That a task can be added.
pub(crate) struct Room(());

/// How many slots are kept when they have no task, in items: the first that were made, which lie side by side. What a
/// burst makes beyond them is given back. To keep whichever were emptied first would leave them strewn over the memory
/// of the burst, so that none of it is given back and each spawn misses the cache.
const SPARE_MAX: usize = 4096;

/// All tasks of a reactor.
pub(crate) struct Tasks {
    /// Stands for the future of `block_on`, which has no body here and never ends; and for slots that were given back.
    root: Task,
    /// The root, the tasks that have not ended, those whose output is waited for, and slots without a task.
    slots: Vec<Task>,
    /// Which of the first `SPARE_MAX` slots have no task.
    free: Vec<u32>,
    /// Which places of the table have no slot any more. Used when `free` is empty, so that slots are made for a burst
    /// alone.
    given_back: Vec<u32>,
    /// Tasks woken since those that are due were taken, in the order of their wakes.
    woken: Vec<Task>,
    /// The last generation that was given out.
    generation: u32,
    /// Tasks that have not ended.
    live: usize,
    /// Set when the reactor ends: nothing is spawned any more.
    closed: bool,
}

impl Tasks {
    pub(crate) fn new(reactor: u16) -> Self {
        let root = Slot::new(Number::root(reactor));
        root.unset(DONE);
        Self {
            slots: vec![root.clone()],
            root,
            free: Vec::new(),
            given_back: Vec::new(),
            woken: Vec::new(),
            generation: 0,
            live: 0,
            closed: false,
        }
    }

    /// Room for one task more, to be filled before anything else is.
    ///
    /// # Errors
    ///
    /// When the table is full, or the reactor ends.
    #[inline]
    pub(crate) fn room(&self) -> Result<Room, JoinError> {
        if self.closed {
            return Err(JoinError::ended());
        }
        let is_full = self.slots.len() - self.free.len() - self.given_back.len() > TASKS_MAX;
        if is_full { Err(JoinError::full()) } else { Ok(Room(())) }
    }

    /// Adds a task, which will be joined or not, and queues it.
    pub(crate) fn insert(&mut self, _room: Room, body: Body, is_joined: bool) -> Number {
        self.generation = Number::next_generation(self.generation);
        let index = self.free.pop().unwrap_or_else(|| self.make_slot());
        let number = Number::new(self.root.number().reactor(), self.generation, index);
        let slot = &self.slots[index as usize];
        slot.number.set(number);
        slot.body.set(Some(body));
        // The task before may have left its place in the queue.
        if !slot.has(QUEUED) {
            self.woken.push(slot.clone());
        }
        slot.state.set(if is_joined { QUEUED | JOINED } else { QUEUED });
        self.live += 1;
        number
    }

    /// Makes a slot, in a place that has none or in a new one; returns its index.
    fn make_slot(&mut self) -> u32 {
        let slot = Slot::new(self.root.number());
        if let Some(index) = self.given_back.pop() {
            self.slots[index as usize] = slot;
            return index;
        }
        self.slots.push(slot);
        (self.slots.len() - 1) as u32
    }

    /// The task of that number.
    #[inline]
    pub(crate) fn get(&self, number: Number) -> Option<&Task> {
        self.slots.get(number.index() as usize).filter(|slot| slot.number() == number)
    }

    /// Queues a task, unless it is queued already, has ended, or never was. Another reactor's is left in its inbox.
    #[inline(always)]
    pub(crate) fn wake(&mut self, number: Number) {
        match self.slots.get(number.index() as usize) {
            Some(slot) if slot.number() == number => {
                if slot.has(QUEUED | DONE) {
                    return;
                }
                slot.set(QUEUED);
                let slot = slot.clone();
                // Why asked before the push: what it does then is two stores, since it need not be ready to grow.
                if self.woken.len() == self.woken.capacity() {
                    return self.push_and_grow(slot);
                }
                self.woken.push(slot);
            }
            _ => self.wake_other(number),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_and_grow(&mut self, slot: Task) {
        self.woken.push(slot);
    }

    #[cold]
    #[inline(never)]
    fn wake_other(&self, number: Number) {
        if number.reactor() != self.root.number().reactor() {
            remote::wake(number);
        }
    }

    /// Swaps the tasks that were woken for an empty list.
    #[inline]
    pub(crate) fn swap_woken(&mut self, empty: &mut Vec<Task>) {
        mem::swap(&mut self.woken, empty);
    }

    /// How many were woken and are not due yet.
    pub(crate) fn woken(&self) -> usize {
        self.woken.len()
    }

    /// How many have not ended.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The task has ended: returns who awaits it, and what is left of it if nobody will join it.
    #[inline]
    pub(crate) fn finish(&mut self, task: &Task) -> (Option<Waker>, Option<Body>) {
        if task.is_done() {
            return (None, None);
        }
        self.live -= 1;
        task.set(DONE);
        let rest = if task.has(JOINED) { None } else { self.remove(task.number()) };
        (task.joiner.take(), rest)
    }

    /// Empties a slot, and returns what was in it.
    fn remove(&mut self, number: Number) -> Option<Body> {
        let slot = self.slots.get_mut(number.index() as usize)?;
        let body = slot.body.take();
        slot.number.set(self.root.number());
        if (number.index() as usize) < SPARE_MAX {
            self.free.push(number.index());
        } else {
            *slot = self.root.clone();
            self.given_back.push(number.index());
        }
        body
    }

    /// Queues the task to be dropped, if it has not ended.
    pub(crate) fn abort(&mut self, number: Number) {
        if let Some(task) = self.get(number) {
            task.set(ABORTED);
            self.wake(number);
        }
    }

    /// Takes the output of an ended task, or records what `waker` gives, which must not run a user's code.
    #[inline]
    pub(crate) fn join(&mut self, number: Number, waker: impl FnOnce() -> Waker) -> Join {
        let Some(task) = self.get(number) else { return Join::Gone };
        if task.is_done() {
            return Join::Done(self.remove(number));
        }
        Join::Waiting(task.joiner.replace(Some(waker())))
    }

    /// Nobody will join it any more: returns what is to be dropped with nothing borrowed.
    pub(crate) fn detach(&mut self, number: Number) -> (Option<Waker>, Option<Body>) {
        let Some(task) = self.get(number) else { return (None, None) };
        task.unset(JOINED);
        let joiner = task.joiner.take();
        let rest = if task.is_done() { self.remove(number) } else { None };
        (joiner, rest)
    }

    /// The reactor ends: no task is added from now on. Returns those that have not ended.
    pub(crate) fn close(&mut self) -> Vec<Task> {
        self.closed = true;
        self.woken.clear();
        self.live_tasks()
    }

    /// Those that have not ended.
    pub(crate) fn live_tasks(&self) -> Vec<Task> {
        self.slots.iter().filter(|slot| !slot.is_done() && !Rc::ptr_eq(slot, &self.root)).cloned().collect()
    }
}
