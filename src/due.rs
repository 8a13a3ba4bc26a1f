//! The tasks whose turn it is: the front of the run queue.
//!
//! Tasks that are woken stand in the table of tasks until all that were due before have had their turn; then the loop takes
//! them all at once. So a task that wakes itself comes after all the others, and the loop goes through a list that nobody
//! changes, with nothing borrowed that a task may need.
//!
//! One ring for both was turned down: taking a task out of it would borrow the table each time.

use std::cell::{Cell, RefCell};

use crate::table::{Task, Tasks};

/// The tasks whose turn it is.
#[derive(Default)]
pub(crate) struct Due {
    /// The tasks; those that were taken are still among them.
    tasks: RefCell<Vec<Task>>,
    /// How many of them have been taken.
    taken: Cell<usize>,
}

impl Due {
    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.tasks.borrow().len() - self.taken.get()
    }

    /// Takes what was woken, if nothing is left. Returns how many there are then.
    #[inline]
    pub(crate) fn refill(&self, tasks: &RefCell<Tasks>) -> usize {
        let mut due = self.tasks.borrow_mut();
        let left = due.len() - self.taken.get();
        if left > 0 {
            return left;
        }
        due.clear();
        tasks.borrow_mut().swap_woken(&mut due);
        self.taken.set(0);
        due.len()
    }

    /// Takes at most `count` one by one, and calls `f` with each until it returns true. What is not taken stays.
    pub(crate) fn take(&self, count: usize, mut f: impl FnMut(&Task) -> bool) -> bool {
        let first = self.taken.get();
        let tasks = self.tasks.borrow();
        for task in &tasks[first..tasks.len().min(first + count)] {
            self.taken.set(self.taken.get() + 1);
            if f(task) {
                return true;
            }
        }
        false
    }
}
