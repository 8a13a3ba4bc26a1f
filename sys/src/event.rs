//! One event, in the same form on every system.
//!
//! [`Events`](crate::Events) makes it from the kernel's own record while it is iterated over. Sixteen
//! bytes by value and not a view of that record: the record is packed or padded differently on each
//! system, and nothing of the caller then borrows the buffer.

use crate::backend::Report;
use crate::{Readiness, Token};

/// What happened to which source.
///
/// One source may have one event (epoll) or one for reading and one for writing (kqueue) in a batch,
/// in any order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Event {
    /// The token given at registration.
    token: Token,
    /// What the kernel said, taken for what it means by the table on `Readiness` when somebody asks.
    readiness: Report,
}

impl Event {
    #[inline]
    pub(crate) const fn new(token: Token, readiness: Report) -> Self {
        Self { token, readiness }
    }

    /// The token that the source was registered with.
    #[inline]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// All that was reported, as one set.
    #[inline]
    pub const fn readiness(&self) -> Readiness {
        self.readiness.readiness()
    }

    /// True if a read is worth trying.
    #[inline]
    pub const fn is_readable(&self) -> bool {
        self.readiness.means(Readiness::READABLE)
    }

    /// True if a write is worth trying.
    #[inline]
    pub const fn is_writable(&self) -> bool {
        self.readiness.means(Readiness::WRITABLE)
    }

    /// True if nothing more will arrive than what is queued.
    #[inline]
    pub const fn is_read_closed(&self) -> bool {
        self.readiness.means(Readiness::READ_CLOSED)
    }

    /// True if no write can succeed any more.
    #[inline]
    pub const fn is_write_closed(&self) -> bool {
        self.readiness.means(Readiness::WRITE_CLOSED)
    }

    /// True if the descriptor has an error to tell.
    #[inline]
    pub const fn is_error(&self) -> bool {
        self.readiness.means(Readiness::ERROR)
    }

    /// True if urgent data is there.
    #[inline]
    pub const fn is_priority(&self) -> bool {
        self.readiness.means(Readiness::PRIORITY)
    }
}
