//! Channels between tasks, threads and reactors.
//!
//! [`oneshot`] carries one value from one sender to one receiver, [`mpsc`] a queue from many senders to one receiver.
//! Both ends may live anywhere: each is `Send` where its values are, and wakes whatever waits at the other end. Those
//! of [`local`] stay on one thread and take no lock.
//!
//! Each operation comes in two spellings. `try_*` never waits: it answers at once, and inside a tick (or the closure of
//! `ready`) a "not yet" is remembered, so that the task runs again when the answer may have changed. The others return
//! futures, which work with any executor and any combinator. Both spend the budget of the running task.
//!
//! Guarantees: no wake-up is lost; a future that is dropped leaves no waker behind; wakers are called and values
//! dropped with no lock held, so both may use the same channel again. A waker that panics does so in the operation that
//! woke it, after that operation has taken effect and after all others have been woken; the channel stays usable.
//!
//! The trade-off: each channel is one allocation and one lock. A lock-free queue is faster when many threads contend,
//! and costs unsafe code; most channels of a reactor connect tasks of one thread, where the lock is never contended,
//! and where [`local`] does without.
mod closed;
pub mod local;
pub mod mpsc;
pub mod oneshot;
mod reach;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod wait;

pub use closed::Closed;
pub use reach::{AnyThread, OneThread, Reach};
