//! The scope in which "not yet" is recorded, and the budget of the running poll.
//!
//! A scope is entered by a tick, by the closure of [`ready`](crate::ready), and by objects with a poll interface around
//! their I/O. Inside it an operation that has to say "not yet" finds the waker to record, and the [`Owner`] under whose
//! name the wait stands until it succeeds, fails, or the owner is dropped. Leaf futures need no scope: they have the
//! waker of their `Context`, and are the owner themselves.
//!
//! The budget bounds what one poll may do before others have their turn: an operation that returns a value or an error
//! costs a unit, a large transfer one more for each 4 KiB, a "not yet" none. When it is spent, an operation is refused:
//! it says "not yet", records nothing, and wakes the waker that it would have recorded, so the task goes to the back of
//! the run queue. A time slice would need a clock reading per operation. Budget and outcome stand in the [`Account`].
//! Outside a reactor nobody is refused. A foreign executor that spins inside one poll is told so by sources, after
//! `ASKED_MAX` answers, and let through by channels and timers, which have no error.
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::account::{Account, Outcome};
use crate::direction::Direction;
use crate::source::Source;
use crate::waker::{self, Number};

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

/// Whether the running poll has budget left, or goes on without, since it spins.
#[inline]
fn may_go_on(account: &Account) -> bool {
    account.has_budget() || account.is_let_through()
}

/// Futures: a value or a real error is about to be returned. Costs a unit of the budget.
#[inline]
pub(crate) fn spend() {
    // Outside a reactor there is always some.
    waker::current(|core| core.map_or((), |core| core.account.spend()));
}

/// Futures ask first: `Pending` is a refusal, and the waker of `cx` has been woken.
#[inline]
pub(crate) fn poll_admit(cx: &Context<'_>) -> Poll<()> {
    if waker::account(may_go_on) {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Futures: the task of `cx` has another turn, before which the selector is asked. What has happened by now is known
/// then.
#[cold]
pub(crate) fn look_outside(cx: &Context<'_>) {
    waker::account(Account::system_spent);
    cx.waker().wake_by_ref();
}

/// Try-style operations ask first: false is a refusal, to be answered as "not yet" with nothing recorded.
#[inline]
pub(crate) fn admit() -> bool {
    // Outside a scope there is nobody to wake.
    if waker::account(Account::has_budget) || waker::with_scope(|scope| scope.is_none()) || waker::account(may_go_on) {
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
            waker::account(Account::refused);
            scope.with_waker(Waker::wake_by_ref);
        }
    });
}

/// Try-style: a value or a real error is about to be returned. Costs a unit of the budget, and is progress.
#[inline]
pub(crate) fn progress() {
    spend();
    waker::account(Account::progressed);
}

/// Try-style: "not yet". Calls `record` with the waker of the scope; outside a scope nothing is recorded.
pub(crate) fn blocked(record: impl FnOnce(&Waker)) {
    waker::with_scope(|scope| {
        if let Some(scope) = scope {
            waker::account(Account::blocked);
            scope.with_waker(record);
        }
    });
}

/// Try-style: the answer of `poll`, which is asked a second time with the waker of the scope if it has none. Outside a
/// scope that waker is missing, and nothing is recorded.
pub(crate) fn attempt<R>(mut poll: impl FnMut(Option<&Waker>) -> Poll<R>) -> Option<R> {
    if !admit() {
        return None;
    }
    let mut answer = poll(None);
    if answer.is_pending() {
        let mut waker = None;
        blocked(|current| waker = Some(current.clone()));
        if waker.is_some() {
            answer = poll(waker.as_ref());
        }
    }
    match answer {
        Poll::Ready(answer) => {
            progress();
            Some(answer)
        }
        Poll::Pending => None,
    }
}

