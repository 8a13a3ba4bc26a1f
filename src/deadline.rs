//! The deadline of one direction of a source: a timeout that costs a store per wait.
//!
//! A wait starts with the first "not yet" and ends with success, an error or withdrawal. Its deadline is not put into the
//! wheel there: no clock is read per task. Sources whose wait started are listed, and after the batch the reactor reads
//! its clock once and gives each its deadline ([`Deadline::assign`]). The wheel holds one entry per direction, which may
//! be earlier than the deadline: when it comes due too early it is armed again. A wait that ends and starts again within
//! a batch, as on a busy connection, leaves the wheel alone; one that stays ended has its entry disarmed after the batch.
//!
//! So a deadline is never early, and late by at most the batch in which the wait started. The alternative, one timer
//! per operation, costs an insertion, a removal and a clock reading each.

use std::time::Duration;

use crate::time::nanoseconds;
use crate::wheel::Key;

/// No deadline: nobody waits.
const NEVER: u64 = u64::MAX;

/// The timeout of a direction, and where its present wait stands.
pub(crate) struct Deadline {
    /// Nanoseconds per wait.
    timeout: u64,
    /// When the present wait expires, in the reactor's nanoseconds; `NEVER` if nobody waits or it is not assigned yet.
    at: u64,
    /// The entry in the wheel, this deadline's own.
    entry: Key,
    /// Set while the reactor's list of waits that started or ended names this direction.
    listed: bool,
    /// Set while somebody waits.
    waiting: bool,
}

/// What the reactor has to do with the entry in the wheel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The wait has expired.
    Expired,
    /// The wait went on, or a new one began: look again at this time.
    Later(u64),
    /// Nobody waits.
    Idle,
}

impl Deadline {
    /// No wait yet; `entry` stands idle in the wheel.
    pub(crate) fn new(timeout: Duration, entry: Key) -> Self {
        Self { timeout: nanoseconds(timeout), at: NEVER, entry, listed: false, waiting: false }
    }

    pub(crate) fn entry(&self) -> Key {
        self.entry
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout)
    }

    /// From the next wait on.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = nanoseconds(timeout);
    }

    /// The first waiter came. True if the reactor has to list this direction.
    pub(crate) fn start(&mut self) -> bool {
        self.waiting = true;
        self.at = NEVER;
        !std::mem::replace(&mut self.listed, true)
    }

    /// A waiter went; `waiting` if others remain, whose deadline starts anew when it was theirs that was reported as
    /// expired. True if the reactor has to list this direction.
    pub(crate) fn left(&mut self, waiting: bool) -> bool {
        if waiting && self.at != NEVER {
            return false;
        }
        self.waiting = waiting;
        self.at = NEVER;
        !std::mem::replace(&mut self.listed, true)
    }

    /// The reactor's turn: `now` is the first clock reading after the batch. Returns when the wait expires; none if
    /// nobody waits, so that an entry in the wheel is no reason to wake.
    pub(crate) fn assign(&mut self, now: u64) -> Option<u64> {
        self.listed = false;
        if !self.waiting {
            return None;
        }
        if self.at == NEVER {
            self.at = now.saturating_add(self.timeout);
        }
        Some(self.at)
    }

    /// The entry in the wheel came due at `now`.
    pub(crate) fn due(&mut self, now: u64) -> Due {
        if !self.waiting || self.at == NEVER {
            Due::Idle
        } else if self.at > now {
            Due::Later(self.at)
        } else {
            self.at = NEVER;
            Due::Expired
        }
    }
}
