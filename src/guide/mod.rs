//! The guide: what Mainspring is, how programs are written on it, and how it works inside.
//!
//! Each chapter stands for itself; together they are an hour. All Rust examples are compiled by `cargo test`, and those
//! that end by themselves are run; all links are checked by `cargo doc`.
//!
//! | chapter | answers |
//! |---|---|
//! | [`start`] | the first server and its client, and what the words mean |
//! | [`styles`] | the four ways to wait, and which to take; TLS |
//! | [`services`] | timeouts, retries, limits, balancing: once, for both sides and every protocol |
//! | [`protocols`] | from bytes to messages, from messages to calls; a protocol of one's own |
//! | [`testing`](mod@testing) | an hour in a millisecond, and a test that says what it hangs on |
//! | [`cores`] | all processors, plain threads, and what crosses from one to another |
//! | [`stopping`] | signals, draining, and an end that names who did not obey |
//! | [`limits`] | every bound and every deadline that is on by default |
//! | [`coming_from`] | what to write in place of what you know from tokio, smol, mio, Finagle, tower |
//! | [`inside`] | one byte, from the wire to the service and back |
//!
//! What other runtimes have, row by row, and what is not here and why: [`compared`](crate::compared). How the source is
//! to be read: the README. What each name does: its own page.

#[doc = include_str!("start.md")]
pub mod start {}

#[doc = include_str!("styles.md")]
pub mod styles {}

#[doc = include_str!("services.md")]
pub mod services {}

#[doc = include_str!("protocols.md")]
pub mod protocols {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("cores.md")]
pub mod cores {}

#[doc = include_str!("stopping.md")]
pub mod stopping {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("inside.md")]
pub mod inside {}
