//! What a message with a body is on the wire.
//!
//! The items of a codec under [`Streaming`](super::Streaming), in both directions.
//!
//! Four kinds and no more: what else a protocol has, trailers or priorities, is in its heads or its chunks.

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<Head, Chunk> {
    /// A message, and whether a body follows. Its id, if the protocol has ids, stands in it.
    Head(Head, bool),
    /// A part of the body of the message of this id; 0 where bodies come in order.
    Chunk(u64, Chunk),
    /// The end of that body.
    End(u64),
    /// The body ends before its end: whoever made it has failed. A codec whose protocol has no word for it returns an
    /// error for it, which ends the connection.
    Cut(u64),
}
