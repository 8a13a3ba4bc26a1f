//! One step of std I/O inside a future: what every function of [`crate::io`] is made of.
//!
//! As [`ready`](crate::ready), but for use within a larger future, which owns the waits of all its steps: the scope is
//! entered with the waker of the `Context`, and the step's "not yet" is believed if a source of the reactor said it.
//! `ready` itself cannot be used, since its closure would have to keep what a loop has read or written so far.
//!
//! Two things are added. `Interrupted` is tried again, as std does. A step that no source has charged to the budget, on
//! a buffer or a reader in memory, is charged here, so no loop over one keeps its reactor from the other tasks.

use std::io;
use std::task::{Context, Poll, ready};

use crate::scope::{self, Owner};

/// Calls `step` in a scope of `owner`; pending if it says "not yet" and that was recorded.
pub(super) fn poll_try<T>(
    owner: &Owner,
    cx: &mut Context<'_>,
    mut step: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(scope::poll_admit(cx));
        let (result, outcome) = owner.enter(cx.waker(), &mut step);
        let failure = result.as_ref().err().map(io::Error::kind);
        if failure == Some(io::ErrorKind::WouldBlock) {
            let recorded = outcome.blocked() || outcome.refused();
            return if recorded { Poll::Pending } else { Poll::Ready(Err(waits_for_nothing())) };
        }
        if !outcome.progress() {
            scope::spend();
        }
        if failure != Some(io::ErrorKind::Interrupted) {
            return Poll::Ready(result);
        }
    }
}

/// "Not yet" was said, and nothing was recorded that would end the wait.
#[cold]
pub(super) fn waits_for_nothing() -> io::Error {
    io::Error::other("a wait for nothing: \"not yet\" was said, and no source of the running reactor said it")
}
