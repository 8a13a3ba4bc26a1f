//! What a reactor is in a child after fork(2): not the child's.
//!
//! It shares its epoll instance with the parent (a kqueue the child does not even have), and other threads that have
//! woken it are not there to give back the locks they held. So in a child it refuses: to run, to spawn, to register,
//! handles of its tasks and jobs their output, and its sources each operation; what is dropped says nothing to the
//! selector, and wakes nobody in the parent. A reactor that is made in the child is like any other, and may even run
//! inside a task that has forked.
//!
//! Each reactor and each slot of the table in `remote.rs` keeps the generation in which it was made
//! (`mainspring_sys::fork`). It is compared where the loop turns and on paths that are rare. For the poll that forks,
//! and those of the same batch after it, whose operations ask nobody, [`forbid`] takes the budget away, which sends
//! each to where it is asked: as a hook in the child, and for a reactor around one that was running then, as
//! `waker::run` puts it back.

use std::io;

use mainspring_sys::fork;

use crate::sentence::sentence;
use crate::waker;

/// What is said to whoever uses it.
pub(crate) const TEXT: &str = "the reactor was made before fork(2), in a parent of this process: make a new one here";

/// The error for it.
#[cold]
pub(crate) fn error() -> io::Error {
    sentence(io::ErrorKind::Other, TEXT)
}

/// Makes forks known from now on. Called for each reactor that is made.
pub(crate) fn watch() -> io::Result<()> {
    fork::in_child(forbid);
    fork::watch()
}

/// Takes the budget of the reactor that is running on this thread, if it is a parent's.
pub(crate) fn forbid() {
    waker::current(|core| core.filter(|core| core.is_forked()).map_or((), |core| core.account.forbid()));
}
