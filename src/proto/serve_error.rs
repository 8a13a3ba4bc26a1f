//! Why a served connection failed.
//!
//! The outcome of `serve` of [`pipeline`](super::pipeline) and [`multiplex`](super::multiplex), for a log or a counter.
//!
//! It keeps apart what the peer or the network did and what the service did, which are fixed by different
//! people. One boxed error was turned down: it would allocate, and could only be told apart by its text.
use std::error::Error;
use std::fmt;

/// What ended a served connection before its time.
///
/// # Examples
///
/// ```
/// use mainspring::proto::pipeline::ServeError;
/// use std::io;
///
/// let error: ServeError<io::Error, io::Error> = ServeError::Service(io::Error::other("no disk"));
/// assert_eq!(error.to_string(), "the service failed: no disk");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError<T, S> {
    /// The connection failed, what arrived was not a message, or a deadline expired
    /// ([`TimedOut`](std::io::ErrorKind::TimedOut)).
    Transport(T),
    /// The service answered a request with an error.
    Service(S),
}

impl<T: fmt::Display, S: fmt::Display> fmt::Display for ServeError<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "the connection failed: {error}"),
            Self::Service(error) => write!(f, "the service failed: {error}"),
        }
    }
}

impl<T: Error + 'static, S: Error + 'static> Error for ServeError<T, S> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => Some(error),
            Self::Service(error) => Some(error),
        }
    }
}
