//! The selector on epoll(7): Linux, Android, illumos.
//!
//! One `epoll_ctl` per registration, one `epoll_wait` per select, and nothing else: no lock, no mirror
//! of what is registered, no allocation. The items stand in the same order as in `kqueue.rs`.
//!
//! The waker is an eventfd(2), registered edge-triggered and never read: each write is an edge of its
//! own, so reading it would be a system call for nothing. (illumos has an edge only from zero, so there
//! it is read before it is written.)
//!
//! How it waits stands in `epoll_wait.rs`. Turned down: a table of what is registered, to give better
//! errors than the kernel's; it goes stale with the first descriptor that is closed without being
//! deregistered.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::c_int;

use super::epoll_wait::wait;
use crate::call::Call;
use crate::check::{attempt, check};
use crate::seam::{disturb, watch};
use crate::timeout::Timeout;
use crate::{Event, Events, Interest, Mode, Readiness, Selector, Token, Waker};

/// What the kernel reports one event in.
pub(crate) type Record = libc::epoll_event;

/// The selector of this system, see [`Selector`](crate::Selector).
#[derive(Debug)]
pub struct OsSelector {
    /// The epoll instance.
    epoll: OwnedFd,
    /// The waker state, and the eventfd.
    waker: Waker,
}

impl Selector for OsSelector {
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer, and nobody else knows the descriptor that it has made.
        let epoll =
            unsafe { OwnedFd::from_raw_fd(check(Call::Selector, || libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        let waker = Waker::new(Alarm::new()?);
        let flags = (libc::EPOLLIN | libc::EPOLLET) as u32;
        let eventfd = waker.alarm().eventfd.as_fd();
        control(&epoll, libc::EPOLL_CTL_ADD, eventfd, Token::WAKER, flags)?;
        Ok(Self { epoll, waker })
    }

    #[inline]
    fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        token.check_free()?;
        watch(token);
        control(&self.epoll, libc::EPOLL_CTL_ADD, fd, token, flags_of(interest, mode))
    }

    #[inline]
    fn reregister(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()> {
        token.check_free()?;
        control(&self.epoll, libc::EPOLL_CTL_MOD, fd, token, flags_of(interest, mode))
    }

    #[inline]
    fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // Why a record although none is needed: Linux before 2.6.9 refuses a null pointer, epoll_ctl(2).
        control(&self.epoll, libc::EPOLL_CTL_DEL, fd, Token(0), 0)
    }

    #[inline]
    fn select(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let timeout = Timeout::of(timeout);
        let park = self.waker.park();
        // With a token there is no waiting, and it stays for `Waker::take`.
        let sleeps = timeout != Timeout::ZERO && park.sleep();
        let timeout = if sleeps { timeout } else { Timeout::ZERO };
        let result = disturb(events.records(), timeout, |records, timeout| wait(&self.epoll, records, timeout));
        if sleeps {
            park.rise();
        }
        result
    }

    fn waker(&self) -> io::Result<Waker> {
        Ok(self.waker.clone())
    }
}

impl AsFd for OsSelector {
    /// The epoll instance, readable when an event is there: for use inside another event loop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// What a waker writes to: an eventfd.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// Read and written through the standard library, eight bytes at a time.
    eventfd: File,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: the call takes no pointer, and nobody else knows the descriptor that it has made.
        let eventfd = unsafe { OwnedFd::from_raw_fd(check(Call::Alarm, || libc::eventfd(0, flags))?) };
        Ok(Self { eventfd: eventfd.into() })
    }

    /// Makes an event of the waker in the selector.
    pub(crate) fn ring(&self) -> io::Result<()> {
        if cfg!(target_os = "illumos") {
            self.reset();
        }
        // Twice at most: nobody adds 2^64 - 2 to the counter between a reset and the next write.
        for _ in 0..2 {
            match attempt(Call::Ring, || (&self.eventfd).write(&1_u64.to_ne_bytes())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.reset(),
                result => return result.map(drop),
            }
        }
        Ok(())
    }

    /// Sets the counter back to zero.
    fn reset(&self) {
        // Why the result does not matter: the only error is that the counter is zero already.
        let _ = attempt(Call::Reset, || (&self.eventfd).read(&mut [0; 8]));
    }
}

/// epoll_ctl(2).
#[inline]
fn control(epoll: &OwnedFd, operation: c_int, fd: BorrowedFd<'_>, token: Token, flags: u32) -> io::Result<()> {
    let mut record = Record { events: flags, u64: token.0 };
    // SAFETY: both descriptors are open while they are borrowed, and the record lives through the call.
    let make = || unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd.as_raw_fd(), &mut record) };
    let call = match operation {
        libc::EPOLL_CTL_ADD => Call::Register,
        libc::EPOLL_CTL_MOD => Call::Reregister,
        _ => Call::Deregister,
    };
    check(call, make).map(drop)
}

