//! The half of a codec that turns items into bytes.
//!
//! [`Framed`](super::Framed) calls it once per item and remembers where the item began: after an error it
//! cuts the output back to that mark, so half an item never reaches the wire and an implementor may fail
//! in the middle of its work.
//!
//! The output is a plain `Vec<u8>`, which every serialiser can write to; a codec with large parts has a second way,
//! which copies none of them. A type of the crate's own that can only be appended to was turned down: it would guard
//! against a codec that shortens what is not its own, and cost everybody a conversion.
use std::io;

use super::Segments;

/// Appends items to the bytes that are to be written.
///
/// # Examples
///
/// ```
/// use mainspring::codec::Encoder;
/// use std::io;
///
/// struct Words;
///
/// impl Encoder<u32> for Words {
///     type Error = io::Error;
///
///     fn encode(&mut self, word: u32, output: &mut Vec<u8>) -> io::Result<()> {
///         output.extend_from_slice(&word.to_be_bytes());
///         Ok(())
///     }
/// }
///
/// let mut output = Vec::new();
/// Words.encode(258, &mut output)?;
/// assert_eq!(output, [0, 0, 1, 2]);
/// # Ok::<(), io::Error>(())
/// ```
pub trait Encoder<Item> {
    /// What can go wrong. Failures of the source arrive in it as well.
    type Error: From<io::Error>;

    /// Appends the bytes of `item` to `output`, and leaves what `output` holds already as it is.
    ///
    /// # Errors
    ///
    /// If `item` has no encoding, or one that breaks a limit. The items before and after are not affected.
    fn encode(&mut self, item: Item, output: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// As [`encode`](Self::encode), for a codec that has large parts to hand over. [`Framed`](super::Framed) calls this
    /// one; as provided, it appends to the [tail](Segments::tail).
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    fn encode_segments(&mut self, item: Item, output: &mut Segments) -> Result<(), Self::Error> {
        self.encode(item, output.tail())
    }

    /// The message that begins next is the last one of this connection, for a protocol whose messages say so: as
    /// HTTP's `Connection: close` (RFC 9112, section 9.6), which keeps a client from asking again where nobody listens
    /// any more.
    ///
    /// A [pipelined server](crate::proto::pipeline::Server) calls it at most once, right before an answer, when it
    /// knows that there is no further request: it drains, the connection is old, or the peer has sent its last. An
    /// answer that was encoded before that was known stays as it is, and the connection ends behind it all the same;
    /// one is not held back while the rest of another request is waited for. As provided, nothing is done.
    fn before_last(&mut self) {}

    /// Whether the item that was encoded last is the last one of this connection.
    ///
    /// A server asks after each answer: `true` makes it stop reading, flush and close, as HTTP's
    /// `Connection: close` wants. As provided, `false`.
    fn is_last(&self) -> bool {
        false
    }

    /// Whether the connection stays open behind its last item, for what is not of this codec.
    ///
    /// A protocol that was changed by a request (an upgrade, a stream of events without an end) answers `true`: the
    /// server flushes and ends, and closes nothing. It is then lent the transport, and the caller goes on with its
    /// [`parts`](super::Framed::into_parts). As provided, `false`.
    fn leaves_open(&self) -> bool {
        false
    }
}
