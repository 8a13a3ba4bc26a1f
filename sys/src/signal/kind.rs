//! The signals that can be subscribed to, and how many of each have come.
//!
//! The counts are what is exact: a subscription compares them with what it has seen. Its descriptor only
//! says when to look. They are written by the handler alone.

use std::sync::atomic::{AtomicU64, Ordering};

use libc::c_int;

/// A request to end.
///
/// Those that a server needs to end gracefully; more may follow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `SIGINT`: Ctrl-C at the terminal.
    Interrupt,
    /// `SIGTERM`: what kill(1) and supervisors send.
    Terminate,
}

/// How many signals of each kind have come, in the order of `Kind`.
static DELIVERED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

impl Kind {
    /// The number of the signal.
    pub(super) const fn number(self) -> c_int {
        match self {
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
        }
    }

    /// The kind of a number that the handler was installed for.
    pub(super) const fn of(number: c_int) -> Self {
        if number == libc::SIGINT { Self::Interrupt } else { Self::Terminate }
    }

    /// Counts one. Called by the handler.
    pub(super) fn deliver(self) {
        DELIVERED[self as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// How many have come since the handler was installed.
    pub(super) fn delivered(self) -> u64 {
        DELIVERED[self as usize].load(Ordering::SeqCst)
    }
}
