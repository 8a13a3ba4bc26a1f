//! The calling thread's errno.
//!
//! The signal handler needs it, to leave errno as it found it, and a call that a test makes fail; all else reads errno
//! through `io::Error::last_os_error`. The C libraries agree on everything but the name of the function that says where
//! it is, and the standard library can read errno but not set it. Both are async-signal-safe.

use std::io;

use libc::c_int;

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
use libc::__error as location;

#[cfg(any(target_os = "linux", target_os = "dragonfly"))]
use libc::__errno_location as location;

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as location;

#[cfg(target_os = "illumos")]
use libc::___errno as location;

/// What the last call that failed on this thread has left.
pub(crate) fn get() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Leaves it for this thread.
pub(crate) fn set(code: c_int) {
    // SAFETY: the location is this thread's own errno, valid for as long as the thread lives.
    unsafe { *location() = code };
}
