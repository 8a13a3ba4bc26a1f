//! Signals, as descriptors that become readable.
//!
//! A [`Subscription`] is registered with a selector like any other descriptor; any number of reactors may
//! have one at once, and each is told of every signal. Behind it stands one handler, installed with the
//! first subscription to a kind and never removed: a process that has asked once ends by its own code,
//! and a second Ctrl-C in the moment between two subscriptions does not kill it.
//!
//! The handler is installed also where the signal was ignored at the start, as a shell does for
//! background jobs, since asking is a wish to know. It is async-signal-safe (signal-safety(7)): it
//! touches static atomics and write(2), and leaves errno as it was. What it writes to is never closed,
//! so a signal never ends up in a stranger's file. A handler installed by others before is not called.
//!
//! A child after fork(2) inherits the handler and counts for itself, but what its parent subscribed to tells it
//! nothing; it subscribes anew.
//!
//! Turned down: signalfd(2), which is Linux's alone and needs the signal blocked in every thread, which
//! every child process inherits.

mod bell;
mod kind;
mod notifier;
mod slot;
mod subscription;

pub use kind::Kind;
pub use notifier::Notifier;
pub use subscription::Subscription;
