//! A change of what is watched, in the words of kqueue(2), and what its receipts say.
//!
//! Called by `kqueue.rs` alone. A descriptor has a filter for each direction, and whatever was registered, all of them
//! are deleted before those that are asked for are added, because a note keeps the mode of its first `EV_ADD`. So
//! registering, changing and ending are one list of records, which ends early for the last, and nothing has to be known
//! of what was before.
//!
//! Turned down: deleting only what a change leaves out, which needs a table of what is registered.

use std::io;
use std::os::fd::BorrowedFd;

use libc::c_int;

use super::kqueue::os;
use super::kqueue_call::{FILTERS, Filter, Flags, Record, URGENT};
use crate::{Change, Interest, Mode, Token};

/// The most records of one change, in items: each filter deleted and added.
pub(super) const RECORDS_MAX: usize = 2 * FILTERS;

/// An error if the change is refused before the kernel is asked.
pub(super) fn check_possible(change: &Change<'_>) -> io::Result<()> {
    let (Change::Register { token, interest, .. } | Change::Reregister { token, interest, .. }) = change else {
        return Ok(());
    };
    token.check_free()?;
    if filters_of(*interest).all(|(.., is_asked)| !is_asked) {
        let message = "could not register for urgent data alone: this system has no filter for it";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// What the kernel is told of a change, [`RECORDS_MAX`] at most.
pub(super) fn records_of(change: &Change<'_>) -> impl Iterator<Item = Record> {
    let (fd, added) = match *change {
        Change::Register { fd, token, interest, mode } | Change::Reregister { fd, token, interest, mode } => {
            (fd, Some(additions(fd, token, interest, mode)))
        }
        Change::Deregister { fd } => (fd, None),
    };
    deletions(fd).chain(added.into_iter().flatten())
}

/// The records that end a registration.
pub(super) fn deletions(fd: BorrowedFd<'_>) -> impl Iterator<Item = Record> {
    filters_of(Interest::READABLE).map(move |(filter, ..)| Record::of(fd, filter, os::EV_DELETE, Token(0)))
}

/// The records that make one.
fn additions(fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> impl Iterator<Item = Record> {
    let flags = flags_of(mode);
    let asked = filters_of(interest).filter(|(.., is_asked)| *is_asked);
    asked.map(move |(filter, note, _)| Record::of(fd, filter, flags, token).with_note(note))
}

/// The filters of a descriptor, what to say to each, and whether it is asked for. Writing first: FreeBSD
/// may report only the first filter of a stream that is at its end.
fn filters_of(interest: Interest) -> impl Iterator<Item = (Filter, u32, bool)> {
    let writing = (os::EVFILT_WRITE, 0, interest.is_writable());
    let reading = (os::EVFILT_READ, 0, interest.is_readable());
    let urgent = URGENT.map(|(filter, note)| (filter, note, interest.is_priority()));
    [Some(writing), Some(reading), urgent].into_iter().flatten()
}

/// What to ask the kernel for.
fn flags_of(mode: Mode) -> Flags {
    match mode {
        Mode::Edge | Mode::Exclusive => os::EV_ADD | os::EV_CLEAR,
        Mode::Level => os::EV_ADD,
        Mode::Oneshot => os::EV_ADD | os::EV_DISPATCH,
    }
}

/// What became of a change, by the receipts of all its records.
pub(super) fn outcome_of(receipts: &[Record]) -> io::Result<()> {
    let (deleted, added) = receipts.split_at(FILTERS);
    if added.is_empty() {
        // One filter is enough for a registration.
        return deleted.iter().map(Record::outcome).reduce(|first, next| next.or(first)).unwrap_or(Ok(()));
    }
    let is_told = added.iter().any(|receipt| receipt.outcome().is_ok());
    added.iter().find(|receipt| !is_harmless(receipt, is_told)).map_or(Ok(()), Record::outcome)
}

/// Of the receipt of an addition: true if it was made, or if another that was made tells as much.
fn is_harmless(receipt: &Record, is_told: bool) -> bool {
    match receipt.0.data as c_int {
        0 => true,
        // A pipe has no filter for writing once its reader is gone. EBADF is NetBSD's word for it.
        libc::EPIPE | libc::EBADF => is_told,
        // Only a socket has urgent data. Each system has a word of its own for it.
        _ => is_told && URGENT.is_some_and(|(urgent, _)| urgent == receipt.0.filter),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_refused_addition_is_harmless_only_if_another_tells() {
        let receipt = |filter, code: c_int| {
            let mut receipt = Record::new(0, filter, os::EV_ERROR, Token(0));
            receipt.0.data = code as _;
            receipt
        };
        for code in [libc::EPIPE, libc::EBADF] {
            assert!(is_harmless(&receipt(os::EVFILT_WRITE, code), true));
            assert!(!is_harmless(&receipt(os::EVFILT_WRITE, code), false));
        }
        assert!(is_harmless(&receipt(os::EVFILT_WRITE, 0), false));
        assert!(!is_harmless(&receipt(os::EVFILT_READ, libc::EINVAL), true));
        if let Some((urgent, _)) = URGENT {
            assert!(is_harmless(&receipt(urgent, libc::EINVAL), true));
            assert!(!is_harmless(&receipt(urgent, libc::EINVAL), false));
        }
    }
}
