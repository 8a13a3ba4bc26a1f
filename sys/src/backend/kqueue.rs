//! The selector on kqueue(2): Apple and the BSDs.
//!
//! One `kevent` per registration, with all its changes, or for many of them, and one per select. No lock, no mirror of
//! what is registered, no allocation. The items stand in the same order as in `epoll.rs`; the call itself is in
//! `kqueue_call.rs`.
//!
//! What a change is in the words of kqueue, and why, stands in `kqueue_change.rs`. A descriptor has a filter for each
//! direction, so one source may have several events in a batch.
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
use socket2::SockRef;

pub(crate) use super::kqueue_call::Record;
use super::kqueue_call::{Filter, Flags, URGENT, control, wait};
use super::kqueue_change::{RECORDS_MAX, check_possible, outcome_of, records_of};
use crate::call::Call;
use crate::check::{attempt, check};
#[cfg(mainspring_force_kqueue)]
pub(super) use crate::kqueue_double as os;
use crate::seam::{disturb, watch};
use crate::timeout::Timeout;
use crate::{Change, Event, Events, Interest, Mode, Readiness, Selector, Token, Waker};

/// The number of the waker's note; notes are apart from descriptors.
const ALARM_NUMBER: usize = 0;

/// The most changes of one call, so that its records, 4 or 6 KiB, fit on any stack.
const BATCH: usize = 16;

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
        self.one(Call::Register, Change::Register { fd, token, interest, mode })
    }

    fn reregister(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        self.one(Call::Reregister, Change::Reregister { fd, token, interest, mode })
    }

    fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.one(Call::Deregister, Change::Deregister { fd })
    }

    fn apply(&self, changes: &[Change<'_>], mut refused: impl FnMut(usize, io::Error)) {
        for (chunk, first) in changes.chunks(BATCH).zip((0..).step_by(BATCH)) {
            self.make::<{ BATCH * RECORDS_MAX }>(Call::Apply, chunk, |place, error| refused(first + place, error));
        }
    }

    #[inline]
    fn select(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let timeout = Timeout::of(timeout);
        let park = self.waker.park();
        // With a token there is no waiting, and it stays for `Waker::take`.
        let sleeps = timeout != Timeout::ZERO && park.sleep();
        let timeout = if sleeps { timeout } else { Timeout::ZERO };
        let result = disturb(events.records(), timeout, |records, timeout| wait(self.kqueue(), records, timeout));
        if sleeps {
            park.rise();
        }
        result
    }

    fn waker(&self) -> io::Result<Waker> {
        Ok(self.waker.clone())
    }
}

impl OsSelector {
    /// Makes one change, by a call of the kind.
    fn one(&self, call: Call, change: Change<'_>) -> io::Result<()> {
        let mut outcome = Ok(());
        self.make::<RECORDS_MAX>(call, &[change], |_, error| outcome = Err(error));
        outcome
    }

    /// Makes changes by one call of the kind, which has room for so many records.
    fn make<const ROOM: usize>(&self, call: Call, changes: &[Change<'_>], mut refused: impl FnMut(usize, io::Error)) {
        for change in changes {
            if let Change::Register { token, .. } = change {
                watch(*token);
            }
        }
        let mut list = [Record::new(0, 0, 0, Token(0)); ROOM];
        let possible = changes.iter().filter(|change| check_possible(change).is_ok());
        let records = possible.flat_map(records_of);
        let count = list.iter_mut().zip(records).map(|(place, record)| *place = record).count();
        control(call, self.kqueue(), &mut list[..count]);
        let mut rest = &list[..count];
        for (place, change) in changes.iter().enumerate() {
            let outcome = check_possible(change).and_then(|()| {
                let (own, others) = rest.split_at(records_of(change).count());
                rest = others;
                outcome_of(own).inspect_err(|_| self.undo(change, &changes[place + 1..]))
            });
            if let Err(error) = outcome {
                refused(place, error);
            }
        }
    }

    /// Undoes a change that was refused: half a registration is none, unless a later change has replaced it.
    fn undo(&self, change: &Change<'_>, later: &[Change<'_>]) {
        let is_replaced = later.iter().any(|later| later.fd().as_raw_fd() == change.fd().as_raw_fd());
        if !is_replaced && !matches!(change, Change::Deregister { .. }) {
            // What this says does not matter beside the first error.
            let _ = self.deregister(change.fd());
        }
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
        attempt(Call::Mode, || SockRef::from(&kqueue).set_cloexec(true))?;
        let add = os::EV_ADD | os::EV_CLEAR;
        let note = Record::new(ALARM_NUMBER, user, add, Token::WAKER);
        let pipe = match tell(Call::Alarm, &kqueue, note) {
            Ok(()) => None,
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let (reader, writer) = attempt(Call::Alarm, UnixStream::pair)?;
                attempt(Call::Mode, || reader.set_nonblocking(true))?;
                attempt(Call::Mode, || writer.set_nonblocking(true))?;
                tell(Call::Alarm, &kqueue, Record::of(reader.as_fd(), os::EVFILT_READ, add, Token::WAKER))?;
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
            return tell(Call::Ring, &self.kqueue, trigger.with_note(os::NOTE_TRIGGER));
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

/// Says one thing to the kernel.
fn tell(call: Call, kqueue: &OwnedFd, record: Record) -> io::Result<()> {
    let mut record = [record];
    control(call, kqueue, &mut record);
    record[0].outcome()
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
