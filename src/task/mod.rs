//! More about tasks than [`spawn`](fn@crate::spawn): sets of them, their orderly end, names, values of their own.
//!
//! | wanted | use |
//! |---|---|
//! | the outputs of many tasks as they end, and none left behind | [`JoinSet`] |
//! | to tell many that it is time to end, on any thread | [`CancellationToken`] |
//! | a service that ends: tell, wait, abort, and say who did not obey | [`Tracker`] |
//! | a value that goes with a task and is no argument | [`Local`] |
//! | to know which task it was | [`spawn_named`], [`tick::schedule_named`](crate::tick::schedule_named) |
//! | to abort a task without its handle | [`AbortHandle`] |
//!
//! All of it is made of tasks and wakers as anybody could make it, and costs nothing where it is not used.
mod abort_handle;
mod cancellation_token;
mod join_set;
mod local;
mod tracker;

pub use crate::join_error::JoinError;
pub use crate::join_handle::{JoinHandle, RemoteJoinHandle};
pub use crate::spawn::{YieldNow, spawn, spawn_named, yield_now};
pub use abort_handle::AbortHandle;
pub use cancellation_token::{CancellationToken, Cancelled};
pub use join_set::{JoinNext, JoinSet};
pub use local::Local;
pub use tracker::{Shutdown, Tracker};
