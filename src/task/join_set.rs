//! Tasks that belong together, joined in the order in which they end.
//!
//! What fans out, a proxy to its backends for one, keeps its tasks in such a set: whoever drops the set aborts them, so
//! none is left behind by an early return.
//!
//! Each task carries a mark that, dropped with the task, puts its key into the list of those that have ended. So the
//! next one is found at once, among any number; a set that polled each handle would look at all of them after each
//! wake.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use slab::Slab;

use super::AbortHandle;
use crate::join_error::JoinError;
use crate::join_handle::JoinHandle;
use crate::pin::Projected;
use crate::scope;
use crate::spawn::start_named;
use crate::tick::{self, Ticking};
use crate::wake::wake;
use crate::work::{Beside, Polled, Work};

/// What a task is joined with whose drop has panicked instead of its start.
const REFUSED: &str = "the task could not be started, and panicked when it was dropped";

/// Tasks of one reactor whose outputs are of one type. Dropping it aborts those that have not ended.
///
/// It is also a `Stream` of the outputs, which ends when the set is empty.
///
/// ```
/// use mainspring::{task::JoinSet, testing, time::sleep};
/// use std::time::Duration;
///
/// // In virtual time, in which nothing comes late.
/// testing::run(async {
///     let mut tasks = JoinSet::new();
///     for pause in [3, 1, 2] {
///         tasks.spawn(async move {
///             sleep(Duration::from_millis(pause)).await;
///             pause
///         });
///     }
///     let mut outputs = Vec::new();
///     while let Some(output) = tasks.join_next().await {
///         outputs.push(output.unwrap());
///     }
///     assert_eq!(outputs, [1, 2, 3]);
/// });
/// ```
pub struct JoinSet<T: 'static> {
    /// The tasks whose output was not taken.
    tasks: Slab<JoinHandle<T>>,
    /// What the set has in common with its tasks.
    ends: Rc<Ends>,
}

/// Where tasks leave word of their end.
#[derive(Default)]
struct Ends {
    /// The keys of those that have ended, in that order.
    ended: RefCell<VecDeque<usize>>,
    /// Who waits for the next.
    waker: Cell<Option<Waker>>,
}

/// Dropped with a task, however it ends.
struct Mark {
    /// The set's.
    ends: Rc<Ends>,
    /// The task's key in the set.
    key: usize,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.ends.ended.borrow_mut().push_back(self.key);
        wake(self.ends.waker.take());
    }
}

impl Beside for Mark {}

impl<T: 'static> JoinSet<T> {
    /// An empty set. Allocates once.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: Slab::new(), ends: Rc::default() }
    }

    /// Starts a task on the reactor that is running on this thread. One that cannot be started is in the set all the
    /// same, and joined with the error that [`spawn`](fn@crate::spawn) would have in its handle; so is one that, not
    /// started, panics when it is dropped.
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> AbortHandle {
        self.start(None, Polled::new(future, ()))
    }

    /// As [`spawn`](Self::spawn), and the task has a name: see [`spawn_named`](super::spawn_named).
    pub fn spawn_named(&mut self, name: impl Into<Rc<str>>, future: impl Future<Output = T> + 'static) -> AbortHandle {
        self.start(Some(name.into()), Polled::new(future, ()))
    }

    fn start(&mut self, name: Option<Rc<str>>, work: impl Work<Output = T> + 'static) -> AbortHandle {
        // Why a place before the task has it: one that is refused may panic when it is dropped, and leave its mark.
        let key = self.tasks.insert(JoinHandle::new(Err(JoinError::refused(REFUSED))));
        let mark = Mark { ends: self.ends.clone(), key };
        self.tasks[key] = start_named(name, Projected::new(work, mark));
        self.tasks[key].abort_handle()
    }

    /// The output of the next task that ends, or has ended; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// The output is an error if the task was aborted, panicked, or could not be started.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an output that was not returned stays in the set.
    pub const fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext(self)
    }

    /// [`join_next`](Self::join_next) for hand-written futures; at most one waker waits, the last one given.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        scope::poll(cx, |waker| self.poll_with(waker))
    }

    /// A try in the style of a tick: `None` is "not yet", and the running task is woken when a task of the set ends; of
    /// an empty set, it is the end, and no progress: a tick may ask each time.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        if self.is_empty() {
            return None;
        }
        scope::attempt(|waker| self.poll_with(waker)).flatten()
    }

    fn poll_with(&mut self, waker: Option<&Waker>) -> Poll<Option<Result<T, JoinError>>> {
        if self.tasks.is_empty() {
            return Poll::Ready(None);
        }
        let ended = self.ends.ended.borrow().front().copied();
        let Some(key) = ended else {
            let before = self.ends.waker.replace(waker.cloned());
            drop(before);
            return Poll::Pending;
        };
        // Pending only where the task is being dropped at this moment: then its end wakes.
        let output = std::task::ready!(self.tasks[key].poll_output(waker.unwrap_or(Waker::noop())));
        self.ends.ended.borrow_mut().pop_front();
        drop(self.tasks.remove(key));
        Poll::Ready(Some(output))
    }

    /// Aborts all of them. They stay in the set, to be joined.
    pub fn abort_all(&self) {
        for (_, task) in &self.tasks {
            task.abort();
        }
    }

    /// How many tasks were not joined, ended ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all were joined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Tick tasks, among futures of the same output.
impl JoinSet<io::Result<()>> {
    /// Starts a tick task, as [`tick::schedule`](crate::tick::schedule) does and [`spawn`](Self::spawn) a future.
    ///
    /// ```
    /// use mainspring::{task::JoinSet, tick::Tick};
    ///
    /// mainspring::run(async {
    ///     let mut tasks = JoinSet::new();
    ///     tasks.schedule(|| Ok(Tick::Final));
    ///     tasks.join_next().await.unwrap().unwrap()
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn schedule(&mut self, task: impl tick::Task + 'static) -> AbortHandle {
        self.start(None, Ticking::new(task))
    }

    /// As [`schedule`](Self::schedule), and the task has a name: see [`spawn_named`](super::spawn_named).
    pub fn schedule_named(&mut self, name: impl Into<Rc<str>>, task: impl tick::Task + 'static) -> AbortHandle {
        self.start(Some(name.into()), Ticking::new(task))
    }
}

impl<T: 'static> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T: 'static> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }
}

impl<T: 'static> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`JoinSet::join_next`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct JoinNext<'a, T: 'static>(&'a mut JoinSet<T>);

impl<T: 'static> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_join_next(cx)
    }
}

impl<T: 'static> Drop for JoinNext<'_, T> {
    fn drop(&mut self) {
        let waker = self.0.ends.waker.take();
        drop(waker);
    }
}
