//! Sending what a writer holds back.
//!
//! Called at the end of a message that went through a `BufWriter` or a TLS stream. std's writers keep their position
//! when a flush says "not yet", so this is one step, tried until it succeeds.
//!
//! A future of its own rather than a part of `write_all`: only the caller knows when a message is complete.

use std::future::poll_fn;
use std::io::{self, Write};

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Writes out what `writer` holds in its buffer. On a bare socket there is nothing to do.
///
/// A `BufWriter` that is dropped flushes outside a scope, so that what it holds is lost: flush it first.
///
/// # Errors
///
/// Those of `writer`; and an error when it says `WouldBlock` although no source of the running reactor did.
///
/// # Cancel safety
///
/// Cancel safe if `writer` is resumable, as `BufWriter` and TLS streams are: the rest stays in its buffer.
///
/// ```
/// use std::io::{BufWriter, Write};
/// use mainspring::io;
///
/// mainspring::run(async {
///     let mut sink = BufWriter::new(Vec::new());
///     io::write_all(&mut sink, b"ping").await?;
///     assert!(sink.get_ref().is_empty());
///     io::flush(&mut sink).await?;
///     assert_eq!(sink.get_ref(), b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn flush<W: Write + ?Sized>(writer: &mut W) -> io::Result<()> {
    let owner = Owner::new();
    poll_fn(|cx| poll_try(&owner, cx, || writer.flush())).await
}
