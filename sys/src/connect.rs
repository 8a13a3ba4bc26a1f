//! How far a connect has come.
//!
//! What [`Socket::connect`](crate::Socket::connect) and [`connect_unix`](crate::Socket::connect_unix) answer. A type of
//! its own and not an error of the kind `WouldBlock`, since "in progress" is the normal outcome, and must not be taken
//! for a call to be made again: a second connect(2) is an error.
//!
//! `QueueFull` is the opposite, and looks the same in errno to whoever is not careful: nothing has started, no event
//! will come, and the call has to be made again. So it is neither `InProgress` nor an error.

/// The outcome of a connect that is not an error; there is no fourth, so the enum is complete.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Connect {
    /// Connected.
    Done,
    /// Under way: wait until it is writable, then ask [`Socket::take_error`](crate::Socket::take_error).
    InProgress,
    /// Not started, because the queue of a Unix listener is full, and of a Unix listener alone: connect again after a
    /// while. A selector does not tell when there is room.
    QueueFull,
}
