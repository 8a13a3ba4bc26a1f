//! The selector on kqueue(2): Apple, FreeBSD, DragonFly, NetBSD 10, OpenBSD 7.8.
//!
//! One `kevent` per registration, with all its changes, and one per select. No lock, no mirror of what
//! is registered, no allocation. The items stand in the same order as in `epoll.rs`.
//!
//! A descriptor has a filter for reading and one for writing, so one source may have two events in a
//! batch. Each change is asked for with a receipt (`EV_RECEIPT`): without it an event could come in the
//! place of a receipt and be lost, and the first bad change would hide what became of the rest.
//!
//! The waker is an `EVFILT_USER` note, so what it writes to is the kqueue itself, which each `Waker`
//! keeps open. Turned down: a pipe for the systems older than those above, two descriptors per selector
//! and a read per wake-up. Turned down too: a table of what is registered, to notice a second
//! registration as epoll does; it goes stale with the first descriptor that is closed without being
//! deregistered.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc as os;
use libc::c_int;

use crate::call::Call;
use crate::check::{check, is_interrupted};
use crate::seam::{disturb, watch};
use crate::timeout::Timeout;
use crate::{Event, Events, Interest, Mode, Readiness, Selector, Token, Waker};

/// What the kernel reports one event in, and is told one change in.
pub(crate) type Record = os::kevent;

/// The type of a filter's number.
#[cfg(not(target_os = "netbsd"))]
type Filter = i16;
/// The type of a record's flags.
#[cfg(not(target_os = "netbsd"))]
type Flags = u16;
/// The type of a filter's number.
#[cfg(target_os = "netbsd")]
type Filter = u32;
/// The type of a record's flags.
#[cfg(target_os = "netbsd")]
type Flags = u32;

