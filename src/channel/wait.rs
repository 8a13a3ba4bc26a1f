//! Waiting on a locked state: the loop that every operation that may wait is made of, and the waking after it.
//!
//! The operations of channels, of signals and of semaphores are all the same shape: look at the state under its lock;
//! if the answer is "not yet", leave a waker there. `poll_locked` is that shape, `Wakers` what a change of the state
//! has to wake. The lock is one between threads, or a borrow on one thread.
//!
//! Both keep one rule: no code of a user runs under a lock. Cloning, waking and dropping a waker may re-enter the same
//! channel or panic, so a waker is cloned before the lock is taken again, and woken or dropped after it is released.
//! The price is a second look at the state whenever a foreign waker is stored, or one is replaced; one of this crate is
//! a number, and to copy it into an empty slot runs nobody's code. The alternative, cloning in advance for each call,
//! would charge the calls that find a value.
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::task::{Poll, Waker};
use std::thread;

use crate::contain::contain;
use crate::locks::Lock;
use crate::waker::Number;

/// Runs `attempt` under the lock until it has an answer or `waker` stands in the slot that `attempt` points at.
///
/// `attempt` answers `Ok` with the result, or `Err` with the slot in which to wait. Without a waker nothing is stored.
/// A stored waker is replaced only if it would not wake the same task. `attempt` may run twice.
#[inline(always)]
pub(crate) fn poll_locked<S, A>(
    state: &impl Lock<S>,
    waker: Option<&Waker>,
    mut attempt: impl for<'s> FnMut(&'s mut S) -> Result<A, &'s mut Option<Waker>>,
) -> Poll<A> {
    let mut locked = state.lock();
    let slot = match attempt(&mut locked) {
        Ok(result) => return Poll::Ready(result),
        Err(slot) => slot,
    };
    let Some(waker) = waker else {
        return Poll::Pending;
    };
    match (&slot, Number::of(waker)) {
        (None, Some(number)) => {
            // Why forgotten: there was nothing, and a drop would look for it.
            mem::forget(slot.replace(number.waker()));
            Poll::Pending
        }
        (Some(stored), _) if stored.will_wake(waker) => Poll::Pending,
        _ => {
            drop(locked);
            poll_cloned(state, waker, attempt)
        }
    }
}

/// The same with a clone of the waker, which is made before the lock is taken; what it replaces is dropped after.
#[cold]
#[inline(never)]
fn poll_cloned<S, A>(
    state: &impl Lock<S>,
    waker: &Waker,
    mut attempt: impl for<'s> FnMut(&'s mut S) -> Result<A, &'s mut Option<Waker>>,
) -> Poll<A> {
    let cloned = waker.clone();
    let mut locked = state.lock();
    let slot = match attempt(&mut locked) {
        Ok(result) => {
            drop(locked);
            return Poll::Ready(result);
        }
        Err(slot) => slot,
    };
    let replaced = slot.replace(cloned);
    drop(locked);
    drop(replaced);
    Poll::Pending
}

/// Wakers taken out of a state, to be woken once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// The usual single one, without an allocation.
    pub(super) one: Option<Waker>,
    /// The others, in the order in which they began to wait.
    pub(super) rest: Vec<Waker>,
}

/// Wakes one, from where a destructor may be calling: a panic of it is passed on, but not while the thread panics
/// already, where a second one would end the process.
pub(super) fn wake(waker: Waker) {
    if thread::panicking() {
        return crate::wake::wake([waker]);
    }
    waker.wake();
}

impl Wakers {
    /// Wakes all. A panic of one does not keep the others from being woken; the first is passed on at the end, as by
    /// [`wake`].
    #[inline]
    pub(super) fn wake(self) {
        if !self.rest.is_empty() {
            self.wake_many();
        } else if let Some(waker) = self.one {
            wake(waker);
        }
    }

    fn wake_many(self) {
        if thread::panicking() {
            return crate::wake::wake(self.one.into_iter().chain(self.rest));
        }
        let mut first_panic = None;
        for waker in self.one.into_iter().chain(self.rest) {
            match panic::catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                Err(panic) if first_panic.is_none() => first_panic = Some(panic),
                Err(panic) => _ = contain(|| drop(panic)),
                Ok(()) => {}
            }
        }
        if let Some(panic) = first_panic {
            panic::resume_unwind(panic);
        }
    }
}
