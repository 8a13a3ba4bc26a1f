//! How far a connect has come.
//!
//! What [`Socket::connect`](crate::Socket::connect) answers. A type of its own and not an error of the kind
//! `WouldBlock`, since "in progress" is the normal outcome, and must not be taken for a call to be made
//! again: a second connect(2) is an error.

/// The outcome of a connect that is not an error; there is no third, so the enum is complete.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Connect {
    /// Connected.
    Done,
    /// Under way: wait until it is writable, then ask [`Socket::take_error`](crate::Socket::take_error).
    InProgress,
}
