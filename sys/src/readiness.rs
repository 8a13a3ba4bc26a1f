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
/// | bit | letter | epoll(7) | kqueue(2) |
/// |---|---|---|---|
/// | `READABLE` | `R` | `IN`, `PRI`, `RDHUP`, `HUP` or `ERR` | `EVFILT_READ`; or `EV_EOF` with an error |
/// | `WRITABLE` | `W` | `OUT`, `HUP` or `ERR` | `EVFILT_WRITE`; or any `EV_EOF` |
/// | `READ_CLOSED` | `r` | `RDHUP` or `HUP` | `EVFILT_READ` with `EV_EOF`; or `EV_EOF` with an error |
/// | `WRITE_CLOSED` | `w` | `HUP` | `EVFILT_WRITE` with `EV_EOF`; or `EV_EOF` with an error |
/// | `ERROR` | `E` | `ERR` | `EV_EOF` with an error in `fflags`; `EV_ERROR` |
/// | `PRIORITY` | `P` | `PRI` | `EVFILT_EXCEPT` with `NOTE_OOB` (Apple, DragonFly, OpenBSD); elsewhere never |
/// | `HANGUP` | `H` | `HUP` | `EV_EOF` with an error in `fflags` |
///
/// Whoever reads needs to ask for `READABLE` alone, and whoever writes for `WRITABLE` alone: `r` and `P` come
/// with `R`, `w` with `W`, `E` and `H` with both.
///
/// # What is reported for which state
///
/// By letter, for a registration that asks for reading, for writing, for urgent data. One that asks for several
/// gets what each would get. An empty cell is no event.
///
/// | state | epoll: reading | writing | urgent | kqueue: reading | writing | urgent |
/// |---|---|---|---|---|---|---|
/// | stream socket before connect | RWrwH | RWrwH | RWrwH | | | |
/// | connecting | | | | | | |
/// | connected, nothing received | | W | | | W | |
/// | connect refused | RWrwEH | RWrwEH | RWrwEH | RWrwEH | RWrwEH | |
/// | send buffer full | | | | | | |
/// | data received | R | W | | R | W | |
/// | urgent data received | | W | RP | | W | RP |
/// | data and the end received | Rr | W | | RWr | W | |
/// | the peer has shut its writing side | Rr | W | | RWr | W | |
/// | own reading side shut | Rr | W | | RWr | W | |
/// | own writing side shut | | W | | | Ww | |
/// | both own sides shut | RWrwH | RWrwH | RWrwH | RWr | Ww | |
/// | each end has shut its writing side | RWrwH | RWrwH | RWrwH | RWr | Ww | |
/// | reset by the peer | RWrwEH | RWrwEH | RWrwEH | RWrwEH | RWrwEH | |
/// | reading end of a pipe, empty | | | | | - | |
/// | reading end of a pipe, data | R | | | R | - | |
/// | reading end of a pipe, writer gone | RWrwH | RWrwH | RWrwH | RWr | - | |
/// | reading end of a pipe, data, writer gone | RWrwH | RWrwH | RWrwH | RWr | - | |
/// | writing end of a pipe, room | | W | | - | W | |
/// | writing end of a pipe, full | | | | - | | |
/// | writing end of a pipe, reader gone | RWE | RWE | RWE | - | Ww | |
/// | writing end of a pipe, full, reader gone | RWE | RWE | RWE | - | Ww | |
/// | datagram socket, nothing received | | W | | | W | |
/// | datagram received | R | W | | R | W | |
/// | packet refused (ICMP) | RWE | RWE | RWE | R | W | |
/// | listener, nobody waits | | | | | | |
/// | listener, a connection waits | R | | | R | | |
/// | data received, then closed | | | | | | |
/// | data received, then closed, a duplicate open | R | W | | | | |
/// | data received, then closed, its number in use again | | | | | | |
///
/// Where the two differ: kqueue watches for urgent data on some systems only (elsewhere asking for it adds nothing,
/// and asking for nothing else is an error); it reports one's own shut writing side, and nothing of a socket before
/// connect; it has no hang-up without an error; the error of a datagram socket is no flag there, only the next call
/// tells it; it may refuse to register a pipe whose reader is gone (`BrokenPipe`); and it forgets a closed
/// descriptor whatever duplicates are open. Which filter the wrong end of a pipe has (`-`) is different on each
/// system, so it is better not asked for.
///
/// And by [`Mode`](crate::Mode), the same on both, but for the last:
///
/// | mode | reported |
/// |---|---|
/// | `Edge` | once; again after each change, and after `reregister` |
/// | `Level` | in every `select` while the state lasts |
/// | `Oneshot` | once; again after `reregister` |
/// | `Exclusive` | as `Edge`; on epoll `r` only with `H`, and urgent data is refused |
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
