//! The answer of [`Framed::try_next`](super::Framed::try_next).
//!
//! A tick that asks for a frame hears one of three things, and each asks for another step: handle the
//! item, return and be ticked again, or finish. One enum names them, and a `match` cannot forget one.
//!
//! The alternative was the `Option` that the crate's other `try_*` operations return, around the
//! `Option` of a stream. Two nested options say the same, and nobody remembers which `None` is which.

/// What came of asking for the next item without waiting.
///
/// Complete: a source has an item, has none yet, or will have none any more.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, Lines, Next};
/// use std::io::Cursor;
///
/// let mut lines = Framed::new(Cursor::new(b"one\n".to_vec()), Lines::new());
/// assert_eq!(lines.try_next()?, Next::Item("one".to_owned()));
/// assert_eq!(lines.try_next()?, Next::End);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The next item, in the order of the bytes.
    Item(T),
    /// No whole frame has arrived. What the task waits for has been recorded.
    NotYet,
    /// There will be no item any more. Asking again gives the same answer.
    End,
}
