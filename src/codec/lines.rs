//! Lines of UTF-8 text, ended by `\n` or `\r\n`.
//!
//! The codec of text protocols, and of most examples. It gives lines without their ending, and a last line
//! that lacks one when the stream ends.
//!
//! A line has a finite limit. One that breaks it is reported once, at the first byte too many; the rest
//! of it is thrown away as it arrives, never stored, and the line after it is read as if nothing had been.
//! A line that is not UTF-8 is skipped in the same way. Ending the stream instead was turned down: a
//! server could not tell its client which line was refused.
//!
//! The search for the newline resumes where it stopped, so a line that arrives one byte at a time costs
//! as much as one that arrives whole.
use std::io::{self, BufRead};

use super::{Buffer, Decoder, Encoder};

/// The longest line in bytes, its ending not counted, unless [`Lines::max_length`] says otherwise.
///
/// Twice the longest line that any text protocol in wide use asks for, and small enough for thousands of
/// connections to be at it together.
const MAX_LENGTH: usize = 64 * 1024;

/// A codec for lines of text.
///
/// It decodes to `String`, and encodes whatever is `AsRef<str>`.
///
/// # Errors
///
/// Decoding fails with [`InvalidData`](io::ErrorKind::InvalidData) for a line that is too long or not UTF-8,
/// and goes on with the next line. Encoding fails with [`InvalidInput`](io::ErrorKind::InvalidInput) for
/// text that the receiver would not read as this one line: too long, with a `\n` in it, or with `\r` at its end.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, Lines, Next};
/// use std::io::Cursor;
///
/// let mut lines = Framed::new(Cursor::new(b"one\r\n\ntwo".to_vec()), Lines::new());
/// for line in ["one", "", "two"] {
///     assert_eq!(lines.try_next()?, Next::Item(line.to_owned()));
/// }
/// assert_eq!(lines.try_next()?, Next::End);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    /// The longest line in bytes, its ending not counted. Written by the setter alone.
    max_length: usize,
    /// Set while the rest of a line that was too long is thrown away; cleared by its newline.
    discarding: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// Makes the codec, with a limit of 64 KiB per line.
    pub const fn new() -> Self {
        Self { max_length: MAX_LENGTH, discarding: false }
    }

    /// Sets the longest line to `bytes`, its ending not counted. 0 allows empty lines alone.
    ///
    /// The limit of [`Framed::max_frame`](super::Framed::max_frame) holds as well, and has to be raised with
    /// it beyond 1 MiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Buffer, Decoder, Lines};
    ///
    /// let (mut lines, mut buffer) = (Lines::new().max_length(3), Buffer::new());
    /// buffer.extend(b"four\ntwo\n");
    /// assert!(lines.decode(&mut buffer).is_err());
    /// assert_eq!(lines.decode(&mut buffer)?.as_deref(), Some("two"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// Throws the unread bytes of a line that is too long away. False if its end has not arrived.
    fn discard(&mut self, buffer: &mut Buffer) -> bool {
        match find_newline(buffer) {
            Some(newline) => {
                buffer.consume(newline + 1);
                self.discarding = false;
            }
            None => buffer.consume(buffer.len()),
        }
        !self.discarding
    }

    /// Takes a line of `length` bytes, and `ending` bytes more, off the buffer.
    fn take(&mut self, buffer: &mut Buffer, length: usize, ending: usize) -> io::Result<Option<String>> {
        let line = &buffer.as_slice()[..length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let answer = if line.len() > self.max_length { Err(self.too_long()) } else { text(line) };
        buffer.consume(length + ending);
        answer.map(Some)
    }

    fn too_long(&self) -> io::Error {
        let message = format!("a line is longer than the limit of {} bytes", self.max_length);
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl Decoder for Lines {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<String>> {
        if self.discarding && !self.discard(buffer) {
            return Ok(None);
        }
        if let Some(newline) = find_newline(buffer) {
            return self.take(buffer, newline, 1);
        }

        // Why one byte more: it may be the `\r` of an ending that is not whole yet.
        let unfinished = buffer.as_slice();
        let length = unfinished.strip_suffix(b"\r").unwrap_or(unfinished).len();
        if length > self.max_length {
            self.discarding = true;
            buffer.consume(buffer.len());
            return Err(self.too_long());
        }
        Ok(None)
    }

    fn decode_eof(&mut self, buffer: &mut Buffer) -> io::Result<Option<String>> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => self.take(buffer, buffer.len(), 0),
            answer => Ok(answer),
        }
    }

    fn recovers(&self) -> bool {
        true
    }
}

impl<T: AsRef<str>> Encoder<T> for Lines {
    type Error = io::Error;

    fn encode(&mut self, item: T, output: &mut Vec<u8>) -> io::Result<()> {
        let line = item.as_ref();
        if line.len() > self.max_length {
            let message = format!("a line of {} bytes is longer than the limit of {}", line.len(), self.max_length);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if let Some(position) = line.find('\n') {
            let message = format!("a line cannot hold a newline, there is one at byte {position}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if line.ends_with('\r') {
            let message = "a line cannot end in a carriage return, it would be read as part of the ending";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        output.extend_from_slice(line.as_bytes());
        output.push(b'\n');
        Ok(())
    }
}

/// Where the first newline is among the unread bytes. Without one, all of them are marked as scanned.
fn find_newline(buffer: &mut Buffer) -> Option<usize> {
    let scanned = buffer.scanned();
    let mut rest = &buffer.as_slice()[scanned..];

    // `skip_until` on a slice cannot fail, and is std's only public way to its word-at-a-time search.
    let skipped = rest.skip_until(b'\n').unwrap_or(0);
    let newline =
        (scanned + skipped).checked_sub(1).filter(|&last| last >= scanned && buffer.as_slice()[last] == b'\n');
    if newline.is_none() {
        buffer.mark_scanned(buffer.len());
    }
    newline
}

fn text(line: &[u8]) -> io::Result<String> {
    match std::str::from_utf8(line) {
        Ok(line) => Ok(line.to_owned()),
        Err(error) => {
            let message = format!("a line is not UTF-8 from byte {} on", error.valid_up_to());
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}
