//! The task table and the run queue of one reactor.
//!
//! A task is one allocation: its future and the place for its output, [`Projected`] so that the future stays pinned while
//! the output moves. The table holds it by index; wakers and handles hold numbers, checked against the generation of the
//! slot. While a task is polled its body is out of the table, so that user code may spawn, wake, abort and join with
//! nothing borrowed; the body then stands outside the `catch_unwind` of the batch, so that a panic ends that task alone.
//!
//! A counted task cell, as in async-task, frees a task from any thread that drops the last waker; here only the loop and
//! the `JoinHandle`, both on the reactor's thread, ever drop a future or an output.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::join_error::JoinError;
use crate::pin::Projected;
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

/// What the table holds of a task.
pub(crate) type Body = Pin<Box<dyn Run>>;

/// The future, until it has ended, and then its output.
type Cell<F, T> = Projected<Option<F>, Option<Result<T, JoinError>>>;

impl<F> Run for Cell<F, F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
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

/// The body of a task that runs `future`.
pub(crate) fn body<F>(future: F) -> Body
where
    F: Future + 'static,
    F::Output: 'static,
{
    let cell: Cell<F, F::Output> = Projected::new(Some(future), None);
    Box::pin(cell)
}

/// Set if the task is in the run queue.
const QUEUED: u8 = 1;
/// Set if it is to be dropped when its turn comes, instead of polled. Set by `abort`.
const ABORTED: u8 = 1 << 1;
/// Set if a `JoinHandle` will take the output. Cleared when it is dropped.
const JOINED: u8 = 1 << 2;
/// Set if it has ended and its output waits for the `JoinHandle`.
const DONE: u8 = 1 << 3;

struct Entry {
    /// Which task this is.
    number: Number,
    /// `QUEUED` and the other constants above.
    state: u8,
    /// The task; none while it is polled.
    body: Option<Body>,
    /// Who awaits its `JoinHandle`.
    joiner: Option<Waker>,
}

/// What awaiting a `JoinHandle` finds.
pub(crate) enum Join {
    /// It has ended; the body has the output.
    Done(Body),
    /// Not yet. The waker that was recorded before, to be dropped with nothing borrowed.
    Waiting(Option<Waker>),
    /// There is no such task.
    Gone,
}

/// What the run queue has next.
pub(crate) enum Next {
    /// The future of `block_on`.
    Root,
    /// A task, to be polled, or to be dropped if it is `aborted`.
    Task { number: Number, body: Body, aborted: bool },
}

/// All tasks of a reactor.
pub(crate) struct Tasks {
    /// The reactor's number, part of each task's.
    reactor: u16,
    /// The tasks, and the outputs that are waited for.
    entries: Slab<Entry>,
    /// Woken tasks in the order of their wakes, each at most once.
    queue: VecDeque<u32>,
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
    pub(crate) fn new(reactor: u16) -> Self {
        Self {
            reactor,
            entries: Slab::new(),
            queue: VecDeque::new(),
            generation: 0,
            live: 0,
            root_queued: false,
            closed: false,
        }
    }

    /// Adds a task that will be joined, and queues it. Gives the body back if the table is full or closed.
    pub(crate) fn insert(&mut self, body: Body) -> Result<Number, (Body, JoinError)> {
        if self.closed {
            return Err((body, JoinError::aborted()));
        }
        if self.entries.len() >= TASKS_MAX {
            return Err((body, JoinError::full()));
        }
        self.generation = self.generation.wrapping_add(1);
        let entry = self.entries.vacant_entry();
        let index = entry.key() as u32;
        let number = Number::new(self.reactor, self.generation, index);
        entry.insert(Entry { number, state: QUEUED | JOINED, body: Some(body), joiner: None });
        self.queue.push_back(index);
        self.live += 1;
        Ok(number)
    }

    #[inline]
    fn entry(&mut self, number: Number) -> Option<&mut Entry> {
        self.entries.get_mut(number.index() as usize).filter(|entry| entry.number == number)
    }

