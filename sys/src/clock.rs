//! What time it is: the system's monotonic clock, or one that a test moves.
//!
//! The reactor and the net types read time through this alone, so a test can put hours into a
//! millisecond. An enum and not a trait: the one branch costs less than a virtual call, and no type
//! above gets a type parameter for it.
//!
//! Nanoseconds in a `u64`, from a point that means nothing in itself: 584 years fit, and arithmetic on
//! deadlines is plain integer arithmetic. Turned down: `std::time::Instant`, of which no value can be
//! made for a virtual clock.

use std::io;
use std::time::Duration;

use crate::VirtualClock;

/// Apple's `CLOCK_MONOTONIC` is coarser than this one and goes on while the machine sleeps.
#[cfg(target_vendor = "apple")]
const MONOTONIC: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
/// Never set, never goes back, clock_gettime(2).
#[cfg(not(target_vendor = "apple"))]
const MONOTONIC: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// A clock that never goes back. Clones of a virtual clock share its time.
///
/// There is no third kind of time, so the enum is complete.
///
/// ```
/// use std::time::Duration;
/// use mainspring_sys::Clock;
///
/// let clock = Clock::manual();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(3600)).expect("a virtual clock can be moved");
/// assert_eq!(clock.now() - start, 3_600_000_000_000);
/// assert!(Clock::os().advance(Duration::ZERO).is_err());
/// ```
#[derive(Clone, Default, Debug)]
pub enum Clock {
    /// The system's monotonic clock, clock_gettime(2). It stands still while the machine is suspended.
    #[default]
    Os,
    /// One that moves only when it is told to.
    Virtual(VirtualClock),
}

impl Clock {
    /// The system's monotonic clock.
    pub const fn os() -> Self {
        Self::Os
    }

    /// A virtual clock that the reactor moves to its next deadline when it has nothing else to do.
    pub fn auto() -> Self {
        Self::Virtual(VirtualClock::auto())
    }

    /// A virtual clock that only [`advance`](Self::advance) and [`advance_to`](Self::advance_to) move.
    pub fn manual() -> Self {
        Self::Virtual(VirtualClock::manual())
    }

    /// The time in nanoseconds. Only the difference of two readings of one clock means something.
    #[inline]
    pub fn now(&self) -> u64 {
        match self {
            Self::Os => monotonic(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// Moves a virtual clock on by `step`, to `u64::MAX` nanoseconds at most.
    ///
    /// # Errors
    ///
    /// `Unsupported` for the system's clock.
    pub fn advance(&self, step: Duration) -> io::Result<()> {
        self.movable()?.advance(step);
        Ok(())
    }

    /// Moves a virtual clock to `time` nanoseconds, or leaves it if it is there or past it.
    ///
    /// # Errors
    ///
    /// `Unsupported` for the system's clock.
    pub fn advance_to(&self, time: u64) -> io::Result<()> {
        self.movable()?.advance_to(time);
        Ok(())
    }

    /// True if the reactor moves this clock to its next deadline.
    #[inline]
    pub fn is_auto(&self) -> bool {
        matches!(self, Self::Virtual(clock) if clock.is_auto())
    }

    /// True if this is not the system's clock.
    #[inline]
    pub const fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    fn movable(&self) -> io::Result<&VirtualClock> {
        match self {
            Self::Os => {
                let message = "could not advance the clock: it is the system's, not a virtual one";
                Err(io::Error::new(io::ErrorKind::Unsupported, message))
            }
            Self::Virtual(clock) => Ok(clock),
        }
    }
}

/// The system's clock, in nanoseconds.
#[inline]
fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // The only errors are a bad pointer and an unknown clock, and every system here has this one.
    // SAFETY: `time` is writable for one timespec.
    unsafe { libc::clock_gettime(MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
