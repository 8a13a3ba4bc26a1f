//! What the reactor knows of a descriptor: cached readiness, and who waits for which direction.
//!
//! A source is registered once, edge-triggered, when it is made, and never again: interest is learned from what tasks
//! try. Readiness is cached and starts optimistic, so the first try is made at once; `EAGAIN` turns the bit off, an
//! event turns it on, and while it is off a try makes no system call. Bits are hints: no end-of-file and no error is
//! ever answered from a bit.
//!
//! **Why no wake-up is lost.** The selector reports each change after registration; an event that comes after the
//! `EAGAIN` that turned a bit off is still in the selector, because events are taken on this thread only, between polls.
//! So "bit off" and "waiter recorded" cannot straddle an event, and no tick counter is needed.
//!
//! ```text
//!            EAGAIN, or a short read or write of a TCP stream
//!   [ on ] ---------------------------------------------------> [ off ] -- try --> not yet, waiter recorded
//!      ^                                                           |
//!      +------------------ event of that direction ----------------+---------> waiters woken
//! ```
//!
//! A wait belongs to an owner (a leaf future, a tick task, a `ready`) and lasts from its first "not yet" until the owner
//! succeeds, fails or is dropped, also while its waker is out after a wake. The alternative, a list of wakers emptied
//! on each event, leaves wakers of cancelled reads behind and cannot say when a deadline has nobody behind it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mainspring_sys::{Readiness, Token};

use crate::core::Core;
use crate::deadline::Deadline;
use crate::scope;
use crate::waker;

/// Which half of a source an operation needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Reading, accepting.
    Read,
    /// Writing, connecting.
    Write,
}

impl Direction {
    /// The cached bit that says "try it".
    const fn bit(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }
}

/// What an event says to those who read: an error or a hang-up is found out by reading.
const FOR_READING: Readiness = Readiness::READABLE
    .union(Readiness::READ_CLOSED)
    .union(Readiness::HANGUP)
    .union(Readiness::ERROR)
    .union(Readiness::PRIORITY);

/// What an event says to those who write.
const FOR_WRITING: Readiness =
    Readiness::WRITABLE.union(Readiness::WRITE_CLOSED).union(Readiness::HANGUP).union(Readiness::ERROR);

/// Once seen, a short read no longer means that nothing is left: end-of-file, an error or the urgent mark may follow.
const STICKY: Readiness =
    Readiness::READ_CLOSED.union(Readiness::HANGUP).union(Readiness::ERROR).union(Readiness::PRIORITY);

/// Set if a short read or write means "drained" or "full": a TCP stream, and nothing else.
const DRAINS: u8 = 1;
/// Set if the reactor has ended; operations return `NotConnected`. Written by the reactor.
const DETACHED: u8 = 1 << 1;
/// Set if end-of-file has been counted as progress once.
const ENDED: u8 = 1 << 2;
/// Set if a descriptor of this source was handed out: it is removed from the selector before it is closed.
const HANDED_OUT: u8 = 1 << 3;
/// Set if the wait for reading has expired and nobody has been told.
const READ_EXPIRED: u8 = 1 << 4;
/// Set if the wait for writing has expired and nobody has been told.
const WRITE_EXPIRED: u8 = 1 << 5;

const fn expired_flag(direction: Direction) -> u8 {
    match direction {
        Direction::Read => READ_EXPIRED,
        Direction::Write => WRITE_EXPIRED,
    }
}

/// One registered descriptor, shared by the object that owns the descriptor and the reactor's table.
pub(crate) struct Source {
    /// The reactor it belongs to.
    core: Rc<Core>,
    /// Its slot in the reactor's table and that slot's generation; written once, at registration.
    token: Cell<Token>,
    /// What is known of the descriptor. Events add, tries take `READABLE` and `WRITABLE` away.
    readiness: Cell<Readiness>,
    /// `DRAINS` and the other constants above.
    flags: Cell<u8>,
    /// "Not yet" said in a row within poll `asked_in`.
    asked: Cell<u32>,
    /// The poll in which it was last said.
    asked_in: Cell<u32>,
    /// Who waits.
    sides: RefCell<Sides>,
}

#[derive(Default)]
struct Sides {
    read: Side,
    write: Side,
}

/// One direction of a source.
#[derive(Default)]
struct Side {
    /// The first wait, if its owner is not 0: there is hardly ever a second.
    first: Wait,
    /// The others.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 24 in every idle connection")]
    more: Option<Box<Vec<Wait>>>,
    /// Its timeout, if one was set.
    deadline: Option<Box<Deadline>>,
}

