//! An error of the system, with what was attempted in its text.
//!
//! Made by whatever binds to an address that its caller has chosen, accepts there, or starts one of several threads,
//! since "address in use" alone leaves open which. The text takes the place in an `io::Error` that the code of the
//! system has otherwise, so that code is one step away: the system's own error is the [`source`](Error::source) of the
//! one that is returned.
//!
//! To return the system's error as it is was turned down: whoever starts a server with a list of addresses would read
//! the same seven words for each of them.

use std::error::Error;
use std::fmt;
use std::io;

/// What was attempted, and what the system said.
#[derive(Debug)]
struct Attempted {
    attempted: String,
    error: io::Error,
}

impl fmt::Display for Attempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attempted, self.error)
    }
}

impl Error for Attempted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The same error once more.
pub(crate) fn again(error: &io::Error) -> io::Error {
    if let Some(code) = error.raw_os_error() {
        return io::Error::from_raw_os_error(code);
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Attempted>()) {
        Some(Attempted { attempted, error }) => in_words(attempted.clone(), again(error)),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// `error`, with what was attempted before its text.
pub(crate) fn in_words(attempted: String, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Attempted { attempted, error })
}
