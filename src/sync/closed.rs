//! The error of a semaphore that was closed.
//!
//! Returned by all that asks a [`Semaphore`](super::Semaphore) for permits. It is final: a closed semaphore stays
//! closed.
//!
//! A type of its own and not that of the channels: there `Closed` means that the other side has gone, here that
//! somebody has said no.
use std::error::Error;
use std::fmt;
use std::io;

/// The semaphore is closed, and gives out no more permits.
///
/// Converts into an [`io::Error`] of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe), so that `?` works in a tick.
///
/// ```
/// use mainspring::sync::{Closed, Semaphore};
///
/// let semaphore = Semaphore::new(1);
/// semaphore.close();
/// assert_eq!(semaphore.try_acquire(1).unwrap_err(), Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot acquire permits of a semaphore that is closed")
    }
}

impl Error for Closed {}

impl From<Closed> for io::Error {
    fn from(closed: Closed) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, closed)
    }
}
