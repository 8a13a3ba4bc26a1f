//! The two halves of a source, and the bits that each has.
//!
//! Everything that is kept of a source is kept by direction: readiness, the seat, the timeout. The bits stand in the
//! one word of flags of [`crate::source::Source`], above those of the source as a whole (`DETACHED` and its
//! neighbours).
//!
//! Sources, their waits and the leaf futures index by it. One word, so that the common case is told from all the rare
//! ones by a single test; the price is that the numbers of the bits are dealt out here by hand. A struct of two halves,
//! each with flags of its own, would need a test for each.

use mainspring_sys::Readiness;

/// Which half of a source an operation needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Reading, accepting.
    Read = 0,
    /// Writing, connecting.
    Write = 1,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// Set if a task may stand in the seat of writing. Most events say that there is room, and few find somebody who
    /// waits for it; this bit lets them be told apart together with what is rarer still.
    pub(crate) const WRITER: u16 = 1 << 14;

    /// Set if an event may concern more than who waits in the seat of reading.
    pub(crate) const TO_WAKE: u16 =
        Self::WRITER | Self::Read.crowded() | Self::Write.crowded() | Self::Read.expired() | Self::Write.expired();

    /// The cached bit that says "try it". Events set it for hang-ups and errors too, which are found out by trying.
    #[inline]
    pub(crate) const fn bit(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }

    /// Set if this direction has waits beside its seat.
    #[inline]
    pub(crate) const fn crowded(self) -> u16 {
        1 << (4 + self as u16)
    }

    /// Set if this direction has a timeout.
    #[inline]
    pub(crate) const fn timed(self) -> u16 {
        1 << (6 + self as u16)
    }

    /// Set if either of the two is.
    #[inline]
    pub(crate) const fn rare(self) -> u16 {
        self.crowded() | self.timed()
    }

    /// Set while the reactor's list of directions whose waits changed names this one.
    #[inline]
    pub(crate) const fn listed(self) -> u16 {
        1 << (8 + self as u16)
    }

    /// Set while a moment is set in which this direction is tried again.
    #[inline]
    pub(crate) const fn retried(self) -> u16 {
        1 << (12 + self as u16)
    }

    /// Set if a wait of this direction has expired, and the cached bit is on for no other reason.
    #[inline]
    pub(crate) const fn expired(self) -> u16 {
        1 << (10 + self as u16)
    }
}
