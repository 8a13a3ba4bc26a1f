//! What shows that a call comes from this crate.
//!
//! The functions of the public traits that are sealed ([`Reach`](crate::channel::Reach) and
//! [`StreamSocket`](crate::net::StreamSocket)) take one. The seal keeps others from implementing such a trait, and no
//! more: what a bound implies can be called wherever the bound can be written. This type is in no public module, so
//! nobody else can name it, and none is handed out.
//!
//! Turned down: names for the functions that nobody guesses.

/// A token of this crate.
#[derive(Debug)]
pub struct Inside;
