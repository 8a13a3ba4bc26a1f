//! Waiting for each other, within one reactor: [`Notify`] and [`Semaphore`].
//!
//! Both are cheap to clone and not `Send`: they take no lock and no atomic operation, and need no reactor to be made.
//! Both serve in the order of arrival, and a waiter that is dropped after its turn had come passes it on, so nothing is
//! lost to a `select` or a timeout. Both can be awaited, and tried from a tick.
//!
//! Values go by the channels of [`channel::local`](crate::channel::local).
//!
//! There is no more than filters and connections need. Between threads, [`channel`](crate::channel) and
//! [`CancellationToken`](crate::task::CancellationToken) serve. For the rest, crates that belong to no runtime work as
//! they are (a test of this repository shows it):
//!
//! | wanted | crate |
//! |---|---|
//! | a mutex, a read-write lock, a barrier, a cell that is made once, between threads | `async-lock` |
//! | a queue with several receivers | `async-channel` |
//! | a condition of one's own, between threads | `event-listener` |
//! | the last value or every value to many, between threads (`watch`, `broadcast`) | `tokio`, its feature `sync` alone |
//! | `select!`, `join!`, `FuturesUnordered`, streams | `futures` |
//!
//! A mutex within one reactor is a `RefCell` that is not borrowed over an `await`, or a semaphore of one permit.
mod closed;
mod line;
mod notify;
mod semaphore;

pub use closed::Closed;
pub use notify::{Notified, Notify};
pub use semaphore::{Acquire, Permit, Semaphore};
