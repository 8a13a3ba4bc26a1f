//! Why a task has no output.
//!
//! One type for tasks, for tasks spawned from another thread, and for blocking jobs: whoever awaits a handle has one
//! thing to match. It converts into an `io::Error`, so that `?` works in functions that return `io::Result`.
//!
//! Reactors, handles and the pool for blocking work make it; the reason stays private, and is asked by methods, so that a
//! further reason breaks nobody. The payload of a panic is kept, for whoever wants to let it go on; it is what makes the
//! error neither `Clone` nor `Sync`. An abort and the end of the reactor are one reason, since in both nobody will ever
//! have an output.

use std::any::Any;
use std::fmt;
use std::io;

/// The error of awaiting a [`JoinHandle`](crate::JoinHandle): why the task has no output.
///
/// ```
/// mainspring::run(async {
///     let task = mainspring::spawn(std::future::pending::<()>());
///     task.abort();
///     assert!(task.await.unwrap_err().is_aborted());
/// })
/// # .unwrap();
/// ```
pub struct JoinError(Reason);

/// Why there is no output.
enum Reason {
    /// The task was aborted, or its reactor ended first.
    Aborted,
    /// The task panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
    /// It was never started: a bound was reached, or a thread could not be had; the text says which.
    Full(&'static str),
    /// It was never started: no reactor is running on the thread of the call.
    NotRunning,
}

impl JoinError {
    pub(crate) const fn aborted() -> Self {
        Self(Reason::Aborted)
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self(Reason::Panicked(payload))
    }

    pub(crate) const fn full() -> Self {
        Self(Reason::Full("the reactor has 16777215 live tasks"))
    }

    pub(crate) const fn refused(what: &'static str) -> Self {
        Self(Reason::Full(what))
    }

    pub(crate) const fn not_running() -> Self {
        Self(Reason::NotRunning)
    }

    /// Whether the task was aborted, or its reactor ended before it did.
    pub const fn is_aborted(&self) -> bool {
        matches!(self.0, Reason::Aborted)
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
            Reason::Panicked(payload) => Ok(payload),
            _ => Err(self),
        }
    }

    fn text(&self) -> &str {
        match &self.0 {
            Reason::Aborted => "the task was aborted",
            Reason::Full(what) => what,
            Reason::NotRunning => "no reactor is running on this thread",
            Reason::Panicked(payload) => panic_text(&**payload),
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
        if self.is_panic() {
            f.write_str("the task panicked: ")?;
        }
        f.write_str(self.text())
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
        // Why by text: the payload of a panic is not `Sync`, which an `io::Error` demands of its source.
        Self::other(error.to_string())
    }
}
