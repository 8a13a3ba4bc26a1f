//! What the reactor knows of a descriptor: cached readiness, and who waits for which direction.
//!
//! A source is registered once, edge-triggered, when it is made, and never again: interest is learned from what tasks
//! try. Readiness is cached and starts optimistic, so the first try is made at once; `EAGAIN` turns the bit off, an
//! event turns it on, and while it is off a try makes no system call. Bits are hints: no end-of-file and no error is
//! ever answered from a bit.
//!
//! **Why no wake-up is lost.** The selector reports each change after registration; an event that comes after the
//! `EAGAIN` that turned a bit off is still in the selector, because events are taken on this thread only, between
//! polls. So "bit off" and "waiter recorded" cannot straddle an event, and no tick counter is needed.
//!
//! ```text
//!            EAGAIN, or a short read or write of a TCP stream
//!   [ on ] ---------------------------------------------------> [ off ] -- try --> not yet, waiter recorded
//!      ^                                                           |
//!      +------------------ event of that direction ----------------+---------> waiters woken
//! ```
//!
//! Who waits stands in [`crate::waits`]: one seat per direction for a task of this reactor, and a place for what is
//! rare.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use mainspring_sys::{Readiness, Token};

use crate::account::Account;
use crate::core::Core;
use crate::direction::Direction;
use crate::forked;
use crate::scope;
use crate::sentence::sentence;
use crate::waits::{Rare, Seat};
use crate::waker;

/// Once seen, a short read no longer means that nothing is left: end-of-file, an error or the urgent mark may follow.
/// What is no TCP stream is believed to have urgent data from the start: there a short read never means it.
const STICKY: Readiness =
    Readiness::READ_CLOSED.union(Readiness::HANGUP).union(Readiness::ERROR).union(Readiness::PRIORITY);

/// Set if the reactor has ended; operations return `NotConnected`. Written by the reactor.
const DETACHED: u16 = 1;
/// Set if end-of-file has been counted as progress once.
const ENDED: u16 = 1 << 1;
/// Set if a descriptor of this source was handed out: it is removed from the selector before it is closed.
const HANDED_OUT: u16 = 1 << 2;

/// One registered descriptor, shared by the object that owns the descriptor and the reactor's table.
pub(crate) struct Source {
    /// The reactor it belongs to.
    pub(crate) core: Rc<Core>,
    /// Its slot in the reactor's table and that slot's generation.
    token: Token,
    /// What is known of the descriptor. Events add, tries take `READABLE` and `WRITABLE` away.
    readiness: Cell<Readiness>,
    /// `DETACHED` and the other constants above, and those of each [`Direction`].
    pub(crate) flags: Cell<u16>,
    /// How often one poll has asked this source since it was noticed to ask often, and above [`ASKED_BITS`] which poll.
    asked: Cell<u32>,
    /// Who waits, by direction.
    pub(crate) seats: [Seat; 2],
    /// Deadlines, and waits for which the seat is not enough.
    pub(crate) rare: RefCell<Option<Box<Rare>>>,
}

/// How many bits hold more than [`scope::SPINS_MAX`].
const ASKED_BITS: u32 = 5;
const _: () = assert!(scope::SPINS_MAX + 1 < 1 << ASKED_BITS);

/// Set in the owner id of a leaf future that was refused: it is let through once. No id is that large.
const REFUSED: u64 = 1 << 63;

/// Why a try gave no value.
enum Failure {
    /// The descriptor is not ready.
    NotYet,
    /// The budget is spent, or a signal came in between: it is worth another try after the others had their turn.
    Refused,
    /// A real error; a unit of the budget is spent.
    Error(io::Error),
}

