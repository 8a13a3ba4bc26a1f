//! How other threads reach a reactor.
//!
//! A handle is two numbers and the id of a thread. What it sends is a closure, which makes its future on the reactor's
//! thread: so tasks need not be `Send`, and nothing of theirs ever crosses threads but their output.
//!
//! The numbers are a slot of the process's table (`remote.rs`) and an epoch of it. A slot is let again when its reactor
//! has ended, and the epoch tells the tenants apart: a handle that comes too late hears so, and never reaches another's
//! reactor. A shared pointer to the reactor's inbox would have a count that every clone and drop changes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::thread::{self, ThreadId};

use crate::core::Core;
use crate::join_error::JoinError;
use crate::join_handle::RemoteJoinHandle;
use crate::parked::parked;
use crate::remote::{self, Call, Refused, Slot};
use crate::remote_task;
use crate::waker;

/// A reactor, from any thread. Cheap to clone, and valid for ever: when the reactor has ended, its calls say so.
///
/// ```
/// let reactor = mainspring::Reactor::new()?;
/// let handle = reactor.handle();
/// let other = std::thread::spawn(move || {
///     handle.spawn(|| async { println!("on the reactor's thread") });
///     handle.shutdown();
/// });
/// reactor.block_on(async { mainspring::unblock(move || other.join().unwrap()).await })?.unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    /// Which of the process's reactors.
    number: u16,
    /// Which tenant of that number.
    epoch: u64,
    /// The reactor's thread, on which nobody must wait for it.
    thread: ThreadId,
}

impl Handle {
    /// Of a reactor of this thread.
    pub(crate) fn new(number: u16, epoch: u64) -> Self {
        Self { number, epoch, thread: thread::current().id() }
    }

    /// Of the reactor that is running on this thread.
    ///
    /// # Errors
    ///
    /// When none is.
    ///
    /// ```
    /// mainspring::run(async {
    ///     let handle = mainspring::Handle::current()?;
    ///     let other = std::thread::spawn(move || handle.call(|| async { 6 * 7 }));
    ///     let answer = mainspring::unblock(move || other.join().unwrap()).await?;
    ///     assert_eq!(answer?, 42);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current() -> io::Result<Self> {
        let core = Core::running("a handle")?;
        Ok(Self::new(core.number, core.epoch))
    }

    /// Runs the future that `make` makes, as a task on the reactor's thread. Neither the future nor what it keeps need
    /// be `Send`. At most 65,536 may wait to be taken up by the reactor.
    ///
    /// # Errors
    ///
    /// In the handle that is returned: that the reactor has ended or is a parent process's, that too many wait, or that
    /// it has 16,777,215 live tasks. What `make` has captured is dropped then.
    pub fn spawn<M, F>(&self, make: M) -> RemoteJoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (reply, task) = remote_task::task();
        let call = Box::new(move || {
            waker::current(|core| {
                if let Some(core) = core {
                    // In the task, since `make` may panic.
                    reply.start(core, async move { make().await });
                }
            });
        });
        match self.slot().and_then(|slot| slot.call(self.epoch, call)) {
            Ok(()) => RemoteJoinHandle::new(Ok(task), self.clone()),
            Err(refused) => RemoteJoinHandle::new(Err(refused.into()), self.clone()),
        }
    }

    /// As [`spawn`](Self::spawn), and blocks this thread until the output is there: how a program of plain threads uses
    /// a reactor that runs on another one. While the reactor does not run, it waits.
    ///
    /// # Errors
    ///
    /// When this is the reactor's own thread or one on which a reactor is running, where the wait would never end or
    /// hold up others: there, await [`spawn`](Self::spawn). When the future panics, with the panic. When the reactor
    /// has ended, or ends before the future does, and when too many spawns wait.
    ///
    /// ```
    /// use mainspring::Reactor;
    /// use std::{sync::mpsc, thread, time::Duration};
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let reactor_thread = thread::spawn(move || {
    ///     let reactor = Reactor::new()?;
    ///     sender.send(reactor.handle()).unwrap();
    ///     reactor.block_on(std::future::pending::<()>()) // or a future that ends when the program does
    /// });
    /// let handle = receiver.recv().unwrap();
    /// let answer = handle.call(|| async {
    ///     mainspring::time::sleep(Duration::from_millis(1)).await;
    ///     42
    /// })?;
    /// assert_eq!(answer, 42);
    /// # drop(reactor_thread);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn call<M, F>(&self, make: M) -> Result<F::Output, JoinError>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        // A child after fork(2) has the one thread that has forked, and no reactor of its parent to wait for.
        let is_forked = self.is_forked();
        if !is_forked && thread::current().id() == self.thread {
            return Err(JoinError::refused("a call on the thread of its reactor would wait for itself"));
        }
        if !is_forked && waker::current(|core| core.is_some()) {
            return Err(JoinError::refused("a call would block the reactor that is running on this thread"));
        }
        // Without a deadline it is always there.
        parked(pin!(self.spawn(make)), None).unwrap_or_else(|| Err(JoinError::aborted()))
    }

    /// Whether its reactor is one of a parent process.
    pub(crate) fn is_forked(&self) -> bool {
        remote::slot(self.number).is_some_and(Slot::is_forked)
    }

    /// Calls `call` on the reactor's thread, between two batches of polls, before all that wait there for that, unless
    /// it has ended.
    pub(crate) fn call_first(&self, call: Call) -> Result<(), Refused> {
        self.slot()?.call_first(self.epoch, call)
    }

    fn slot(&self) -> Result<&'static Slot, Refused> {
        remote::slot(self.number).ok_or(Refused::Ended)
    }

    /// Makes [`Reactor::run`](crate::Reactor::run) return, now or when it is called next. No effect on `block_on`, and
    /// none after the reactor has ended.
    pub fn shutdown(&self) {
        if let Some(slot) = remote::slot(self.number) {
            slot.shutdown(self.epoch);
        }
    }
}