/// One owner's wait.
#[derive(Default)]
struct Wait {
    /// Whose; 0 is nobody's.
    owner: u64,
    /// Who is woken by the next event; none after a wake, while the wait goes on.
    waker: Option<Waker>,
}

impl Side {
    fn find(&mut self, owner: u64) -> Option<&mut Wait> {
        if self.first.owner == owner {
            return Some(&mut self.first);
        }
        self.more.as_mut()?.iter_mut().find(|wait| wait.owner == owner)
    }

    fn insert(&mut self, wait: Wait) {
        if self.first.owner == 0 {
            self.first = wait;
        } else {
            self.more.get_or_insert_default().push(wait);
        }
    }

    /// Takes the wait of `owner` out, if there is one.
    fn remove(&mut self, owner: u64) -> Option<Wait> {
        if self.first.owner == owner {
            return Some(std::mem::take(&mut self.first));
        }
        let more = self.more.as_mut()?;
        let position = more.iter().position(|wait| wait.owner == owner)?;
        let wait = more.swap_remove(position);
        if more.is_empty() {
            self.more = None;
        }
        Some(wait)
    }

    fn len(&self) -> usize {
        usize::from(self.first.owner != 0) + self.more.as_ref().map_or(0, |more| more.len())
    }

    /// Takes the wakers out; the waits go on.
    fn take_wakers(&mut self, mut each: impl FnMut(Waker)) {
        self.first.waker.take().map(&mut each);
        for wait in self.more.iter_mut().flat_map(|more| more.iter_mut()) {
            wait.waker.take().map(&mut each);
        }
    }
}

/// What became of one try.
enum Attempt<T> {
    /// A value or a real error; a unit of the budget is spent.
    Done(io::Result<T>),
    /// The descriptor is not ready.
    NotYet,
    /// The budget is spent.
    Refused,
}

impl Source {
    /// A source that believes in `readiness` until told otherwise; `drains` for a TCP stream. The core puts it in its table.
    pub(crate) fn new(core: Rc<Core>, token: Token, readiness: Readiness, drains: bool) -> Self {
        Self {
            core,
            token: Cell::new(token),
            readiness: Cell::new(readiness),
            flags: Cell::new(if drains { DRAINS } else { 0 }),
            asked: Cell::new(0),
            asked_in: Cell::new(0),
            sides: RefCell::default(),
        }
    }

    /// The reactor it belongs to.
    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Its place in the reactor's table.
    #[inline]
    pub(crate) fn token(&self) -> Token {
        self.token.get()
    }

