//! The one place from which everything that threads share takes its reference counts and its locks.
//!
//! Used by the channels, by the table behind the wakers and by whatever else crosses threads. Normally it is `std`;
//! under `--cfg loom` it is loom's model of the same, so that the models in `tests/loom*.rs`, `remote/model.rs` and
//! `remote_task/model.rs` run the shipped code in each possible order. What loom lacks (`OnceLock`, a lock that can be
//! static) is `std`'s in both.
//!
//! `Mutex` is a wrapper whose `lock` cannot fail. Poisoning reports a panic under the lock to whoever comes next; here
//! nothing a user wrote runs under a lock, so there is nothing to report, and a panic elsewhere must not spread.
//! The alternative, `std`'s own type with an `unwrap` at each use, would turn one panic into many.
#[cfg(loom)]
pub(crate) use loom::sync::Arc;
#[cfg(not(loom))]
pub(crate) use std::sync::Arc;

pub(crate) use std::sync::OnceLock;

#[cfg(loom)]
use loom::sync as imported;
#[cfg(not(loom))]
use std::sync as imported;

use std::cell::RefCell;
use std::ops::DerefMut;
use std::sync::PoisonError;
use std::time::Duration;

/// A lock that stands in a static: loom's cannot be made there. Whoever takes it says what it does about poisoning.
pub(crate) use std::sync::Mutex as StaticMutex;

/// A flag that is read without a lock.
pub(crate) use imported::atomic::{AtomicBool, Ordering};

/// The guard of a [`Mutex`].
pub(crate) use imported::MutexGuard;

/// A state that is changed through a shared reference: by one thread at a time, or on one thread.
///
/// No code of a user runs while it is locked, so nobody locks it twice.
#[allow(unreachable_pub, reason = "the bound of a type of a public trait, which Rust 1.85 does not see")]
pub trait Lock<S> {
    /// An unlocked one.
    fn new(state: S) -> Self;
    /// The state, until this is dropped.
    fn lock(&self) -> impl DerefMut<Target = S>;
    /// The state, which nobody else can reach.
    fn get_mut(&mut self) -> &mut S;
}

impl<S> Lock<S> for Mutex<S> {
    fn new(state: S) -> Self {
        Self::new(state)
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = S> {
        self.lock()
    }

    fn get_mut(&mut self) -> &mut S {
        self.get_mut()
    }
}

impl<S> Lock<S> for RefCell<S> {
    fn new(state: S) -> Self {
        Self::new(state)
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = S> {
        self.borrow_mut()
    }

    fn get_mut(&mut self) -> &mut S {
        self.get_mut()
    }
}

/// A lock that ignores poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T>(imported::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked mutex around `value`.
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self(imported::Mutex::new(value))
    }

    /// An unlocked mutex around `value`; not `const`, because loom's registers itself with the running model.
    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self(imported::Mutex::new(value))
    }

    /// What is in it.
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in it, which nobody else can reach.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the lock. A panic of an earlier holder is not passed on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition variable for a [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar(imported::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(imported::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Waits for a signal, at most `timeout`; true if none came.
    pub(crate) fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> (MutexGuard<'a, T>, bool) {
        let (guard, result) = self.0.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }
}
