//! A child that nobody waits for any more, and that must not stay a zombie.
//!
//! While its reactor lives, a task of that reactor waits for it, for which [`Reactor::run`](crate::Reactor::run) does
//! not wait. If the reactor ends first, the child goes to a list of the process, which every later call of this module
//! that makes or drops a child looks through. So a zombie is left only in a process that has no reactor and starts no
//! child.
//!
//! Turned down: to wait in the drop, which may block for as long as the child likes; a thread; and waitpid(2) for any
//! child, which takes the status of children that are others'.

use std::future::Future;
use std::pin::Pin;
use std::process::Child;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::watch::Watch;
use crate::core::Core;
use crate::join_handle::JoinHandle;
use crate::work::Polled;

/// Children whose reactor has ended. Bounded by the system's limit on processes.
static LEFT: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Takes the status of a child if it has ended; true if it has not.
fn goes_on(child: &mut Child) -> bool {
    // An error means that there is nothing to wait for: the signal was ignored, or it has been waited for behind our
    // back.
    matches!(child.try_wait(), Ok(None))
}

/// Waits for those that were left and have ended.
pub(super) fn sweep() {
    // Why not waited for: whoever has the list does the same.
    if let Ok(mut left) = LEFT.try_lock() {
        left.retain_mut(goes_on);
    }
}

/// Leaves a child to the next who looks through the list.
pub(super) fn leave(mut child: Child) {
    if goes_on(&mut child) {
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }
}

/// Waits for the child in passing, if it goes on.
pub(super) fn adopt(core: Rc<Core>, mut child: Child, watch: Watch) {
    if goes_on(&mut child) {
        let spawner = core.clone();
        core.orphans.set(core.orphans.get() + 1);
        let orphan = Orphan { core, child: Some(child), watch, owner: 0 };
        // If the reactor has ended, it is dropped, and the child left.
        drop(JoinHandle::<()>::new(spawner.spawn(Polled::new(orphan, ()))));
    }
}

/// Ends when the child does.
struct Orphan {
    core: Rc<Core>,
    /// None once it was waited for.
    child: Option<Child>,
    watch: Watch,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl Future for Orphan {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { child, watch, owner, .. } = &mut *self;
        let Some(running) = child else { return Poll::Ready(()) };
        let poll = watch.poll(owner, cx, running).map(drop);
        if poll.is_ready() {
            *child = None;
        }
        poll
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.watch.end(&mut self.owner);
        self.core.orphans.set(self.core.orphans.get() - 1);
        if let Some(child) = self.child.take() {
            leave(child);
        }
    }
}
