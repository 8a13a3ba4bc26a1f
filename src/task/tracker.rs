//! The orderly end of many tasks: tell them, wait, abort the rest, and say which those were.
//!
//! A program that ends has tasks of many kinds. Each is spawned through one [`Tracker`] and looks at its token; whoever
//! ends the program calls [`Tracker::shutdown`], which is the order of
//! [`Serving::drain`](crate::server::Serving::drain) for tasks that are no connections.
//!
//! What it cannot do is to end a poll: a task that does not return from one holds up the whole reactor, its shutdown
//! too.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use slab::Slab;

use super::{AbortHandle, CancellationToken};
use crate::join_error::JoinError;
use crate::join_handle::JoinHandle;
use crate::pin::Projected;
use crate::spawn::start_named;
use crate::sync::Notify;
use crate::tick::{self, Ticking};
use crate::time::timeout;
use crate::work::{Beside, Polled, Work};

/// What a task without a name is called in a report.
const UNNAMED: &str = "unnamed";

/// Tasks of one reactor that are to end together. Clones track the same tasks.
///
/// ```
/// use mainspring::task::Tracker;
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let tracker = Tracker::new();
///     let told = tracker.token();
///     tracker.spawn_named("obeys", async move { told.cancelled().await });
///     tracker.spawn_named("does not", std::future::pending::<()>());
///     let shutdown = tracker.shutdown(Duration::from_millis(1)).await;
///     assert_eq!(shutdown.finished, 1);
///     assert_eq!(shutdown.aborted, ["does not"]);
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct Tracker {
    /// What clones and tasks share.
    shared: Rc<Shared>,
}

struct Shared {
    /// Cancelled when the shutdown begins.
    token: CancellationToken,
    /// Set when the shutdown begins: nothing is spawned any more.
    closed: Cell<bool>,
    /// The tasks that have not ended.
    tasks: RefCell<Slab<Tracked>>,
    /// Signalled when a task has ended.
    ended: Notify,
}

/// A task.
struct Tracked {
    /// What it is called.
    name: Option<Rc<str>>,
    /// Aborts it; none until it was spawned.
    abort: Option<AbortHandle>,
}

/// Dropped with a task, however it ends.
struct Mark {
    /// The tracker's.
    shared: Rc<Shared>,
    /// The task's key there.
    key: usize,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let task = self.shared.tasks.borrow_mut().try_remove(self.key);
        drop(task);
        self.shared.ended.notify_waiters();
    }
}

impl Beside for Mark {}

/// What became of the tasks of a [`Tracker`] after its shutdown began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// How many ended by themselves, or were aborted by others. Of two shutdowns at once, the one whose deadline comes
    /// later counts so what the other has aborted; with the same deadline both name it below.
    pub finished: usize,
    /// The names of those that had to be aborted, in no order; `unnamed` for each that has none.
    pub aborted: Vec<String>,
}

impl fmt::Display for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} finished, {} aborted", self.finished, self.aborted.len())?;
        for (position, name) in self.aborted.iter().enumerate() {
            write!(f, "{}{name}", if position == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

impl Tracker {
    /// One with no tasks, and a token of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::with_token(CancellationToken::new())
    }

    /// One whose tasks are told by `token`, which may be a child of another: who cancels it tells them, and only
    /// [`shutdown`](Self::shutdown) waits for them.
    #[must_use]
    pub fn with_token(token: CancellationToken) -> Self {
        let shared = Shared { token, closed: Cell::new(false), tasks: RefCell::default(), ended: Notify::new() };
        Self { shared: Rc::new(shared) }
    }

    /// What tells the tasks that it is time to end: it is cancelled when the shutdown begins.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.shared.token.clone()
    }

    /// Starts a task. Dropping the handle lets it run on, tracked.
    ///
    /// # Errors
    ///
    /// In the handle: that the shutdown has begun, and those of [`spawn`](fn@crate::spawn).
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.start(None, Polled::new(future, ()))
    }

    /// As [`spawn`](Self::spawn), and the task has a name, by which it is reported.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn).
    pub fn spawn_named<F>(&self, name: impl Into<Rc<str>>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.start(Some(name.into()), Polled::new(future, ()))
    }

    /// As [`spawn`](Self::spawn), with a tick task: see [`tick::schedule`](crate::tick::schedule).
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn), and the error that ended the task.
    ///
    /// ```
    /// use mainspring::{task::Tracker, tick::Tick};
    /// use std::time::Duration;
    ///
    /// mainspring::run(async {
    ///     let tracker = Tracker::new();
    ///     let mut told = tracker.token().cancelled();
    ///     drop(tracker.schedule(move || Ok(told.try_wait().map_or(Tick::WouldBlock, |()| Tick::Final))));
    ///     assert_eq!(tracker.shutdown(Duration::MAX).await.finished, 1);
    /// })
    /// # .unwrap();
    /// ```
    pub fn schedule(&self, task: impl tick::Task + 'static) -> JoinHandle<io::Result<()>> {
        self.start(None, Ticking::new(task))
    }

    /// As [`schedule`](Self::schedule), and the task has a name, by which it is reported.
    ///
    /// # Errors
    ///
    /// Those of [`schedule`](Self::schedule).
    pub fn schedule_named(
        &self,
        name: impl Into<Rc<str>>,
        task: impl tick::Task + 'static,
    ) -> JoinHandle<io::Result<()>> {
        self.start(Some(name.into()), Ticking::new(task))
    }

    fn start<W>(&self, name: Option<Rc<str>>, work: W) -> JoinHandle<W::Output>
    where
        W: Work + 'static,
        W::Output: 'static,
    {
        let shared = &self.shared;
        if shared.closed.get() {
            return JoinHandle::new(Err(JoinError::refused("the tracker has begun its shutdown")));
        }
        let key = shared.tasks.borrow_mut().insert(Tracked { name: name.clone(), abort: None });
        let mark = Mark { shared: shared.clone(), key };
        let task = start_named(name, Projected::new(work, mark));
        // None if it could not be spawned.
        if let Some(tracked) = shared.tasks.borrow_mut().get_mut(key) {
            tracked.abort = Some(task.abort_handle());
        }
        task
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.tasks.borrow().len()
    }

    /// Whether all have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.tasks.borrow().is_empty()
    }

    /// Ends all tasks: spawns no more, cancels the token, waits until they have ended, and aborts those that have not
    /// after `deadline`. Zero aborts all that have not ended by now, `Duration::MAX` waits for ever. Called again, it
    /// does the same for what is left.
    ///
    /// Called by one of its own tasks, it would wait for that one: call it from outside.
    ///
    /// # Panics
    ///
    /// When it is polled outside a reactor.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the deadline, it leaves the tasks told and none aborted. It can be called again.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let shared = &self.shared;
        let before = self.len();
        shared.closed.set(true);
        shared.token.cancel();
        // Why ignored: whoever has not ended by the deadline is told of and aborted below.
        let _ = timeout(deadline, shared.all_ended()).await;
        let mut aborted = Vec::new();
        for (_, task) in shared.tasks.borrow().iter() {
            aborted.push(task.name.as_deref().unwrap_or(UNNAMED).to_owned());
            if let Some(abort) = &task.abort {
                abort.abort();
            }
        }
        shared.all_ended().await;
        Shutdown { finished: before - aborted.len(), aborted }
    }
}

impl Shared {
    /// Until no task is left.
    async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.tasks.borrow().is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("tasks", &self.len()).field("closed", &self.shared.closed.get()).finish()
    }
}
