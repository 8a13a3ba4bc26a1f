//! The account of the running poll: what it may still do, and what its operations have said.
//!
//! Each reactor has one, opened anew before each poll ([`Account::begin`]) and closed while the reactor does not run. A
//! source finds it through its reactor, everything else through [`crate::waker::account`]; on a thread without a
//! running reactor that is one that is never spent.
//!
//! What operations ask and say is kept here and not in the scope because of what it costs: an operation has its reactor
//! at hand, and looks at the scope only when there is a waker to record.
use std::cell::Cell;

use crate::scope::Scope;
use crate::waker::{Innermost, Number};

/// Operations per poll. 128 is what tokio settled on after measuring tail latencies (its blog, April 2020).
const BUDGET: i32 = 128;

/// Bytes for each further unit that a transfer costs: what the kernel copies in about the time of a small system call.
/// So a poll moves at most 512 KiB and one transfer more, a tenth of a millisecond of copying.
const BYTES_PER_UNIT: usize = 4096;

/// Refusals and "not yet" answers within one poll after which it is looked at for spinning.
pub(crate) const ASKED_MAX: i32 = 10_000;

/// An owner's id that is never given out.
const NOBODY: u64 = u64::MAX;

/// Set if an operation said "not yet" for want of readiness, and the waker was recorded.
const BLOCKED: u8 = 1;
/// Set if an operation was refused for want of budget, and the waker was woken.
const REFUSED: u8 = 1 << 1;
/// Set if an operation returned a value or a real error.
const PROGRESS: u8 = 1 << 2;

/// What the running poll may still do, and what its operations have said.
pub(crate) struct Account {
    /// Operations that it may still do; 0 while the reactor is not running, and below 0 once one has spent the last
    /// while another was under way.
    left: Cell<i32>,
    /// What each poll may do; 0 once the process turns out to be a child of the one that made the reactor.
    budget: Cell<i32>,
    /// Refusals and "not yet" answers that it may still get before it is looked at for spinning; negative after that.
    unasked: Cell<i32>,
    /// Set if a source has refused for want of budget: a poll has made all the system calls that it may. Taken by the
    /// loop.
    is_system_spent: Cell<bool>,
    /// The task that is polled.
    task: Cell<Number>,
    /// The owner of the innermost scope, if it can have a seat, that is if it waits through the waker of the task;
    /// otherwise one that nobody has.
    sitter: Cell<u64>,
    /// `BLOCKED`, `REFUSED` and `PROGRESS`, added to by the operations of the innermost scope.
    outcome: Cell<u8>,
    /// That scope, for the waker to record.
    pub(crate) scope: Innermost,
}

impl Account {
    /// One that is closed, of a reactor that is not running.
    pub(crate) const fn closed(reactor: u16) -> Self {
        Self {
            left: Cell::new(0),
            budget: Cell::new(BUDGET),
            unasked: Cell::new(ASKED_MAX),
            is_system_spent: Cell::new(false),
            task: Cell::new(Number::root(reactor)),
            sitter: Cell::new(NOBODY),
            outcome: Cell::new(0),
            scope: Innermost::none(),
        }
    }

    /// One that is never spent, for a thread without a running reactor.
    pub(crate) const fn open() -> Self {
        Self { left: Cell::new(BUDGET), ..Self::closed(0) }
    }

    /// Before each poll of a task, and before one is dropped: a new budget.
    #[inline]
    pub(crate) fn begin(&self, task: Number) {
        self.left.set(self.budget.get());
        self.unasked.set(ASKED_MAX);
        self.task.set(task);
    }

    /// Nothing is left: the poll has asked too often, or the reactor stops running, and its sources refuse.
    pub(crate) fn exhaust(&self) {
        self.left.set(0);
    }

    /// Nothing is left, for this poll and all that follow.
    pub(crate) fn forbid(&self) {
        self.budget.set(0);
        self.exhaust();
    }

    #[inline]
    pub(crate) fn has_budget(&self) -> bool {
        self.left.get() > 0
    }

    /// An operation returned a value or an error.
    #[inline]
    pub(crate) fn spend(&self) {
        self.left.set(self.left.get().wrapping_sub(1));
    }

    /// A transfer of so many bytes: it costs more than a small one. The unit of the operation itself is left to it.
    #[inline]
    pub(crate) fn charge(&self, bytes: usize) {
        if bytes >= BYTES_PER_UNIT {
            self.charge_units(bytes / BYTES_PER_UNIT);
        }
    }

