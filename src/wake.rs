//! Waking what others made.
//!
//! A waker of this crate only enqueues. A foreign one runs its owner's code, which may call back or panic. So whoever
//! keeps wakers takes them out first and calls them with nothing borrowed, and a panic in one is counted and skips none
//! of the rest: it is the waker's fault, and not that of the task which happened to wake it.
//!
//! To pass the panic on after the last one, as the channels do, was turned down for what wakes from a destructor: there
//! a second panic ends the process.

use std::task::Waker;

use crate::contain::contain;
use crate::waker;

/// Wakes all of them.
pub(crate) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        if contain(|| waker.wake()) {
            waker::current(|core| core.map_or((), |core| core.counters.panics.add(1)));
        }
    }
}
