//! The timeout of one direction of a source, which costs a store per wait.
//!
//! A wait starts with the first "not yet" and ends with success, an error or withdrawal. Its deadline is not put into
//! the wheel there: no clock is read per task. Directions whose waits changed are listed, and after the batch the
//! reactor reads its clock once and gives each new wait its deadline. The wheel holds one entry per direction, which
//! may be earlier than the earliest deadline: when it comes due too early it is armed again. A wait that ends and
//! starts again within a batch, as on a busy connection, leaves the wheel alone; when none is left the entry is
//! disarmed after the batch, so that it is no reason to wake, nor for a virtual clock to jump.
//!
//! So a deadline is never early, and late by at most the batch in which the wait started. The alternative, one timer
//! per operation, costs an insertion, a removal and a clock reading each.

use std::io;
use std::time::Duration;

use crate::direction::Direction;
use crate::sentence::sentence;
use crate::source::Source;
use crate::table::Tasks;
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

impl Source {
    /// Sets a read or write timeout; a wait that is going on keeps the deadline it has.
    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            let text = "a timeout of zero cannot be set; use None for no timeout";
            return Err(sentence(io::ErrorKind::InvalidInput, text));
        }
        let mut rare = self.rare.borrow_mut();
        if timeout.is_none() && rare.is_none() {
            return Ok(());
        }
        let rare = rare.get_or_insert_default();
        match (timeout, &mut rare.deadlines[direction as usize]) {
            (Some(timeout), Some(deadline)) => deadline.set_timeout(timeout),
            (Some(timeout), empty) => {
                *empty = Some(Deadline::new(timeout, self.core.insert_deadline(self.token(), direction)));
                self.set(direction.timed());
            }
            (None, deadline) => {
                if let Some(deadline) = deadline.take() {
                    self.core.remove_timer(deadline.entry());
                }
                rare.crowd.of(direction).for_each(|wait| wait.deadline = NEVER);
                self.seats[direction as usize].deadline.set(NEVER);
                if self.has(direction.expired()) {
                    // The bit is on for the wait that had expired, and for nothing else.
                    self.clear(direction);
                }
                self.unset(direction.timed() | direction.expired());
            }
        }
        Ok(())
    }

    /// The timeout that was set.
    pub(crate) fn timeout(&self, direction: Direction) -> Option<Duration> {
        Some(self.rare.borrow().as_ref()?.deadlines[direction as usize].as_ref()?.timeout())
    }

    /// Gives the waits of a direction that have none their deadlines, counted from `now`. Returns the entry in the
    /// wheel, and when it has to come due; none if a timeout is not set any more.
    pub(crate) fn settle(&self, direction: Direction, now: u64) -> Option<(Key, Option<u64>)> {
        self.unset(direction.listed());
        let mut rare = self.rare.borrow_mut();
        let rare = rare.as_mut()?;
        let deadline = rare.deadlines[direction as usize].as_ref()?;
        let (key, new) = (deadline.entry(), deadline.of_new(now));
        let settled = |deadline: u64| if deadline == NEW { new } else { deadline };
        let seat = &self.seats[direction as usize].deadline;
        seat.set(settled(seat.get()));
        let crowd = rare.crowd.of(direction).map(|wait| {
            wait.deadline = settled(wait.deadline);
            wait.deadline
        });
        Some((key, crowd.chain([seat.get()]).filter(|deadline| is_moment(*deadline)).min()))
    }

    /// The entry of a direction has come due. Wakes the waits that have expired: the first to try makes the system
    /// call, and if that finds nothing it is over with all of them. Returns when the entry has to come due next.
    pub(crate) fn expire(&self, direction: Direction, now: u64, tasks: &mut Tasks) -> Option<u64> {
        let mut next = None;
        let mut expires = |deadline: u64| {
            if deadline > now && is_moment(deadline) {
                next = Some(next.map_or(deadline, |next: u64| next.min(deadline)));
            }
            let expires = deadline <= now && is_moment(deadline);
            if expires {
                self.last_try(direction);
                self.core.counters.timers.add(1);
            }
            expires
        };
        let seat = &self.seats[direction as usize];
        if expires(seat.deadline.get()) {
            seat.deadline.set(EXPIRED);
            if let Some(task) = seat.task.take() {
                tasks.wake(task);
            }
        }
        let mut rare = self.rare.borrow_mut();
        for wait in rare.iter_mut().flat_map(|rare| rare.crowd.of(direction)) {
            if expires(wait.deadline) {
                wait.deadline = EXPIRED;
                if let Some(waker) = wait.waker.take() {
                    self.core.wake_or_keep(waker, tasks);
                }
            }
        }
        next
    }

    /// Whether the wait of `owner` has expired: it is told so once.
    pub(crate) fn take_expired(&self, direction: Direction, owner: u64) -> bool {
        self.unset(direction.expired());
        let seat = &self.seats[direction as usize];
        if seat.owner.get() == owner && seat.deadline.get() == EXPIRED {
            seat.deadline.set(NEVER);
            return true;
        }
        let mut rare = self.rare.borrow_mut();
        let wait = rare.as_mut().and_then(|rare| rare.crowd.get_mut(direction, owner));
        wait.is_some_and(|wait| {
            let expired = wait.deadline == EXPIRED;
            wait.deadline = if expired { NEVER } else { wait.deadline };
            expired
        })
    }
}
