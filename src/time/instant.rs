//! A moment, by the clock of the reactor.
//!
//! Not `std::time::Instant`, which cannot be made from a number and so cannot follow a virtual clock. All arithmetic
//! saturates: `Duration::MAX` is a valid argument everywhere.
//!
//! Sleeps, intervals and users read it; the wheel goes by the bare nanoseconds, of which 64 bits are 584 years. An
//! instant does not know its clock: a type parameter would keep those of two virtual clocks apart, and stand in every
//! signature for it.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use mainspring_sys::Clock;

use super::nanoseconds;
use crate::core::Core;
use crate::waker;

/// A moment, in nanoseconds of the clock that it was read from.
///
/// Instants of different reactors compare only when both have the system's clock.
///
/// ```
/// use mainspring::time::Instant;
/// use std::time::Duration;
///
/// let now = Instant::now();
/// assert!(now + Duration::MAX > now); // saturates
/// assert_eq!(now - (now + Duration::from_secs(1)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(u64);

impl Instant {
    /// Now: by the clock of the reactor that is running on this thread, outside one by the system's monotonic clock.
    #[inline]
    pub fn now() -> Self {
        Self(waker::current(|core| core.map_or_else(|| Clock::Os.now(), |core| core.clock.now())))
    }

    /// Now, or a moment earlier in the same poll of a task: one reading for all that ask so, for those to whom the
    /// length of a poll means nothing, and a reading a lot.
    #[inline]
    pub(crate) fn recent() -> Self {
        Self(waker::current(|core| core.map_or_else(|| Clock::Os.now(), Core::recent)))
    }

    /// The moment of `nanoseconds` of a clock.
    #[cfg(feature = "hyper")]
    pub(crate) const fn at(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    pub(crate) const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// How long ago this was; zero if it is still to come.
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(duration)))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time from `earlier` to `self`; zero if `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
