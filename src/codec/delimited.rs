//! Frames that end with a sequence of bytes.
//!
//! For protocols whose messages have an end mark of their own: a zero byte, `\r\n.\r\n`, `END\r\n`. Lines of text are
//! better served by [`Lines`](super::Lines), which knows `\r\n` from `\n` and gives strings.
//!
//! It guarantees what that one does: a finite limit, a frame that breaks it reported once at the first byte that is
//! certainly too many, its rest thrown away as it arrives, and the frame behind it read as if nothing had been.
//!
//! Each byte is looked at once, however the bytes arrive: the codec remembers how much of the mark it has seen, and a
//! mismatch never goes back in the text (Knuth, Morris, Pratt: "Fast pattern matching in strings", 1977). Looking back
//! by the length of the mark at each arrival was turned down: a peer that dribbles would make a mark of n bytes cost n
//! times as much.
use std::io::{self, BufRead};

use super::{Buffer, Decoder, Encoder};

/// The longest frame in bytes, its delimiter not counted, unless [`Delimited::max_length`] says otherwise.
///
/// That of [`Lines`](super::Lines): enough for messages that people or scripts write, and small enough for thousands of
/// connections to be at it together.
const MAX_LENGTH: usize = 64 * 1024;

/// A codec for frames that end with a delimiter.
///
/// It decodes to `Vec<u8>`, without the delimiter, and encodes whatever is `AsRef<[u8]>`.
///
/// # Errors
///
/// Decoding fails with [`InvalidData`](io::ErrorKind::InvalidData) for a frame that is too long, and goes on with the
/// next one; and with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the stream ends inside a frame, which is final
/// ([`open_end`](Self::open_end)). Encoding fails with [`InvalidInput`](io::ErrorKind::InvalidInput) for bytes that the
/// receiver would not read as this one frame: too long, or with the delimiter in them or beginning in them.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Delimited, Framed, Next};
/// use std::io::Cursor;
///
/// let mut frames = Framed::new(Cursor::new(b"oneENDENDtwoEND".to_vec()), Delimited::by("END"));
/// for frame in ["one", "", "two"] {
///     assert_eq!(frames.try_next()?, Next::Item(frame.as_bytes().to_vec()));
/// }
/// assert_eq!(frames.try_next()?, Next::End);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Delimited {
    mark: Mark,
    /// How many bytes of the mark the unread bytes end with, as far as they were scanned. Written by the search.
    matched: usize,
    /// The longest frame in bytes, its delimiter not counted. Written by the setter alone.
    max_length: usize,
    /// Whether the last frame may lack its delimiter. Written by the setter alone.
    open_end: bool,
    /// Set while the rest of a frame that was too long is thrown away; cleared by its delimiter.
    discarding: bool,
}

impl Delimited {
    /// Makes the codec for frames that end with `delimiter`, with a limit of 64 KiB per frame.
    ///
    /// # Panics
    ///
    /// If `delimiter` is empty.
    pub fn by(delimiter: impl Into<Vec<u8>>) -> Self {
        let mark = Mark::new(delimiter.into());
        Self { mark, matched: 0, max_length: MAX_LENGTH, open_end: false, discarding: false }
    }

