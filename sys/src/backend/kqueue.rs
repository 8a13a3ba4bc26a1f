//! The selector on kqueue(2): Apple and the BSDs.
//!
//! One `kevent` per registration, with all its changes, and one per select. No lock, no mirror of what
//! is registered, no allocation. The items stand in the same order as in `epoll.rs`; the call itself is in
//! `kqueue_call.rs`.
//!
//! A descriptor has a filter for each direction, so one source may have several events in a batch. All
//! filters are deleted before those that are asked for are added, in that order, because a note keeps
//! the mode of its first `EV_ADD`.
//!
//! The waker is an `EVFILT_USER` note, so what it writes to is the kqueue itself, which each `Waker`
//! keeps open. Where the kernel refuses that filter (OpenBSD before 7.8, NetBSD before 10) it is a pipe made
//! of two Unix sockets; each selector finds out for itself.
//!
//! Turned down: carrying changes along in the list of the next wait, which saves the call that a
//! registration costs. They would be made after `register` has returned, so it could not say that it
//! failed; a descriptor that is closed meanwhile would pass its registration on to the next of its
//! number; and a thread that waits already would not see it. Turned down too: a table of what is
//! registered, to notice a second registration as epoll does; it goes stale with the first descriptor
//! that is closed without being deregistered.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(not(mainspring_force_kqueue))]
pub(super) use libc as os;

pub(crate) use super::kqueue_call::Record;
use super::kqueue_call::{FILTERS, Filter, Flags, URGENT, control, wait};
use crate::call::Call;
use crate::check::{attempt, check};
#[cfg(mainspring_force_kqueue)]
pub(super) use crate::kqueue_double as os;
use crate::seam::{disturb, watch};
use crate::timeout::Timeout;
use crate::{Event, Events, Interest, Mode, Readiness, Selector, Token, Waker};

/// The number of the waker's note; notes are apart from descriptors.
const ALARM_NUMBER: usize = 0;

/// The selector of this system, see [`Selector`].
#[derive(Debug)]
pub struct OsSelector {
    /// The waker state, and the kqueue.
    waker: Waker,
}

impl Selector for OsSelector {
    fn new() -> io::Result<Self> {
        let waker = Waker::new(Alarm::new(os::EVFILT_USER)?);
        Ok(Self { waker })
    }

    fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        watch(token);
        self.replace(Call::Register, fd, token, interest, mode)
    }

    fn reregister(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        self.replace(Call::Reregister, fd, token, interest, mode)
    }

    fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let receipts = control(Call::Deregister, self.kqueue(), deletions(fd))?;
        // One filter is enough for a registration.
        receipts.map(|receipt| receipt.outcome()).reduce(|first, next| next.or(first)).unwrap_or(Ok(()))
    }

    #[inline]
    fn select(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let timeout = Timeout::of(timeout);
        let mut wait =
            |timeout| disturb(events.records(), timeout, |records, timeout| wait(self.kqueue(), records, timeout));
        let park = self.waker.park();
        // With a token there is no waiting, and it stays for `Waker::take`.
        if timeout == Timeout::ZERO || !park.sleep() {
            return wait(Timeout::ZERO);
        }
        let result = wait(timeout);
        park.rise();
        result
    }

    fn waker(&self) -> io::Result<Waker> {
        Ok(self.waker.clone())
    }
}

impl OsSelector {
    /// Makes the registration anew, by a call of the kind.
    fn replace(&self, call: Call, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        token.check_free()?;
        let additions = additions(fd, token, interest, mode);
        if additions.clone().next().is_none() {
            let message = "could not register for urgent data alone: this system has no filter for it";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let mut receipts = control(call, self.kqueue(), deletions(fd).chain(additions))?.skip(FILTERS);
        let is_told = receipts.clone().any(|receipt| receipt.outcome().is_ok());
        let Some(refused) = receipts.find(|receipt| !receipt.is_harmless(is_told)) else {
            return Ok(());
        };
        // Half a registration is none. What this says does not matter beside the first error.
        let _ = self.deregister(fd);
        refused.outcome()
    }

    fn kqueue(&self) -> &OwnedFd {
        &self.waker.alarm().kqueue
    }
}

impl AsFd for OsSelector {
    /// The kqueue, readable when an event is there: for use inside another event loop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue().as_fd()
    }
}

/// What a waker writes to: the kqueue, which has a note for it, or a pipe.
#[derive(Debug)]
pub(crate) struct Alarm {
    kqueue: OwnedFd,
    /// Where there are no such notes: what is watched, edge-triggered, and what is written to. Read only
    /// when it is full, as each write is an edge of its own.
    pipe: Option<(UnixStream, UnixStream)>,
}

