//! The timeout of one direction of a source, which costs a store per wait.
//!
//! A wait starts with the first "not yet" and ends with success, an error or withdrawal. Its deadline is not put into the
//! wheel there: no clock is read per task. Directions whose waits changed are listed, and after the batch the reactor
//! reads its clock once and gives each new wait its deadline. The wheel holds one entry per direction, which may be
//! earlier than the earliest deadline: when it comes due too early it is armed again. A wait that ends and starts again
//! within a batch, as on a busy connection, leaves the wheel alone; when none is left the entry is disarmed after the
//! batch, so that it is no reason to wake, nor for a virtual clock to jump.
//!
//! So a deadline is never early, and late by at most the batch in which the wait started. The alternative, one timer
//! per operation, costs an insertion, a removal and a clock reading each.

use std::time::Duration;

use crate::time::nanoseconds;
use crate::wheel::Key;

/// The timeout of a direction. The deadlines of its waits stand with the waits.
pub(crate) struct Deadline {
    /// Nanoseconds per wait.
    timeout: u64,
    /// The entry in the wheel, this direction's own.
    entry: Key,
}

/// No deadline: nobody waits, or not for a limited time.
pub(crate) const NEVER: u64 = u64::MAX;

/// The deadline of a wait that has expired, until its owner is told.
pub(crate) const EXPIRED: u64 = u64::MAX - 1;

/// The deadline of a wait that started after the last clock reading.
pub(crate) const NEW: u64 = 0;

/// Whether a deadline is a moment, and not one of the three above.
#[inline]
pub(crate) const fn is_moment(deadline: u64) -> bool {
    deadline > NEW && deadline < EXPIRED
}

impl Deadline {
    /// No wait yet; `entry` stands idle in the wheel.
    pub(crate) fn new(timeout: Duration, entry: Key) -> Self {
        Self { timeout: nanoseconds(timeout), entry }
    }

    pub(crate) const fn entry(&self) -> Key {
        self.entry
    }

    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout)
    }

    /// From the next wait on.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = nanoseconds(timeout);
    }

    /// When a wait expires that is new at `now`, the first clock reading after its batch.
    pub(crate) fn of_new(&self, now: u64) -> u64 {
        now.saturating_add(self.timeout).min(EXPIRED - 1)
    }
}