/// Errors of accept(2) that belong to the new connection.
pub(crate) const ACCEPT_PASSES_ON: &[c_int] =
    &[libc::ENETDOWN, libc::EPROTO, libc::ENOPROTOOPT, libc::EHOSTDOWN, libc::EHOSTUNREACH, libc::ENETUNREACH];

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
        let waker = Waker::new(Alarm::new()?);
        Ok(Self { waker })
    }

    fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        watch(token);
        self.reregister(fd, token, interest, mode)
    }

    fn reregister(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        token.check_free()?;
        if !interest.is_readable() && !interest.is_writable() {
            let message = "could not register for urgent data alone: kqueue has no filter for it";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        // Writing first: FreeBSD may report only the first filter of a stream that is at its end.
        let mut changes = [
            change_of(fd, os::EVFILT_WRITE, token, interest.is_writable(), mode),
            change_of(fd, os::EVFILT_READ, token, interest.is_readable(), mode),
        ];
        let asked = [interest.is_writable(), interest.is_readable()];
        let mut outcome = Ok(());
        for (code, asked) in control(Call::Register, self.kqueue(), &mut changes)?.into_iter().zip(asked) {
            // EPIPE: the other end of a pipe is gone, which the other filter or the next call tells.
            // ENOENT: a filter that is not asked for was not there.
            let harmless = matches!((code, asked), (0 | libc::EPIPE, true) | (_, false));
            if !harmless && outcome.is_ok() {
                outcome = Err(io::Error::from_raw_os_error(code));
            }
        }
        if outcome.is_err() {
            // Half a registration is none. What this says does not matter beside the first error.
            let _ = self.deregister(fd);
        }
        outcome
    }

    fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut changes = [
            change_of(fd, os::EVFILT_WRITE, Token(0), false, Mode::Edge),
            change_of(fd, os::EVFILT_READ, Token(0), false, Mode::Edge),
        ];
        match control(Call::Deregister, self.kqueue(), &mut changes)? {
            // One filter is enough for a registration.
            [0, _] | [_, 0] => Ok(()),
            [code, _] => Err(io::Error::from_raw_os_error(code)),
        }
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

/// What a waker writes to: the kqueue, which has a note for it.
#[derive(Debug)]
pub(crate) struct Alarm {
    kqueue: OwnedFd,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        // SAFETY: kqueue takes nothing.
        let kqueue = check(Call::Selector, || unsafe { os::kqueue() })?;
        // SAFETY: a descriptor that was just made, and that nobody else knows.
        let kqueue = unsafe { OwnedFd::from_raw_fd(kqueue) };
        // Why not atomically: a child does not inherit a kqueue, kqueue(2). Only an exec without a fork
        // would see it.
        // SAFETY: fcntl with this command takes no pointer.
        check(Call::Mode, || unsafe { libc::fcntl(kqueue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
        let alarm = Self { kqueue };
        alarm.note(Call::Alarm, os::EV_ADD | os::EV_CLEAR, 0)?;
        Ok(alarm)
    }

    /// Makes an event of the waker in the selector.
    pub(crate) fn ring(&self) -> io::Result<()> {
        self.note(Call::Ring, 0, os::NOTE_TRIGGER)
    }

    /// Changes the waker's note, by a call of the kind.
    fn note(&self, call: Call, flags: Flags, note_flags: u32) -> io::Result<()> {
        let mut change = record(ALARM_NUMBER, os::EVFILT_USER, flags, Token::WAKER);
        change.fflags = note_flags;
        let mut changes = [change];
        match control(call, &self.kqueue, &mut changes)? {
            [0] => Ok(()),
            [code] => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Waits, and puts what it finds into the records, none if a signal handler ran.
#[inline]
fn wait(kqueue: &OwnedFd, records: &mut Vec<Record>, timeout: Timeout) -> io::Result<()> {
    let (list, room) = (records.as_mut_ptr(), records.capacity());
    let time = timeout.timespec();
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let fd = kqueue.as_raw_fd();
    // SAFETY: no changes are passed; the list is writable for `room` records, the capacity of the vector;
    // the time lives until the end of this function.
    match check(Call::Select, || unsafe { os::kevent(fd, ptr::null(), 0, list, room as _, time) }) {
        Ok(count) => {
            // SAFETY: the kernel has filled the first `count` records, as it said.
            unsafe { records.set_len(count as usize) };
            Ok(())
        }
        Err(error) if is_interrupted(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the changes by a call of the kind, and gives back for each its error code, 0 if it was made.
fn control<const N: usize>(call: Call, kqueue: &OwnedFd, changes: &mut [Record; N]) -> io::Result<[c_int; N]> {
    for change in changes.iter_mut() {
        change.flags |= os::EV_RECEIPT;
    }
    let list = changes.as_mut_ptr();
    // SAFETY: the list is readable and writable for `N` records, and may be both lists: a receipt is
    // written after its change was read. With as many receipts as there is room the call does not wait.
    let make = || unsafe { os::kevent(kqueue.as_raw_fd(), list, N as _, list, N as _, ptr::null()) };
    match check(call, make) {
        // Interrupted when all changes had been made, kqueue(2): there are no receipts, and no errors.
        Err(error) if is_interrupted(&error) => Ok([0; N]),
        Err(error) => Err(error),
        Ok(_) => Ok(changes.map(|receipt| receipt.data as c_int)),
    }
}

/// What to ask the kernel for, for one filter: to add or change it, or to delete it.
fn change_of(fd: BorrowedFd<'_>, filter: Filter, token: Token, asked: bool, mode: Mode) -> Record {
    let flags = match mode {
        _ if !asked => os::EV_DELETE,
        Mode::Edge | Mode::Exclusive => os::EV_ADD | os::EV_ENABLE | os::EV_CLEAR,
        Mode::Level => os::EV_ADD | os::EV_ENABLE,
        Mode::Oneshot => os::EV_ADD | os::EV_ENABLE | os::EV_DISPATCH,
    };
    let number: RawFd = fd.as_raw_fd();
    record(number as usize, filter, flags, token)
}

fn record(number: usize, filter: Filter, flags: Flags, token: Token) -> Record {
    // SAFETY: all zeros is a valid value of this plain C structure, which has more fields on some systems.
    let mut record: Record = unsafe { std::mem::zeroed() };
    record.ident = number;
    record.filter = filter;
    record.flags = flags;
    record.udata = ptr::without_provenance_mut(token.0 as usize);
    record
}

/// The event that a record stands for, the waker's included.
#[inline]
pub(crate) fn event_of(record: &Record) -> Event {
    let token = Token(record.udata.addr() as u64);
    Event::new(token, Report(truth(record.filter, record.flags, record.fflags)))
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

/// The records by which a source is reported ready for both directions.
#[cfg(mainspring_faults)]
pub(crate) fn ready(token: Token) -> [Record; 2] {
    [os::EVFILT_WRITE, os::EVFILT_READ].map(|filter| record(0, filter, 0, token))
}

/// The kqueue column of the table on `Readiness`.
#[inline]
const fn truth(filter: Filter, flags: Flags, filter_flags: u32) -> Readiness {
    let (reads, writes) = (filter == os::EVFILT_READ, filter == os::EVFILT_WRITE);
    let end = flags & os::EV_EOF != 0;
    // At the end of a socket, `fflags` is its error, kqueue(2).
    let dead = end && filter_flags != 0;
    let error = dead || flags & os::EV_ERROR != 0;
    Readiness::EMPTY
        .union(Readiness::READABLE.when(reads || error))
        .union(Readiness::WRITABLE.when(writes || end || error))
        .union(Readiness::READ_CLOSED.when(reads && end || dead))
        .union(Readiness::WRITE_CLOSED.when(writes && end || dead))
        .union(Readiness::ERROR.when(error))
        .union(Readiness::HANGUP.when(dead))
}