impl Alarm {
    /// `user` is the filter of user notes.
    fn new(user: Filter) -> io::Result<Self> {
        // SAFETY: the call takes nothing, and nobody else knows the descriptor that it has made.
        let kqueue = unsafe { OwnedFd::from_raw_fd(check(Call::Selector, || os::kqueue())?) };
        // Why not atomically: a child does not inherit a kqueue, kqueue(2). Only an exec without a fork
        // would see it.
        // SAFETY: fcntl with this command takes no pointer.
        check(Call::Mode, || unsafe { libc::fcntl(kqueue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
        let add = os::EV_ADD | os::EV_CLEAR;
        let note = Record::new(ALARM_NUMBER, user, add, Token::WAKER);
        let pipe = match change(Call::Alarm, &kqueue, note) {
            Ok(()) => None,
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let (reader, writer) = attempt(Call::Alarm, UnixStream::pair)?;
                attempt(Call::Mode, || reader.set_nonblocking(true))?;
                attempt(Call::Mode, || writer.set_nonblocking(true))?;
                change(Call::Alarm, &kqueue, Record::of(reader.as_fd(), os::EVFILT_READ, add, Token::WAKER))?;
                Some((reader, writer))
            }
            Err(error) => return Err(error),
        };
        Ok(Self { kqueue, pipe })
    }

    /// Makes an event of the waker in the selector.
    pub(crate) fn ring(&self) -> io::Result<()> {
        let Some((reader, writer)) = &self.pipe else {
            let trigger = Record::new(ALARM_NUMBER, os::EVFILT_USER, 0, Token::WAKER);
            return change(Call::Ring, &self.kqueue, trigger.with_note(os::NOTE_TRIGGER));
        };
        // Twice at most: nobody fills the pipe between a read and the next write.
        for _ in 0..2 {
            match attempt(Call::Ring, || (&*writer).write(&[1])) {
                // Why the result does not matter: the only error is that the pipe is empty already.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(attempt(Call::Reset, || (&*reader).read(&mut [0; 4096])));
                }
                result => return result.map(drop),
            }
        }
        Ok(())
    }
}

/// Makes one change.
fn change(call: Call, kqueue: &OwnedFd, change: Record) -> io::Result<()> {
    control(call, kqueue, [change].into_iter())?.try_for_each(|receipt| receipt.outcome())
}

/// The filters of a descriptor, what to say to each, and whether it is asked for. Writing first: FreeBSD
/// may report only the first filter of a stream that is at its end.
fn filters_of(interest: Interest) -> impl Iterator<Item = (Filter, u32, bool)> + Clone {
    let writing = (os::EVFILT_WRITE, 0, interest.is_writable());
    let reading = (os::EVFILT_READ, 0, interest.is_readable());
    let urgent = URGENT.map(|(filter, note)| (filter, note, interest.is_priority()));
    [Some(writing), Some(reading), urgent].into_iter().flatten()
}

/// The changes that end a registration.
fn deletions(fd: BorrowedFd<'_>) -> impl Iterator<Item = Record> {
    filters_of(Interest::READABLE).map(move |(filter, ..)| Record::of(fd, filter, os::EV_DELETE, Token(0)))
}

/// The changes that make one.
fn additions(fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> impl Iterator<Item = Record> + Clone {
    let flags = flags_of(mode);
    let asked = filters_of(interest).filter(|(.., is_asked)| *is_asked);
    asked.map(move |(filter, note, _)| Record::of(fd, filter, flags, token).with_note(note))
}

/// What to ask the kernel for.
fn flags_of(mode: Mode) -> Flags {
    match mode {
        Mode::Edge | Mode::Exclusive => os::EV_ADD | os::EV_CLEAR,
        Mode::Level => os::EV_ADD,
        Mode::Oneshot => os::EV_ADD | os::EV_DISPATCH,
    }
}

/// The event that a record stands for, the waker's included.
#[inline]
pub(crate) fn event_of(record: &Record) -> Event {
    let token = Token(record.0.udata.addr() as u64);
    Event::new(token, Report(truth(record.0.filter, record.0.flags, record.0.fflags)))
}

/// The records by which a source is reported ready for both directions.
#[cfg(mainspring_faults)]
pub(crate) fn ready(token: Token) -> [Record; 2] {
    [os::EVFILT_WRITE, os::EVFILT_READ].map(|filter| Record::new(0, filter, 0, token))
}

/// What the kernel said of a source, as what it means: filter, flags and `fflags` would have to be kept together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Report(Readiness);

impl Report {
    /// True if it means this one bit.
    #[inline]
    pub(crate) const fn means(self, bit: Readiness) -> bool {
        self.0.intersects(bit)
    }

    /// All that it means.
    #[inline]
    pub(crate) const fn readiness(self) -> Readiness {
        self.0
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The kqueue column of the table on `Readiness`.
#[inline]
fn truth(filter: Filter, flags: Flags, note: u32) -> Readiness {
    match URGENT {
        Some((urgent, sign)) if urgent == filter => {
            return Readiness::READABLE | Readiness::PRIORITY.when(note & sign != 0);
        }
        _ => {}
    }
    let (reads, writes) = (filter == os::EVFILT_READ, filter == os::EVFILT_WRITE);
    let end = flags & os::EV_EOF != 0;
    // At the end of a socket, `fflags` is its error, kqueue(2).
    let dead = end && note != 0;
    let error = dead || flags & os::EV_ERROR != 0;
    Readiness::EMPTY
        .union(Readiness::READABLE.when(reads || error))
        .union(Readiness::WRITABLE.when(writes || end || error))
        .union(Readiness::READ_CLOSED.when(reads && end || dead))
        .union(Readiness::WRITE_CLOSED.when(writes && end || dead))
        .union(Readiness::ERROR.when(error))
        .union(Readiness::HANGUP.when(dead))
}

#[cfg(all(test, not(loom)))]
mod tests;
