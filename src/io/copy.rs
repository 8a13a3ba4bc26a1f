//! From a reader to a writer, to the end-of-file.
//!
//! The copy of a server that echoes, saves or relays in one direction. `pump.rs` says how it keeps its place; between
//! sockets and pipes of Linux, [`net::splice`](crate::net::splice) does the same without bringing the bytes into the
//! process.

use std::future::poll_fn;
use std::io::{self, Read, Write};

use super::pump::Pump;

/// Copies all that `reader` gives to `writer`, flushes it, and returns the number of bytes.
///
/// A `writer` that holds something back is flushed whenever `reader` says "not yet", and at the end, so a request that
/// waits for its answer is on its way. The end-of-file itself is not passed on: see [`shutdown`](super::shutdown).
///
/// The buffer is one of the reactor's pool (16 KiB by default), and is held only while there are bytes to copy.
///
/// # Errors
///
/// Those of `reader` and `writer`, `WriteZero` when the latter takes nothing; an error when one says `WouldBlock`
/// although no source of the running reactor did. A buffer's worth of bytes that were read and not written are lost
/// then.
///
/// # Cancel safety
///
/// Not cancel safe: a buffer's worth of bytes that were read and not written are lost with the future, and so is the
/// count.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"echo").await?;
///     io::shutdown(&mut client).await?;
///     assert_eq!(io::copy(&mut &server, &mut &server).await?, 4);
///     assert_eq!(client.read(&mut [0; 16]).await?, 4);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: Read + ?Sized,
    W: Write + ?Sized,
{
    let mut pump = Pump::new(None);
    poll_fn(|cx| pump.poll(cx, reader, writer)).await
}

/// As [`copy`], with a buffer of `size` bytes, at least 1 and at most 1 GiB, which is made at the first read and kept
/// to the end.
///
/// # Errors
///
/// Those of `copy`.
///
/// # Cancel safety
///
/// As `copy`.
///
/// ```
/// let mut copied = Vec::new();
/// let count = mainspring::run(mainspring::io::copy_with_size(&mut &b"text"[..], &mut copied, 1 << 20))??;
/// assert_eq!((count, &copied[..]), (4, &b"text"[..]));
/// # std::io::Result::Ok(())
/// ```
pub async fn copy_with_size<R, W>(reader: &mut R, writer: &mut W, size: usize) -> io::Result<u64>
where
    R: Read + ?Sized,
    W: Write + ?Sized,
{
    let mut pump = Pump::new(Some(size));
    poll_fn(|cx| pump.poll(cx, reader, writer)).await
}
