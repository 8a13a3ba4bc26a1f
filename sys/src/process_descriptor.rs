//! A child process as a descriptor that becomes readable when it ends.
//!
//! For whoever waits for a child without a thread: registered like any other descriptor, and then the child is waited
//! for by its number, which does not block any more. Linux alone has it, pidfd_open(2), from 5.3 on and where no
//! sandbox forbids it. Elsewhere there is the signal [`Kind::CHILD`](crate::signal::Kind::CHILD), which says that some
//! child has ended and not which.
//!
//! Turned down: the filter `EVFILT_PROC` of kqueue(2), which is no descriptor, and would be a second way to register.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;

/// A descriptor that is readable from when `child` has ended. Close-on-exec, and not to be read.
///
/// # Errors
///
/// `Unsupported` where the system has none; `ENOSYS`, `EPERM` where it is too old, or in a sandbox; `ESRCH` if the
/// child has been waited for; `EMFILE`, `ENFILE`.
///
/// ```
/// use std::process::Command;
/// use mainspring_sys::{process_descriptor, Events, Interest, Mode, OsSelector, Selector, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let mut child = Command::new("true").spawn()?;
/// if let Ok(ended) = process_descriptor(&child) {
///     let selector = OsSelector::new()?;
///     selector.register(std::os::fd::AsFd::as_fd(&ended), Token(1), Interest::READABLE, Mode::Edge)?;
///     let mut events = Events::with_capacity(8);
///     while child.try_wait()?.is_none() {
///         selector.select(&mut events, None)?;
///     }
/// }
/// assert!(child.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
pub fn process_descriptor(child: &Child) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;

    use crate::call::Call;
    use crate::check::check;

    // Why the number is the child's: it is nobody else's before the child is waited for, which takes the child by
    // `&mut`.
    let pid = child.id() as libc::pid_t;
    // SAFETY: the call takes no pointer, and nobody else knows the descriptor that it has made.
    unsafe {
        let number = check(Call::ProcessDescriptor, || libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(number as libc::c_int))
    }
}

/// A descriptor that is readable from when `child` has ended: not here.
///
/// # Errors
///
/// `Unsupported`.
#[cfg(not(all(target_os = "linux", not(mainspring_force_kqueue))))]
pub fn process_descriptor(_child: &Child) -> io::Result<OwnedFd> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no descriptors of processes"))
}
