//! The right to abort a task, without its output.
//!
//! [`JoinHandle::abort_handle`](crate::JoinHandle::abort_handle) and [`JoinSet::spawn`](super::JoinSet::spawn) give it
//! out. It does not keep the task from running on, nor its output in memory: it is the task's number, and a late abort
//! finds that no task has it any more, unless it is so late that numbers have come again.
//!
//! A local one: from another thread, [`RemoteJoinHandle::abort`](crate::RemoteJoinHandle::abort) or a
//! [`CancellationToken`](super::CancellationToken) does it.
use std::fmt;
use std::rc::Rc;

use crate::core::Core;
use crate::waker::Number;

/// Aborts a task of this thread's reactor.
///
/// ```
/// mainspring::run(async {
///     let task = mainspring::spawn(std::future::pending::<()>());
///     let abort = task.abort_handle();
///     abort.abort();
///     assert!(task.await.unwrap_err().is_aborted());
///     assert!(abort.is_finished());
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    /// The task; none if there was none.
    task: Option<(Rc<Core>, Number)>,
}

impl AbortHandle {
    pub(crate) const fn new(task: Option<(Rc<Core>, Number)>) -> Self {
        Self { task }
    }

    /// Drops the task's future when its turn comes. No effect on a task that has ended, until its number comes again,
    /// 268,435,455 spawns after its own at the earliest: then it ends the task that has that number.
    pub fn abort(&self) {
        if let Some((core, number)) = &self.task {
            core.abort(*number);
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(|(core, number)| core.is_finished(*number))
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("is_finished", &self.is_finished()).finish()
    }
}
