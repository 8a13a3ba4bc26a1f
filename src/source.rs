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
//! Who waits stands in [`crate::waits`]: one seat per direction for a task of this reactor, and a place for what is rare.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use mainspring_sys::{Readiness, Token};

use crate::core::Core;
use crate::scope;
use crate::waits::{Rare, Seat};
use crate::waker;

/// Which half of a source an operation needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Reading, accepting.
    Read = 0,
    /// Writing, connecting.
    Write = 1,
}

impl Direction {
    /// The cached bit that says "try it". Events set it for hang-ups and errors too, which are found out by trying.
    #[inline]
    pub(crate) const fn bit(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }

    /// Set if the seat of this direction waits.
    #[inline]
    pub(crate) const fn waiting(self) -> u16 {
        1 << (4 + self as u16)
    }

    /// Set if this direction has a deadline, or waits beside the seat's.
    #[inline]
    pub(crate) const fn rare(self) -> u16 {
        1 << (6 + self as u16)
    }

    /// Set if a wait of this direction has expired and nobody has been told.
    #[inline]
    pub(crate) const fn expired(self) -> u16 {
        1 << (8 + self as u16)
    }
}

/// Once seen, a short read no longer means that nothing is left: end-of-file, an error or the urgent mark may follow.
const STICKY: Readiness =
    Readiness::READ_CLOSED.union(Readiness::HANGUP).union(Readiness::ERROR).union(Readiness::PRIORITY);

/// Set if a short read or write means "drained" or "full": a TCP stream, and nothing else.
const DRAINS: u16 = 1;
/// Set if the reactor has ended; operations return `NotConnected`. Written by the reactor.
const DETACHED: u16 = 1 << 1;
/// Set if end-of-file has been counted as progress once.
const ENDED: u16 = 1 << 2;
/// Set if a descriptor of this source was handed out: it is removed from the selector before it is closed.
const HANDED_OUT: u16 = 1 << 3;

