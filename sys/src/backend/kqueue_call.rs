//! The one call of the kqueue selector, kevent(2), and the record that it takes and fills.
//!
//! Called by `kqueue.rs` alone. Each change is asked for with a receipt (`EV_RECEIPT`), and there is room
//! for as many: then no event can come in the place of a receipt and be lost, a change that is bad does
//! not hide what became of the rest, and the call does not wait.
//!
//! Turned down: the same without receipts, which reports failures alone. When there is none, the call goes
//! on and takes events into the room that was meant for them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::c_int;

use super::kqueue::os;
use crate::Token;
use crate::call::Call;
use crate::check::{check, is_interrupted};
use crate::timeout::Timeout;

/// The type of a filter's number.
#[cfg(not(target_os = "netbsd"))]
pub(super) type Filter = i16;
/// The type of a record's flags.
#[cfg(not(target_os = "netbsd"))]
pub(super) type Flags = u16;
/// The type of a filter's number.
#[cfg(target_os = "netbsd")]
pub(super) type Filter = u32;
/// The type of a record's flags.
#[cfg(target_os = "netbsd")]
pub(super) type Flags = u32;

/// The filter of urgent data and what to say to it, where the system has one.
pub(super) const URGENT: Option<(Filter, u32)> = {
    #[cfg(any(
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "openbsd",
        mainspring_force_kqueue = "urgent"
    ))]
    let urgent = Some((os::EVFILT_EXCEPT, os::NOTE_OOB));
    #[cfg(not(any(
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "openbsd",
        mainspring_force_kqueue = "urgent"
    )))]
    let urgent = None;
    urgent
};

/// How many filters a descriptor has.
pub(super) const FILTERS: usize = 2 + URGENT.is_some() as usize;

/// What the kernel reports one event in, is told one change in, and answers it in.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Record(pub(super) os::kevent);

// SAFETY: its one pointer is a token, and never followed.
unsafe impl Send for Record {}
// SAFETY: as above.
unsafe impl Sync for Record {}

impl Record {
    pub(super) fn of(fd: BorrowedFd<'_>, filter: Filter, flags: Flags, token: Token) -> Self {
        Self::new(fd.as_raw_fd() as usize, filter, flags, token)
    }

    pub(super) fn new(number: usize, filter: Filter, flags: Flags, token: Token) -> Self {
        // SAFETY: all zeros is a valid value of this plain C structure, which has more fields on some systems.
        let mut record: os::kevent = unsafe { std::mem::zeroed() };
        record.ident = number;
        record.filter = filter;
        record.flags = flags;
        record.udata = ptr::without_provenance_mut(token.0 as usize);
        Self(record)
    }

    /// The same with something said to the filter.
    pub(super) fn with_note(mut self, note: u32) -> Self {
        self.0.fflags = note;
        self
    }

    /// Of a receipt: what became of its change.
    pub(super) fn outcome(&self) -> io::Result<()> {
        match self.0.data as c_int {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Waits, and puts what it finds into the records, none if a signal handler ran.
#[inline]
pub(super) fn wait(kqueue: &OwnedFd, records: &mut Vec<Record>, timeout: Timeout) -> io::Result<()> {
    let (list, room) = (records.as_mut_ptr().cast(), records.capacity());
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

/// Tells the kernel these records in their order by a call of the kind, and leaves their receipts in their place. If
/// the call fails, that is what became of each.
pub(super) fn control(call: Call, kqueue: &OwnedFd, records: &mut [Record]) {
    records.iter_mut().for_each(|record| record.0.flags |= os::EV_RECEIPT);
    let (fd, both, count) = (kqueue.as_raw_fd(), records.as_mut_ptr().cast(), records.len());
    // SAFETY: the list is readable and writable for `count` records, and may be both lists: a receipt is
    // written after its change was read.
    let make = || unsafe { os::kevent(fd, both, count as _, both, count as _, ptr::null()) };
    match check(call, make) {
        // Interrupted when all changes had been made, kqueue(2): then `data` is what it was, 0.
        Err(error) if !is_interrupted(&error) => {
            let code = error.raw_os_error().unwrap_or(libc::EINVAL);
            records.iter_mut().for_each(|receipt| receipt.0.data = code as _);
        }
        _ => {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::os::fd::{AsFd, FromRawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn each_change_has_a_receipt_and_none_takes_the_place_of_an_event() {
        // SAFETY: the call takes nothing, and nobody else knows the descriptor that it has made.
        let kqueue = unsafe { OwnedFd::from_raw_fd(check(Call::Selector, || os::kqueue()).unwrap()) };
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let good = |token| Record::of(ours.as_fd(), os::EVFILT_WRITE, os::EV_ADD, Token(token));
        let bad = Record::new(i32::MAX as usize, os::EVFILT_WRITE, os::EV_ADD, Token(2));
        let mut records = [good(1), bad, good(3)];
        control(Call::Register, &kqueue, &mut records);
        assert_eq!(records.map(|receipt| receipt.0.data as c_int), [0, libc::EBADF, 0]);
        let mut records = Vec::with_capacity(8);
        wait(&kqueue, &mut records, Timeout::Forever).unwrap();
        assert_eq!(records.iter().map(|record| record.0.udata.addr()).collect::<Vec<_>>(), [3]);
    }
}
