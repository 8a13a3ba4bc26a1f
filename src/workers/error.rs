//! Why a worker has no output, and which it was.
//!
//! Made where a worker ends. It converts into an `io::Error`, of which it stays the source, so that the code of the
//! system can still be asked for. For that it is `Sync`, and keeps of a panic the text alone: the payload is not.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

use crate::contain::contain;
use crate::join_error::panic_text;

/// The error of one worker of [`Workers`](crate::Workers).
///
/// ```
/// use mainspring::Workers;
/// use std::{io, time::Duration};
///
/// let workers = Workers::builder().threads(2).start(|worker| async move {
///     match worker.index() {
///         0 => Ok(worker.stopping().cancelled().await), // hears of the failure
///         _ => Err(io::Error::other("no more work")),
///     }
/// })?;
/// let ended = workers.join();
/// assert!(ended[0].is_ok());
/// assert_eq!(ended[1].as_ref().unwrap_err().to_string(), "worker 1 failed: no more work");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct WorkerError {
    /// Which worker.
    worker: usize,
    /// Why.
    reason: Reason,
}

/// Why a worker has no output.
#[derive(Debug)]
pub(super) enum Reason {
    /// Its future, or its reactor, returned an error.
    Failed(io::Error),
    /// It panicked, with this text.
    Panicked(String),
    /// It had not ended at the deadline, or when its `Workers` were dropped.
    Dropped,
}

impl Reason {
    /// A payload may panic when it is dropped, which says nothing more.
    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let text = panic_text(&*payload).to_owned();
        contain(|| drop(payload));
        Self::Panicked(text)
    }
}

impl WorkerError {
    pub(super) const fn new(worker: usize, reason: Reason) -> Self {
        Self { worker, reason }
    }

    /// Which worker it was, counted from 0.
    pub const fn worker(&self) -> usize {
        self.worker
    }

    /// Whether it panicked.
    pub const fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panicked(_))
    }

    /// Whether it was dropped, since it had not ended at the deadline.
    pub const fn is_dropped(&self) -> bool {
        matches!(self.reason, Reason::Dropped)
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worker = self.worker;
        match &self.reason {
            Reason::Failed(error) => write!(f, "worker {worker} failed: {error}"),
            Reason::Panicked(text) => write!(f, "worker {worker} panicked: {text}"),
            Reason::Dropped => write!(f, "worker {worker} had not ended at the deadline"),
        }
    }
}

impl Error for WorkerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WorkerError> for io::Error {
    fn from(error: WorkerError) -> Self {
        let kind = match &error.reason {
            Reason::Failed(error) => error.kind(),
            Reason::Panicked(_) => io::ErrorKind::Other,
            Reason::Dropped => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}