    /// Queues a task, unless it is queued already, has ended, or never was. Another reactor's is left in its inbox.
    #[inline]
    pub(crate) fn wake(&mut self, number: Number) {
        let index = number.index();
        match self.entries.get_mut(index as usize) {
            Some(entry) if entry.number == number => {
                if entry.state & (QUEUED | DONE) == 0 {
                    entry.state |= QUEUED;
                    self.queue.push_back(index);
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
            self.queue.push_back(ROOT);
        }
    }

    /// How many are queued.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many have not ended.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Takes the next woken task out of the run queue, its body with it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Next> {
        loop {
            let index = self.queue.pop_front()?;
            let Some(entry) = self.entries.get_mut(index as usize) else {
                if index == ROOT {
                    self.root_queued = false;
                    return Some(Next::Root);
                }
                continue;
            };
            entry.state &= !QUEUED;
            // Why the state: a task woken during its last poll has a body that holds the output for its handle.
            if entry.state & DONE == 0 {
                if let Some(body) = entry.body.take() {
                    return Some(Next::Task { number: entry.number, body, aborted: entry.state & ABORTED != 0 });
                }
            }
        }
    }

    /// Puts the body of a task that is not ready back.
    #[inline]
    pub(crate) fn put_back(&mut self, number: Number, body: Body) {
        if let Some(entry) = self.entries.get_mut(number.index() as usize) {
            entry.body = Some(body);
        }
    }

    /// The task has ended: returns who awaits it, and the body if nobody ever will.
    pub(crate) fn finish(&mut self, number: Number, body: Body) -> (Option<Waker>, Option<Body>) {
        self.live -= 1;
        let Some(entry) = self.entry(number) else { return (None, Some(body)) };
        if entry.state & JOINED == 0 {
            self.entries.remove(number.index() as usize);
            return (None, Some(body));
        }
        entry.state |= DONE;
        entry.body = Some(body);
        (entry.joiner.take(), None)
    }

    /// Queues the task to be dropped, if it has not ended.
    pub(crate) fn abort(&mut self, number: Number) {
        match self.entry(number) {
            Some(entry) if entry.state & DONE == 0 => {
                entry.state |= ABORTED;
                self.wake(number);
            }
            _ => {}
        }
    }

    /// Whether the task has ended.
    pub(crate) fn is_finished(&mut self, number: Number) -> bool {
        self.entry(number).is_none_or(|entry| entry.state & DONE != 0)
    }

    /// Takes the output of an ended task, or records who waits for it.
    pub(crate) fn join(&mut self, number: Number, waker: Waker) -> Join {
        let Some(entry) = self.entry(number) else { return Join::Gone };
        if entry.state & DONE == 0 {
            return Join::Waiting(entry.joiner.replace(waker));
        }
        match self.entries.remove(number.index() as usize).body {
            Some(body) => Join::Done(body),
            None => Join::Gone,
        }
    }

    /// Nobody will join it any more: returns what is to be dropped with nothing borrowed.
    pub(crate) fn detach(&mut self, number: Number) -> (Option<Waker>, Option<Body>) {
        let Some(entry) = self.entry(number) else { return (None, None) };
        entry.state &= !JOINED;
        let joiner = entry.joiner.take();
        if entry.state & DONE == 0 {
            return (joiner, None);
        }
        (joiner, self.entries.remove(number.index() as usize).body)
    }

    /// The reactor ends: no task is added from now on, and the run queue is emptied.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.queue.clear();
        self.root_queued = false;
    }

    /// After `close`: any task that has not ended, its body taken out.
    pub(crate) fn take_live(&mut self) -> Option<(Number, Body)> {
        let (_, entry) = self.entries.iter_mut().find(|(_, entry)| entry.state & DONE == 0 && entry.body.is_some())?;
        Some((entry.number, entry.body.take()?))
    }
}
