//! Which errors say that the system has too little of something at the moment.
//!
//! Such a call is to be made again after a while, because no event tells when there is enough again. Asked by
//! [`AcceptError`](crate::AcceptError), and by whoever sends. A full socket is none of them: that is `WouldBlock`, and
//! an event follows.

use std::io;

/// True for `EMFILE` and `ENFILE` (descriptors), `ENOBUFS` and `ENOMEM` (memory): accept(2), send(2).
///
/// ```
/// use std::io;
/// use mainspring_sys::is_shortage;
///
/// assert!(is_shortage(&io::Error::from_raw_os_error(24))); // EMFILE
/// assert!(!is_shortage(&io::ErrorKind::WouldBlock.into()));
/// ```
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
