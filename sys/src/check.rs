//! From what a system call returns to `io::Result`.
//!
//! Used by every file here that calls the C library. One place for the convention that -1 means "see
//! errno", and one for how often an interrupted call is made again.

use std::io;

/// How often one operation is tried again after `EINTR`. A call that does not block is interrupted only
/// by a signal that arrives in the same moment; the bound is for a storm of them, which must not hold
/// the reactor here.
const INTERRUPTIONS_MAX: u32 = 16;

/// The result, or the error in errno if it is -1.
#[inline]
pub(crate) fn check<T: From<i8> + PartialEq>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As `check`, with a call that was interrupted made again, [`INTERRUPTIONS_MAX`] times at most. Then
/// the error is `Interrupted`.
#[inline]
pub(crate) fn retry<T: From<i8> + PartialEq>(mut call: impl FnMut() -> T) -> io::Result<T> {
    let result = call();
    // Apart, so that a call that succeeds costs one comparison.
    if result == T::from(-1) { failed(call) } else { Ok(result) }
}

/// The call has failed: makes it again if it was interrupted.
#[cold]
#[inline(never)]
fn failed<T: From<i8> + PartialEq>(mut call: impl FnMut() -> T) -> io::Result<T> {
    let mut error = io::Error::last_os_error();
    for _ in 0..INTERRUPTIONS_MAX {
        if !is_interrupted(&error) {
            break;
        }
        match check(call()) {
            Ok(result) => return Ok(result),
            Err(again) => error = again,
        }
    }
    Err(error)
}

/// True for `EINTR`.
#[inline]
pub(crate) fn is_interrupted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINTR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupted() -> libc::c_int {
        // SAFETY: the location is this thread's own errno, valid for as long as the thread lives.
        unsafe { *crate::errno::location() = libc::EINTR };
        -1
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            if calls < 4 { interrupted() } else { 7 }
        });
        assert_eq!((result.unwrap(), calls), (7, 4));
    }

    #[test]
    fn a_storm_of_interruptions_ends_in_an_error() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            interrupted()
        });
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINTR));
        assert_eq!(calls, INTERRUPTIONS_MAX + 1);
    }
}
