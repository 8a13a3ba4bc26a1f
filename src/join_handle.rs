//! The handle of a task: its output, and `abort`.
//!
//! A local handle is a number and a reference to its reactor; it cannot leave the reactor's thread, and so needs
//! neither a lock nor an allocation. A task that was spawned from another thread has a [`RemoteJoinHandle`] instead,
//! which gets the output from where both can see it ([`crate::remote_task`]). Dropping either detaches the task, which
//! runs on.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::core::Core;
use crate::handle::Handle;
use crate::join_error::JoinError;
use crate::locks::Arc;
use crate::remote::Refused;
use crate::remote_task::Shared;
use crate::scope;
use crate::table::Join;
use crate::task::AbortHandle;
use crate::waker::{self, Number};

/// A spawned task. Await it for the output; drop it to let the task run on alone.
///
/// An output that nobody takes is dropped on the reactor's thread; a panic in that goes to the hook of
/// [`Builder::on_panic`](crate::Builder::on_panic), and not to whoever drops the handle.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` may be abandoned and taken up again: the output stays until it is taken.
///
/// # Errors
///
/// A [`JoinError`] if the task was aborted, panicked, or could not be spawned, or if it is a parent process's.
///
/// # Panics
///
/// When it is polled again after it returned the output.
///
/// ```
/// mainspring::run(async {
///     let task = mainspring::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// })
/// # .unwrap();
/// ```
pub struct JoinHandle<T> {
    /// The task, or why there is none; none after the output was taken.
    task: Option<Result<(Rc<Core>, Number), JoinError>>,
    /// The output comes out of here.
    output: PhantomData<fn() -> T>,
}

// Nothing in it is pinned: it holds no `T`.
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: Result<(Rc<Core>, Number), JoinError>) -> Self {
        Self { task: Some(task), output: PhantomData }
    }

    /// Drops the task's future when its turn comes, on the reactor's thread. No effect on a task that has ended.
    pub fn abort(&self) {
        if let Some(Ok((core, number))) = &self.task {
            core.abort(*number);
        }
    }

    /// Whether the task has ended; also of one that could not be spawned, or that is a parent process's.
    pub fn is_finished(&self) -> bool {
        match &self.task {
            Some(Ok((core, number))) => core.is_forked() || core.is_finished(*number),
            _ => true,
        }
    }

    /// What can abort the task while this handle is elsewhere, or after it was dropped.
    pub fn abort_handle(&self) -> AbortHandle {
        match &self.task {
            Some(Ok((core, number))) => AbortHandle::new(Some((core.clone(), *number))),
            _ => AbortHandle::new(None),
        }
    }

    /// What the task is called, if it was given a name ([`task::spawn_named`](crate::task::spawn_named)); none when it
    /// has ended, and inside its own poll.
    pub fn name(&self) -> Option<Rc<str>> {
        self.task.as_ref()?.as_ref().ok().and_then(|(core, number)| core.name(*number))
    }
}

impl<T: 'static> JoinHandle<T> {
    /// As `poll`, without the budget.
    #[inline]
    pub(crate) fn poll_output(&mut self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        let task = self.task.as_ref().expect("a JoinHandle was polled again after it returned the output");
        if let Ok((core, number)) = task {
            match core.join(*number, waker) {
                Join::Waiting(before) => {
                    drop(before);
                    if core.is_forked() {
                        self.task = None;
                        return Poll::Ready(Err(Refused::Forked.into()));
                    }
                    return Poll::Pending;
                }
                Join::Done(body) => {
                    if let Some(mut body) = body {
                        body.as_mut().take_output(&mut output as &mut dyn Any);
                    }
                }
                Join::Gone => {}
            }
        }
        let task = self.task.take();
        Poll::Ready(output.unwrap_or_else(|| match task {
            Some(Err(error)) => Err(error),
            _ => Err(JoinError::aborted()),
        }))
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(scope::poll_admit(cx));
        let output = ready!(self.poll_output(cx.waker()));
        scope::spend();
        Poll::Ready(output)
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(Ok((core, number))) = self.task.take() {
            core.detach(number);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// A task spawned by [`Handle::spawn`](crate::Handle::spawn): as [`JoinHandle`], from any thread.
///
/// An output that nobody takes is dropped on the thread that lets go of it last; a panic in that goes to the hook of
/// the reactor that is running there, and on a plain thread it is discarded.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` may be abandoned and taken up again.
///
/// # Errors
///
/// A [`JoinError`] if the task was aborted, panicked, could not be spawned, or its reactor ended before it did, or if
/// it is a parent process's. Polled again after it returned the output, it answers as if the task had been aborted.
///
/// ```
/// let reactor = mainspring::Reactor::new()?;
/// let handle = reactor.handle();
/// let other = std::thread::spawn(move || {
///     let task = handle.spawn(|| async { 6 * 7 });
///     mainspring::run(task).unwrap().unwrap()
/// });
/// reactor.block_on(async { mainspring::unblock(move || assert_eq!(other.join().unwrap(), 42)).await })?.unwrap();
/// # std::io::Result::Ok(())
/// ```
pub struct RemoteJoinHandle<T> {
    /// The task, or why there is none; an abort after that was told.
    task: Result<Arc<Shared<T>>, JoinError>,
    /// Its reactor.
    reactor: Handle,
    /// Set once it was aborted by this handle. Also keeps the handle from being shared between threads.
    aborted: Cell<bool>,
}

impl<T> RemoteJoinHandle<T> {
    pub(crate) const fn new(task: Result<Arc<Shared<T>>, JoinError>, reactor: Handle) -> Self {
        Self { task, reactor, aborted: Cell::new(false) }
    }

    /// Drops the task's future when its turn comes, on its reactor's thread. No effect on a task that has ended.
    pub fn abort(&self) {
        let Ok(task) = &self.task else { return };
        if self.aborted.replace(true) || self.reactor.is_forked() {
            return;
        }
        if let Some(number) = task.abort() {
            let call = move || waker::current(|core| core.map_or((), |core| core.abort(number)));
            // Why without a limit: it comes once for each task. Why ignored: with its reactor the task has ended too.
            let _ = self.reactor.call_first(Box::new(call));
        }
    }

    /// Whether the task has ended; also of one that could not be spawned, or that is a parent process's.
    ///
    /// ```
    /// let reactor = mainspring::Reactor::new()?;
    /// let task = reactor.handle().spawn(|| async { 6 * 7 });
    /// assert!(!task.is_finished());
    /// drop(reactor);
    /// assert!(task.is_finished());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_finished(&self) -> bool {
        // Why before the lock: a thread of the parent may hold it.
        self.reactor.is_forked() || self.task.as_ref().map_or(true, |task| task.has_ended())
    }
}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(scope::poll_admit(cx));
        let Self { task, reactor, .. } = &mut *self;
        let output = match task {
            // Why before the lock: a thread of the parent may hold it.
            Ok(_) if reactor.is_forked() => Err(Refused::Forked.into()),
            Ok(task) => ready!(task.poll(cx.waker())),
            Err(error) => Err(std::mem::replace(error, JoinError::aborted())),
        };
        scope::spend();
        Poll::Ready(output)
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle").finish_non_exhaustive()
    }
}
