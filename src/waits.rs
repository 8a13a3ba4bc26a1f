//! Who waits for a source, and until when.
//!
//! A wait belongs to an owner (a leaf future, a tick task, a `ready`) and lasts from its first "not yet" until the owner
//! succeeds, fails or is dropped, also while its waker is out after a wake. There is hardly ever more than one per
//! direction, and it is nearly always that of a task: that one has a seat, two words in cells. An owner keeps its seat
//! when it was woken, so that its next wait only has to say so; another may take it while nobody is to be woken there.
//! A direction with wakers of foreign executors, further waits or a deadline keeps its waits in [`Rare`], allocated when
//! first needed.
//!
//! A seat names a task only while the direction's readiness bit is off: whatever turns the bit on takes the task out. So
//! an operation that succeeds has nothing to clear.
//!
//! The alternative, a list of wakers emptied on each event, leaves wakers of cancelled reads behind and cannot say when a
//! deadline has nobody behind it.

use std::cell::Cell;
use std::io;
use std::task::Waker;
use std::time::Duration;

use mainspring_sys::Readiness;

use crate::core::Core;
use crate::deadline::Deadline;
use crate::source::{Direction, Source};
use crate::task::Tasks;
use crate::waker::Number;
use crate::wheel::Key;

/// The first wait of a direction, by a task.
#[derive(Default)]
pub(crate) struct Seat {
    /// Whose it is; 0 is nobody's.
    owner: Cell<u64>,
    /// Which task is woken by the next event; none if nobody is.
    task: Cell<Option<Number>>,
}

/// What few sources have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Waits of both directions.
    crowd: Vec<Wait>,
    /// The deadline of each direction, if a timeout was set.
    deadlines: [Option<Deadline>; 2],
}

/// A wait that has no seat.
struct Wait {
    /// Which half of the source.
    direction: Direction,
    /// Whose.
    owner: u64,
    /// Who is woken by the next event; none after a wake.
    waker: Option<Waker>,
    /// When it expires, in the reactor's nanoseconds; `NEVER` before that is settled, and without a timeout.
    deadline: u64,
    /// Set if it has expired and its owner has not been told.
    expired: bool,
}

/// A deadline that does not come.
const NEVER: u64 = u64::MAX;

impl Rare {
    fn position(&self, direction: Direction, owner: u64) -> Option<usize> {
        self.crowd.iter().position(|wait| wait.direction == direction && wait.owner == owner)
    }

    fn has_crowd(&self, direction: Direction) -> bool {
        self.crowd.iter().any(|wait| wait.direction == direction)
    }

    fn is_needed(&self, direction: Direction) -> bool {
        self.has_crowd(direction) || self.deadlines[direction as usize].is_some()
    }
}

impl Source {
    /// Records that `owner` waits for `task`, if it has the seat.
    #[inline]
    pub(crate) fn sit(&self, direction: Direction, owner: u64, task: Option<Number>) -> bool {
        let seat = &self.seats[direction as usize];
        let sits = seat.owner.get() == owner && !self.has(direction.rare());
        if sits {
            seat.task.set(task);
        }
        sits
    }

    /// Records that `owner` waits and is woken through `waker`; true if the source did not know it before.
    #[inline]
    pub(crate) fn wait(&self, direction: Direction, owner: u64, waker: &Waker) -> bool {
        let seat = &self.seats[direction as usize];
        let sits = seat.owner.get() == owner;
        if !self.has(direction.rare()) && (sits || seat.task.get().is_none()) {
            if let Some(task) = Number::of(waker) {
                seat.owner.set(owner);
                seat.task.set(Some(task));
                return !sits;
            }
        }
        self.wait_rare(direction, owner, waker)
    }

