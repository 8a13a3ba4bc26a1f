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
}

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
        let waker = waker.clone();
        let _replaced;
        let mut rare = self.rare.borrow_mut();
        let rare = rare.get_or_insert_default();
        let seat = &self.seats[direction as usize];
        let waited = seat.task.get().is_some() || rare.has_crowd(direction);
        let sat = seat.owner.get() == owner;
        if sat {
            seat.owner.set(0);
            seat.task.set(None);
        }
        let standing = rare.position(direction, owner);
        _replaced = match standing {
            Some(position) => rare.crowd[position].waker.replace(waker),
            None => {
                rare.crowd.push(Wait { direction, owner, waker: Some(waker) });
                self.set(direction.rare());
                None
            }
        };
        if !waited && rare.deadlines[direction as usize].as_mut().is_some_and(Deadline::start) {
            self.core.wait_changed(self.token(), direction);
        }
        !sat && standing.is_none()
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

    /// Ends the wait of `owner` where a direction is not simple. The end of the last wait disarms the deadline.
    #[cold]
    pub(crate) fn end_rare(&self, direction: Direction, owner: u64) {
        let mut borrowed = self.rare.borrow_mut();
        let Some(rare) = borrowed.as_mut() else { return };
        let Some(position) = rare.position(direction, owner) else { return };
        let _removed = rare.crowd.swap_remove(position);
        let waiting = self.seats[direction as usize].task.get().is_some() || rare.has_crowd(direction);
        if rare.deadlines[direction as usize].as_mut().is_some_and(|deadline| deadline.left(waiting)) {
            self.core.wait_changed(self.token(), direction);
        }
        if !waiting {
            self.unset(direction.expired());
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
        self.with_deadline(direction, |deadline| deadline.timeout())
    }

    /// Calls `f` with the deadline of a direction, if a timeout is set.
    pub(crate) fn with_deadline<R>(&self, direction: Direction, f: impl FnOnce(&mut Deadline) -> R) -> Option<R> {
        self.rare.borrow_mut().as_mut()?.deadlines[direction as usize].as_mut().map(f)
    }

    /// The deadline of a direction has passed: the next try makes the system call, and says so if that finds nothing.
    pub(crate) fn expire(&self, direction: Direction, tasks: &mut Tasks) {
        self.set(direction.expired());
        self.record(direction.bit(), tasks);
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
    }

    /// Wakes whoever waits, after a change that this side made (`shutdown`, drop).
    pub(crate) fn wake_all(&self, core: &Core) {
        self.record(Readiness::READABLE.union(Readiness::WRITABLE), &mut core.tasks.borrow_mut());
        core.wake_foreign();
    }
}
