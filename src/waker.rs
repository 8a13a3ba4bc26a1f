//! The number waker, and what runs on this thread: one of the two files of this crate with `unsafe`.
//!
//! A task's waker carries a number where others carry a pointer: which reactor, which slot of its task table, and the
//! generation of that slot. Clone copies the number, drop does nothing, and wake looks the number up: on the thread
//! where that reactor is running the task goes to the run queue, from anywhere else the number goes to the reactor's
//! inbox ([`crate::remote`]). So a waker that outlives its task, its reactor or its thread has nothing to dangle to;
//! at worst an equal number after 2^28 spawns costs a poll too many. A counted pointer, as other executors use, costs
//! two atomic operations per wait, and brings use after free, drops on the wrong thread and leaks with it.
//!
//! ```text
//!   63        52 51                        24 23                     0
//!  | reactor    | generation                 | index                  |
//!  |   12 bits  |        28 bits             |        24 bits         |
//! ```
//!
//! The second part is two pointers to what is running: the reactor of this thread ([`run`]), and in an account the
//! scope in which "not yet" is recorded ([`Innermost`]). Both are set for the length of one call, on whose stack the
//! value stands, and set back by a guard, also on unwind. What is thread-local has no destructor, so it can be asked at
//! thread exit.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::account::Account;
use crate::core::Core;
use crate::forked;
use crate::remote;
use crate::scope::Scope;

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 28;

/// The last generation.
const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// How many tasks a table has at most, beside [`ROOT`].
pub(crate) const TASKS_MAX: usize = (1 << INDEX_BITS) - 1;

/// The index that stands for the future of `block_on`.
const ROOT: u32 = 0;

/// A task of a reactor of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(NonZeroU64);

impl Number {
    /// Packs the three. A generation is taken modulo 2^28, and is not 0, so that no number is.
    pub(crate) const fn new(reactor: u16, generation: u32, index: u32) -> Self {
        let generation = generation as u64 & GENERATION_MAX as u64;
        let bits = (reactor as u64) << (INDEX_BITS + GENERATION_BITS) | generation << INDEX_BITS | index as u64;
        Self(NonZeroU64::new(bits).expect("a generation is never 0"))
    }

    /// The number of the future of `block_on`.
    pub(crate) const fn root(reactor: u16) -> Self {
        Self::new(reactor, 1, ROOT)
    }

    /// Whether it is that of the future of `block_on`.
    pub(crate) const fn is_root(self) -> bool {
        self.index() == ROOT
    }

    /// The generation after `generation`: 0 is left out.
    pub(crate) const fn next_generation(generation: u32) -> u32 {
        if generation >= GENERATION_MAX { 1 } else { generation + 1 }
    }

    /// The number that `waker` carries, if it is one of ours.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<Self> {
        if ptr::eq(waker.vtable(), &VTABLE) { Self::from_data(waker.data()) } else { None }
    }

    #[inline]
    fn from_data(data: *const ()) -> Option<Self> {
        NonZeroU64::new(data.addr() as u64).map(Self)
    }

    /// Which of the process's reactors.
    #[inline]
    pub(crate) const fn reactor(self) -> u16 {
        (self.0.get() >> (INDEX_BITS + GENERATION_BITS)) as u16
    }

    /// Which tenant of the slot.
    const fn generation(self) -> u32 {
        (self.0.get() >> INDEX_BITS) as u32 & GENERATION_MAX
    }

    /// Which slot of the task table.
    #[inline]
    pub(crate) const fn index(self) -> u32 {
        self.0.get() as u32 & ((1 << INDEX_BITS) - 1)
    }

    /// The waker that carries this number.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: the functions of VTABLE take the data word as a number and never follow it, and are thread-safe.
        unsafe { Waker::new(ptr::without_provenance(self.0.get() as usize), &VTABLE) }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.reactor(), self.generation(), self.index())
    }
}

static VTABLE: RawWakerVTable =
    RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake_number, wake_number, |_| ());

