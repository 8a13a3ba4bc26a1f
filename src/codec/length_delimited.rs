//! Frames that say in a header how long they are.
//!
//! The framing of most binary protocols, in all the shapes that the length has there: one to eight bytes, either
//! order, behind other fields, with the header counted or not, with or without fields behind it.
//!
//! It guarantees that a header is looked at once, that nothing is allocated for bytes that have not arrived, whatever
//! their number is said to be, and that no arithmetic on what a peer declares can overflow.
//!
//! A declared length beyond the limit is final. Throwing the declared bytes away as they arrive was turned down: a
//! peer that has lost its place would be read for up to 2^64 bytes to no purpose. A frame that is too short for what is
//! stripped from it is skipped, for its end is known.
use std::io;

use super::{Buffer, Decoder, Encoder, Payload, Segments};

/// The longest frame in bytes, header included, unless [`LengthDelimited::max_length`] says otherwise.
///
/// What [`Framed`](super::Framed) holds of a frame at most by default.
const MAX_LENGTH: usize = 1024 * 1024;

/// The widest length field in bytes.
const WIDTH_MAX: usize = 8;

/// A codec for frames with their length in a header.
///
/// A frame is `offset` bytes, then the length field, then the rest. The whole of it has as many bytes as `offset`, the
/// width of the field, its value and `adjustment` together. The item is the frame without the first `strip` bytes; it
/// decodes to `Vec<u8>`, and encodes whatever is `AsRef<[u8]>`.
///
/// | protocol | settings |
/// |---|---|
/// | a field of 4 bytes, then as many bytes as it says | `new()` |
/// | a byte, then a length that counts itself (PostgreSQL) | `.offset(1).adjustment(-4).strip(0)` |
/// | 24 bits, then 6 bytes of header that it does not count (HTTP/2) | `.width(3).adjustment(6).strip(0)` |
/// | 5 bytes of header before it (Cassandra) | `.offset(5).strip(0)` |
/// | 2 bytes, little endian | `.width(2).little_endian()` |
///
/// Encoding puts `strip` zero bytes in front of the item, and then writes the length where it belongs: with `strip(0)`
/// the item is a frame whose length is filled in.
///
/// # Errors
///
/// Decoding fails with [`InvalidData`](io::ErrorKind::InvalidData): finally, if a header declares a frame that is
/// longer than the limit, or one that is shorter than its header; and for a frame shorter than what is stripped, which
/// is skipped. Encoding fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if the frame is longer than the limit,
/// too short for its length field, or has a length that the field cannot hold.
///
/// # Examples
///
/// A codec of one's own on top of it:
///
/// ```
/// use mainspring::codec::{Buffer, Decoder, LengthDelimited};
/// use std::io;
///
/// struct Texts(LengthDelimited);
///
/// impl Decoder for Texts {
///     type Item = String;
///     type Error = io::Error;
///
///     fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<String>> {
///         let Some(frame) = self.0.decode(buffer)? else { return Ok(None) };
///         String::from_utf8(frame).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
///     }
/// }
///
/// let (mut texts, mut buffer) = (Texts(LengthDelimited::new().width(2)), Buffer::new());
/// buffer.extend(b"\x00\x05hello\x00");
/// assert_eq!(texts.decode(&mut buffer)?.as_deref(), Some("hello"));
/// assert_eq!(texts.decode(&mut buffer)?, None);
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LengthDelimited {
    /// How many bytes the length field has, 1 to 8. Written by the setters, as the next five.
    width: usize,
    little_endian: bool,
    /// How many bytes stand before the length field.
    offset: usize,
    /// What is added to the value of the field to get the number of bytes behind it.
    adjustment: i64,
    /// How many bytes of a frame are not part of the item; none for all up to the end of the field.
    strip: Option<usize>,
    max_length: usize,
    /// The length of the frame whose header has been read; none between two frames. Written by `decode`.
    frame: Option<usize>,
    /// Set by an error after which no frame can be found.
    lost: bool,
}

impl Default for LengthDelimited {
    fn default() -> Self {
        Self::new()
    }
}

impl LengthDelimited {
    /// Makes the codec: a length of 4 bytes, big endian, that counts what follows it and is stripped; at most 1 MiB a
    /// frame.
    pub const fn new() -> Self {
        Self {
            width: 4,
            little_endian: false,
            offset: 0,
            adjustment: 0,
            strip: None,
            max_length: MAX_LENGTH,
            frame: None,
            lost: false,
        }
    }

    /// Sets how many `bytes` the length field has. Default 4.
    ///
    /// # Panics
    ///
    /// If `bytes` is 0 or more than 8.
    #[must_use]
    pub const fn width(mut self, bytes: usize) -> Self {
        assert!(bytes >= 1 && bytes <= WIDTH_MAX, "a length field has 1 to 8 bytes");
        self.width = bytes;
        self
    }

    /// Reads and writes the length field with its lowest byte first. By default the highest is.
    #[must_use]
    pub const fn little_endian(mut self) -> Self {
        self.little_endian = true;
        self
    }

    /// Sets how many `bytes` stand before the length field. Default 0.
    #[must_use]
    pub const fn offset(mut self, bytes: usize) -> Self {
        self.offset = bytes;
        self
    }

    /// Sets how many `bytes` more than the field says stand behind it: negative if it counts itself or what stands
    /// before it, positive if it does not count all that stands behind it. Default 0.
    #[must_use]
    pub const fn adjustment(mut self, bytes: i64) -> Self {
        self.adjustment = bytes;
        self
    }

