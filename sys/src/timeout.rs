//! The one conversion of a timeout to what the kernel takes.
//!
//! Each backend's `select` calls it. It rounds up, so that nothing is early, and saturates, so that
//! every `Duration` is a valid argument. Whole milliseconds are told from finer ones because on Linux
//! they have different system calls, of which the coarse one costs less than half.

use std::time::Duration;

use libc::{c_int, timespec};

/// The longest single wait. Darwin refuses a `kevent` of much more with `EINVAL`, and epoll_wait(2) ends
/// at 2,147,483 seconds; a wait that is cut short is a spurious return.
const WAIT_MAX: Duration = Duration::from_secs(1_000_000);

const NANOSECONDS_PER_MILLISECOND: u32 = 1_000_000;
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// How long to wait in the kernel. All payloads are of one type, so that it is passed in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timeout {
    /// Without end.
    Forever,
    /// A whole number of milliseconds, zero included, at most `WAIT_MAX`.
    Milliseconds(u64),
    /// A number of nanoseconds that is no whole number of milliseconds, below `WAIT_MAX`.
    Nanoseconds(u64),
}

impl Timeout {
    /// Looks and does not wait.
    pub(crate) const ZERO: Self = Self::Milliseconds(0);

    /// Of what the caller of `select` asks for; `None` is without end.
    #[inline]
    pub(crate) fn of(timeout: Option<Duration>) -> Self {
        let Some(timeout) = timeout else {
            return Self::Forever;
        };
        let timeout = timeout.min(WAIT_MAX);
        let subsecond = timeout.subsec_nanos();
        if subsecond % NANOSECONDS_PER_MILLISECOND == 0 {
            let milliseconds = timeout.as_secs() * 1_000 + u64::from(subsecond / NANOSECONDS_PER_MILLISECOND);
            Self::Milliseconds(milliseconds)
        } else {
            Self::Nanoseconds(timeout.as_secs() * NANOSECONDS_PER_SECOND + u64::from(subsecond))
        }
    }

    /// In milliseconds, rounded up; -1 is without end.
    #[allow(dead_code, reason = "for epoll_wait alone")]
    #[inline]
    pub(crate) fn milliseconds(self) -> c_int {
        let milliseconds = match self {
            Self::Forever => return -1,
            Self::Milliseconds(milliseconds) => milliseconds,
            Self::Nanoseconds(nanoseconds) => nanoseconds.div_ceil(u64::from(NANOSECONDS_PER_MILLISECOND)),
        };
        // At most 10^9, by `WAIT_MAX`.
        milliseconds as c_int
    }

    /// In seconds and nanoseconds, exactly; `None` is without end.
    #[allow(dead_code, reason = "illumos has no system call that takes it")]
    #[inline]
    pub(crate) fn timespec(self) -> Option<timespec> {
        let nanoseconds = match self {
            Self::Forever => return None,
            Self::Milliseconds(milliseconds) => milliseconds * u64::from(NANOSECONDS_PER_MILLISECOND),
            Self::Nanoseconds(nanoseconds) => nanoseconds,
        };
        Some(timespec {
            tv_sec: (nanoseconds / NANOSECONDS_PER_SECOND) as libc::time_t,
            tv_nsec: (nanoseconds % NANOSECONDS_PER_SECOND) as libc::c_long,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_MS: u64 = 1_000_000_000;

    fn of(nanoseconds: u64) -> Timeout {
        Timeout::of(Some(Duration::from_nanos(nanoseconds)))
    }

    #[test]
    fn every_boundary_has_its_value() {
        use Timeout::{Forever, Milliseconds, Nanoseconds};
        let ms = Duration::from_millis;
        let table = [
            (None, Forever, -1),
            (Some(Duration::ZERO), Milliseconds(0), 0),
            (Some(Duration::from_nanos(1)), Nanoseconds(1), 1),
            (Some(Duration::from_nanos(999_999)), Nanoseconds(999_999), 1),
            (Some(ms(1)), Milliseconds(1), 1),
            (Some(Duration::from_nanos(1_000_001)), Nanoseconds(1_000_001), 2),
            (Some(Duration::from_nanos(999_999_999)), Nanoseconds(999_999_999), 1_000),
            (Some(ms(1_000)), Milliseconds(1_000), 1_000),
            (Some(WAIT_MAX - Duration::from_nanos(1)), Nanoseconds(999_999_999_999_999), 1_000_000_000),
            (Some(WAIT_MAX), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(WAIT_MAX + Duration::from_nanos(1)), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(ms(i32::MAX as u64 - 1)), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(ms(i32::MAX as u64)), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(ms(i32::MAX as u64 + 1)), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(ms(u64::from(u32::MAX))), Milliseconds(MAX_MS), 1_000_000_000),
            (Some(Duration::MAX), Milliseconds(MAX_MS), 1_000_000_000),
        ];
        for (asked, timeout, milliseconds) in table {
            assert_eq!(Timeout::of(asked), timeout, "{asked:?}");
            assert_eq!(timeout.milliseconds(), milliseconds, "{asked:?}");
        }
    }

    #[test]
    fn a_timespec_is_exact() {
        let parts = |timeout: Timeout| timeout.timespec().map(|time| (time.tv_sec, time.tv_nsec));
        assert_eq!(parts(Timeout::Forever), None);
        assert_eq!(parts(Timeout::ZERO), Some((0, 0)));
        assert_eq!(parts(of(1)), Some((0, 1)));
        assert_eq!(parts(of(1_999_999_999)), Some((1, 999_999_999)));
        assert_eq!(parts(of(3_004_000_000)), Some((3, 4_000_000)));
        assert_eq!(parts(Timeout::of(Some(Duration::MAX))), Some((1_000_000, 0)));
    }

    #[test]
    fn no_timeout_is_shorter_than_asked() {
        // Around each power of two, and each millisecond next to it.
        for shift in 0..50 {
            for offset in -2_i64..=2 {
                let near = (1_i64 << shift) + offset;
                let whole = near - near % 1_000_000;
                for nanoseconds in [near, whole].into_iter().filter(|&nanoseconds| nanoseconds >= 0) {
                    let nanoseconds = nanoseconds as u64;
                    let asked = Duration::from_nanos(nanoseconds).min(WAIT_MAX);
                    let waited = Duration::from_millis(of(nanoseconds).milliseconds() as u64);
                    assert!(waited >= asked, "{nanoseconds} ns");
                    assert!(waited < asked + Duration::from_millis(1), "{nanoseconds} ns");
                }
            }
        }
    }
}