fn wake_number(data: *const ()) {
    let Some(number) = Number::from_data(data) else { return };
    let here = current(|core| match core {
        Some(core) if core.number == number.reactor() => {
            core.wake(number);
            true
        }
        _ => false,
    });
    if !here {
        remote::wake(number);
    }
}

thread_local! {
    /// The reactor that is running on this thread, or null. Written by `run` alone.
    static CORE: Cell<*const Core> = const { Cell::new(ptr::null()) };
    /// The account that is used while no reactor is running on this thread.
    static OUTSIDE: Account = const { Account::open() };
}

/// Puts the pointer back when the call that set it ends.
struct Restore(*const Core);

impl Drop for Restore {
    fn drop(&mut self) {
        CORE.set(self.0);
        forked::forbid();
    }
}

/// Runs `f` with `core` as the reactor of this thread.
pub(crate) fn run<R>(core: &Core, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(CORE.replace(core));
    f()
}

/// Calls `f` with the reactor that is running on this thread.
#[inline]
pub(crate) fn current<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    // SAFETY: not null only while `run` is on this thread's stack, which borrows the core for as long; `f` cannot keep
    // it.
    f(unsafe { CORE.get().as_ref() })
}

/// Calls `f` with the account of the poll that is running on this thread.
#[inline]
pub(crate) fn account<R>(f: impl FnOnce(&Account) -> R) -> R {
    current(|core| match core {
        Some(core) => f(&core.account),
        None => OUTSIDE.with(f),
    })
}

/// Whether `core` is the reactor that is running on this thread.
#[inline]
pub(crate) fn is_current(core: &Core) -> bool {
    ptr::eq(CORE.get(), core)
}

/// Calls `f` with the innermost scope of this thread.
#[inline]
pub(crate) fn with_scope<R>(f: impl FnOnce(Option<&Scope<'_>>) -> R) -> R {
    account(|account| account.scope.with(f))
}

/// The innermost scope of an account, or none.
pub(crate) struct Innermost(Cell<*const Scope<'static>>);

impl Innermost {
    pub(crate) const fn none() -> Self {
        Self(Cell::new(ptr::null()))
    }

    /// Runs `f` with `scope` as the innermost one. `is_first` says that there is none before, which need not be kept
    /// then.
    #[inline]
    pub(crate) fn enter<R>(&self, scope: &Scope<'_>, is_first: bool, f: impl FnOnce() -> R) -> R {
        let before = if is_first { ptr::null() } else { self.0.get() };
        let _restore = PutBack { innermost: self, before };
        let pointer: *const Scope<'_> = scope;
        self.0.set(pointer.cast());
        f()
    }

    /// Calls `f` with the innermost scope.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(Option<&Scope<'_>>) -> R) -> R {
        // SAFETY: not null only while `enter` is on this thread's stack, which borrows the scope for as long: what is
        // put back is null, or was the innermost when that `enter` began. `f` takes any lifetime, so it cannot keep
        // what it is given, and an account is used by one thread.
        f(unsafe { self.0.get().as_ref() })
    }
}

/// Puts a scope back when the call that has replaced it ends.
struct PutBack<'a> {
    innermost: &'a Innermost,
    before: *const Scope<'static>,
}

impl Drop for PutBack<'_> {
    #[inline]
    fn drop(&mut self) {
        self.innermost.0.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_wrap_without_a_zero() {
        assert_eq!(Number::next_generation(0), 1);
        assert_eq!(Number::next_generation(GENERATION_MAX - 1), GENERATION_MAX);
        assert_eq!(Number::next_generation(GENERATION_MAX), 1);
    }

    #[test]
    fn a_number_goes_through_a_waker_and_back() {
        let number = Number::new(4095, GENERATION_MAX, TASKS_MAX as u32);
        let waker = number.waker();
        let back = Number::of(&waker.clone()).unwrap();
        assert_eq!((back.reactor(), back.generation(), back.index()), (4095, GENERATION_MAX, TASKS_MAX as u32));
        assert!(Number::of(Waker::noop()).is_none());
    }
}
