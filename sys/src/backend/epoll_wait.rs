//! The wait of the epoll selector.
//!
//! Called by `select` alone. Whole milliseconds go through `epoll_wait`; anything finer through
//! `epoll_pwait2` (Linux 5.11), which takes more than twice as long to find nothing. It is called by
//! number, since old C libraries cannot link the name, and not again once the kernel (`ENOSYS`) or a
//! sandbox (`EPERM`) has refused it: then the time is rounded up to milliseconds.
//!
//! Turned down: a timerfd, which costs two more system calls for each wait.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
#[cfg(not(target_os = "illumos"))]
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;

use super::epoll::Record;
use crate::call::Call;
use crate::check::{check, is_interrupted};
use crate::timeout::Timeout;

/// Set once `epoll_pwait2` was refused, for the whole process: neither the kernel nor its sandbox will
/// change its mind.
#[cfg(not(target_os = "illumos"))]
static FINE_WAIT_REFUSED: AtomicBool = AtomicBool::new(false);

/// The size of the kernel's signal set in bytes. It checks it even where no set is passed.
#[cfg(not(target_os = "illumos"))]
const SIGNAL_SET_SIZE: usize = 8;

/// Waits, and puts what it finds into the records, none if a signal handler ran.
#[inline]
pub(super) fn wait(epoll: &OwnedFd, records: &mut Vec<Record>, timeout: Timeout) -> io::Result<()> {
    #[cfg(not(target_os = "illumos"))]
    if matches!(timeout, Timeout::Nanoseconds(_)) && !FINE_WAIT_REFUSED.load(Ordering::Relaxed) {
        return wait_fine(epoll, records, timeout);
    }
    wait_coarse(epoll, records, timeout)
}

/// Waits for a time rounded up to milliseconds.
#[inline]
fn wait_coarse(epoll: &OwnedFd, records: &mut Vec<Record>, timeout: Timeout) -> io::Result<()> {
    let (list, room) = (records.as_mut_ptr(), records.capacity() as c_int);
    // SAFETY: the list is writable for `room` records, the capacity of the vector, and the kernel fills as many as it
    // says.
    unsafe {
        let make = || libc::epoll_wait(epoll.as_raw_fd(), list, room, timeout.milliseconds());
        fill(records, check(Call::Select, make))
    }
}

/// Waits for a time in nanoseconds, or for the rounded one if the kernel cannot.
#[cfg(not(target_os = "illumos"))]
fn wait_fine(epoll: &OwnedFd, records: &mut Vec<Record>, timeout: Timeout) -> io::Result<()> {
    let (list, room) = (records.as_mut_ptr(), records.capacity() as c_int);
    let time = timeout.timespec();
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let no_set = std::ptr::null::<libc::sigset_t>();
    let fd = epoll.as_raw_fd();
    // SAFETY: the list is writable for `room` records, the capacity of the vector, and the kernel fills as many as it
    // says. The time lives until the end of this function, and is two 64-bit numbers on every 64-bit target, as the
    // kernel wants it.
    unsafe {
        let make = || libc::syscall(libc::SYS_epoll_pwait2, fd, list, room, time, no_set, SIGNAL_SET_SIZE);
        match check(Call::Select, make) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {}
            count => return fill(records, count.map(|count| count as c_int)),
        }
    }
    FINE_WAIT_REFUSED.store(true, Ordering::Relaxed);
    wait_coarse(epoll, records, timeout)
}

/// Takes the outcome of a wait: the records, or none if a signal handler ran.
///
/// # Safety
///
/// * If there is a count, so many records at the start of the vector's memory have been filled.
#[inline]
unsafe fn fill(records: &mut Vec<Record>, count: io::Result<c_int>) -> io::Result<()> {
    match count {
        Ok(count) => {
            // SAFETY: filled, as the caller says, and so within the capacity.
            unsafe { records.set_len(count as usize) };
            Ok(())
        }
        Err(error) if is_interrupted(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
