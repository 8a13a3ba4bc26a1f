//! A task that was spawned from another thread: what its handle and its reactor share.
//!
//! [`Handle::spawn`](crate::Handle::spawn) makes the two ends. The [`Reply`] goes with the closure that starts the task
//! and then stands beside its work; dropped without an output, on whatever path, it says why there is none. The
//! [`Shared`] stays with the handle, and learns the number of the task, by which the handle can have it aborted.
//!
//! The task is one task, whose output goes to another thread instead of staying where it is ([`crate::work`]). A task
//! that awaits another and sends what that returns needs no code here; it makes two tasks and two channels for each
//! spawn.

#[cfg(all(test, loom))]
mod model;

use std::future::Future;
use std::task::{Poll, Waker};

use mainspring_sys::fork;

use crate::channel::wait::poll_locked;
use crate::contain::contain;
use crate::core::Core;
use crate::join_error::JoinError;
use crate::locks::{Arc, Mutex};
use crate::pin::Projected;
use crate::wake::wake;
use crate::waker::{self, Number};
use crate::work::{self, Polled};

/// What a handle on another thread has of a task.
pub(crate) struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    /// Which task it is; none before the reactor has started it.
    task: Option<Number>,
    /// Set if it is not to be started.
    aborted: bool,
    /// Set once the output has been left.
    ended: bool,
    /// Taken by the handle.
    output: Option<Result<T, JoinError>>,
    /// Who awaits the handle.
    joiner: Option<Waker>,
}

/// Where the output goes.
pub(crate) struct Reply<T> {
    shared: Arc<Shared<T>>,
    output: Option<Result<T, JoinError>>,
    /// The generation of the process that has made it.
    made_in: u32,
}

/// Both ends.
pub(crate) fn task<T>() -> (Reply<T>, Arc<Shared<T>>) {
    let state = State { task: None, aborted: false, ended: false, output: None, joiner: None };
    let shared = Arc::new(Shared(Mutex::new(state)));
    (Reply { shared: shared.clone(), output: None, made_in: fork::generation() }, shared)
}

impl<T> Shared<T> {
    /// Starts the task, which `insert` adds, unless it was aborted. Under the lock, so that an abort comes before it or
    /// finds the task.
    fn start(&self, insert: impl FnOnce() -> Number) {
        let mut state = self.0.lock();
        if !state.aborted {
            state.task = Some(insert());
        }
    }

    /// Which task is to be aborted; none if it has ended. One that has not been started will not be.
    pub(crate) fn abort(&self) -> Option<Number> {
        let mut state = self.0.lock();
        state.aborted = true;
        if state.ended { None } else { state.task }
    }

    /// Whether the output has been left.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// The output. Once it was taken, as if the task had been aborted.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        poll_locked(&self.0, Some(waker), |state| match state.output.take() {
            Some(output) => Ok(output),
            None if state.ended => Ok(Err(JoinError::aborted())),
            None => Err(&mut state.joiner),
        })
    }
}

impl<T> Drop for Shared<T> {
    /// An output that nobody takes may panic in its drop, on whichever thread lets go last.
    fn drop(&mut self) {
        let Some(output) = self.0.get_mut().output.take() else { return };
        waker::current(|core| match core {
            Some(core) => core.contain_drop(None, || drop(output)),
            None => _ = contain(|| drop(output)),
        });
    }
}

impl<T: 'static> Reply<T> {
    /// Starts the task, on its reactor's thread.
    pub(crate) fn start(mut self, core: &Core, future: impl Future<Output = T> + 'static) {
        let room = match core.room() {
            Ok(room) => room,
            Err(error) => return self.set(Err(error)),
        };
        let shared = self.shared.clone();
        let body = work::replying(Projected::new(Polled::new(future, ()), Some(self)));
        shared.start(|| core.insert(room, body, false));
    }
}

impl<T> Reply<T> {
    /// What is sent when this is dropped.
    pub(crate) fn set(&mut self, output: Result<T, JoinError>) {
        self.output = Some(output);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if self.made_in != fork::generation() {
            // A thread that this process does not have may hold the lock; handles here do not ask.
            return;
        }
        let mut state = self.shared.0.lock();
        state.ended = true;
        // No output: it was never started.
        let error = if state.aborted { JoinError::aborted() } else { JoinError::ended() };
        state.output = Some(self.output.take().unwrap_or(Err(error)));
        let joiner = state.joiner.take();
        drop(state);
        // Also while a drop that has panicked goes on.
        wake(joiner);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::task;
    use crate::waker::Number;

    #[test]
    fn an_abort_of_a_task_that_has_ended_names_none() {
        let number = Number::new(0, 1, 7);
        let (reply, shared) = task::<()>();
        shared.start(|| number);
        assert_eq!((shared.abort(), shared.has_ended()), (Some(number), false));
        drop(reply);
        assert_eq!((shared.abort(), shared.has_ended()), (None, true));
    }
}
