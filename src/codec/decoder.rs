//! The half of a codec that finds items in bytes.
//!
//! [`Framed`](super::Framed) calls it each time bytes have arrived, until it says that no whole frame is
//! left. A codec for a protocol of your own implements this and [`Encoder`](super::Encoder).
//!
//! What an implementor promises: `decode` takes bytes off the buffer only together with an answer (an
//! item, or an error), or because they will never be needed; it keeps its place with
//! [`Buffer::mark_scanned`] instead of searching from the start for each byte; and it has limits of its
//! own on whatever a peer can make long.
//!
//! An error ends the stream unless the codec says that it has found the next frame
//! ([`recovers`](Decoder::recovers)). A `Skip` variant in the answer was turned down: nearly every codec
//! is lost after an error, and would pay with a third arm in each `match`.
use std::io;

use super::Buffer;

/// Takes items out of the bytes that have arrived.
///
/// # Examples
///
/// A codec whose frames are four bytes long:
///
/// ```
/// use mainspring::codec::{Buffer, Decoder};
/// use std::io;
///
/// struct Words;
///
/// impl Decoder for Words {
///     type Item = u32;
///     type Error = io::Error;
///
///     fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<u32>> {
///         let Some(word) = buffer.as_slice().first_chunk() else { return Ok(None) };
///         let word = u32::from_be_bytes(*word);
///         buffer.consume(4);
///         Ok(Some(word))
///     }
/// }
///
/// let mut buffer = Buffer::new();
/// buffer.extend(&[0, 0, 1, 0, 9]);
/// assert_eq!(Words.decode(&mut buffer)?, Some(256));
/// assert_eq!(Words.decode(&mut buffer)?, None);
/// assert!(Words.decode_eof(&mut buffer).is_err(), "one byte of a second word is left");
/// # Ok::<(), io::Error>(())
/// ```
pub trait Decoder {
    /// What a frame is decoded into.
    type Item;

    /// What can go wrong. Failures of the source arrive in it as well, so that a stream of items has one
    /// error type.
    type Error: From<io::Error>;

    /// Takes the next item off the front of `buffer`, or answers `None` if no whole frame is there.
    ///
    /// It is called again only after an item, or after more bytes have arrived.
    ///
    /// # Errors
    ///
    /// If the bytes are not a frame, or break a limit. The stream ends with it, unless
    /// [`recovers`](Self::recovers) says otherwise.
    fn decode(&mut self, buffer: &mut Buffer) -> Result<Option<Self::Item>, Self::Error>;

    /// Takes the next item when no more bytes will arrive. It is called until it answers `None` or fails.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode). As provided, it also fails with
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the bytes that are left are not a whole frame.
    fn decode_eof(&mut self, buffer: &mut Buffer) -> Result<Option<Self::Item>, Self::Error> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => {
                let message = format!("the stream ended inside a frame, after {} bytes of it", buffer.len());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message).into())
            }
            answer => Ok(answer),
        }
    }

    /// Whether the error that `decode` has just returned left the codec able to find the next frame.
    ///
    /// As provided, `false`: the error is final. A codec that returns `true` must have taken bytes off the
    /// buffer; an error that took none is final whatever it says, so that no error repeats for ever.
    fn recovers(&self) -> bool {
        false
    }

    /// Whether the item that was decoded last comes before a message of which only a part is there, and the message
    /// itself will be another item: as the question of HTTP whether to go on (RFC 9110, section 10.1.1).
    ///
    /// A server that drains waits for the rest of one message, which such an item is not. As provided, `false`.
    fn is_interim(&self) -> bool {
        false
    }

    /// The rest of a message did not come in time. A protocol that answers this (HTTP: 408) returns the item that
    /// stands for the message; nothing is decoded after it. As provided, `None`: the connection fails.
    fn give_up(&mut self) -> Option<Self::Item> {
        None
    }
}