    #[cold]
    fn wait_rare(&self, direction: Direction, owner: u64, waker: &Waker) -> bool {
        // Cloned before, and the one replaced dropped after, anything is borrowed: a foreign waker may do anything.
        let cloned = Some(waker.clone());
        let mut borrowed = self.rare.borrow_mut();
        let rare = borrowed.get_or_insert_default();
        let seat = &self.seats[direction as usize];
        let sat = seat.owner.get() == owner;
        if sat {
            seat.owner.set(0);
            seat.task.set(None);
        }
        let Some(position) = rare.position(direction, owner) else {
            rare.crowd.push(Wait { direction, owner, waker: cloned, deadline: NEVER, expired: false });
            self.set(direction.rare());
            if rare.deadlines[direction as usize].as_mut().is_some_and(Deadline::change) {
                self.core.wait_changed(self.token(), direction);
            }
            return !sat;
        };
        let wait = &mut rare.crowd[position];
        let expired = wait.expired;
        let replaced = std::mem::replace(&mut wait.waker, cloned);
        drop(borrowed);
        drop(replaced);
        if expired {
            // Another has turned the bit off since; this one is still to make its last try.
            self.believe(direction.bit());
            self.set(direction.expired());
            waker.wake_by_ref();
        }
        false
    }

    /// Ends the wait of `owner`, if it has one.
    #[inline]
    pub(crate) fn end_wait(&self, direction: Direction, owner: u64) {
        let seat = &self.seats[direction as usize];
        if seat.owner.get() == owner {
            seat.task.set(None);
        }
        if self.has(direction.rare()) {
            self.end_rare(direction, owner);
        }
    }

    /// Ends the wait of `owner` where a direction is not simple.
    #[cold]
    pub(crate) fn end_rare(&self, direction: Direction, owner: u64) {
        let mut borrowed = self.rare.borrow_mut();
        let Some(rare) = borrowed.as_mut() else { return };
        let Some(position) = rare.position(direction, owner) else { return };
        let _removed = rare.crowd.swap_remove(position);
        if rare.deadlines[direction as usize].as_mut().is_some_and(Deadline::change) {
            self.core.wait_changed(self.token(), direction);
        }
        if !rare.is_needed(direction) {
            self.unset(direction.rare());
        }
        drop(borrowed);
    }

    /// Whether `owner` has a place here, waiting or not.
    pub(crate) fn knows(&self, direction: Direction, owner: u64) -> bool {
        let stands = |rare: &Rare| rare.position(direction, owner).is_some();
        self.seats[direction as usize].owner.get() == owner || self.rare.borrow().as_deref().is_some_and(stands)
    }

    /// How many wait, both directions together.
    pub(crate) fn waits(&self) -> usize {
        let seats = self.seats.iter().filter(|seat| seat.task.get().is_some()).count();
        seats + self.rare.borrow().as_ref().map_or(0, |rare| rare.crowd.len())
    }

    /// An event: adds to what is known, and wakes those whom it concerns. Foreign wakers are left with the core.
    #[inline]
    pub(crate) fn record(&self, event: Readiness, tasks: &mut Tasks) {
        self.believe(event);
        for direction in [Direction::Read, Direction::Write] {
            if event.intersects(direction.bit()) {
                if let Some(number) = self.seats[direction as usize].task.take() {
                    tasks.wake(number);
                }
                if self.has(direction.rare()) {
                    self.wake_crowd(direction, tasks);
                }
            }
        }
    }

    #[cold]
    fn wake_crowd(&self, direction: Direction, tasks: &mut Tasks) {
        self.unset(direction.expired());
        let mut rare = self.rare.borrow_mut();
        for wait in rare.iter_mut().flat_map(|rare| &mut rare.crowd) {
            if wait.direction == direction {
                if let Some(waker) = wait.waker.take() {
                    self.core.woken(waker, tasks);
                }
            }
        }
    }