    /// What is known of the descriptor.
    #[inline]
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.get()
    }

    #[inline]
    fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline]
    fn set(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    #[inline]
    fn unset(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }

    /// One descriptor or a duplicate of it is about to be in other hands.
    pub(crate) fn hand_out(&self) {
        self.set(HANDED_OUT);
    }

    /// Whether the selector must be told before the descriptor is closed.
    pub(crate) fn is_handed_out(&self) -> bool {
        self.has(HANDED_OUT)
    }

    /// The reactor has ended.
    pub(crate) fn detach(&self) {
        self.set(DETACHED);
    }

    /// After a transfer of `count` bytes where `len` were asked for: less than asked for means that a TCP stream is
    /// drained (or full), so the next try need not find that out by a system call.
    #[inline]
    pub(crate) fn transferred(&self, direction: Direction, count: usize, len: usize) {
        if 0 < count && count < len && self.has(DRAINS) && !self.readiness.get().intersects(STICKY) {
            self.clear(direction);
        }
    }

    /// Marks a direction not ready, until the next event.
    #[inline]
    pub(crate) fn clear(&self, direction: Direction) {
        self.readiness.set(self.readiness.get().difference(direction.bit()));
    }

    /// Whether an end-of-file is the first of this source.
    fn is_first_end(&self) -> bool {
        let first = !self.has(ENDED);
        self.set(ENDED);
        first
    }

    /// The cached bit, the budget, the expired deadline, then `operation`, which is one system call.
    #[inline]
    fn attempt<T>(&self, direction: Direction, operation: impl FnOnce() -> io::Result<T>) -> Attempt<T> {
        if !waker::is_current(&self.core) {
            return Attempt::Done(Err(self.not_running()));
        }
        if !scope::has_budget() {
            return match self.asked_again() {
                Err(spin) => Attempt::Done(Err(spin)),
                Ok(()) => Attempt::Refused,
            };
        }
        let expired = self.has(expired_flag(direction));
        if !self.readiness.get().contains(direction.bit()) && !expired {
            return Attempt::NotYet;
        }
        let result = operation();
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.clear(direction);
            if !expired {
                return Attempt::NotYet;
            }
            self.unset(expired_flag(direction));
            self.asked.set(0);
            scope::spend();
            return Attempt::Done(Err(io::ErrorKind::TimedOut.into()));
        }
        self.asked.set(0);
        scope::spend();
        Attempt::Done(result)
    }

    #[cold]
    fn not_running(&self) -> io::Error {
        if self.has(DETACHED) {
            return io::Error::new(io::ErrorKind::NotConnected, "the reactor of this source has ended");
        }
        io::Error::other("a source was used while its reactor is not running on this thread")
    }

    /// Counts "not yet" answers in a row within one poll; an error names the spin.
    fn asked_again(&self) -> io::Result<()> {
        let poll = scope::poll_number();
        if self.asked_in.replace(poll) != poll {
            self.asked.set(0);
        }
        let asked = self.asked.get() + 1;
        if asked > scope::ASKED_MAX {
            self.asked.set(0);
            return Err(io::Error::other(
                "a source was asked 10000 times within one poll and was not ready: the task spins instead of waiting",
            ));
        }
        self.asked.set(asked);
        Ok(())
    }

    /// A try in the style of a tick: `None` is "not yet", recorded if there is a scope.
    #[inline]
    pub(crate) fn try_io<T>(
        self: &Rc<Self>,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        match self.attempt(direction, operation) {
            Attempt::Done(result) => {
                self.done_in_scope(direction, true);
                result.map(Some)
            }
            Attempt::NotYet => self.record_in_scope(direction).map(|()| None),
            Attempt::Refused => {
                scope::refuse();
                Ok(None)
            }
        }
    }

    /// The same for a read, where 0 bytes into a buffer that has room are end-of-file: progress once per source.
    #[inline]
    pub(crate) fn try_read(
        self: &Rc<Self>,
        room: usize,
        operation: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        match self.attempt(Direction::Read, operation) {
            Attempt::Done(result) => {
                let progress = room == 0 || !matches!(result, Ok(0)) || self.is_first_end();
                self.done_in_scope(Direction::Read, progress);
                result.map(Some)
            }
            Attempt::NotYet => self.record_in_scope(Direction::Read).map(|()| None),
            Attempt::Refused => {
                scope::refuse();
                Ok(None)
            }
        }
    }

    /// The scope's wait has ended.
    #[inline]
    fn done_in_scope(&self, direction: Direction, progress: bool) {
        waker::with_scope(|scope| {
            if let Some(scope) = scope {
                if progress {
                    scope.progressed();
                }
                if scope.owner.has_waited() {
                    self.end_wait(direction, scope.owner.id());
                }
            }
        });
    }

    fn record_in_scope(self: &Rc<Self>, direction: Direction) -> io::Result<()> {
        self.asked_again()?;
        waker::with_scope(|scope| {
            if let Some(scope) = scope {
                let new = self.wait(direction, scope.owner.id(), scope.waker);
                scope.recorded(self, direction, new);
            }
        });
        Ok(())
    }

    /// A try of a leaf future, which keeps its owner id in `owner` (0 before its first wait).
    #[inline]
    pub(crate) fn poll_io<T>(
        &self,
        owner: &mut u64,
        cx: &Context<'_>,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match self.attempt(direction, operation) {
            Attempt::Done(result) => {
                self.end_own(owner, direction);
                Poll::Ready(result)
            }
            Attempt::NotYet => self.poll_not_yet(owner, cx, direction),
            Attempt::Refused => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn poll_not_yet<T>(&self, owner: &mut u64, cx: &Context<'_>, direction: Direction) -> Poll<io::Result<T>> {
        if let Err(spin) = self.asked_again() {
            self.end_own(owner, direction);
            return Poll::Ready(Err(spin));
        }
        if *owner == 0 {
            *owner = scope::owner_id();
        }
        self.wait(direction, *owner, cx.waker());
        Poll::Pending
    }

    /// Ends the wait of a leaf future, if it has one.
    #[inline]
    pub(crate) fn end_own(&self, owner: &mut u64, direction: Direction) {
        if *owner != 0 {
            self.end_wait(direction, *owner);
            *owner = 0;
        }
    }

    /// Records that `owner` waits and is woken through `waker`; true if it did not wait before.
    fn wait(&self, direction: Direction, owner: u64, waker: &Waker) -> bool {
        // Cloned before, and the one replaced dropped after, anything is borrowed: a foreign waker may do anything.
        let waker = Some(waker.clone());
        let mut sides = self.sides.borrow_mut();
        let side = sides.side(direction);
        let (new, _replaced) = match side.find(owner) {
            Some(wait) => (false, std::mem::replace(&mut wait.waker, waker)),
            None => {
                if side.len() == 0 && side.deadline.as_mut().is_some_and(|deadline| deadline.start()) {
                    self.core.wait_changed(self.token(), direction);
                }
                side.insert(Wait { owner, waker });
                self.core.count_wait(1);
                (true, None)
            }
        };
        drop(sides);
        new
    }

    /// Ends the wait of `owner`, if it has one. The end of the last wait disarms the deadline.
    pub(crate) fn end_wait(&self, direction: Direction, owner: u64) {
        let mut sides = self.sides.borrow_mut();
        let side = sides.side(direction);
        let Some(_wait) = side.remove(owner) else { return };
        self.core.count_wait(-1);
        let waiting = side.len() > 0;
        if side.deadline.as_mut().is_some_and(|deadline| deadline.left(waiting)) {
            self.core.wait_changed(self.token(), direction);
        }
        if !waiting {
            self.unset(expired_flag(direction));
        }
        drop(sides);
    }

    /// Whether `owner` waits.
    pub(crate) fn waits_for(&self, direction: Direction, owner: u64) -> bool {
        self.sides.borrow_mut().side(direction).find(owner).is_some()
    }

    /// An event: adds to what is known, and hands the wakers of the directions concerned to `each`.
    #[inline]
    pub(crate) fn record(&self, event: Readiness, mut each: impl FnMut(Waker)) {
        let mut readiness = self.readiness.get().union(event);
        let mut sides = self.sides.borrow_mut();
        if event.intersects(FOR_READING) {
            readiness |= Readiness::READABLE;
            sides.read.take_wakers(&mut each);
        }
        if event.intersects(FOR_WRITING) {
            readiness |= Readiness::WRITABLE;
            sides.write.take_wakers(&mut each);
        }
        self.readiness.set(readiness);
    }

    /// Sets a read or write timeout; a wait that is going on keeps the deadline it has.
    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a timeout of zero cannot be set; use None for no timeout",
            ));
        }
        let mut sides = self.sides.borrow_mut();
        let side = sides.side(direction);
        match (timeout, &mut side.deadline) {
            (Some(timeout), Some(deadline)) => deadline.set_timeout(timeout),
            (Some(timeout), empty) => {
                *empty = Some(Box::new(Deadline::new(timeout, self.core.insert_deadline(self.token(), direction))));
            }
            (None, deadline) => {
                if let Some(deadline) = deadline.take() {
                    self.core.remove_timer(deadline.entry());
                }
            }
        }
        Ok(())
    }

    /// The timeout that was set.
    pub(crate) fn timeout(&self, direction: Direction) -> Option<Duration> {
        self.sides.borrow_mut().side(direction).deadline.as_ref().map(|deadline| deadline.timeout())
    }

    /// Calls `f` with the deadline of a direction, if a timeout is set.
    pub(crate) fn with_deadline<R>(&self, direction: Direction, f: impl FnOnce(&mut Deadline) -> R) -> Option<R> {
        self.sides.borrow_mut().side(direction).deadline.as_deref_mut().map(f)
    }

    /// The deadline of a direction has passed: the next try makes the system call, and says so if that finds nothing.
    pub(crate) fn expire(&self, direction: Direction, each: impl FnMut(Waker)) {
        self.set(expired_flag(direction));
        self.sides.borrow_mut().side(direction).take_wakers(each);
    }

    /// The object that owns the descriptor goes away: removes the source from its reactor and wakes whoever waits.
    pub(crate) fn close(&self) {
        self.core.remove_source(self);
        for direction in [Direction::Read, Direction::Write] {
            let deadline = self.sides.borrow_mut().side(direction).deadline.take();
            if let Some(deadline) = deadline {
                self.core.remove_timer(deadline.entry());
            }
        }
        self.wake_all();
    }

    /// Wakes whoever waits, after a change that this side made (`shutdown`, drop).
    pub(crate) fn wake_all(&self) {
        let mut wakers = Vec::new();
        self.record(Readiness::READABLE.union(Readiness::WRITABLE), |waker| wakers.push(waker));
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Sides {
    #[inline]
    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}