    /// Sets the longest frame to `bytes`, its delimiter not counted. 0 allows empty frames alone.
    ///
    /// The limit of [`Framed::max_frame`](super::Framed::max_frame) holds as well, and has to be raised with
    /// it beyond 1 MiB.
    #[must_use]
    pub const fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// Sets whether bytes without a delimiter at the end of the stream are the last frame. Default: they are an error,
    /// since nothing tells them from a frame that was cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Buffer, Decoder, Delimited};
    ///
    /// let (mut values, mut buffer) = (Delimited::by(",").open_end(true), Buffer::new());
    /// buffer.extend(b"1,2");
    /// assert_eq!(values.decode_eof(&mut buffer)?, Some(b"1".to_vec()));
    /// assert_eq!(values.decode_eof(&mut buffer)?, Some(b"2".to_vec()));
    /// assert_eq!(values.decode_eof(&mut buffer)?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn open_end(mut self, is_open: bool) -> Self {
        self.open_end = is_open;
        self
    }

    /// Takes a frame of `length` bytes, and `ending` bytes more, off the buffer.
    fn take(&mut self, buffer: &mut Buffer, length: usize, ending: usize) -> io::Result<Option<Vec<u8>>> {
        self.matched = 0;
        let answer = match length > self.max_length {
            true => Err(self.too_long()),
            false => Ok(Some(buffer.as_slice()[..length].to_vec())),
        };
        buffer.consume(length + ending);
        answer
    }

    fn too_long(&self) -> io::Error {
        let message = format!("a frame is longer than the limit of {} bytes", self.max_length);
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl Decoder for Delimited {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Vec<u8>>> {
        loop {
            let scanned = buffer.scanned();
            let found = self.mark.find(&buffer.as_slice()[scanned..], &mut self.matched);
            match found {
                Some(end) if self.discarding => {
                    self.discarding = false;
                    self.matched = 0;
                    buffer.consume(scanned + end);
                }
                Some(end) => {
                    let ending = self.mark.bytes.len();
                    return self.take(buffer, (scanned + end).saturating_sub(ending), ending);
                }
                None if self.discarding => {
                    buffer.consume(buffer.len());
                    return Ok(None);
                }
                None => {
                    // Why less what is matched: it may be the beginning of the delimiter.
                    if buffer.len().saturating_sub(self.matched) > self.max_length {
                        self.discarding = true;
                        buffer.consume(buffer.len());
                        return Err(self.too_long());
                    }
                    buffer.mark_scanned(buffer.len());
                    return Ok(None);
                }
            }
        }
    }

    fn decode_eof(&mut self, buffer: &mut Buffer) -> io::Result<Option<Vec<u8>>> {
        match self.decode(buffer)? {
            None if buffer.is_empty() => Ok(None),
            None if self.open_end => self.take(buffer, buffer.len(), 0),
            None => {
                let message = format!("the stream ended inside a frame, after {} bytes of it", buffer.len());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            frame => Ok(frame),
        }
    }

    fn recovers(&self) -> bool {
        true
    }
}

impl<T: AsRef<[u8]>> Encoder<T> for Delimited {
    type Error = io::Error;

    fn encode(&mut self, item: T, output: &mut Vec<u8>) -> io::Result<()> {
        let frame = item.as_ref();
        if frame.len() > self.max_length {
            let message = format!("a frame of {} bytes is longer than the limit of {}", frame.len(), self.max_length);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // Why the delimiter too: with one that repeats itself, a frame and its delimiter can hold another one before.
        let mut matched = 0;
        let inside = self.mark.find(frame, &mut matched);
        let ending = &self.mark.bytes[..self.mark.bytes.len() - 1];
        if inside.is_some() || self.mark.find(ending, &mut matched).is_some() {
            let message = format!("a frame of {} bytes would end before its end, by a delimiter in it", frame.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        output.extend_from_slice(frame);
        output.extend_from_slice(&self.mark.bytes);
        Ok(())
    }
}

/// A sequence of bytes to search for.
#[derive(Clone, Debug)]
struct Mark {
    bytes: Vec<u8>,
    /// For each prefix of `bytes`, by its last index: the length of the longest shorter prefix that it ends with.
    fallbacks: Vec<usize>,
}

impl Mark {
    fn new(bytes: Vec<u8>) -> Self {
        assert!(!bytes.is_empty(), "an empty delimiter would end a frame everywhere");
        let mut fallbacks = vec![0; bytes.len()];
        for end in 1..bytes.len() {
            fallbacks[end] = advance(&bytes, &fallbacks, fallbacks[end - 1], bytes[end]);
        }
        Self { bytes, fallbacks }
    }

    /// Where the first one in `text` ends, if what came before `text` ended with the first `matched` bytes of it.
    fn find(&self, text: &[u8], matched: &mut usize) -> Option<usize> {
        let mut position = 0;
        while position < text.len() {
            if *matched == 0 {
                // `skip_until` on a slice cannot fail, and is std's only public way to its word-at-a-time search.
                let skipped = (&text[position..]).skip_until(self.bytes[0]).unwrap_or(0);
                position += skipped;
                *matched = usize::from(text[position - 1] == self.bytes[0]);
            } else {
                *matched = advance(&self.bytes, &self.fallbacks, *matched, text[position]);
                position += 1;
            }
            if *matched == self.bytes.len() {
                return Some(position);
            }
        }
        None
    }
}

/// How much of `bytes` is matched once `byte` follows a match of `matched`, which is not the whole.
fn advance(bytes: &[u8], fallbacks: &[usize], mut matched: usize, byte: u8) -> usize {
    while matched > 0 && bytes[matched] != byte {
        matched = fallbacks[matched - 1];
    }
    matched + usize::from(bytes[matched] == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_looked_at_twice_when_a_frame_dribbles_in() {
        let text = b"aaaaaaabaabaaabaaab|aab";
        for mark in ["|", "aab|", "aaab|"] {
            let (mut codec, mut buffer) = (Delimited::by(mark), Buffer::new());
            let mut items = Vec::new();
            for &byte in text {
                buffer.extend(&[byte]);
                if let Some(item) = codec.decode(&mut buffer).unwrap() {
                    items.push(item.len());
                }
                // What a second look would take for something else.
                buffer.overwrite_scanned(b'|');
                assert_eq!(buffer.scanned(), buffer.len(), "all of it was looked at");
            }
            let whole = text.iter().position(|&byte| byte == b'|').unwrap() + 1;
            assert_eq!(items, [whole - mark.len()], "{mark}");
        }
    }
}
