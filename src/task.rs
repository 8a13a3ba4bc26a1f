//! The task table and the run queue of one reactor.
//!
//! A task is one allocation: a header, its future and the place for its output. Wakers and handles hold its number, which
//! the table turns into the task, checked against the number that the task has. The run queue holds the tasks themselves,
//! so that running one looks nothing up. While a task is polled its body is lent out ([`Pinned`]), so that user code may
//! spawn, wake, abort and join with nothing borrowed.
//!
//! The counts are of one thread. A task cell with atomic counts, as in async-task, frees a task from any thread that drops
//! the last waker; here wakers hold nothing, and only the loop and the `JoinHandle`, on the reactor's thread, ever drop a
//! future or an output.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::join_error::JoinError;
use crate::pin::{Pinned, Projected};
use crate::remote;
use crate::waker::{Number, ROOT, TASKS_MAX};

/// A task's future and its output, with their types forgotten.
pub(crate) trait Run {
    /// Polls the future. When it is ready its output is kept, and the future is dropped.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
    /// Drops the future; `error` takes the place of the output.
    fn fail(self: Pin<&mut Self>, error: JoinError);
    /// Moves the output into `output`, an `Option<Result<T, JoinError>>`.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);
}

/// The future, until it has ended, and then its output.
type Body<F, T> = Projected<Option<F>, Option<Result<T, JoinError>>>;

impl<F> Run for Body<F, F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut future, output) = self.project();
        let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let Poll::Ready(value) = running.poll(cx) else { return Poll::Pending };
        *output = Some(Ok(value));
        future.set(None);
        Poll::Ready(())
    }

    fn fail(self: Pin<&mut Self>, error: JoinError) {
        let (mut future, output) = self.project();
        *output = Some(Err(error));
        future.set(None);
    }

    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any) {
        if let Some(output) = output.downcast_mut() {
            *output = self.project().1.take();
        }
    }
}

/// Set if the task is in the run queue.
const QUEUED: u8 = 1;
/// Set if it is to be dropped when its turn comes, instead of polled. Set by `abort`.
const ABORTED: u8 = 1 << 1;
/// Set if a `JoinHandle` will take the output. Cleared when it is dropped.
const JOINED: u8 = 1 << 2;
/// Set if it has ended; its output may wait for the `JoinHandle`.
const DONE: u8 = 1 << 3;

/// What is known of a task beside its body.
pub(crate) struct Header {
    /// Which task it is.
    pub(crate) number: Number,
    /// `QUEUED` and the other constants above.
    state: Cell<u8>,
    /// Who awaits its `JoinHandle`.
    joiner: Cell<Option<Waker>>,
}

impl Header {
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

    /// Its turn has come: false if it has ended, or is to be dropped.
    #[inline]
    pub(crate) fn begin(&self) -> bool {
        self.unset(QUEUED);
        !self.has(DONE | ABORTED)
    }

    /// Whether it has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.has(DONE)
    }
}

/// A task.
pub(crate) type Task = Pin<Rc<Pinned<Header, dyn Run>>>;

/// What awaiting a `JoinHandle` finds.
pub(crate) enum Join {
    /// It has ended, and has the output.
    Done(Task),
    /// Not yet. The waker that was recorded before, to be dropped with nothing borrowed.
    Waiting(Option<Waker>),
    /// There is no such task.
    Gone,
}

/// All tasks of a reactor.
pub(crate) struct Tasks {
    /// The reactor's number, part of each task's.
    reactor: u16,
    /// The tasks that have not ended, and those whose output is waited for.
    entries: Slab<Task>,
    /// Tasks woken since `running` was filled, in the order of their wakes; none is the future of `block_on`.
    woken: Vec<Option<Task>>,
    /// The tasks whose turn it is, last first.
    running: Vec<Option<Task>>,
    /// The last generation that was given out.
    generation: u32,
    /// Tasks that have not ended.
    live: usize,
    /// Whether the future of `block_on` is in the queue.
    root_queued: bool,
    /// Set when the reactor ends: nothing is spawned any more.
    closed: bool,
}

impl Tasks {
    pub(crate) const fn new(reactor: u16) -> Self {
        Self {
            reactor,
            entries: Slab::new(),
            woken: Vec::new(),
            running: Vec::new(),
            generation: 0,
            live: 0,
            root_queued: false,
            closed: false,
        }
    }

