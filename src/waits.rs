//! Who waits for a source. Until when they wait, [`crate::deadline`] says.
//!
//! A wait belongs to an owner (a leaf future, a tick task, a `ready`) and lasts from its first "not yet" until the
//! owner succeeds, fails or is dropped, also while its waker is out after a wake. There is hardly ever more than one
//! per direction, and it is nearly always that of a task: that one has a seat, three words in cells. An owner keeps its
//! seat when it was woken, so that its next wait only has to say so; another may take it while nobody waits there.
//! Further waits, and those of foreign executors, stand in the crowd.
//!
//! A seat names a task only while the direction's readiness bit is off: whatever turns the bit on takes the task out.
//! So an operation that succeeds has nothing to clear, unless the direction has a timeout: a wait that expires turns
//! the bit on for its own try, and leaves the others where they are.
//!
//! The alternative, a list of wakers emptied on each event, leaves wakers of cancelled reads behind and cannot say when
//! a deadline has nobody behind it.

use std::cell::Cell;
use std::task::Waker;

use mainspring_sys::Readiness;

use crate::account::Account;
use crate::core::Core;
use crate::crowd::{Crowd, Wait};
use crate::deadline::{Deadline, NEVER, NEW};
use crate::direction::Direction;
use crate::source::Source;
use crate::table::Tasks;
use crate::waker::Number;
use crate::wheel::Key;

/// The first wait of a direction, by a task.
pub(crate) struct Seat {
    /// Whose it is; 0 is nobody's.
    pub(crate) owner: Cell<u64>,
    /// Which task is woken by the next event; none if nobody is.
    pub(crate) task: Cell<Option<Number>>,
    /// When the wait expires, if the direction has a timeout.
    pub(crate) deadline: Cell<u64>,
}

impl Default for Seat {
    fn default() -> Self {
        Self { owner: Cell::new(0), task: Cell::new(None), deadline: Cell::new(NEVER) }
    }
}

impl Seat {
    /// Whether another owner may have it.
    #[inline]
    fn is_free(&self) -> bool {
        self.task.get().is_none() && self.deadline.get() == NEVER
    }
}

/// What few sources have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Waits that have no seat.
    pub(crate) crowd: Crowd,
    /// The timeout of each direction, if one was set.
    pub(crate) deadlines: [Option<Deadline>; 2],
    /// The moment in the wheel in which each direction is tried again, if one is set.
    pub(crate) retries: [Option<Key>; 2],
}

impl Source {
    /// Records that the owner of the innermost scope waits, if it has the seat and nothing else is to be done.
    #[inline]
    pub(crate) fn sit(&self, account: &Account, direction: Direction) -> bool {
        let seat = &self.seats[direction as usize];
        let sits = seat.owner.get() == account.sitter() && !self.has(direction.rare());
        if sits {
            self.seat(direction, account.task());
        }
        sits
    }

    /// Records that `owner`, which has not waited here before, waits and is woken through `waker`.
    #[inline(always)]
    pub(crate) fn begin_wait(&self, direction: Direction, owner: u64, waker: &Waker) {
        let seat = &self.seats[direction as usize];
        if self.has(direction.rare()) {
            return self.begin_rare(direction, owner, waker);
        }
        // Without a timeout there is no deadline.
        if seat.task.get().is_none() {
            if let Some(task) = Number::of(waker) {
                seat.owner.set(owner);
                return self.seat(direction, task);
            }
        }
        self.wait(direction, owner, waker);
    }

    /// The same where a direction has a timeout or a crowd.
    #[inline(never)]
    fn begin_rare(&self, direction: Direction, owner: u64, waker: &Waker) {
        let seat = &self.seats[direction as usize];
        if seat.is_free() && !self.has(direction.crowded()) {
            if let Some(task) = Number::of(waker) {
                seat.owner.set(owner);
                self.seat(direction, task);
                seat.deadline.set(NEW);
                return self.list(direction);
            }
        }
        self.wait(direction, owner, waker);
    }

    /// Records that `owner` waits and is woken through `waker`; true if the source did not know it before.
    pub(crate) fn wait(&self, direction: Direction, owner: u64, waker: &Waker) -> bool {
        let seat = &self.seats[direction as usize];
        let sits = seat.owner.get() == owner;
        if !self.has(direction.crowded()) && (sits || seat.is_free()) {
            if let Some(task) = Number::of(waker) {
                seat.owner.set(owner);
                self.seat(direction, task);
                if self.has(direction.timed()) {
                    self.start(direction);
                }
                return !sits;
            }
        }
        self.wait_in_crowd(direction, owner, waker)
    }

    /// The wait in the seat has a timeout.
    #[inline]
    fn start(&self, direction: Direction) {
        let seat = &self.seats[direction as usize];
        if seat.deadline.get() == NEVER {
            seat.deadline.set(NEW);
            self.list(direction);
        }
    }

    /// The reactor looks at this direction after the batch.
    #[inline]
    fn list(&self, direction: Direction) {
        if !self.has(direction.listed()) {
            self.list_anew(direction);
        }
    }

    /// Once for each batch.
    #[inline(never)]
    fn list_anew(&self, direction: Direction) {
        self.set(direction.listed());
        self.core.wait_changed(self.token(), direction);
    }

