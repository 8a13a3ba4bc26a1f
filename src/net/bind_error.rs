//! The error of a socket that could not be bound, with the address in its text.
//!
//! Made by whatever binds to an address that its caller has chosen, since "address in use" alone leaves open which. The text
//! takes the place in an `io::Error` that the code of the system has otherwise, so that code is one step away: the system's
//! own error is the [`source`](Error::source) of the one that is returned.
//!
//! To return the system's error as it is was turned down: whoever starts a server with a list of addresses would read the
//! same seven words for each of them.

use std::error::Error;
use std::fmt;
use std::io;

/// What was attempted, and what the system said.
#[derive(Debug)]
struct BindError {
    attempted: String,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attempted, self.error)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// `error`, with what was attempted before its text.
pub(super) fn in_words(attempted: String, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), BindError { attempted, error })
}
