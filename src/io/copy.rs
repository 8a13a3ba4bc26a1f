//! From a reader to a writer, to the end-of-file.
//!
//! What has been read and not written stands in the future, where std's `copy` loses it at a "not yet". The reader is not
//! asked again before all of it is written: back-pressure reaches the sender through its socket, and the memory is one
//! buffer. Reading ahead while writing waits was turned down: between two sockets, the kernel's buffers do that.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll};

use super::poll_try::poll_try;
use super::write_all::write_all_as;
use crate::scope::Owner;

/// Bytes read at once: the largest TLS record (RFC 8446 §5.1), and two fills of a `BufReader`.
const BUFFER_SIZE: usize = 16 * 1024;

/// Copies all that `reader` gives to `writer`, flushes it, and returns the number of bytes.
///
/// A `writer` that holds something back is flushed whenever `reader` says "not yet", and at the end, so a request that
/// waits for its answer is on its way. The end-of-file itself is not passed on: see `shutdown` of the socket.
///
/// # Errors
///
/// Those of `reader` and `writer`, `WriteZero` when the latter takes nothing; an error when one says `WouldBlock` although
/// no source of the running reactor did. Up to 16 KiB that were read and not written are lost then.
///
/// # Cancel safety
///
/// Not cancel safe: up to 16 KiB that were read and not written are lost with the future, and so is the count.
///
/// ```
/// use std::net::Shutdown;
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"echo").await?;
///     client.shutdown(Shutdown::Write)?;
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
    let owner = Owner::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut held_back = false;
    let mut copied = 0;
    loop {
        let count = poll_fn(|cx| poll_read_or_flush(&owner, cx, reader, &mut buffer, writer, &mut held_back)).await?;
        if count == 0 {
            break;
        }
        write_all_as(&owner, writer, &buffer[..count]).await?;
        held_back = true;
        copied += count as u64;
    }
    if held_back {
        poll_fn(|cx| poll_try(&owner, cx, || writer.flush())).await?;
    }
    Ok(copied)
}

/// Reads into `buffer`; while there is nothing to read, flushes what the writer may hold back.
fn poll_read_or_flush<R, W>(
    owner: &Owner,
    cx: &mut Context<'_>,
    reader: &mut R,
    buffer: &mut [u8],
    writer: &mut W,
    held_back: &mut bool,
) -> Poll<io::Result<usize>>
where
    R: Read + ?Sized,
    W: Write + ?Sized,
{
    let read = poll_try(owner, cx, || reader.read(buffer));
    if read.is_ready() || !*held_back {
        return read;
    }
    if let Poll::Ready(flushed) = poll_try(owner, cx, || writer.flush()) {
        flushed?;
        *held_back = false;
    }
    read
}
