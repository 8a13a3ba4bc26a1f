//! Where the calling thread's errno is.
//!
//! The signal handler needs it, to leave errno as it found it, and a call that a test makes fail; all else reads errno
//! through `io::Error::last_os_error`. The C libraries agree on everything but the name of the function, and
//! the standard library can read errno but not set it.

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(crate) use libc::__error as location;

#[cfg(any(target_os = "linux", target_os = "dragonfly"))]
pub(crate) use libc::__errno_location as location;

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
pub(crate) use libc::__errno as location;

#[cfg(target_os = "illumos")]
pub(crate) use libc::___errno as location;
