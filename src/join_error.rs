//! Why a task has no output.
//!
//! One type for tasks, for tasks spawned from another thread, and for blocking jobs: whoever awaits a handle has one
//! thing to match. It converts into an `io::Error`, so that `?` works in functions that return `io::Result`.
//!
//! Reactors, handles and the pool for blocking work make it; the reason stays private, and is asked by methods, so that
//! a further reason breaks nobody. The payload of a panic is kept, for whoever wants to let it go on; it is what keeps
//! the error from being `Clone`; it stands in a mutex, which makes it `Sync`, as libraries for errors demand. To those
//! who ask, an abort and the end of the reactor are one reason, since in both nobody will ever have an output.

use std::any::Any;
use std::fmt;
use std::io;

use crate::locks::Mutex;

/// The error of awaiting a [`JoinHandle`](crate::JoinHandle): why the task has no output.
///
/// ```
/// mainspring::run(async {
///     let task = mainspring::spawn(std::future::pending::<()>());
///     task.abort();
///     let error = task.await.unwrap_err();
///     assert!(error.is_aborted());
///     let _: Box<dyn std::error::Error + Send + Sync> = error.into();
/// })
/// # .unwrap();
/// ```
pub struct JoinError(Reason);

/// Why there is no output.
enum Reason {
    /// The task was aborted.
    Aborted,
    /// Its reactor ended first, or before it was started.
    Ended,
    /// The task panicked, with this payload.
    Panicked(Mutex<Box<dyn Any + Send>>),
    /// It was never started, since a bound was reached or a thread could not be had, or it is a parent process's; the
    /// text says which.
    Refused(&'static str),
    /// It was never started: no reactor is running on the thread of the call.
    NotRunning,
}

impl JoinError {
    pub(crate) const fn aborted() -> Self {
        Self(Reason::Aborted)
    }

    pub(crate) const fn ended() -> Self {
        Self(Reason::Ended)
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self(Reason::Panicked(Mutex::new(payload)))
    }

    pub(crate) const fn full() -> Self {
        Self(Reason::Refused("the reactor has 16777215 live tasks"))
    }

    pub(crate) const fn refused(what: &'static str) -> Self {
        Self(Reason::Refused(what))
    }

    pub(crate) const fn not_running() -> Self {
        Self(Reason::NotRunning)
    }

    /// Whether the task was aborted, or its reactor ended before it did.
    pub const fn is_aborted(&self) -> bool {
        matches!(self.0, Reason::Aborted | Reason::Ended)
    }

    /// Whether the task panicked.
    pub const fn is_panic(&self) -> bool {
        matches!(self.0, Reason::Panicked(_))
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Gives the error back if the task did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0 {
            Reason::Panicked(payload) => Ok(payload.into_inner()),
            _ => Err(self),
        }
    }
}

/// The message of a panic, if it has one.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a value that is no text")
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Aborted => f.write_str("the task was aborted"),
            Reason::Ended => f.write_str("the reactor has ended"),
            Reason::Refused(what) => f.write_str(what),
            Reason::NotRunning => f.write_str("no reactor is running on this thread"),
            Reason::Panicked(payload) => write!(f, "the task panicked: {}", panic_text(&**payload.lock())),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
