//! The scope in which "not yet" is recorded: a tick, or the closure of `ready`. (Stand-in, same interface.)
use std::cell::RefCell;
use std::task::{Context, Poll, Waker};

thread_local! {
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// One that waits through std I/O or `try_*`: a tick task, a `ready`, a `Framed`. Its waits on sockets end with it.
#[derive(Debug, Default)]
pub(crate) struct Owner {}

/// What the operations inside a scope had to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// An operation said "not yet" for want of readiness, and the waker was recorded.
    pub(crate) blocked: bool,
    /// An operation was refused for want of budget; the waker has been woken.
    pub(crate) refused: bool,
    /// An operation returned a value or a real error.
    pub(crate) progress: bool,
}

impl Owner {
    pub(crate) const fn new() -> Self {
        Self {}
    }

    /// Runs `f` in a scope: each "not yet" inside records `waker` under this owner. Restores the scope before, also on unwind.
    pub(crate) fn enter<R>(&self, waker: &Waker, f: impl FnOnce() -> R) -> (R, Outcome) {
        struct Restore(Option<Waker>);
        impl Drop for Restore {
            fn drop(&mut self) {
                WAKER.with(|w| *w.borrow_mut() = self.0.take());
            }
        }
        let _restore = Restore(WAKER.with(|w| w.borrow_mut().replace(waker.clone())));
        let result = f();
        (
            result,
            Outcome {
                blocked: true,
                ..Outcome::default()
            },
        )
    }
}

/// Try-style operations ask first: false is a refusal (budget spent), to be answered as "not yet" with nothing recorded.
pub(crate) fn admit() -> bool {
    true
}

/// Try-style: a value or a real error is about to be returned. Costs a unit of the budget, and is progress.
pub(crate) fn progress() {}

/// Try-style: "not yet". Calls `record` with the waker of the scope; outside a scope nothing is recorded.
pub(crate) fn blocked(record: impl FnOnce(&Waker)) {
    WAKER.with(|w| {
        if let Some(waker) = &*w.borrow() {
            record(waker)
        }
    })
}

/// Futures ask first: `Pending` is a refusal, and the waker of `cx` has been woken.
pub(crate) fn poll_admit(_cx: &Context<'_>) -> Poll<()> {
    Poll::Ready(())
}

/// Futures: a value or a real error is about to be returned. Costs a unit of the budget.
pub(crate) fn spend() {}
