//! Reading a line of bounded length.
//!
//! The bytes read so far stand in the future, beside the text that is lent to it, so a character that arrives in two
//! halves is put together, where std's `read_line` drops the first half at a "not yet". They go into the text when the
//! line has ended, and when the future is dropped.
//!
//! The limit is an argument without a default: a peer that never ends its line must not fill the memory. For a protocol
//! of lines that must survive `select`, `codec::Lines` keeps its buffer in the connection instead.

use std::future::poll_fn;
use std::io::{self, BufRead};
use std::mem;
use std::str;

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Reads up to and including the next `\n`, or to the end-of-file, appends that to `line`, and returns its length in
/// bytes. 0 is end-of-file.
///
/// `limit` is in bytes, the `\n` included; a line may be as long. Zero finds nothing but the end-of-file.
///
/// # Errors
///
/// `InvalidData` for a line beyond `limit`, of which the first `limit` bytes have been read, and for one that is not
/// UTF-8, which has been read. Those of `reader`; and an error when it says `WouldBlock` although no source of the
/// running reactor did. After an error `line` holds what was read before it, as far as that is UTF-8, so the call after
/// a `TimedOut` goes on with the same line, unless it came in the middle of a character, of which up to three bytes are
/// lost. [`lines`](super::lines()) loses none.
///
/// # Cancel safety
///
/// Not cancel safe: `line` then holds what was read, as after an error, but up to three bytes of a character that was
/// cut in two are lost. From the first poll until then `line` is empty.
///
/// ```
/// use std::io::BufReader;
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all("grüße\nwelt\n".as_bytes()).await?;
///     let mut server = BufReader::new(server);
///     let mut line = String::new();
///     assert_eq!(io::read_line(&mut server, &mut line, 1024).await?, 8);
///     assert_eq!(line, "grüße\n");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn read_line<R: BufRead + ?Sized>(reader: &mut R, line: &mut String, limit: usize) -> io::Result<usize> {
    let owner = Owner::new();
    let mut pending = Pending { start: line.len(), bytes: mem::take(line).into_bytes(), line };
    while !poll_fn(|cx| poll_try(&owner, cx, || pending.read_some(reader, limit))).await? {}
    pending.finish()
}

/// The line as far as it has been read. Its drop gives the text back.
struct Pending<'a> {
    /// Where the text came from and goes to; empty until then.
    line: &'a mut String,
    /// The text that was there before, and the bytes read.
    bytes: Vec<u8>,
    /// How many bytes were there before.
    start: usize,
}

impl Pending<'_> {
    /// Takes what the reader has buffered, as far as it belongs to the line. True if the line has ended.
    fn read_some<R: BufRead + ?Sized>(&mut self, reader: &mut R, limit: usize) -> io::Result<bool> {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(true);
        }
        let room = limit - (self.bytes.len() - self.start);
        if room == 0 {
            let message = format!("a line is longer than the limit of {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let available = &available[..room.min(available.len())];
        let newline = available.iter().position(|&byte| byte == b'\n');
        let count = newline.map_or(available.len(), |position| position + 1);
        self.bytes.extend_from_slice(&available[..count]);
        reader.consume(count);
        Ok(newline.is_some())
    }

    /// The length of the line, unless it is not UTF-8; the drop that follows gives the text back.
    fn finish(self) -> io::Result<usize> {
        match str::from_utf8(&self.bytes[self.start..]) {
            Ok(read) => Ok(read.len()),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let bytes = mem::take(&mut self.bytes);
        *self.line = String::from_utf8(bytes).unwrap_or_else(|error| {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            // Lossless: what is left has been found valid.
            String::from_utf8_lossy(&bytes).into_owned()
        });
    }
}
