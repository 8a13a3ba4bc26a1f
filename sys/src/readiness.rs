//! What is so on a descriptor, and the one truth table behind it.
//!
//! A backend makes a `Readiness` of each event; the reactor stores it per source and tells its tasks.
//! Every bit is a hint: it may be stale by the time it is read, and only a system call says what is
//! really so. Bits that wake are generous (a spurious try costs one call, a missed one hangs a task);
//! bits that close are conservative (a wrong one loses data).
//!
//! Turned down: taking `ERR` for a closed writing side. A pipe whose reader is gone reports `OUT|ERR`,
//! but so does a datagram socket after one refused packet, which still sends.

use std::ops::{BitOr, BitOrAssign};

/// A set of states of a descriptor, possibly empty.
///
/// | bit | epoll(7) | kqueue(2) |
/// |---|---|---|
/// | `READABLE` | `IN`, `PRI`, `RDHUP`, `HUP` or `ERR` | `EVFILT_READ`; or `EV_EOF` with an error |
/// | `WRITABLE` | `OUT`, `HUP` or `ERR` | `EVFILT_WRITE`; or any `EV_EOF` |
/// | `READ_CLOSED` | `RDHUP` or `HUP` | `EVFILT_READ` with `EV_EOF`; or `EV_EOF` with an error |
/// | `WRITE_CLOSED` | `HUP` | `EVFILT_WRITE` with `EV_EOF`; or `EV_EOF` with an error |
/// | `ERROR` | `ERR` | `EV_EOF` with an error in `fflags`; `EV_ERROR` |
/// | `PRIORITY` | `PRI` | `EVFILT_EXCEPT` with `NOTE_OOB` (Apple, DragonFly, OpenBSD); elsewhere never |
/// | `HANGUP` | `HUP` | `EV_EOF` with an error in `fflags` |
///
/// What that makes of the states that matter:
///
/// | state on Linux | reported |
/// |---|---|
/// | connected stream, nothing received | `WRITABLE` |
/// | data received | `READABLE`, `WRITABLE` |
/// | the peer shut its writing side | and `READ_CLOSED`: data may still be queued, writing still works |
/// | both sides shut, reset, or a connect refused | and `WRITE_CLOSED`, `HANGUP`; `ERROR` on an error |
/// | pipe whose writer is gone | `HANGUP` and what follows from it |
/// | pipe whose reader is gone | `ERROR`, `READABLE`, `WRITABLE`: the next write fails |
/// | datagram socket after a refused packet | `ERROR`, `READABLE`, `WRITABLE`: it still sends |
/// | stream socket before `connect` | `HANGUP`: register after connect(2) has been called |
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const EMPTY: Self = Self(0);
    /// Set if a read is worth trying: data, a connection, an end, a hang-up or an error.
    pub const READABLE: Self = Self(1);
    /// Set if a write is worth trying: space, a finished connect, a hang-up or an error.
    pub const WRITABLE: Self = Self(1 << 1);
    /// Set if nothing more will arrive than what is queued.
    pub const READ_CLOSED: Self = Self(1 << 2);
    /// Set if no write can succeed any more. Not set for all such states.
    pub const WRITE_CLOSED: Self = Self(1 << 3);
    /// Set if the descriptor has an error to tell, in `SO_ERROR`, an error queue, or the next call.
    pub const ERROR: Self = Self(1 << 4);
    /// Set if urgent data is there.
    pub const PRIORITY: Self = Self(1 << 5);
    /// Set if both directions are shut.
    pub const HANGUP: Self = Self(1 << 6);

    /// All bits that have a meaning.
    const ALL: u8 = (1 << 7) - 1;

    /// The bits as a number, for keeping in an atomic or a packed word.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of a number from [`bits`](Self::bits). Bits without a meaning are dropped.
    #[inline]
    pub const fn from_bits_truncate(bits: u8) -> Self {
        Self(bits & Self::ALL)
    }

    /// True if no bit is set.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if all bits of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if at least one bit of `other` is set.
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of either.
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits of this that are not in `other`.
    #[inline]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// This set if `condition`, else the empty one: one line of a truth table.
    #[inline]
    pub(crate) const fn when(self, condition: bool) -> Self {
        Self(self.0 * condition as u8)
    }
}

impl BitOr for Readiness {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Readiness {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}
