//! Writing a whole buffer.
//!
//! Called for whatever must go out complete. The count of what has been written stands in the future, where std's
//! `write_all` starts over after each "not yet" and repeats what the peer has already got.
//!
//! It does not flush: the caller knows when a message is complete, and a flush for each part would undo a `BufWriter`.

use std::future::poll_fn;
use std::io::{self, Write};

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Writes all of `buffer`. Does not flush: what a `BufWriter` holds goes out with [`flush`](super::flush()).
///
/// # Errors
///
/// `WriteZero`, with the count of bytes written in its text, when `writer` takes nothing. Those of `writer`, after
/// which the count is unknown; and an error when it says `WouldBlock` although no source of the running reactor did.
///
/// # Cancel safety
///
/// Not cancel safe: a part of `buffer` may have been written, and how much that is, is lost with the future. Use
/// [`write`](super::write()), and keep the position.
///
/// ```
/// use std::io::BufWriter;
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = BufWriter::new(TcpStream::connect(listener.local_addr()?).await?);
///     let (server, _) = listener.accept().await?;
///     io::write_all(&mut client, b"ping").await?;
///     io::flush(&mut client).await?;
///     assert_eq!(server.read(&mut [0; 16]).await?, 4);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn write_all<W: Write + ?Sized>(writer: &mut W, buffer: &[u8]) -> io::Result<()> {
    let owner = Owner::new();
    let mut written = 0;
    while written < buffer.len() {
        let count = poll_fn(|cx| poll_try(&owner, cx, || writer.write(&buffer[written..]))).await?;
        if count == 0 {
            let message = format!("the writer took nothing more after {written} of {} bytes", buffer.len());
            return Err(io::Error::new(io::ErrorKind::WriteZero, message));
        }
        written += count;
    }
    Ok(())
}