    /// An expired wait makes the system call once more, whatever is believed.
    #[cold]
    pub(crate) fn last_try(&self, direction: Direction) {
        // Why asked: a bit that an event has turned on is no hint of the expiry's, and must not be taken for one.
        if !self.readiness().intersects(direction.bit()) {
            self.believe(direction.bit());
            self.set(direction.expired());
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_in_crowd(&self, direction: Direction, owner: u64, waker: &Waker) -> bool {
        // Cloned before, and the one replaced dropped after, anything is borrowed: a foreign waker may do anything.
        let cloned = Some(waker.clone());
        let mut borrowed = self.rare.borrow_mut();
        let rare = borrowed.get_or_insert_default();
        let seat = &self.seats[direction as usize];
        let sat = seat.owner.get() == owner;
        let Some(wait) = rare.crowd.get_mut(direction, owner) else {
            let mut deadline = NEVER;
            if sat {
                seat.owner.set(0);
                seat.task.set(None);
                deadline = seat.deadline.replace(NEVER);
            }
            if deadline == NEVER && self.has(direction.timed()) {
                deadline = NEW;
                self.list(direction);
            }
            rare.crowd.push(Wait { direction, owner, waker: cloned, deadline });
            self.set(direction.crowded());
            return !sat;
        };
        if wait.deadline == NEVER && self.has(direction.timed()) {
            wait.deadline = NEW;
            self.list(direction);
        }
        let replaced = std::mem::replace(&mut wait.waker, cloned);
        drop(borrowed);
        drop(replaced);
        false
    }

    /// Ends the wait of `owner`, if it has one.
    #[inline]
    pub(crate) fn end_wait(&self, direction: Direction, owner: u64) {
        let seat = &self.seats[direction as usize];
        if self.has(direction.rare()) {
            self.end_rare(direction, owner);
        } else if seat.owner.get() == owner {
            seat.task.set(None);
        }
    }

    /// Ends the wait of `owner` where a direction has a timeout or a crowd. The end of the last wait disarms the
    /// deadline.
    #[inline]
    pub(crate) fn end_rare(&self, direction: Direction, owner: u64) {
        let seat = &self.seats[direction as usize];
        if seat.owner.get() == owner {
            seat.task.set(None);
            if seat.deadline.replace(NEVER) != NEVER {
                self.list(direction);
            }
        }
        if self.has(direction.crowded()) {
            self.end_in_crowd(direction, owner);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_in_crowd(&self, direction: Direction, owner: u64) {
        let mut borrowed = self.rare.borrow_mut();
        let Some(rare) = borrowed.as_mut() else { return };
        // Its waker is dropped when the borrow has ended.
        let Some(_removed) = rare.crowd.remove(direction, owner) else { return };
        if rare.crowd.of(direction).next().is_none() {
            self.unset(direction.crowded());
        }
        if self.has(direction.timed()) {
            self.list(direction);
        }
        drop(borrowed);
    }

    /// Whether `owner` has a place here, waiting or not.
    pub(crate) fn knows(&self, direction: Direction, owner: u64) -> bool {
        let stands = |rare: &Rare| rare.crowd.contains(direction, owner);
        self.seats[direction as usize].owner.get() == owner || self.rare.borrow().as_deref().is_some_and(stands)
    }

    /// How many wait, both directions together.
    pub(crate) fn waits(&self) -> usize {
        let seats = self.seats.iter().filter(|seat| !seat.is_free()).count();
        seats + self.rare.borrow().as_ref().map_or(0, |rare| rare.crowd.len())
    }

    /// An event: adds to what is known, and wakes those whom it concerns. Foreign wakers are left with the core.
    #[inline(always)]
    pub(crate) fn record(&self, event: Readiness, tasks: &mut Tasks) {
        self.believe(event);
        if event.intersects(Direction::Read.bit()) {
            self.wake_seat(Direction::Read, tasks);
        }
        if self.has(Direction::TO_WAKE) {
            self.record_rare(event, tasks);
        }
    }

    #[inline(always)]
    fn wake_seat(&self, direction: Direction, tasks: &mut Tasks) {
        let task = &self.seats[direction as usize].task;
        if let Some(number) = task.get() {
            task.set(None);
            tasks.wake(number);
        }
    }

    /// An event of a source with more than a reader in its seat: a writer, a crowd, or a wait that has expired.
    #[inline(never)]
    fn record_rare(&self, event: Readiness, tasks: &mut Tasks) {
        for direction in Direction::BOTH.into_iter().filter(|direction| event.intersects(direction.bit())) {
            self.unset(direction.expired());
            self.wake_seat(direction, tasks);
            let mut rare = self.rare.borrow_mut();
            for waker in rare.iter_mut().flat_map(|rare| rare.crowd.of(direction)).filter_map(|wait| wait.waker.take())
            {
                self.core.wake_or_keep(waker, tasks);
            }
        }
        if event.intersects(Direction::Write.bit()) {
            self.unset(Direction::WRITER);
        }
    }

    /// Puts a task into the seat of a direction.
    #[inline]
    fn seat(&self, direction: Direction, task: Number) {
        self.seats[direction as usize].task.set(Some(task));
        if direction == Direction::Write {
            self.set(Direction::WRITER);
        }
    }

    /// The object that owns the descriptor goes away: removes the source from its reactor and wakes whoever waits.
    pub(crate) fn close(&self) {
        self.core.remove_source(self);
        self.core.descriptor_freed();
        if let Some(rare) = self.rare.borrow_mut().as_mut() {
            for direction in Direction::BOTH {
                let deadline = rare.deadlines[direction as usize].take().map(|deadline| deadline.entry());
                for entry in [deadline, rare.retries[direction as usize].take()].into_iter().flatten() {
                    // Nothing of a user's is dropped with such an entry.
                    self.core.remove_timer(entry);
                }
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
