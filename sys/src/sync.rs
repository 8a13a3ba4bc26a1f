//! Where the atomics of `park.rs` come from: the standard library, or loom when it is being modelled.
//!
//! Only the waker's state machine is modelled. Statics (the signal table, the latch of a missing system
//! call) and the clock use the standard library in every build, because loom's atomics live within one
//! model and cannot be statics.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
