//! The tasks whose turn it is: the front of the run queue.
//!
//! Tasks that are woken stand in the table of tasks until all that were due before have had their turn; then the loop
//! takes them all at once, and turns the list over, so that the next one is at its end. So a task that wakes itself
//! comes after all the others, and the loop holds a list that nobody else changes: a task costs a push, a pop and its
//! share of a reversal.
//!
//! One ring for both was turned down: to take a task out of it borrows the table, and to put one in computes its place.

use std::cell::{Cell, RefCell};

use crate::core::Core;
use crate::table::Task;

/// The tasks whose turn it is.
#[derive(Default)]
pub(crate) struct Due {
    /// The next one is at the end. Borrowed while the loop runs them.
    tasks: RefCell<Vec<Task>>,
    /// How many there are.
    len: Cell<usize>,
}

impl Due {
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Takes at most `batch` tasks one by one and calls `f` with each, until it returns true, which is returned; or
    /// until none is left, or a source has refused for want of budget. A panic of `f` ends the batch too, and the next
    /// one goes on.
    #[inline]
    pub(crate) fn run(&self, core: &Core, batch: usize, mut f: impl FnMut(&Task) -> bool) -> bool {
        let mut tasks = self.tasks.borrow_mut();
        let mut left = batch;
        loop {
            // Those below stay for the next batch. One comparison per task is for that, and for the end of the list.
            let kept = tasks.len().saturating_sub(left);
            left -= tasks.len() - kept;
            while tasks.len() > kept {
                let Some(task) = tasks.pop() else { break };
                self.len.set(tasks.len());
                if f(&task) {
                    return true;
                }
                if core.account.is_system_spent() {
                    return false;
                }
            }
            if left == 0 {
                return false;
            }
            core.tasks.borrow_mut().swap_woken(&mut tasks);
            if tasks.is_empty() {
                return false;
            }
            tasks.reverse();
        }
    }
}
