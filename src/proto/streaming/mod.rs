//! Messages with bodies that stream: a head first, then chunks while it is worked on.
//!
//! [`Streaming`] goes between a transport of [`Part`]s and a client or server of [`pipeline`](super::pipeline) or
//! [`multiplex`](super::multiplex), which then see [`Streamed`] messages: a head, and a [`Body`] that is a
//! [`Stream`](futures_core::Stream). Whoever does not ask for it pays nothing, and meets none of its types.
//!
//! What holds, in both directions: a body has at most [`CHUNKS_MAX`] chunks in memory, or [so many
//! bytes](Streaming::max_unread), and then holds the peer up; one that is dropped before its end is read and thrown
//! away, up to a bound, so that the connection goes on; one that ends because the connection does says so. Deadlines of
//! requests start anew with each chunk. A connection has at most 1,024 bodies on the way in each direction: while it
//! sends that many, messages wait, also cancellations and pings; a peer that sends more loses it. Only requests,
//! answers and pushes have bodies; those of pushes come one after the other, as bodies of id 0, and the pushes behind
//! one that waits for the one before wait with it.
//!
//! A multiplexed server whose slots are all taken by requests that read their bodies refuses further ones, since the
//! rest of the bodies comes behind them. If the protocol has no refusal
//! ([`Frame::refuse`](super::multiplex::Frame::refuse)) it waits for a slot, and moves no body meanwhile: more uploads
//! at once than it has slots come to a halt, and end with the deadline of requests. A client of such a protocol keeps
//! fewer in flight than the server has slots.
//!
//! An adapter of the transport instead of a parameter of the dispatchers: the protocol library of 2016 had seven
//! associated types for it, in all its users' signatures.
//!
//! # Examples
//!
//! A service that counts the bytes of each request as they come, in a protocol whose chunks are lines and whose last is
//! empty:
//!
//! ```
//! use futures::StreamExt;
//! use mainspring::codec::{Buffer, Decoder, Encoder, Framed, Lines};
//! use mainspring::net::{TcpListener, TcpStream};
//! use mainspring::proto::pipeline;
//! use mainspring::proto::streaming::{Part, Streamed, Streaming};
//! use mainspring::service::service_fn;
//! use std::io;
//!
//! /// Each message is a line, and then the lines of its body.
//! struct Codec { lines: Lines, in_body: bool }
//!
//! impl Decoder for Codec {
//!     type Item = Part<String, String>;
//!     type Error = io::Error;
//!     fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Self::Item>> {
//!         let Some(line) = self.lines.decode(buffer)? else { return Ok(None) };
//!         let was_in_body = std::mem::replace(&mut self.in_body, !line.is_empty());
//!         Ok(Some(match (was_in_body, line.is_empty()) {
//!             (false, _) => { self.in_body = true; Part::Head(line, true) }
//!             (true, false) => Part::Chunk(0, line),
//!             (true, true) => Part::End(0),
//!         }))
//!     }
//! }
//!
//! impl Encoder<Part<String, String>> for Codec {
//!     type Error = io::Error;
//!     fn encode(&mut self, part: Part<String, String>, output: &mut Vec<u8>) -> io::Result<()> {
//!         match part {
//!             Part::Head(line, _) | Part::Chunk(_, line) => self.lines.encode(line, output),
//!             Part::End(_) => self.lines.encode("", output),
//!             Part::Cut(_) => Err(io::ErrorKind::UnexpectedEof.into()),
//!         }
//!     }
//! }
//!
//! mainspring::run(async {
//!     let codec = || Codec { lines: Lines::new(), in_body: false };
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (server, _) = listener.accept().await?;
//!     mainspring::spawn(async move {
//!         let count = service_fn(async |mut request: Streamed<String, String>| {
//!             let mut count = 0;
//!             while let Some(chunk) = request.body.next().await {
//!                 count += chunk?.len();
//!             }
//!             io::Result::Ok(Streamed::from(format!("{}: {count}", request.head)))
//!         });
//!         let transport = Streaming::in_order(Framed::new(server, codec()));
//!         pipeline::serve(transport, &count).await.map_err(io::Error::other)
//!     });
//!
//!     client.write_all(b"sizes\none\ntwo\nthree\n\n").await?;
//!     let mut answer = [0; 32];
//!     let length = client.read(&mut answer).await?;
//!     assert_eq!(&answer[..length], b"sizes: 11\n");
//!     io::Result::Ok(())
//! })??;
//! # io::Result::Ok(())
//! ```
mod body;
mod part;
mod streamed;
mod transport;

pub use body::{Body, CHUNKS_MAX, Incomplete};
pub use part::Part;
pub use streamed::Streamed;
pub use transport::Streaming;
