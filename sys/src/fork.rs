//! Whether this process is a child that fork(2) has made of one that used this crate.
//!
//! What a child inherits is not its own: an epoll instance that it shares with its parent, a kqueue that is not there,
//! bells and alarms that ring in the parent, locks that threads held which the child does not have. So whatever has
//! such a thing keeps the [`generation`] in which it was made, and leaves it alone in any other.
//!
//! A handler of pthread_atfork(3) counts, in the child, so that asking costs one load and no system call. It is set up
//! once per process ([`watch`]), by whatever is the first to keep a generation. It sees what goes through the `fork` of
//! the C library; vfork(2), posix_spawn(3), with which std starts programs, and clone(2) by hand it does not.
//!
//! Turned down: getpid(2) at each use, a system call; memory that the kernel clears in the child (`MADV_WIPEONFORK`),
//! which is Linux's alone.

use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use crate::call::Call;
use crate::check::attempt;

/// How many forks lie between this process and the one that called [`watch`] first. Written by the handler alone.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Whether the handler is set up; children inherit it.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// What else to do in a child: a `fn()`, or null. Why not a `OnceLock`: a child of the moment in which it is set would
/// wait for the thread that sets it, which the child does not have.
static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The generation of this process: 0, in a child of it 1, and so on. It counts from the first [`watch`] on.
///
/// ```
/// use mainspring_sys::fork;
///
/// fork::watch()?;
/// let made_in = fork::generation();
/// // ...
/// assert_eq!(fork::generation(), made_in, "what was made is still ours");
/// # std::io::Result::Ok(())
/// ```
#[inline]
pub fn generation() -> u32 {
    // Relaxed: it is written before the child has a second thread.
    GENERATION.load(Ordering::Relaxed)
}

/// Counts forks from now on. Called again, it does nothing.
///
/// # Errors
///
/// pthread_atfork(3): `ENOMEM`.
pub fn watch() -> io::Result<()> {
    if WATCHED.load(Ordering::Acquire) {
        return Ok(());
    }
    // SAFETY: the handler is a function, which is there for as long as the process is, and touches atomics and the
    // hook.
    let register = || match unsafe { libc::pthread_atfork(None, None, Some(handle)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    };
    attempt(Call::ForkHandler, register)?;
    // Why not before: another thread that finds it set may fork at once. Two threads that come first at the same time
    // both set the handler up; then a fork counts twice, which tells parent from child as well.
    WATCHED.store(true, Ordering::Release);
    Ok(())
}

/// Calls `hook` in each child too, on the thread that forks and before its `fork` returns. It must do no more than a
/// signal handler may, signal-safety(7). The first hook of the process stays.
pub fn in_child(hook: fn()) {
    // Why ignored: there is one already, which stays.
    let _ = HOOK.compare_exchange(ptr::null_mut(), hook as *mut (), Ordering::SeqCst, Ordering::SeqCst);
}

/// Runs in the child.
unsafe extern "C" fn handle() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let hook = HOOK.load(Ordering::SeqCst);
    if !hook.is_null() {
        // SAFETY: what is not null is the `fn()` that `in_child` has put there, as large as a pointer to data is (POSIX,
        // dlsym).
        let hook = unsafe { mem::transmute::<*mut (), fn()>(hook) };
        hook();
    }
}
