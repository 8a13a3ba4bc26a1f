//! Where a test can make the operating system fail.
//!
//! Every system call goes through [`pass`], every length of a transfer through [`cut`], every wait of a selector
//! through [`disturb`], which knows what is registered by [`watch`]. With `--cfg mainspring_faults` they are those of
//! `faults.rs`, which follow the plan of the calling thread. Otherwise they are these, which do nothing and leave no
//! instruction behind.
//!
//! A cfg and not a feature: Cargo unites the features of all who depend on a crate, so a development dependency that
//! turned one on would slow every measured build down. Turned down: a trait for the operating system, which puts a type
//! parameter into everything above.

#[cfg(mainspring_faults)]
pub(crate) use crate::faults::{cut, disturb, pass, watch};

#[cfg(not(mainspring_faults))]
mod plain {
    use std::io;

    use libc::c_int;

    use crate::Token;
    use crate::backend::Record;
    use crate::call::Call;
    use crate::timeout::Timeout;

    /// Makes a call of the kind; `_fail` says what it returns if it fails with an error code instead.
    #[inline(always)]
    pub(crate) fn pass<T>(_call: Call, make: impl FnOnce() -> T, _fail: impl FnOnce(c_int) -> T) -> T {
        make()
    }

    /// How many of `count` bytes (of a vectored call: buffers) a call of the kind may transfer, at least 1 of them.
    #[inline(always)]
    pub(crate) const fn cut(_call: Call, count: usize) -> usize {
        count
    }

    /// Waits, and may change for how long, and what was found.
    #[inline(always)]
    pub(crate) fn disturb(
        records: &mut Vec<Record>,
        timeout: Timeout,
        wait: impl FnOnce(&mut Vec<Record>, Timeout) -> io::Result<()>,
    ) -> io::Result<()> {
        wait(records, timeout)
    }

    /// Remembers what is registered.
    #[inline(always)]
    pub(crate) const fn watch(_token: Token) {}
}
#[cfg(not(mainspring_faults))]
pub(crate) use plain::{cut, disturb, pass, watch};
