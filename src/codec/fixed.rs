//! Frames of a length that is known when the program is compiled.
//!
//! For protocols whose messages are records: transport streams of 188 bytes, samples of a sensor, a header that
//! another codec reads first. The items are arrays, so a frame costs one copy and no allocation.
//!
//! It guarantees that a frame is looked at once, when it is whole. There is nothing that could be malformed: the one
//! error is an end inside a frame.
//!
//! A length that is set at run time was turned down: it would give up arrays and their types for a case that a
//! decoder of ten lines serves.
use std::io;

use super::{Buffer, Decoder, Encoder};

/// A codec for frames of `LENGTH` bytes each.
///
/// It decodes to `[u8; LENGTH]`, and encodes whatever is `AsRef<[u8]>`.
///
/// # Errors
///
/// Encoding fails with [`InvalidInput`](io::ErrorKind::InvalidInput) for bytes of another length.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Fixed, Framed, Next};
/// use std::io::Cursor;
///
/// let mut pairs = Framed::new(Cursor::new(b"onetwo".to_vec()), Fixed::<3>::new());
/// assert_eq!(pairs.try_next()?, Next::Item(*b"one"));
/// assert_eq!(pairs.try_next()?, Next::Item(*b"two"));
/// assert_eq!(pairs.try_next()?, Next::End);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed<const LENGTH: usize>(());

impl<const LENGTH: usize> Fixed<LENGTH> {
    /// Makes the codec. A length of 0 does not compile: there would be no end of such frames.
    ///
    /// Beyond 1 MiB, [`Framed::max_frame`](super::Framed::max_frame) has to be raised with it.
    pub const fn new() -> Self {
        const { assert!(LENGTH > 0, "a frame has at least one byte") };
        Self(())
    }
}

impl<const LENGTH: usize> Decoder for Fixed<LENGTH> {
    type Item = [u8; LENGTH];
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<[u8; LENGTH]>> {
        let Some(&frame) = buffer.as_slice().first_chunk() else { return Ok(None) };
        buffer.consume(LENGTH);
        Ok(Some(frame))
    }
}

impl<const LENGTH: usize, T: AsRef<[u8]>> Encoder<T> for Fixed<LENGTH> {
    type Error = io::Error;

    fn encode(&mut self, item: T, output: &mut Vec<u8>) -> io::Result<()> {
        let frame = item.as_ref();
        if frame.len() != LENGTH {
            let message = format!("a frame of {} bytes cannot be sent as one of {LENGTH}", frame.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        output.extend_from_slice(frame);
        Ok(())
    }
}
