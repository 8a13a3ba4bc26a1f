//! Writing to a pipe without the signal that a pipe without a reader raises.
//!
//! A socket has a flag against `SIGPIPE`, a pipe has none. So the signal is blocked in this thread during the
//! write; if the write failed it is pending, and taken; then the mask is put back. Two system calls more for each
//! write, four for one that fails. Apple and NetBSD raise it for the process, where any thread may get it, and
//! have a flag on the descriptor instead (`F_SETNOSIGPIPE`): one call at birth.
//!
//! Turned down: to ignore the signal in the whole process, which is the program's to decide and is inherited by
//! each process that it starts; to block it in the thread for good, likewise inherited.

use std::io;
use std::os::fd::BorrowedFd;

/// Keeps writes to a pipe from raising `SIGPIPE`, where it can be said once.
#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
pub(crate) fn suppress(pipe: BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: this command takes no pointer.
    let make = || unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETNOSIGPIPE, 1) };
    crate::check::check(crate::call::Call::Mode, make).map(drop)
}

/// Does the write, which was told at birth not to raise the signal.
#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
#[inline]
pub(crate) fn without_signal(write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
    write()
}

/// Nothing can be said once: the signal is kept back at each write.
#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
pub(crate) fn suppress(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
pub(crate) use masked::without_signal;

#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
mod masked {
    use std::io;
    use std::mem::zeroed;
    use std::ptr;

    use libc::{SIGPIPE, c_int, sigset_t};

    unsafe extern "C" {
        /// sigpending(2), which the crate `libc` leaves out.
        fn sigpending(set: *mut sigset_t) -> c_int;
    }

    /// Does the write, which must not panic, and takes the signal that it raises. One that was pending before stays.
    pub(crate) fn without_signal(write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        // SAFETY: all zeros is a valid value of a set, a plain C structure; each set lives through the calls that it
        // is passed to, and those that they write are writable. None of the calls can fail with a valid signal.
        let (sigpipe, before, pending_before) = unsafe {
            let (mut sigpipe, mut before): (sigset_t, sigset_t) = (zeroed(), zeroed());
            libc::sigemptyset(&mut sigpipe);
            libc::sigaddset(&mut sigpipe, SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, &mut before);
            // Only a signal that was blocked before can be pending already, and is not this write's.
            let mut pending: sigset_t = zeroed();
            let pending_before = libc::sigismember(&before, SIGPIPE) == 1
                && sigpending(&mut pending) == 0
                && libc::sigismember(&pending, SIGPIPE) == 1;
            (sigpipe, before, pending_before)
        };
        let result = write();
        let raised = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        // SAFETY: as above.
        unsafe {
            let mut pending: sigset_t = zeroed();
            if raised && !pending_before && sigpending(&mut pending) == 0 && libc::sigismember(&pending, SIGPIPE) == 1 {
                // The signal was raised for this thread: no other can take it meanwhile, and this does not wait.
                libc::sigwait(&sigpipe, &mut 0);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
        }
        result
    }
}