    #[cold]
    #[inline(never)]
    fn charge_units(&self, units: usize) {
        let units = i32::try_from(units).unwrap_or(i32::MAX);
        self.left.set(self.left.get().saturating_sub(units).max(1));
    }

    /// What the selector may know of is to have its turn: a source refuses, say.
    pub(crate) fn system_spent(&self) {
        self.is_system_spent.set(true);
    }

    /// Whether a source has refused since this was taken last.
    #[inline]
    pub(crate) fn is_system_spent(&self) -> bool {
        self.is_system_spent.get()
    }

    /// The same, and forgets it.
    pub(crate) fn take_system_spent(&self) -> bool {
        self.is_system_spent.replace(false)
    }

    /// One operation beyond the budget.
    pub(crate) fn grant_one(&self) {
        self.left.set(1);
    }

    /// Counts a refusal or a "not yet"; true if the running poll has had so many that it may be spinning.
    #[inline]
    pub(crate) fn is_asked_too_often(&self) -> bool {
        let left = self.unasked.get().wrapping_sub(1);
        self.unasked.set(left);
        left < 0
    }

    /// A poll without budget that spins goes on, since what it spins for may be in its own hands.
    pub(crate) fn is_let_through(&self) -> bool {
        let spins = self.is_asked_too_often();
        if spins {
            self.left.set(BUDGET);
        }
        spins
    }

    /// The task that is polled.
    #[inline]
    pub(crate) fn task(&self) -> Number {
        self.task.get()
    }

    /// The owner that can have a seat; no owner has that id if the innermost one cannot.
    #[inline]
    pub(crate) fn sitter(&self) -> u64 {
        self.sitter.get()
    }

    /// Runs `f` with `scope` as the innermost one, of which nothing was said; `sitter` is its owner if it can have a
    /// seat. `is_first` says that there is no scope around it.
    #[inline]
    pub(crate) fn enter<R>(&self, scope: &Scope<'_>, sitter: Option<u64>, is_first: bool, f: impl FnOnce() -> R) -> R {
        let around = if is_first { None } else { Some((self.sitter.get(), self.outcome.get())) };
        let _restore = Restore { account: self, around };
        self.sitter.set(sitter.unwrap_or(NOBODY));
        self.outcome.set(0);
        self.scope.enter(scope, is_first, f)
    }

    /// What the operations of the innermost scope had to say since it was entered, or since `forget`.
    #[inline]
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome(self.outcome.get())
    }

    /// As if nothing had been said.
    #[inline]
    pub(crate) fn forget(&self) {
        self.outcome.set(0);
    }

    #[inline]
    fn note(&self, bit: u8) {
        self.outcome.set(self.outcome.get() | bit);
    }

    /// An operation returned a value or a real error.
    #[inline]
    pub(crate) fn progressed(&self) {
        self.note(PROGRESS);
    }

    /// An operation said "not yet" for want of readiness.
    #[inline]
    pub(crate) fn blocked(&self) {
        self.note(BLOCKED);
    }

    /// An operation was refused for want of budget.
    pub(crate) fn refused(&self) {
        self.note(REFUSED);
    }
}

/// Puts back, when a scope is left, what stood there before.
struct Restore<'a> {
    account: &'a Account,
    /// The sitter of the scope around it and what had been said there; none if there is no scope around it.
    around: Option<(u64, u8)>,
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        self.account.sitter.set(self.around.map_or(NOBODY, |(sitter, _)| sitter));
        if let Some((_, outcome)) = self.around {
            self.account.outcome.set(outcome);
        }
    }
}

/// What the operations inside a scope had to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome(u8);

impl Outcome {
    /// An operation said "not yet" for want of readiness, and the waker was recorded.
    #[inline]
    pub(crate) fn blocked(self) -> bool {
        self.0 & BLOCKED != 0
    }

    /// An operation was refused for want of budget; the waker has been woken.
    #[inline]
    pub(crate) fn refused(self) -> bool {
        self.0 & REFUSED != 0
    }

    /// Nobody will wake the task: nothing said "not yet", and nothing was refused (whoever refuses wakes).
    #[inline]
    pub(crate) fn waits_for_nothing(self) -> bool {
        self.0 & (BLOCKED | REFUSED) == 0
    }

    /// An operation returned a value or a real error.
    #[inline]
    pub(crate) fn progress(self) -> bool {
        self.0 & PROGRESS != 0
    }
}
