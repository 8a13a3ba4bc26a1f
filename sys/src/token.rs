//! The number by which an event names its source.
//!
//! Whoever registers a descriptor chooses its token and gets it back, unchanged, in every event of
//! that descriptor. The reactor packs a slot index and a generation into it, so that a late event of
//! a closed source is told from an event of its successor. A number and never a pointer: a stale one
//! is then a harmless comparison and not a use after free.

use std::io;

/// What an [`Event`](crate::Event) is known by: 64 bits that the selector stores and never reads.
///
/// All values are free to use but [`Token::WAKER`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

impl Token {
    /// The token of the selector's own waker, `u64::MAX`. Registering with it is `InvalidInput`.
    pub const WAKER: Self = Self(u64::MAX);

    /// An error if the token is the waker's.
    #[inline]
    pub(crate) fn check_free(self) -> io::Result<()> {
        if self == Self::WAKER { Err(Self::taken()) } else { Ok(()) }
    }

    #[cold]
    fn taken() -> io::Error {
        let message = "could not register with token u64::MAX: it is reserved for the waker";
        io::Error::new(io::ErrorKind::InvalidInput, message)
    }
}
