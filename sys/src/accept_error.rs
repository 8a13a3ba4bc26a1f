//! What an error of `accept` says about the listener.
//!
//! The accept loop asks after each error, because they mean three things: go on at once, wait a moment,
//! or give up. What is not known here ends the listener: a loop that goes on at an unknown error spins.

use std::io;

use crate::is_shortage;

/// Errors that accept(2) passes on from the new connection: "treat them like EAGAIN by retrying".
const PASSED_ON: &[libc::c_int] = &[
    libc::ENETDOWN,
    libc::EPROTO,
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "illumos"))]
    libc::ENONET,
    // Elsewhere it says that the socket is no listener.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "illumos"))]
    libc::EOPNOTSUPP,
];

/// Whose error it is, by the last section of accept(2).
///
/// Every error is one of the three, so the enum is complete. `WouldBlock` is none of them: it is to be
/// handled before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AcceptError {
    /// One connection's: it is gone, the next can be accepted at once.
    Connection,
    /// This moment's: descriptors or memory are short ([`is_shortage`](crate::is_shortage)). The
    /// connection is still queued, and no event comes for it: try again after a while.
    Moment,
    /// The listener's: it will not accept again.
    Listener,
}

impl AcceptError {
    /// Sorts an error of [`Socket::accept`](crate::Socket::accept).
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECONNABORTED | libc::EPERM | libc::EINTR) => Self::Connection,
            _ if is_shortage(error) => Self::Moment,
            Some(code) if PASSED_ON.contains(&code) => Self::Connection,
            _ => Self::Listener,
        }
    }
}
