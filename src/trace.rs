//! What a reactor tells a subscriber of the `tracing` crate, with the feature `tracing`; without it, nothing at no
//! cost.
//!
//! The loop, the listeners and the pool call these functions where something happens, and know nothing of the feature.
//! Each of them exists twice in this file, and the second set is empty; the counts of `benches -- instructions` are the
//! same as they would be without the calls. Other files must not ask for the feature.
//!
//! All of it has the target `mainspring`. A task's polls are spans of level debug, so that what a task logs stands
//! under the task's name. One span for the whole life of a task was turned down: it would have to be kept in the task,
//! and memory per task is what a server has most of.
//!
//! | event or span | level | fields |
//! |---|---|---|
//! | span `task`, around each poll | debug | `name`, if it has one; `id` |
//! | span `block_on`, around each poll of its future | debug | `id` |
//! | the reactor runs, the reactor stops | debug | `reactor` |
//! | a task has panicked | error | `name`, `text` |
//! | accepting pauses: out of descriptors or memory | warn | `times`, so far |
//! | a thread for blocking work was started | debug | `threads` |
//! | the longest poll so far, if polls are measured | debug | `name`, `duration` |

pub(crate) use set::*;

#[cfg(feature = "tracing")]
mod set {
    use std::time::Duration;

    use tracing::field;
    use tracing::{Level, debug, error, event, span, warn};

    use crate::table::Task;

    const TARGET: &str = "mainspring";

    /// Around a poll of `task`, or of the future of `block_on`.
    #[inline]
    pub(crate) fn in_task<R>(task: &Task, poll: impl FnOnce() -> R) -> R {
        if task.number().is_root() {
            return span!(target: TARGET, Level::DEBUG, "block_on", id = ?task.number()).in_scope(poll);
        }
        let span = span!(target: TARGET, Level::DEBUG, "task", name = field::Empty, id = ?task.number());
        if !span.is_disabled() {
            // Now, since the name is lent out with the rest of the task while it is polled.
            if let Some(name) = task.name() {
                span.record("name", &*name);
            }
        }
        span.in_scope(poll)
    }

    pub(crate) fn reactor_runs(reactor: u16) {
        debug!(target: TARGET, reactor, "the reactor runs");
    }

    pub(crate) fn reactor_stops(reactor: u16) {
        debug!(target: TARGET, reactor, "the reactor stops");
    }

    pub(crate) fn task_panicked(name: Option<&str>, text: &str) {
        error!(target: TARGET, name, text, "a task has panicked");
    }

    pub(crate) fn accept_paused(times: u64) {
        warn!(target: TARGET, times, "accepting pauses: out of descriptors or memory");
    }

    pub(crate) fn pool_grew(threads: usize) {
        debug!(target: TARGET, threads, "a thread for blocking work was started");
    }

    pub(crate) fn longest_poll(name: Option<&str>, nanoseconds: u64) {
        let duration = Duration::from_nanos(nanoseconds);
        event!(target: TARGET, Level::DEBUG, name, ?duration, "the longest poll so far");
    }
}

#[cfg(not(feature = "tracing"))]
mod set {
    use crate::table::Task;

    #[inline(always)]
    pub(crate) fn in_task<R>(_task: &Task, poll: impl FnOnce() -> R) -> R {
        poll()
    }

    pub(crate) const fn reactor_runs(_reactor: u16) {}
    pub(crate) const fn reactor_stops(_reactor: u16) {}
    pub(crate) const fn task_panicked(_name: Option<&str>, _text: &str) {}
    pub(crate) const fn accept_paused(_times: u64) {}
    pub(crate) const fn pool_grew(_threads: usize) {}
    pub(crate) const fn longest_poll(_name: Option<&str>, _nanoseconds: u64) {}
}
