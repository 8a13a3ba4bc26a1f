//! The scope in which "not yet" is recorded, and the budget of the running poll.
//!
//! A scope is entered by a tick, by the closure of [`ready`](crate::ready), and by objects with a poll interface around
//! their I/O. Inside it an operation that has to say "not yet" finds the waker to record, and the [`Owner`] under whose
//! name the wait stands until it succeeds, fails, or the owner is dropped. Leaf futures need no scope: they have the
//! waker of their `Context`, and are the owner themselves.
//!
//! The budget bounds what one poll may do before others have their turn: an operation that returns a value or an error
//! costs a unit, a "not yet" costs none. When it is spent, an operation is refused: it says "not yet", records nothing,
//! and wakes the waker that it would have recorded, so the task goes to the back of the run queue. A time slice would
//! need a clock reading per operation. A foreign executor, outside a reactor, is never refused. One that spins inside one
//! poll is told so by sources, after [`ASKED_MAX`] answers, and let through by channels and timers, which have no error.
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;
use crate::waker::{self, Number};

/// Operations per poll. 128 is what tokio settled on after measuring tail latencies (its blog, April 2020).
pub(crate) const BUDGET: u32 = 128;

/// Refusals and "not yet" answers within one poll after which it is looked at for spinning.
pub(crate) const ASKED_MAX: u32 = 10_000;

/// How often one source then says "not yet" to the same owner before that is reported as a spin. A poll
/// that waits for very many sources asks each of them once or a few times; one that spins reaches any number at once.
pub(crate) const SPINS_MAX: u32 = 16;

thread_local! {
    /// The last owner's id on this thread; 0 stands for no owner.
    static OWNERS: Cell<u64> = const { Cell::new(0) };
}

/// A fresh id for one that waits, unique on this thread.
#[inline]
pub(crate) fn owner_id() -> u64 {
    let id = OWNERS.get() + 1;
    OWNERS.set(id);
    id
}

/// Whether the running poll has budget left. Outside a reactor there is always some.
#[inline]
pub(crate) fn has_budget() -> bool {
    waker::current(|core| core.is_none_or(Core::has_budget))
}

#[cold]
fn is_let_through() -> bool {
    waker::current(|core| core.is_none_or(Core::is_let_through))
}

/// Futures: a value or a real error is about to be returned. Costs a unit of the budget.
#[inline]
pub(crate) fn spend() {
    waker::current(|core| core.map_or((), Core::spend));
}

/// Futures ask first: `Pending` is a refusal, and the waker of `cx` has been woken.
#[inline]
pub(crate) fn poll_admit(cx: &Context<'_>) -> Poll<()> {
    if has_budget() || is_let_through() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Try-style operations ask first: false is a refusal, to be answered as "not yet" with nothing recorded.
#[inline]
pub(crate) fn admit() -> bool {
    // Outside a scope there is nobody to wake.
    if has_budget() || waker::with_scope(|scope| scope.is_none()) || is_let_through() {
        return true;
    }
    refuse();
    false
}

/// Try-style: the operation is refused. The waker of the scope is woken.
#[cold]
pub(crate) fn refuse() {
    waker::with_scope(|scope| {
        if let Some(scope) = scope {
            scope.note(REFUSED);
            scope.waker.wake_by_ref();
        }
    });
}

/// Try-style: a value or a real error is about to be returned. Costs a unit of the budget, and is progress.
#[inline]
pub(crate) fn progress() {
    spend();
    waker::with_scope(|scope| {
        if let Some(scope) = scope {
            scope.note(PROGRESS);
        }
    });
}

/// Try-style: "not yet". Calls `record` with the waker of the scope; outside a scope nothing is recorded.
pub(crate) fn blocked(record: impl FnOnce(&Waker)) {
    waker::with_scope(|scope| {
        if let Some(scope) = scope {
            scope.note(BLOCKED);
            record(scope.waker);
        }
    });
}

/// The owner of the innermost scope; 0 outside one.
#[cold]
pub(crate) fn sitting() -> u64 {
    waker::with_scope(|scope| scope.map_or(0, |scope| scope.owner.id))
}

/// Set if an operation said "not yet" for want of readiness, and the waker was recorded.
const BLOCKED: u8 = 1;
/// Set if an operation was refused for want of budget, and the waker was woken.
const REFUSED: u8 = 1 << 1;
/// Set if an operation returned a value or a real error.
const PROGRESS: u8 = 1 << 2;

/// One stay in a scope; stands on the stack of whoever enters it: [`Owner::enter`], a tick.
pub(crate) struct Scope<'a> {
    /// Under whose name waits are recorded.
    pub(crate) owner: &'a Owner,
    /// Who is woken.
    pub(crate) waker: &'a Waker,
    /// The number that the waker carries, if it is a task's.
    pub(crate) task: Option<Number>,
    /// The owner's id if it can have a seat, that is if the waker is a task's; otherwise one that nobody has.
    pub(crate) sitter: u64,
    /// `BLOCKED`, `REFUSED` and `PROGRESS`, added to by the operations inside.
    outcome: Cell<u8>,
}

/// An owner's id that is never given out.
const NOBODY: u64 = u64::MAX;

impl Scope<'_> {
    /// What the operations inside had to say since the last call.
    #[inline]
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome(self.outcome.replace(0))
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

/// One that waits through `try_*` or std I/O: a tick task, a `ready`, a `Framed`. Its waits on sources end with it.
pub(crate) struct Owner {
    /// Its name in the waiter lists of sources; not 0.
    pub(crate) id: u64,
    /// The sources in which this owner may have a place. Those in which it has none any more are weeded out when it grows.
    waits: RefCell<Vec<(Rc<Source>, Direction)>>,
}

impl Owner {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { id: owner_id(), waits: RefCell::new(Vec::new()) }
    }

    /// A stay in a scope, in which this owner waits through `waker`.
    #[inline]
    pub(crate) fn scope<'a>(&'a self, waker: &'a Waker) -> Scope<'a> {
        let task = Number::of(waker);
        let sitter = if task.is_some() { self.id } else { NOBODY };
        Scope { owner: self, waker, task, sitter, outcome: Cell::new(0) }
    }

    /// Runs `f` in a scope: each "not yet" inside records `waker` under this owner.
    #[inline]
    pub(crate) fn enter<R>(&self, waker: &Waker, f: impl FnOnce() -> R) -> (R, Outcome) {
        let scope = self.scope(waker);
        let result = waker::enter_scope(&scope, f);
        (result, scope.outcome())
    }

    /// Keeps a source in which a wait of this owner stands, to end it there.
    #[cold]
    pub(crate) fn remember(&self, source: &Rc<Source>, direction: Direction) {
        let mut waits = self.waits.borrow_mut();
        if waits.iter().any(|(known, side)| Rc::ptr_eq(known, source) && *side == direction) {
            return;
        }
        if waits.len() == waits.capacity() {
            waits.retain(|(known, side)| known.knows(*side, self.id));
        }
        waits.push((source.clone(), direction));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for (source, direction) in self.waits.get_mut().drain(..) {
            // A waker that panics when it is dropped must not leave the other waits behind.
            if catch_unwind(AssertUnwindSafe(|| source.end_wait(direction, self.id))).is_err() {
                source.core.counters.panics.add(1);
            }
        }
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("id", &self.id).finish_non_exhaustive()
    }
}