    /// Sets a read or write timeout; a wait that is going on keeps the deadline it has.
    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            let text = "a timeout of zero cannot be set; use None for no timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
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
                self.set(direction.rare());
            }
            (None, deadline) => {
                if let Some(deadline) = deadline.take() {
                    self.core.remove_timer(deadline.entry());
                }
                for wait in rare.crowd.iter_mut().filter(|wait| wait.direction == direction) {
                    (wait.deadline, wait.expired) = (NEVER, false);
                }
                self.unset(direction.expired());
                if !rare.is_needed(direction) {
                    self.unset(direction.rare());
                }
            }
        }
        Ok(())
    }

    /// The timeout that was set.
    pub(crate) fn timeout(&self, direction: Direction) -> Option<Duration> {
        Some(self.rare.borrow().as_ref()?.deadlines[direction as usize].as_ref()?.timeout())
    }

    /// Gives the waits of a direction that have none their deadlines, counted from `now`. Returns the entry in the wheel,
    /// and when it has to come due; none if a timeout is not set any more.
    pub(crate) fn settle(&self, direction: Direction, now: u64) -> Option<(Key, Option<u64>)> {
        let mut rare = self.rare.borrow_mut();
        let Rare { crowd, deadlines } = rare.as_deref_mut()?;
        let deadline = deadlines[direction as usize].as_mut()?;
        let new = deadline.settle(now);
        let waits = crowd.iter_mut().filter(|wait| wait.direction == direction && !wait.expired);
        let first = waits.map(|wait| {
            wait.deadline = if wait.deadline == NEVER { new } else { wait.deadline };
            wait.deadline
        });
        Some((deadline.entry(), first.min()))
    }

    /// The entry of a direction has come due. Wakes the waits that have expired: their next try makes the system call, and
    /// says so if that finds nothing. Returns when the entry has to come due next.
    pub(crate) fn expire(&self, direction: Direction, now: u64, tasks: &mut Tasks) -> Option<u64> {
        let mut next = None;
        let mut rare = self.rare.borrow_mut();
        let waits = rare.iter_mut().flat_map(|rare| &mut rare.crowd);
        for wait in waits.filter(|wait| wait.direction == direction && !wait.expired) {
            if wait.deadline > now {
                next = Some(next.map_or(wait.deadline, |next| wait.deadline.min(next)));
                continue;
            }
            wait.expired = true;
            // Why asked: a bit that an event has turned on is no hint of the expiry's, and must not be taken for one.
            if !self.readiness().intersects(direction.bit()) {
                self.believe(direction.bit());
                self.set(direction.expired());
            }
            self.core.counters.timers.add(1);
            if let Some(waker) = wait.waker.take() {
                self.core.woken(waker, tasks);
            }
        }
        next
    }

    /// Whether the wait of `owner` has expired: it is told so once.
    pub(crate) fn take_expired(&self, direction: Direction, owner: u64) -> bool {
        self.unset(direction.expired());
        let mut rare = self.rare.borrow_mut();
        let Some(rare) = rare.as_mut() else { return false };
        let position = rare.position(direction, owner);
        position.is_some_and(|position| std::mem::take(&mut rare.crowd[position].expired))
    }

    /// The object that owns the descriptor goes away: removes the source from its reactor and wakes whoever waits.
    pub(crate) fn close(&self) {
        self.core.remove_source(self);
        for direction in [Direction::Read, Direction::Write] {
            let deadline = self.rare.borrow_mut().as_mut().and_then(|rare| rare.deadlines[direction as usize].take());
            if let Some(deadline) = deadline {
                self.core.remove_timer(deadline.entry());
            }
        }
        self.wake_all(&self.core);
        // Nobody can wait here any more, so no owner has a place: one that kept this source forgets it.
        self.seats.iter().for_each(|seat| seat.owner.set(0));
        drop(self.rare.take());
    }

    /// Wakes whoever waits, after a change that this side made (`shutdown`, drop).
    pub(crate) fn wake_all(&self, core: &Core) {
        self.record(Readiness::READABLE.union(Readiness::WRITABLE), &mut core.tasks.borrow_mut());
        core.wake_foreign();
    }
}