    /// Sets how many `bytes` at the front of a frame are not part of the item. Default: all up to the end of the length
    /// field. 0 keeps the header.
    #[must_use]
    pub const fn strip(mut self, bytes: usize) -> Self {
        self.strip = Some(bytes);
        self
    }

    /// Sets the longest frame to `bytes`, header included. Default 1 MiB.
    ///
    /// The limit of [`Framed::max_frame`](super::Framed::max_frame) holds as well, and has to be raised with it beyond
    /// that.
    #[must_use]
    pub const fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// How many bytes of a frame are not part of the item.
    fn stripped(&self) -> usize {
        self.strip.unwrap_or_else(|| self.offset.saturating_add(self.width))
    }

    /// How many bytes a frame has whose field says `value`, which may be none that is possible. Why so wide: none of
    /// the four can reach the limits of it.
    fn length(&self, value: u64) -> i128 {
        self.offset as i128 + self.width as i128 + i128::from(value) + i128::from(self.adjustment)
    }

    /// The value in a length field.
    fn value(&self, field: &[u8]) -> u64 {
        let append = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        match self.little_endian {
            true => field.iter().rev().fold(0, append),
            false => field.iter().fold(0, append),
        }
    }

    /// What the length field of a frame says that holds an item of so many bytes.
    fn value_for(&self, item: usize) -> io::Result<u64> {
        let stripped = self.stripped();
        let refuse = |why: &str| {
            let message = format!("an item of {item} bytes behind {stripped} of header {why}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        };
        let length = stripped.saturating_add(item);
        if length > self.max_length {
            return refuse(&format!("is longer than the limit of {}", self.max_length));
        }
        if length < self.offset.saturating_add(self.width) {
            return refuse("is too short for its length field");
        }
        let value = u64::try_from(length as i128 - self.length(0)).ok();
        match value.filter(|value| value.checked_shr(8 * self.width as u32).unwrap_or(0) == 0) {
            Some(value) => Ok(value),
            None => refuse(&format!("has a length that a field of {} bytes cannot hold", self.width)),
        }
    }

    /// Writes the length field of the frame that begins with these bytes.
    fn write_value(&self, value: u64, frame: &mut [u8]) {
        let field = &mut frame[self.offset..][..self.width];
        match self.little_endian {
            true => field.copy_from_slice(&value.to_le_bytes()[..self.width]),
            false => field.copy_from_slice(&value.to_be_bytes()[WIDTH_MAX - self.width..]),
        }
    }

    /// The length of the frame at the front, which its header declares. None if that has not arrived.
    fn read_header(&mut self, buffer: &mut Buffer) -> io::Result<Option<usize>> {
        let header = self.offset.saturating_add(self.width);
        let Some(field) = buffer.as_slice().get(self.offset..header) else { return Ok(None) };
        let value = self.value(field);
        let length = self.length(value);
        let refusal = match usize::try_from(length) {
            Ok(length) if length < header => "which is less than its header has",
            Ok(length) if length <= self.max_length => {
                buffer.mark_scanned(header);
                return Ok(Some(length));
            }
            Err(_) if length < 0 => "which is less than its header has",
            _ => "which is more than the limit",
        };
        self.lost = true;
        let limit = self.max_length;
        let message = format!(
            "a length field says {value}: a frame of {length} bytes, {refusal} (header {header}, limit {limit})"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl Decoder for LengthDelimited {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Vec<u8>>> {
        let length = match self.frame {
            Some(length) => length,
            None => match self.read_header(buffer)? {
                Some(length) => *self.frame.insert(length),
                None => return Ok(None),
            },
        };
        let Some(frame) = buffer.as_slice().get(..length) else { return Ok(None) };
        let stripped = self.stripped();
        let item = frame.get(stripped..).map(<[u8]>::to_vec).ok_or_else(|| {
            let message = format!("a frame of {length} bytes is too short for a header of {stripped}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        });
        buffer.consume(length);
        self.frame = None;
        item.map(Some)
    }

    fn recovers(&self) -> bool {
        !self.lost
    }
}

impl<T: AsRef<[u8]>> Encoder<T> for LengthDelimited {
    type Error = io::Error;

    fn encode(&mut self, item: T, output: &mut Vec<u8>) -> io::Result<()> {
        let (item, start) = (item.as_ref(), output.len());
        let value = self.value_for(item.len())?;
        output.resize(start + self.stripped(), 0);
        output.extend_from_slice(item);
        self.write_value(value, &mut output[start..]);
        Ok(())
    }
}

impl Encoder<Payload> for LengthDelimited {
    type Error = io::Error;

    fn encode(&mut self, item: Payload, output: &mut Vec<u8>) -> io::Result<()> {
        self.encode(&*item.0, output)
    }

    fn encode_segments(&mut self, item: Payload, output: &mut Segments) -> io::Result<()> {
        let stripped = self.stripped();
        if stripped < self.offset.saturating_add(self.width) {
            // A part of the header stands in the item, and is written there.
            return self.encode(&*item.0, output.tail());
        }
        let (value, start) = (self.value_for(item.0.len())?, output.tail().len());
        output.tail().resize(start + stripped, 0);
        self.write_value(value, &mut output.tail()[start..]);
        output.push(item.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_looked_at_once_when_a_frame_dribbles_in() {
        let (mut codec, mut buffer) = (LengthDelimited::new(), Buffer::new());
        for byte in b"\x00\x00\x00\x05hell" {
            buffer.extend(&[*byte]);
            assert_eq!(codec.decode(&mut buffer).unwrap(), None);
            // What a second look would take for another length.
            buffer.overwrite_scanned(0);
        }
        assert_eq!(buffer.scanned(), 4);
        buffer.extend(b"o");
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(b"hello".to_vec()));
    }
}
