//! An `io::Error` that is a sentence.
//!
//! Made by whatever refuses in words that depend on nothing. It is what `io::Error::new` makes of a text, in one place:
//! std writes out the boxing of the text wherever that is called, and a table of functions for each object file. What
//! is said of a value is still formatted where it is said.
//!
//! A type of error of its own, around the text, was turned down: it would be a second thing to box.

use std::io;

/// The error of that kind, which says `text`.
#[cold]
#[inline(never)]
pub(crate) fn sentence(kind: io::ErrorKind, text: &'static str) -> io::Error {
    io::Error::new(kind, text)
}