/// Futures: the answer of `poll`, which is given the waker of `cx`.
#[inline]
pub(crate) fn poll<R>(cx: &Context<'_>, poll: impl FnOnce(Option<&Waker>) -> Poll<R>) -> Poll<R> {
    ready!(poll_admit(cx));
    let answer = ready!(poll(Some(cx.waker())));
    spend();
    Poll::Ready(answer)
}

/// The owner of the innermost scope; 0 outside one.
#[cold]
pub(crate) fn sitting() -> u64 {
    waker::with_scope(|scope| scope.map_or(0, |scope| scope.owner.id))
}

/// One stay in a scope; stands on the stack of [`Owner::enter`] or [`Owner::enter_task`].
pub(crate) struct Scope<'a> {
    /// Under whose name waits are recorded.
    pub(crate) owner: &'a Owner,
    /// Who is woken; none is the task that is polled.
    waker: Option<&'a Waker>,
}

impl Scope<'_> {
    /// Calls `f` with the waker that is recorded.
    pub(crate) fn with_waker<R>(&self, f: impl FnOnce(&Waker) -> R) -> R {
        match self.waker {
            Some(waker) => f(waker),
            None => f(&waker::account(Account::task).waker()),
        }
    }
}

/// One that waits through `try_*` or std I/O: a tick task, a `ready`, a `Framed`. Its waits on sources end with it.
pub(crate) struct Owner {
    /// Its name in the waiter lists of sources; not 0.
    pub(crate) id: u64,
    /// A source in which this owner may have a place. Most wait for no second one, so this one costs no allocation.
    first: Cell<Option<(Rc<Source>, Direction)>>,
    /// Further ones. Those in which it has no place any more are weeded out when it grows.
    more: Cell<Option<Box<More>>>,
}

/// What few owners have.
#[derive(Default)]
struct More(Vec<(Rc<Source>, Direction)>);

impl Owner {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { id: owner_id(), first: Cell::new(None), more: Cell::new(None) }
    }

    /// Runs `f` in a scope: each "not yet" inside records `waker` under this owner.
    #[inline]
    pub(crate) fn enter<R>(&self, waker: &Waker, f: impl FnOnce() -> R) -> (R, Outcome) {
        waker::account(|account| {
            let sitter = if Number::of(waker) == Some(account.task()) { Some(self.id) } else { None };
            let scope = Scope { owner: self, waker: Some(waker) };
            account.enter(&scope, sitter, false, || (f(), account.outcome()))
        })
    }

    /// The same for the task that is polled, which has entered no scope yet.
    #[inline]
    pub(crate) fn enter_task<R>(&self, account: &Account, f: impl FnOnce() -> R) -> R {
        account.enter(&Scope { owner: self, waker: None }, Some(self.id), true, f)
    }

    /// Keeps a source in which a wait of this owner stands, to end it there.
    #[cold]
    pub(crate) fn remember(&self, source: &Rc<Source>, direction: Direction) {
        let is_it = |(known, side): &(Rc<Source>, Direction)| Rc::ptr_eq(known, source) && *side == direction;
        let first = self.first.take().filter(|(known, side)| known.knows(*side, self.id));
        let is_empty = first.is_none();
        let is_first = first.as_ref().is_some_and(is_it);
        self.first.set(first.or_else(|| Some((source.clone(), direction))));
        if is_empty || is_first {
            return;
        }
        let mut more = self.more.take().unwrap_or_default();
        let waits = &mut more.0;
        if !waits.iter().any(is_it) {
            if waits.len() == waits.capacity() {
                waits.retain(|(known, side)| known.knows(*side, self.id));
            }
            waits.push((source.clone(), direction));
        }
        self.more.set(Some(more));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let more = self.more.take().map_or_else(Vec::new, |more| more.0);
        for (source, direction) in self.first.take().into_iter().chain(more) {
            // A waker that panics when it is dropped must not leave the other waits behind.
            source.core.contain(|| source.end_wait(direction, self.id));
        }
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("id", &self.id).finish_non_exhaustive()
    }
}
