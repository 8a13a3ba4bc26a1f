//! What one step of a by-value state machine came to.
//!
//! Returned by the steps that [`resume`](super::resume()) drives, which match on the error type of their library and
//! say here which of its cases is the machine that waits.
//!
//! Not std's `ControlFlow`, which says neither which side is the end nor that going on means waiting first; and not a
//! `Result`, since a step that waits has not failed.

/// The outcome of a step that has not failed.
///
/// ```
/// use mainspring::io::Attempt;
///
/// fn step(missing: u32) -> Attempt<u32, &'static str> {
///     if missing == 0 { Attempt::Done("complete") } else { Attempt::NotYet(missing - 1) }
/// }
/// assert_eq!(step(1), Attempt::NotYet(0));
/// assert_eq!(step(0), Attempt::Done("complete"));
/// ```
// Complete: a step that has neither ended nor failed can only have been cut short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt<S, T> {
    /// It has ended, with this value.
    Done(T),
    /// It can go no further before a source is ready, and goes on from this state.
    NotYet(S),
}
