//! A codec within another: frames of the one, each of which is an item of the other.
//!
//! How a protocol is put together of a framing and an encoding: `LengthDelimited` finds where a message ends, and a
//! codec that knows nothing of that says what it is. Either can be one of these again.
//!
//! It guarantees that the inner codec never sees more or less than one frame, and that a frame which it cannot decode
//! is stepped over, since the outer one knows where the next begins. For that each frame is decoded by a copy of the
//! inner codec as it was given: what one that fails remembers of a frame would be taken for the beginning of the next.
//!
//! A closure that maps frames was turned down: it would be a second kind of codec beside this trait, and could not be
//! tested with what tests codecs.
use std::io;

use super::{Buffer, Decoder, Encoder};

/// Items of `I` in frames of `O`.
///
/// # Errors
///
/// Decoding fails as either codec, and with [`InvalidData`](io::ErrorKind::InvalidData) for a frame that holds more
/// than an item, or none. After an error of the inner one the next frame is decoded, as each is by a copy of the inner
/// one.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Buffer, Decoder, Encoder, Fixed, LengthDelimited, Nested};
///
/// let mut codec = Nested::new(LengthDelimited::new(), Fixed::<3>::new());
/// let mut bytes = Vec::new();
/// codec.encode(b"abc", &mut bytes)?;
/// assert_eq!(bytes, b"\0\0\0\x03abc");
///
/// let mut buffer = Buffer::new();
/// buffer.extend(b"\0\0\0\x02no\0\0\0\x03abc");
/// assert!(codec.decode(&mut buffer).is_err(), "a frame of two bytes");
/// assert_eq!(codec.decode(&mut buffer)?, Some(*b"abc"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Nested<O, I> {
    outer: O,
    inner: I,
    /// Set by an error of the inner codec, cleared by the next call.
    inner_failed: bool,
}

impl<O, I> Nested<O, I> {
    /// Joins the two.
    pub const fn new(outer: O, inner: I) -> Self {
        Self { outer, inner, inner_failed: false }
    }
}

impl<O, I> Nested<O, I>
where
    O: Decoder<Item = Vec<u8>>,
    I: Decoder<Error: From<O::Error>> + Clone,
{
    fn item(&mut self, frame: Option<Vec<u8>>) -> Result<Option<I::Item>, I::Error> {
        let Some(frame) = frame else { return Ok(None) };
        let length = frame.len();
        let mut buffer = Buffer::from(frame);
        let item = self.inner.clone().decode_eof(&mut buffer);
        self.inner_failed = true;
        match item? {
            Some(item) if buffer.is_empty() => {
                self.inner_failed = false;
                Ok(Some(item))
            }
            item => {
                let what = if item.is_some() { "more than an item" } else { "no item" };
                let message = format!("a frame of {length} bytes holds {what}");
                Err(io::Error::new(io::ErrorKind::InvalidData, message).into())
            }
        }
    }
}

impl<O, I> Decoder for Nested<O, I>
where
    O: Decoder<Item = Vec<u8>>,
    I: Decoder<Error: From<O::Error>> + Clone,
{
    type Item = I::Item;
    type Error = I::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> Result<Option<I::Item>, I::Error> {
        self.inner_failed = false;
        let frame = self.outer.decode(buffer)?;
        self.item(frame)
    }

    fn decode_eof(&mut self, buffer: &mut Buffer) -> Result<Option<I::Item>, I::Error> {
        self.inner_failed = false;
        let frame = self.outer.decode_eof(buffer)?;
        self.item(frame)
    }

    fn recovers(&self) -> bool {
        self.inner_failed || self.outer.recovers()
    }

    fn is_interim(&self) -> bool {
        self.inner.is_interim()
    }
}

impl<O, I, Item> Encoder<Item> for Nested<O, I>
where
    O: Encoder<Vec<u8>>,
    I: Encoder<Item, Error: From<O::Error>>,
{
    type Error = I::Error;

    fn encode(&mut self, item: Item, output: &mut Vec<u8>) -> Result<(), I::Error> {
        let mut frame = Vec::new();
        self.inner.encode(item, &mut frame)?;
        Ok(self.outer.encode(frame, output)?)
    }

    fn before_last(&mut self) {
        self.inner.before_last();
        self.outer.before_last();
    }

    fn is_last(&self) -> bool {
        self.inner.is_last()
    }

    fn leaves_open(&self) -> bool {
        self.inner.leaves_open()
    }
}
