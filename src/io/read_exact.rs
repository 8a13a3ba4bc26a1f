//! Reading a known number of bytes.
//!
//! Called for headers and bodies of a length that is known. The count of what has been read stands in the future, where
//! std's `read_exact` forgets it at each "not yet", and so fills the start of the buffer again and again.
//!
//! What comes after the last byte stays in the reader. The bytes go straight into the caller's buffer; a future with a
//! buffer of its own could be abandoned without loss, at the price of a copy and an allocation.

use std::future::poll_fn;
use std::io::{self, Read};

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Fills `buffer`. An empty one is full at once, and `reader` is not asked.
///
/// # Errors
///
/// `UnexpectedEof`, with the count of bytes read in its text, when `reader` ends first: they stand at the start of
/// `buffer`. After any other error of `reader` the count is unknown. An error too when `reader` says `WouldBlock`
/// although no source of the running reactor did.
///
/// # Cancel safety
///
/// Not cancel safe: what was read stands at the start of `buffer`, and how much that is, is lost with the future. Use
/// [`read`](super::read()), and keep the position.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     io::write_all(&mut client, b"\x00\x04ping").await?;
///     let mut len = [0; 2];
///     io::read_exact(&mut server, &mut len).await?;
///     let mut body = vec![0; u16::from_be_bytes(len).into()];
///     io::read_exact(&mut server, &mut body).await?;
///     assert_eq!(body, b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn read_exact<R: Read + ?Sized>(reader: &mut R, buffer: &mut [u8]) -> io::Result<()> {
    let owner = Owner::new();
    let mut filled = 0;
    while filled < buffer.len() {
        let count = poll_fn(|cx| poll_try(&owner, cx, || reader.read(&mut buffer[filled..]))).await?;
        if count == 0 {
            let message = format!("end-of-file after {filled} of {} bytes", buffer.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        filled += count;
    }
    Ok(())
}
