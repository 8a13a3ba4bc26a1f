//! Waiting on a lock-protected state: the loop that every channel operation is made of, and the waking after it.
//!
//! The operations of `oneshot` and `mpsc` are all the same shape: look at the state under the lock; if the answer is
//! "not yet", leave a waker there. `poll_locked` is that shape, `Wakers` what a change of the state has to wake.
//!
//! Both keep one rule: no code of a user runs under a lock. Cloning, waking and dropping a waker may re-enter the same
//! channel or panic, so a waker is cloned before the lock is taken again, and woken or dropped after it is released.
//! The price is a second look at the state whenever a foreign waker is stored; one of this crate is a number, and to copy
//! it runs nobody's code. The alternative, cloning in advance for each call, would charge the calls that find a value.
use std::panic::{self, AssertUnwindSafe};
use std::task::{Poll, Waker};

use crate::contain::contain;
use crate::locks::Mutex;
use crate::waker::Number;

/// Runs `attempt` under the lock until it has an answer or `waker` stands in the slot that `attempt` points at.
///
/// `attempt` answers `Ok` with the result, or `Err` with the slot in which to wait. Without a waker nothing is stored.
/// A stored waker is replaced only if it would not wake the same task. `attempt` may run twice.
pub(crate) fn poll_locked<S, R>(
    state: &Mutex<S>,
    waker: Option<&Waker>,
    mut attempt: impl for<'s> FnMut(&'s mut S) -> Result<R, &'s mut Option<Waker>>,
) -> Poll<R> {
    // Dropped after the guard, which is declared later.
    let mut spare: Option<Waker> = None;
    loop {
        let mut locked = state.lock();
        let slot = match attempt(&mut locked) {
            Ok(result) => return Poll::Ready(result),
            Err(slot) => slot,
        };
        let Some(waker) = waker else {
            return Poll::Pending;
        };
        if slot.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
            return Poll::Pending;
        }
        let own = Number::of(waker).map(Number::waker);
        let Some(cloned) = spare.take().or(own) else {
            drop(locked);
            spare = Some(waker.clone());
            continue;
        };
        let replaced = slot.replace(cloned);
        drop(locked);
        drop(replaced);
        return Poll::Pending;
    }
}

/// Wakers taken out of a state, to be woken once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// The usual single one, without an allocation.
    pub(super) one: Option<Waker>,
    /// The others, in the order in which they began to wait.
    pub(super) rest: Vec<Waker>,
}

impl Wakers {
    /// Wakes all. A panic of one does not keep the others from being woken; the first is passed on at the end.
    #[inline]
    pub(super) fn wake(self) {
        if !self.rest.is_empty() {
            self.wake_many();
        } else if let Some(waker) = self.one {
            waker.wake();
        }
    }

    fn wake_many(self) {
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
