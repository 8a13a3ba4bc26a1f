//! What the process may use: descriptors and processors.
//!
//! A server sizes its connection limit and its number of reactors by these. Asked for each time and not
//! kept, since both can change while the process runs.

use std::io;
use std::thread;

use crate::call::Call;
use crate::check::check;

/// The most descriptors that may be open, in items: the soft limit of `RLIMIT_NOFILE`, getrlimit(2). A
/// value beyond `i64::MAX` or so means that there is none.
///
/// # Errors
///
/// None in normal operation; what a sandbox answers to getrlimit(2).
pub fn descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable for one rlimit.
    check(Call::Limit, || unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    #[allow(clippy::unnecessary_cast, reason = "it is signed on FreeBSD")]
    Ok(limit.rlim_cur as u64)
}

/// How many threads run at the same time here, by affinity mask and control group: at least 1, and 1 if
/// it cannot be found out.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
