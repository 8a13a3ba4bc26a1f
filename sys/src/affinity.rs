//! On which processors a thread may run: sched_setaffinity(2).
//!
//! For whoever keeps one reactor on one processor, so that its memory stays in that processor's caches. Processors have
//! the system's numbers, which need be neither contiguous nor those that this process may use: a container, `taskset`
//! and `cpuset` take some away. So a thread is put on one of those that it is allowed now, and never on a number that
//! was guessed.
//!
//! What a thread may use goes over to the threads and processes that it starts. Whoever narrows it for one thread keeps
//! the list from before, for those.
//!
//! Linux and Android alone: macOS takes no more than hints, and the calls of the BSDs differ in what a number means.
//! There both are an error that says so, and nothing has changed.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::mem::size_of_val;

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::call::Call;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::check::check;

/// The most processors of a system, in items: what a Linux kernel can be built for.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PROCESSORS_MAX: usize = 8192;

/// A bit for each processor, in words as the kernel has them.
#[cfg(any(target_os = "linux", target_os = "android"))]
type Mask = [u64; PROCESSORS_MAX / 64];

/// The processors on which the calling thread may run, by their numbers in the system, in order.
///
/// # Errors
///
/// What a sandbox answers to sched_getaffinity(2); `Unsupported` everywhere but on Linux and Android.
///
/// ```
/// match mainspring_sys::thread_processors() {
///     Ok(processors) => println!("this thread may run on {processors:?}"),
///     Err(error) => println!("{error}"),
/// }
/// ```
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn thread_processors() -> io::Result<Vec<usize>> {
    let mut mask: Mask = [0; PROCESSORS_MAX / 64];
    exchange(&mut mask, false)?;
    Ok((0..PROCESSORS_MAX).filter(|number| mask[number / 64] >> (number % 64) & 1 == 1).collect())
}

/// Lets the calling thread, and what it starts from now on, run on these processors alone, those of them that it is
/// allowed: not the ones that the system or a `cpuset` keeps from this process.
///
/// # Errors
///
/// `InvalidInput` if none of them is there for this process, sched_setaffinity(2); `Unsupported` everywhere but on
/// Linux and Android.
///
/// ```
/// # #[cfg(target_os = "linux")]
/// std::thread::spawn(|| {
///     let allowed = mainspring_sys::thread_processors()?;
///     mainspring_sys::set_thread_processors(&allowed[..1])?;
///     assert_eq!(mainspring_sys::processors(), 1);
///     std::io::Result::Ok(())
/// })
/// .join()
/// .unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn set_thread_processors(processors: &[usize]) -> io::Result<()> {
    let mut mask: Mask = [0; PROCESSORS_MAX / 64];
    for &number in processors {
        if let Some(word) = mask.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }
    match exchange(&mut mask, true) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let message = format!("cannot run this thread on processors {processors:?}: none of them is there for it");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        set => set,
    }
}

/// Tells the system the mask of the calling thread, or asks for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn exchange(mask: &mut Mask, tells: bool) -> io::Result<()> {
    let (length, mask) = (size_of_val(mask), mask.as_mut_ptr().cast());
    // SAFETY: the mask is readable and writable for `length` bytes; the cast changes only what its bits are called. 0
    // is this thread.
    let make = || unsafe {
        if tells { libc::sched_setaffinity(0, length, mask) } else { libc::sched_getaffinity(0, length, mask) }
    };
    check(Call::Affinity, make).map(drop)
}

/// The processors on which the calling thread may run.
///
/// # Errors
///
/// `Unsupported` on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn thread_processors() -> io::Result<Vec<usize>> {
    Err(missing())
}

/// Lets the calling thread run on these processors alone.
///
/// # Errors
///
/// `Unsupported` on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn set_thread_processors(_processors: &[usize]) -> io::Result<()> {
    Err(missing())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a thread cannot be kept on a processor on this system")
}
