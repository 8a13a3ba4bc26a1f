//! Reading all there is, with a limit.
//!
//! Called for bodies that last until the end of the connection. The bytes go into the caller's vector as they come, so
//! nothing is lost with the future; they pass through a buffer of the reactor's pool, because a vector that is made
//! larger for each try would be cleared for each try.
//!
//! The limit is an argument without a default: std's `read_to_end` lets a peer fill the memory. The vector grows by
//! what has arrived.

use std::future::poll_fn;
use std::io::{self, Read};

use super::poll_try::poll_try;
use super::pooled_buffer::PooledBuffer;
use super::pump::BUFFER_SIZE;
use crate::core::Core;
use crate::scope::Owner;

/// Reads to the end-of-file, appends that to `bytes`, and returns how many bytes it was.
///
/// `limit` is in bytes, and what this call reads may be as long. Zero finds nothing but the end-of-file.
///
/// # Errors
///
/// `InvalidData` when there are more than `limit` bytes, of which the first `limit` stand in `bytes` and one more has
/// been read. Those of `reader`; and an error when it says `WouldBlock` although no source of the running reactor did.
/// What was read before an error stands in `bytes`.
///
/// # Cancel safety
///
/// Cancel safe if `reader` is resumable: what was read stands in `bytes`. A further call counts its limit anew.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"all there is").await?;
///     drop(client);
///     let mut body = Vec::new();
///     assert_eq!(io::read_to_end(&mut server, &mut body, 1024).await?, 12);
///     assert_eq!(body, b"all there is");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn read_to_end<R: Read + ?Sized>(reader: &mut R, bytes: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    let owner = Owner::new();
    let mut total = 0;
    loop {
        // One byte more than there may be tells an end from too much.
        let room = limit - total;
        let mut step = || {
            let mut buffer = PooledBuffer::take(Core::running("").ok(), BUFFER_SIZE);
            let whole = buffer.whole();
            let len = whole.len().min(room.saturating_add(1));
            // Why bounded: a reader of the user's own may say anything.
            let count = reader.read(&mut whole[..len])?.min(len);
            bytes.extend_from_slice(&whole[..count.min(room)]);
            Ok(count)
        };
        let count = poll_fn(|cx| poll_try(&owner, cx, &mut step)).await?;
        if count > room {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than the limit of {limit} bytes")));
        }
        if count == 0 {
            return Ok(total);
        }
        total += count;
    }
}