/// What to ask the kernel for.
#[inline]
fn flags_of(interest: Interest, mode: Mode) -> u32 {
    let mut flags = match mode {
        Mode::Edge => libc::EPOLLET,
        Mode::Level => 0,
        Mode::Oneshot => libc::EPOLLONESHOT,
        Mode::Exclusive => libc::EPOLLET | libc::EPOLLEXCLUSIVE,
    };
    if interest.is_readable() {
        flags |= libc::EPOLLIN;
        // A half-close, or else the end would look like data; EPOLLEXCLUSIVE forbids it, epoll_ctl(2).
        if mode != Mode::Exclusive {
            flags |= libc::EPOLLRDHUP;
        }
    }
    if interest.is_writable() {
        flags |= libc::EPOLLOUT;
    }
    if interest.is_priority() {
        flags |= libc::EPOLLPRI;
    }
    flags as u32
}

/// The event that a record stands for, the waker's included.
#[inline]
pub(crate) fn event_of(record: &Record) -> Event {
    // Copied out, because the record is packed on some targets.
    let (token, flags) = (Token(record.u64), record.events);
    Event::new(token, Report(flags))
}

/// The records by which a source is reported ready for both directions.
#[cfg(mainspring_faults)]
pub(crate) fn ready(token: Token) -> [Record; 1] {
    [Record { events: (libc::EPOLLIN | libc::EPOLLOUT) as u32, u64: token.0 }]
}

/// What the kernel said of a source: the flags of its record. What they mean is worked out when somebody
/// asks: one bit is one instruction, all of them are a few.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Report(u32);

impl Report {
    /// True if it means this one bit.
    #[inline]
    pub(crate) const fn means(self, bit: Readiness) -> bool {
        self.0 & flags_of_bit(bit) as u32 != 0
    }

    /// All that it means. Looked up: the six flags are an index into 64 answers that were worked out
    /// when this was compiled, one cache line.
    #[inline]
    pub(crate) const fn readiness(self) -> Readiness {
        static ANSWERS: [Readiness; 64] = {
            let mut answers = [Readiness::EMPTY; 64];
            let mut index = 0;
            while index < answers.len() {
                answers[index] = Report((index & LOW | (index & !LOW) << RDHUP_SHIFT) as u32).work_out();
                index += 1;
            }
            answers
        };
        let flags = self.0 as usize;
        ANSWERS[flags & LOW | flags >> RDHUP_SHIFT & !LOW & (ANSWERS.len() - 1)]
    }

    /// All that it means, bit by bit.
    const fn work_out(self) -> Readiness {
        let mut readiness = Readiness::EMPTY;
        let mut bits = 1_u8;
        while bits != 0 {
            let bit = Readiness::from_bits_truncate(bits);
            readiness = readiness.union(bit.when(self.means(bit)));
            bits <<= 1;
        }
        readiness
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.readiness().fmt(formatter)
    }
}

/// `EPOLLIN`, `PRI`, `OUT`, `ERR` and `HUP`: the low five bits on every architecture.
const LOW: usize = 0x1f;
/// From `EPOLLRDHUP`, 0x2000, to the bit above those.
const RDHUP_SHIFT: u32 = 8;
const _: () = assert!(libc::EPOLLRDHUP as usize >> RDHUP_SHIFT == LOW + 1);

/// The epoll column of the table on `Readiness`: the flags each of which means this bit.
#[inline]
const fn flags_of_bit(bit: Readiness) -> c_int {
    use libc::{
        EPOLLERR as ERR, EPOLLHUP as HUP, EPOLLIN as IN, EPOLLOUT as OUT, EPOLLPRI as PRI, EPOLLRDHUP as RDHUP,
    };
    match bit {
        Readiness::READABLE => IN | PRI | RDHUP | HUP | ERR,
        Readiness::WRITABLE => OUT | HUP | ERR,
        Readiness::READ_CLOSED => RDHUP | HUP,
        Readiness::WRITE_CLOSED | Readiness::HANGUP => HUP,
        Readiness::ERROR => ERR,
        Readiness::PRIORITY => PRI,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_told_as_all_of_them_are() {
        // All sixteen low bits: those that are not asked for are not in the way.
        for flags in 0..=u32::from(u16::MAX) {
            let report = Report(flags);
            for bit in (0..8).map(|shift| Readiness::from_bits_truncate(1 << shift)) {
                assert_eq!(report.means(bit), report.readiness().intersects(bit), "{bit:?} of flags {flags:#x}");
            }
            // Whoever asks for one direction hears of all that concerns it.
            let both = report.means(Readiness::ERROR) || report.means(Readiness::HANGUP);
            let reading = both || report.means(Readiness::READ_CLOSED) || report.means(Readiness::PRIORITY);
            let writing = both || report.means(Readiness::WRITE_CLOSED);
            assert!(report.means(Readiness::READABLE) || !reading, "{flags:#x}");
            assert!(report.means(Readiness::WRITABLE) || !writing, "{flags:#x}");
        }
    }
}
