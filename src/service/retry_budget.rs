//! The bound of what all retries of a client add to its load.
//!
//! Given to [`Retry`](super::Retry) and [`Hedge`](super::Hedge). One belongs to a stack, or to several that call the
//! same service; filters that share it share the bound.
//!
//! Guarantees: when all that a client calls has failed, it makes at most 1.2 times its calls, and ten a second more.
//! Bounded attempts alone multiply the load of each layer by the next.
//!
//! The trade-off: it belongs to one reactor, and bounds what that adds. A budget over all threads would need an atomic
//! operation for each call, to be exact about what is a rule of thumb.
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::budget::Budget;
use crate::time::Instant;

/// Extra calls for each call, by default: a fifth, as in Finagle.
const RATIO: f64 = 0.2;

/// Extra calls a second whatever the load, by default: ten, as in Finagle.
const PER_SECOND: u32 = 10;

/// How many extra calls may be made. Clones share it.
///
/// ```
/// use mainspring::service::{Retry, RetryBudget};
///
/// let budget = RetryBudget::new(0.1, 5); // a tenth of the calls, and five a second
/// let (reads, writes) = (Retry::new().budget(budget.clone()), Retry::new().budget(budget.clone()));
/// assert_eq!(budget.balance(), 50);
/// # drop((reads, writes));
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    budget: Rc<RefCell<Budget>>,
}

impl RetryBudget {
    /// `ratio` extra calls for each call, from 0 up to 1,000 and down to a thousandth, and `per_second` besides, both
    /// over ten seconds.
    #[must_use]
    pub fn new(ratio: f64, per_second: u32) -> Self {
        Self { budget: Rc::new(RefCell::new(Budget::new(ratio, per_second))) }
    }

    /// How many extra calls there is enough for now.
    #[must_use]
    pub fn balance(&self) -> u64 {
        self.budget.borrow_mut().balance(Instant::recent().nanoseconds())
    }

    /// A call was made.
    #[inline]
    pub(super) fn deposit(&self) {
        self.budget.borrow_mut().deposit(Instant::recent().nanoseconds());
    }

    /// An extra call is to be made; false if there is not enough.
    pub(super) fn withdraw(&self) -> bool {
        self.budget.borrow_mut().withdraw(Instant::recent().nanoseconds())
    }
}

impl Default for RetryBudget {
    /// A fifth of the calls, and ten a second.
    fn default() -> Self {
        Self::new(RATIO, PER_SECOND)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("balance", &self.balance()).finish()
    }
}