impl Source {
    /// A source that believes in `readiness` until told otherwise; `drains` for a TCP stream. The core puts it in its
    /// table.
    pub(crate) fn new(core: Rc<Core>, token: Token, readiness: Readiness, drains: bool) -> Self {
        let readiness = if drains { readiness } else { readiness.union(Readiness::PRIORITY) };
        Self {
            core,
            token,
            readiness: Cell::new(readiness),
            flags: Cell::new(0),
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
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.get()
    }

    #[inline]
    pub(crate) fn has(&self, flag: u16) -> bool {
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

    /// Whether the descriptor is believed to be ready, other than by an expired wait.
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.readiness.get().intersects(direction.bit()) && !self.has(direction.expired())
    }

    /// One descriptor or a duplicate of it is about to be in other hands.
    pub(crate) fn hand_out(&self) {
        self.set(HANDED_OUT);
    }

    /// The selector has been told already.
    pub(crate) fn take_back(&self) {
        self.unset(HANDED_OUT);
    }

    /// Whether the selector must be told before the descriptor is closed.
    pub(crate) fn is_handed_out(&self) -> bool {
        self.has(HANDED_OUT)
    }

    /// The reactor has ended.
    pub(crate) fn detach(&self) {
        self.set(DETACHED);
    }

    /// Whether the reactor has ended.
    pub(crate) fn is_detached(&self) -> bool {
        self.has(DETACHED)
    }

    /// Adds to what is known.
    #[inline]
    pub(crate) fn believe(&self, readiness: Readiness) {
        self.readiness.set(self.readiness.get().union(readiness));
    }

    /// Marks a direction not ready, until the next event.
    #[inline]
    pub(crate) fn clear(&self, direction: Direction) {
        self.readiness.set(self.readiness.get().difference(direction.bit()));
    }

    /// After a transfer of `count` bytes where `len` were asked for: less than asked for means that a TCP stream is
    /// drained (or full), so the next try need not find that out by a system call. One that is not is charged for its
    /// bytes.
    #[inline]
    pub(crate) fn transferred(&self, direction: Direction, count: usize, len: usize) {
        if count < len && count > 0 && !self.readiness.get().intersects(STICKY) {
            self.clear(direction);
        } else {
            self.core.account.charge(count);
        }
    }

    /// The same for a write, of which hardly any is cut short.
    #[inline]
    pub(crate) fn written(&self, count: usize, len: usize) {
        if count < len {
            self.cut_short(count, len);
        } else {
            self.core.account.charge(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn cut_short(&self, count: usize, len: usize) {
        self.transferred(Direction::Write, count, len);
    }

    /// Whether an end-of-file is the first of this source.
    #[cold]
    fn is_first_end(&self) -> bool {
        let first = !self.has(ENDED);
        self.set(ENDED);
        first
    }

    /// Whether to make the system call: the budget is not spent, and the cached bit is on.
    #[inline]
    fn is_worth_a_try(&self, account: &Account, direction: Direction) -> bool {
        account.has_budget() && self.readiness.get().intersects(direction.bit())
    }

    /// Why there was no system call.
    #[cold]
    fn without_budget(&self) -> Failure {
        if self.core.account.has_budget() {
            return Failure::NotYet;
        }
        if self.core.is_forked() {
            return Failure::Error(forked::error());
        }
        // A reactor that is not running has no budget.
        if waker::is_current(&self.core) {
            self.core.account.system_spent();
            return self.asked_again().map_or_else(Failure::Error, |()| Failure::Refused);
        }
        Failure::Error(if self.has(DETACHED) {
            sentence(io::ErrorKind::NotConnected, "the reactor of this source has ended")
        } else {
            sentence(io::ErrorKind::Other, "a source was used while its reactor is not running on this thread")
        })
    }

    /// Sorts the error of a system call: "not yet", an expired wait, or a real one.
    #[cold]
    fn failed(&self, direction: Direction, owner: u64, error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::WouldBlock => {}
            // A signal that came in the same moment; it is no business of the caller.
            io::ErrorKind::Interrupted => return Failure::Refused,
            _ => {
                self.core.account.spend();
                return Failure::Error(error);
            }
        }
        self.clear(direction);
        self.not_yet(direction, owner)
    }

    /// The bit is off, so there is nothing: "not yet", or the end of a wait that has expired.
    #[inline]
    fn not_yet(&self, direction: Direction, owner: u64) -> Failure {
        if !self.has(direction.timed()) || !self.take_expired(direction, owner) {
            return Failure::NotYet;
        }
        self.core.account.spend();
        Failure::Error(io::ErrorKind::TimedOut.into())
    }

    /// Counts a "not yet" or a refusal; an error names the spin.
    #[inline]
    fn asked_again(&self) -> io::Result<()> {
        if self.core.account.is_asked_too_often() { self.asked_too_often() } else { Ok(()) }
    }

    /// The running poll has asked very often. If it was this source again and again, it spins.
    #[cold]
    fn asked_too_often(&self) -> io::Result<()> {
        let first = (self.core.poll_number() as u32) << ASKED_BITS;
        // What another poll has left there is no count.
        let asked = self.asked.get().checked_sub(first).filter(|count| *count <= scope::SPINS_MAX).unwrap_or(0) + 1;
        self.asked.set(first + asked);
        if asked > scope::SPINS_MAX { Err(self.spins()) } else { Ok(()) }
    }

    #[cold]
    fn spins(&self) -> io::Error {
        self.asked.set(0);
        sentence(
            io::ErrorKind::Other,
            "a source was asked over 10000 times within one poll and was not ready: the task spins instead of waiting",
        )
    }

    /// A try in the style of a tick: `None` is "not yet", recorded if there is a scope.
    ///
    /// Inlined wherever it is called, as `try_read` is: the direction and the operation are constants there, and a
    /// program that calls it twice would otherwise pay half as many instructions again.
    #[inline(always)]
    pub(crate) fn try_io<T>(
        self: &Rc<Self>,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let account = &self.core.account;
        if !self.is_worth_a_try(account, direction) {
            return self.try_later(account, direction);
        }
        match operation() {
            Ok(value) => {
                // Not kept over the system call: to load it again costs less than a register.
                let account = &self.core.account;
                account.spend();
                account.progressed();
                self.done_in_scope(direction);
                Ok(Some(value))
            }
            Err(error) => self.try_failed(direction, self.failed(direction, scope::sitting(), error)).map(|()| None),
        }
    }

    /// The same for a read, where 0 bytes into a buffer that has room are end-of-file: progress once per source.
    #[inline(always)]
    pub(crate) fn try_read(
        self: &Rc<Self>,
        room: usize,
        operation: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        let account = &self.core.account;
        if !self.is_worth_a_try(account, Direction::Read) {
            return self.try_later(account, Direction::Read);
        }
        match operation() {
            Ok(count) => {
                let account = &self.core.account;
                account.spend();
                if count > 0 || room == 0 || self.is_first_end() {
                    account.progressed();
                }
                self.done_in_scope(Direction::Read);
                Ok(Some(count))
            }
            Err(error) => {
                self.try_failed(Direction::Read, self.failed(Direction::Read, scope::sitting(), error)).map(|()| None)
            }
        }
    }

    /// No system call is made. The common reason is that the descriptor is not ready.
    #[inline(always)]
    fn try_later<T>(self: &Rc<Self>, account: &Account, direction: Direction) -> io::Result<Option<T>> {
        if !account.has_budget() {
            return self.try_failed(direction, self.without_budget()).map(|()| None);
        }
        if self.sit(account, direction) && !account.is_asked_too_often() {
            account.blocked();
            return Ok(None);
        }
        self.record_slowly(direction).map(|()| None)
    }

    // What is out of line has no type parameter, so that a program has it once.

    /// "Not yet" in the style of a tick, where the owner has no seat. Outside a scope there is nobody to be woken: the
    /// caller looks again by himself.
    #[inline(never)]
    fn record_slowly(self: &Rc<Self>, direction: Direction) -> io::Result<()> {
        self.asked_again()?;
        if let over @ Failure::Error(_) = self.not_yet(direction, scope::sitting()) {
            return self.try_failed(direction, over);
        }
        waker::with_scope(|scope| {
            if let Some(scope) = scope {
                self.core.account.blocked();
                if scope.with_waker(|waker| self.wait(direction, scope.owner.id, waker)) {
                    scope.owner.remember(self, direction);
                }
            }
        });
        Ok(())
    }

    #[cold]
    fn try_failed(self: &Rc<Self>, direction: Direction, failure: Failure) -> io::Result<()> {
        match failure {
            Failure::NotYet => self.record_slowly(direction),
            Failure::Refused => {
                scope::refuse();
                Ok(())
            }
            Failure::Error(error) => {
                self.core.account.progressed();
                self.done_in_scope(direction);
                Err(error)
            }
        }
    }

    /// The wait of the scope has ended. Without a timeout the seat is empty already: the bit that was on emptied it.
    #[inline]
    fn done_in_scope(&self, direction: Direction) {
        if self.has(direction.rare()) {
            self.end_rare(direction, scope::sitting());
        }
    }

    /// A try of a leaf future, which keeps its owner id in `owner` (0 before its first wait).
    /// Inlined wherever it is called, as `try_io` is.
    #[inline(always)]
    pub(crate) fn poll_io<T>(
        &self,
        owner: &mut u64,
        cx: &Context<'_>,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let account = &self.core.account;
        if !self.is_worth_a_try(account, direction) {
            if account.has_budget() {
                return self.poll_later(owner, cx, direction).map(Err);
            }
            if !self.is_granted(owner) {
                return self.poll_failed(owner, cx, direction, self.without_budget()).map(Err);
            }
            if !self.readiness.get().intersects(direction.bit()) {
                return self.poll_later(owner, cx, direction).map(Err);
            }
        }
        match operation() {
            Ok(value) => {
                account.spend();
                if self.has(direction.rare()) {
                    self.end_rare(direction, *owner & !REFUSED);
                }
                *owner = 0;
                Poll::Ready(Ok(value))
            }
            Err(error) => {
                self.poll_failed(owner, cx, direction, self.failed(direction, *owner & !REFUSED, error)).map(Err)
            }
        }
    }

    /// Whether a leaf future may go on without budget: once, when it was refused before. A sibling that is never out of
    /// work spends the budget of each poll first, and would keep it out for ever.
    #[cold]
    fn is_granted(&self, owner: &mut u64) -> bool {
        let granted = *owner & REFUSED != 0 && waker::is_current(&self.core) && !self.core.is_forked();
        if granted {
            *owner &= !REFUSED;
            self.core.account.grant_one();
        }
        granted
    }

    /// The descriptor is not ready.
    #[inline]
    fn poll_later(&self, owner: &mut u64, cx: &Context<'_>, direction: Direction) -> Poll<io::Error> {
        if *owner != 0 {
            return self.poll_again(owner, cx, direction);
        }
        *owner = scope::owner_id();
        self.begin_wait(direction, *owner, cx.waker());
        Poll::Pending
    }

    #[cold]
    fn poll_failed(
        &self,
        owner: &mut u64,
        cx: &Context<'_>,
        direction: Direction,
        failure: Failure,
    ) -> Poll<io::Error> {
        match failure {
            Failure::NotYet => self.poll_later(owner, cx, direction),
            Failure::Refused => {
                *owner |= REFUSED;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Failure::Error(error) => {
                self.end_own(owner, direction);
                Poll::Ready(error)
            }
        }
    }

    /// A leaf future that waits already, or was refused, is asked again.
    #[inline(never)]
    fn poll_again(&self, owner: &mut u64, cx: &Context<'_>, direction: Direction) -> Poll<io::Error> {
        *owner &= !REFUSED;
        if *owner == 0 {
            return self.poll_later(owner, cx, direction);
        }
        if let Err(spin) = self.asked_again() {
            self.end_own(owner, direction);
            return Poll::Ready(spin);
        }
        if let over @ Failure::Error(_) = self.not_yet(direction, *owner) {
            return self.poll_failed(owner, cx, direction, over);
        }
        self.wait(direction, *owner, cx.waker());
        Poll::Pending
    }

    /// Ends the wait of a leaf future, if it has one: the future fails, or is dropped.
    #[inline]
    pub(crate) fn end_own(&self, owner: &mut u64, direction: Direction) {
        if *owner != 0 {
            self.end_own_wait(owner, direction);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_own_wait(&self, owner: &mut u64, direction: Direction) {
        let id = std::mem::take(owner) & !REFUSED;
        if id != 0 {
            self.end_wait(direction, id);
        }
        // Why here: a poll that makes a future anew for each try begins no wait twice, which is where others are
        // counted. Without budget it is refused from now on, and so told that it spins if it was this source again and
        // again.
        if self.core.account.is_asked_too_often() {
            self.core.account.exhaust();
        }
    }
}
