//! From what a system call returns to `io::Result`.
//!
//! Used by every file here that calls the operating system. One place for the convention that -1 means "see
//! errno", one for how often an interrupted call is made again, and with them the way through the seam where a
//! test can make each call fail (`seam.rs`).

use std::io;

use libc::c_int;

use crate::call::Call;
use crate::errno;
use crate::seam::pass;

/// How often one operation is tried again after `EINTR`. A call that does not block is interrupted only
/// by a signal that arrives in the same moment; the bound is for a storm of them, which must not hold
/// the reactor here.
const INTERRUPTIONS_MAX: u32 = 16;

/// Makes a call of the C library: its result, or the error in errno if that is -1.
#[inline]
pub(crate) fn check<T: From<i8> + PartialEq>(call: Call, make: impl FnOnce() -> T) -> io::Result<T> {
    let result = pass(call, make, minus_one);
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As `check`, with a call that was interrupted made again, [`INTERRUPTIONS_MAX`] times at most. Then
/// the error is `Interrupted`.
#[inline]
pub(crate) fn retry<T: From<i8> + PartialEq>(call: Call, mut make: impl FnMut() -> T) -> io::Result<T> {
    let result = pass(call, &mut make, minus_one);
    // Apart, so that a call that succeeds costs one comparison.
    if result == T::from(-1) { failed(call, make) } else { Ok(result) }
}

/// Makes a call through others, `socket2` or the standard library, which have looked at errno.
#[inline]
pub(crate) fn attempt<T>(call: Call, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    pass(call, make, |code| Err(io::Error::from_raw_os_error(code)))
}

/// What a call of the C library that fails with the error `code` leaves behind.
fn minus_one<T: From<i8>>(code: c_int) -> T {
    errno::set(code);
    T::from(-1)
}

/// The call has failed: makes it again if it was interrupted.
#[cold]
#[inline(never)]
fn failed<T: From<i8> + PartialEq>(call: Call, mut make: impl FnMut() -> T) -> io::Result<T> {
    let mut error = io::Error::last_os_error();
    for _ in 0..INTERRUPTIONS_MAX {
        if !is_interrupted(&error) {
            break;
        }
        match check(call, &mut make) {
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

    fn interrupted() -> c_int {
        minus_one(libc::EINTR)
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut calls = 0;
        let result = retry(Call::Recv, || {
            calls += 1;
            if calls < 4 { interrupted() } else { 7 }
        });
        assert_eq!((result.unwrap(), calls), (7, 4));
    }

    #[test]
    fn a_storm_of_interruptions_ends_in_an_error() {
        let mut calls = 0;
        let result = retry(Call::Recv, || {
            calls += 1;
            interrupted()
        });
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINTR));
        assert_eq!(calls, INTERRUPTIONS_MAX + 1);
    }
}
