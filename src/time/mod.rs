//! Time: sleeping, deadlines, intervals, and the clock that all of them go by.
//!
//! Every reactor has a wheel of its own and a [`Clock`] that is an input: a virtual one in tests. Nothing is
//! ever early. All arithmetic saturates, so `Duration::MAX` is a valid argument everywhere.
//!
//! Futures here find their reactor by the thread, when they are first polled. A wheel rounds up to its tick of 32.768
//! µs, in return for which arming and removing a timer costs the same however many there are; a heap would be exact, at
//! a cost that grows with their number. Timers on a thread of their own, shared by the process, would need a lock and a
//! wake-up across threads.

mod instant;
mod interval;
mod sleep;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use mainspring_sys::Clock;
pub(crate) use sleep::sleep_until_later;
pub use sleep::{Sleep, sleep, sleep_until};
pub(crate) use timeout::Limit;
pub use timeout::{Elapsed, timeout};

use std::time::Duration;

/// The one conversion of a `Duration` into nanoseconds of a clock: saturating, at 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
