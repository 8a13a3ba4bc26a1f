//! Why a call on a connection failed, and whether it is safe to try again.
//!
//! Each failed call of [`pipeline`](super::pipeline) and [`multiplex`](super::multiplex) gets one. Middleware that
//! retries reads [`Error::is_retryable`] alone.
//!
//! The line that it draws is the write buffer: a request that has entered it may have reached the peer, and
//! is never called retryable; one that has not left no trace. What is known about idempotence is known above.
//!
//! The error is a kind and a text. The transport's own error goes to the connection's
//! future, whole: it cannot be cloned for the calls that fail together, and sharing it was turned down, for
//! then the error of a call could not be sent to another thread.
use std::fmt;
use std::sync::Arc;

use crate::service::Rejected;
use crate::time::Elapsed;

/// Why a call failed.
///
/// # Examples
///
/// ```
/// use mainspring::proto::pipeline::{Error, ErrorKind};
///
/// fn describe(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::ConnectionLost => "perhaps done, perhaps not",
///         _ if error.is_retryable() => "not done, try again",
///         _ => "cannot be done",
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    /// What ended the connection, or what the encoder said. Shared by the calls that fail together.
    cause: Arc<str>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection ended before the request was written. Safe to try again, on another connection.
    NotSent,
    /// Too many calls wait already, or the peer has refused to begin. Safe to try again, later or elsewhere.
    Rejected,
    /// The connection ended after the request was written, before its answer: it may have been carried out.
    ConnectionLost,
    /// The peer has given the request up, and will not answer it: it may have been carried out in part.
    Cancelled,
    /// The request has no encoding. Nothing was written, and trying again would fail again.
    Unencodable,
    /// The call took longer than a timeout around the client allows: it may have been carried out.
    TimedOut,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, cause: Arc<str>) -> Self {
        Self { kind, cause }
    }

    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the request certainly was not carried out, and may succeed when it is made again.
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::NotSent | ErrorKind::Rejected)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::NotSent => "the request was not sent",
            ErrorKind::Rejected => "the call was rejected",
            ErrorKind::ConnectionLost => "the connection was lost before the answer",
            ErrorKind::Cancelled => "the peer gave the request up",
            ErrorKind::Unencodable => "the request cannot be encoded",
            ErrorKind::TimedOut => "the call timed out",
        };
        write!(f, "{what}: {}", self.cause)
    }
}

impl std::error::Error for Error {}

/// So that filters which reject, a [`ConcurrencyLimit`](crate::service::ConcurrencyLimit) for one, go around a client.
impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::new(ErrorKind::Rejected, rejected.to_string().into())
    }
}

/// So that a [`Timeout`](crate::service::Timeout) goes around a client.
impl From<Elapsed> for Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(ErrorKind::TimedOut, elapsed.to_string().into())
    }
}
