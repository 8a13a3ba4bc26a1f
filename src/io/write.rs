//! One write to any writer.
//!
//! The spelling that collides with nothing: a method named `write` would be std's, which fails outside a scope, or that
//! of a socket, which sockets alone have. Called where a `BufWriter`, a TLS stream or a generic writer is at hand; on a
//! bare socket its own method is the same, and has no scope to enter.
//!
//! It keeps no position of its own, so it is as safe to abandon as its writer is.

use std::future::poll_fn;
use std::io::{self, Write};

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Writes as much of `buffer` as there is room for, and returns how much.
///
/// An empty `buffer` is answered without asking `writer`. A write that was interrupted is tried again.
///
/// # Errors
///
/// Those of `writer`; and an error when it says `WouldBlock` although no source of the running reactor did.
///
/// # Cancel safety
///
/// Cancel safe if `writer` is resumable: nothing is written unless the future says so.
///
/// ```
/// let mut buffer = [0; 4];
/// let count = mainspring::run(mainspring::io::write(&mut &mut buffer[..], b"too long"))??;
/// assert_eq!((count, &buffer), (4, b"too "));
/// # std::io::Result::Ok(())
/// ```
pub async fn write<W: Write + ?Sized>(writer: &mut W, buffer: &[u8]) -> io::Result<usize> {
    // Why? A source without readiness would wait for some before it writes nothing.
    if buffer.is_empty() {
        return Ok(0);
    }
    let owner = Owner::new();
    poll_fn(|cx| poll_try(&owner, cx, || writer.write(buffer))).await
}
