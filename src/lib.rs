//! A Finagle-inspired network application framework on its own epoll and kqueue reactor.
#![deny(unsafe_code)]

mod builder;
pub mod channel;
mod core;
mod deadline;
mod handle;
pub mod io;
mod join_error;
mod join_handle;
pub mod net;
mod pin;
mod reactor;
mod ready;
mod remote;
mod scope;
pub mod service;
mod source;
mod spawn;
mod stats;
mod sync;
mod task;
pub mod tick;
pub mod time;
mod unblock;
mod waker;
mod wheel;

pub use builder::Builder;
pub use handle::Handle;
pub use join_error::JoinError;
pub use join_handle::{JoinHandle, RemoteJoinHandle};
pub use reactor::Reactor;
pub use ready::{Ready, ready, ready_if};
pub use spawn::{YieldNow, spawn, yield_now};
pub use stats::Stats;
pub use unblock::unblock;

/// Makes a reactor on this thread and runs `future` on it.
///
/// # Errors
///
/// When the reactor cannot be made or fails, or one is running on this thread already.
///
/// # Panics
///
/// With the panic of `future` itself.
///
/// ```
/// assert_eq!(mainspring::run(async { 6 * 7 })?, 42);
/// # std::io::Result::Ok(())
/// ```
pub fn run<F: Future>(future: F) -> std::io::Result<F::Output> {
    Reactor::new()?.block_on(future)
}
