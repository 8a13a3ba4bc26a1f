//! Saying that nothing more will be written.
//!
//! The end of a message to a peer that reads to the end-of-file. Flushes first, so that a `BufWriter` holds nothing
//! back, and drives sources whose goodbye is a message of their own, such as TLS, over each "not yet".

use std::future::poll_fn;
use std::io::{self, Write};
use std::task::{Context, Poll};

use super::half_close::HalfClose;
use super::poll_try::poll_try;
use crate::scope::Owner;

/// Flushes `writer`, and closes its writing side. What the peer sends can be read on.
///
/// # Errors
///
/// Those of `writer`; and an error when it says `WouldBlock` although no source of the running reactor did.
///
/// # Cancel safety
///
/// Cancel safe if `writer` is resumable: call it again.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     io::shutdown(&mut client).await?;
///     assert_eq!(server.read(&mut [0; 16]).await?, 0);
///     server.write_all(b"answer").await?;
///     assert_eq!(client.read(&mut [0; 16]).await?, 6);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn shutdown<W: Write + HalfClose + ?Sized>(writer: &mut W) -> io::Result<()> {
    let owner = Owner::new();
    poll_fn(|cx| poll_try(&owner, cx, || writer.flush())).await?;
    poll_fn(|cx| poll_shutdown(&owner, cx, writer)).await
}

/// Closes the writing side of what has been flushed.
pub(super) fn poll_shutdown<W: HalfClose + ?Sized>(
    owner: &Owner,
    cx: &mut Context<'_>,
    writer: &mut W,
) -> Poll<io::Result<()>> {
    poll_try(owner, cx, || writer.shutdown_write())
}
