//! Framing: from bytes to items and back, over anything that reads and writes as std does.
//!
//! A [`Decoder`] takes items out of a [`Buffer`], an [`Encoder`] appends items to a vector, and [`Framed`] joins both
//! to a source such as a socket, in the three styles of this crate: tick (`try_*`), poll, and async;
//! [`FramedDatagrams`] joins them to a UDP socket. The protocols in [`crate::proto`] are built on it.
//!
//! [`Lines`], [`Delimited`], [`LengthDelimited`] and [`Fixed`] are the framings that most protocols have; a codec of
//! one's own is built on one of them ([`Nested`]), or on nothing.
//!
//! | an error of | is | and then |
//! |---|---|---|
//! | a decoder that [recovers](Decoder::recovers) and has taken bytes | skippable | the next item |
//! | any other decoder, or a frame beyond its limit | fatal to reading | the end; writing goes on |
//! | the source, but for `TimedOut` of a deadline | fatal to both | the end, and `BrokenPipe` |
//! | an encoder | its item's | the connection as it was |
//!
//! What holds for each codec here: limits are finite unless raised by hand, memory grows by what has
//! arrived and never by what a peer declares, no byte is searched twice, any split of the bytes gives
//! the same items, and a failed encoding leaves no bytes behind.
//!
//! The trade-off: bytes live in plain vectors and an item that keeps bytes copies them; on the way out a [`Payload`] is
//! handed over. Shared, reference-counted buffers were turned down: they spare one copy of large payloads, and cost a
//! dependency, a counter per item and a buffer that one slow consumer keeps alive.
//!
//! In the guide: [from bytes to messages, from messages to calls](crate::guide::protocols).
mod buffer;
mod decoder;
mod delimited;
mod encoder;
mod fixed;
mod framed;
mod framed_datagrams;
mod length_delimited;
mod lines;
mod nested;
mod next;
mod payload;
mod segments;

pub use buffer::Buffer;
pub use decoder::Decoder;
pub use delimited::Delimited;
pub use encoder::Encoder;
pub use fixed::Fixed;
pub use framed::Framed;
pub use framed_datagrams::FramedDatagrams;
pub use length_delimited::LengthDelimited;
pub use lines::Lines;
pub use nested::Nested;
pub use next::Next;
pub use payload::Payload;
pub use segments::Segments;

pub use crate::io::HalfClose;