    /// Adds a task that will be joined, and queues it. Gives the future back if the table is full or closed.
    pub(crate) fn insert<F>(&mut self, future: F) -> Result<Number, (F, JoinError)>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.closed {
            return Err((future, JoinError::aborted()));
        }
        if self.entries.len() >= TASKS_MAX {
            return Err((future, JoinError::full()));
        }
        self.generation = Number::next_generation(self.generation);
        let entry = self.entries.vacant_entry();
        let number = Number::new(self.reactor, self.generation, entry.key() as u32);
        let header = Header { number, state: Cell::new(QUEUED | JOINED), joiner: Cell::new(None) };
        let body: Body<F, F::Output> = Projected::new(Some(future), None);
        let task: Task = Pinned::new(header, body);
        self.woken.push(Some(task.clone()));
        entry.insert(task);
        self.live += 1;
        Ok(number)
    }

    /// The task of that number.
    #[inline]
    pub(crate) fn get(&self, number: Number) -> Option<&Task> {
        self.entries.get(number.index() as usize).filter(|task| task.header.number == number)
    }

    /// Queues a task, unless it is queued already, has ended, or never was. Another reactor's is left in its inbox.
    #[inline(always)]
    pub(crate) fn wake(&mut self, number: Number) {
        match self.entries.get(number.index() as usize) {
            Some(task) if task.header.number == number => {
                if !task.header.has(QUEUED | DONE) {
                    task.header.set(QUEUED);
                    self.woken.push(Some(task.clone()));
                }
            }
            _ => self.wake_other(number),
        }
    }

    #[cold]
    fn wake_other(&mut self, number: Number) {
        if number.reactor() != self.reactor {
            remote::wake(number);
        } else if number.index() == ROOT && !self.root_queued {
            self.root_queued = true;
            self.woken.push(None);
        }
    }

    /// How many are queued.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.running.len() + self.woken.len()
    }

    /// How many have not ended.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// Takes the next out of the run queue; the inner none is the future of `block_on`.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Option<Task>> {
        if self.running.is_empty() {
            if self.woken.is_empty() {
                return None;
            }
            mem::swap(&mut self.running, &mut self.woken);
            self.running.reverse();
        }
        let next = self.running.pop()?;
        if next.is_none() {
            self.root_queued = false;
        }
        Some(next)
    }

    /// The task has ended: takes it out of the table if nobody will join it, and returns who awaits it.
    pub(crate) fn finish(&mut self, task: &Task) -> (Option<Waker>, Option<Task>) {
        let header = &task.header;
        if header.is_done() {
            return (None, None);
        }
        self.live -= 1;
        header.set(DONE);
        let removed = if header.has(JOINED) { None } else { self.entries.try_remove(header.number.index() as usize) };
        (header.joiner.take(), removed)
    }

    /// Queues the task to be dropped, if it has not ended.
    pub(crate) fn abort(&mut self, number: Number) {
        if let Some(task) = self.get(number) {
            task.header.set(ABORTED);
            self.wake(number);
        }
    }

    /// Takes the output of an ended task, or takes `waker` and records it.
    pub(crate) fn join(&mut self, number: Number, waker: &mut Option<Waker>) -> Join {
        let Some(task) = self.get(number) else { return Join::Gone };
        if task.header.is_done() {
            return Join::Done(self.entries.remove(number.index() as usize));
        }
        Join::Waiting(task.header.joiner.replace(waker.take()))
    }

    /// Nobody will join it any more: returns what is to be dropped with nothing borrowed.
    pub(crate) fn detach(&mut self, number: Number) -> (Option<Waker>, Option<Task>) {
        let Some(task) = self.get(number) else { return (None, None) };
        task.header.unset(JOINED);
        let joiner = task.header.joiner.take();
        if !task.header.is_done() {
            return (joiner, None);
        }
        (joiner, Some(self.entries.remove(number.index() as usize)))
    }

    /// The reactor ends: no task is added from now on. Returns those that have not ended, and the run queue.
    pub(crate) fn close(&mut self) -> (Vec<Task>, Vec<Option<Task>>) {
        self.closed = true;
        self.root_queued = false;
        let live = self.entries.iter().map(|(_, task)| task).filter(|task| !task.header.is_done()).cloned().collect();
        let mut queue = mem::take(&mut self.woken);
        queue.append(&mut self.running);
        (live, queue)
    }
}