/// One registered descriptor, shared by the object that owns the descriptor and the reactor's table.
pub(crate) struct Source {
    /// The reactor it belongs to.
    pub(crate) core: Rc<Core>,
    /// Its slot in the reactor's table and that slot's generation.
    token: Token,
    /// What is known of the descriptor. Events add, tries take `READABLE` and `WRITABLE` away.
    readiness: Cell<Readiness>,
    /// `DRAINS` and the other constants above, and those of each [`Direction`].
    pub(crate) flags: Cell<u16>,
    /// The poll in which it last said "not yet" (upper half), and how often it has in that poll.
    asked: Cell<u64>,
    /// Who waits, by direction.
    pub(crate) seats: [Seat; 2],
    /// Deadlines, and waits for which the seat is not enough.
    pub(crate) rare: RefCell<Option<Box<Rare>>>,
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
            token,
            readiness: Cell::new(readiness),
            flags: Cell::new(if drains { DRAINS } else { 0 }),
            asked: Cell::new(0),
            seats: [Seat::default(), Seat::default()],
            rare: RefCell::new(None),
        }
    }

    /// The reactor it belongs to.
    pub(crate) const fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Its place in the reactor's table.
    #[inline]
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// What is known of the descriptor.
    #[inline]
    pub(crate) const fn readiness(&self) -> Readiness {
        self.readiness.get()
    }

    #[inline]
    pub(crate) const fn has(&self, flag: u16) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline]
    pub(crate) fn set(&self, flag: u16) {
        self.flags.set(self.flags.get() | flag);
    }

    #[inline]
    pub(crate) fn unset(&self, flag: u16) {
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

    /// Adds to what is known.
    #[inline]
    pub(crate) fn believe(&self, readiness: Readiness) {
        self.readiness.set(self.readiness.get().union(readiness));
    }

    /// Marks a direction not ready, until the next event.
    #[inline]
    fn clear(&self, direction: Direction) {
        self.readiness.set(self.readiness.get().difference(direction.bit()));
    }

    /// After a transfer of `count` bytes where `len` were asked for: less than asked for means that a TCP stream is
    /// drained (or full), so the next try need not find that out by a system call.
    #[inline]
    pub(crate) fn transferred(&self, direction: Direction, count: usize, len: usize) {
        if count < len && count > 0 && self.has(DRAINS) && !self.readiness.get().intersects(STICKY) {
            self.clear(direction);
        }
    }

    /// Whether an end-of-file is the first of this source.
    #[cold]
    fn is_first_end(&self) -> bool {
        let first = !self.has(ENDED);
        self.set(ENDED);
        first
    }

    /// The budget, the cached bit, then `operation`, which is one system call.
    #[inline(always)]
    fn attempt<T>(&self, direction: Direction, operation: impl FnOnce() -> io::Result<T>) -> Attempt<T> {
        if !self.core.has_budget() {
            return self.without_budget();
        }
        if !self.readiness.get().intersects(direction.bit()) {
            return Attempt::NotYet;
        }
        match operation() {
            Ok(value) => {
                self.core.spend();
                Attempt::Done(Ok(value))
            }
            Err(error) => self.failed(direction, error),
        }
    }

    /// A reactor that is not running has no budget.
    #[cold]
    fn without_budget<T>(&self) -> Attempt<T> {
        if !waker::is_current(&self.core) {
            return Attempt::Done(Err(if self.has(DETACHED) {
                io::Error::new(io::ErrorKind::NotConnected, "the reactor of this source has ended")
            } else {
                io::Error::other("a source was used while its reactor is not running on this thread")
            }));
        }
        self.asked_again().map_or_else(|spin| Attempt::Done(Err(spin)), |()| Attempt::Refused)
    }

    /// Sorts the error of an operation: "not yet", an expired wait, or a real one.
    #[cold]
    fn failed<T>(&self, direction: Direction, error: io::Error) -> Attempt<T> {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.core.spend();
            return Attempt::Done(Err(error));
        }
        self.clear(direction);
        if !self.has(direction.expired()) {
            return Attempt::NotYet;
        }
        self.unset(direction.expired());
        self.core.spend();
        Attempt::Done(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Counts "not yet" answers within one poll; an error names the spin.
    #[inline]
    fn asked_again(&self) -> io::Result<()> {
        let poll = u64::from(self.core.poll_number()) << 32;
        let asked = self.asked.get();
        let asked = if asked & !u64::from(u32::MAX) == poll { asked + 1 } else { poll + 1 };
        self.asked.set(asked);
        if asked as u32 > scope::ASKED_MAX { Err(self.spins()) } else { Ok(()) }
    }

    #[cold]
    fn spins(&self) -> io::Error {
        self.asked.set(0);
        io::Error::other(
            "a source was asked 10000 times within one poll and was not ready: the task spins instead of waiting",
        )
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
                let progress = !matches!(result, Ok(0)) || room == 0 || self.is_first_end();
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
            let Some(scope) = scope else { return };
            if progress {
                scope.progressed();
            }
            if self.has(direction.waiting() | direction.rare()) {
                self.end_wait(direction, scope.owner.id());
            }
        });
    }

    #[inline]
    fn record_in_scope(self: &Rc<Self>, direction: Direction) -> io::Result<()> {
        self.asked_again()?;
        waker::with_scope(|scope| {
            let Some(scope) = scope else { return };
            scope.blocked();
            if self.wait(direction, scope.owner.id(), scope.waker) {
                scope.owner.remember(self, direction);
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
            Attempt::NotYet => {
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
            Attempt::Refused => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Ends the wait of a leaf future, if it has one.
    #[inline]
    pub(crate) fn end_own(&self, owner: &mut u64, direction: Direction) {
        if *owner != 0 {
            self.end_wait(direction, *owner);
            *owner = 0;
        }
    }
}
