//! What is asked of the selector, in contrast to what is so, which is [`Readiness`](crate::Readiness).
//!
//! Used at registration only. A set that cannot be empty, because epoll reports errors and hang-ups
//! whatever is asked, and a registration for nothing would spin on them in level mode.

use std::num::NonZeroU8;
use std::ops::BitOr;

/// The directions that a registration is about: a set with at least one member.
///
/// ```
/// use mainspring_sys::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable() && !both.is_priority());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Interest(NonZeroU8);

/// Set if reading is asked for.
const READABLE: u8 = 1;
/// Set if writing is asked for.
const WRITABLE: u8 = 1 << 1;
/// Set if urgent data is asked for.
const PRIORITY: u8 = 1 << 2;

impl Interest {
    /// Data or a connection to accept, the end of the stream, the peer's half-close.
    pub const READABLE: Self = Self::of(READABLE);
    /// Space in the send buffer, the completion of a connect.
    pub const WRITABLE: Self = Self::of(WRITABLE);
    /// Urgent (out-of-band) data. FreeBSD and NetBSD have no filter for it: it is never reported, and
    /// asking for this alone is `Unsupported` there.
    pub const PRIORITY: Self = Self::of(PRIORITY);

    const fn of(bits: u8) -> Self {
        match NonZeroU8::new(bits) {
            Some(bits) => Self(bits),
            None => panic!("an interest has at least one bit"),
        }
    }

    /// True if reading is in the set.
    #[inline]
    pub const fn is_readable(self) -> bool {
        self.0.get() & READABLE != 0
    }

    /// True if writing is in the set.
    #[inline]
    pub const fn is_writable(self) -> bool {
        self.0.get() & WRITABLE != 0
    }

    /// True if urgent data is in the set.
    #[inline]
    pub const fn is_priority(self) -> bool {
        self.0.get() & PRIORITY != 0
    }
}

impl BitOr for Interest {
    type Output = Self;

    /// The union of both sets.
    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
