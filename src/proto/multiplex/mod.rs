//! Multiplexing: many requests on the way at once, answered in any order, by ids.
//!
//! [`connect`] turns a transport into a [`Client`], which is a [`Service`](crate::service::Service), and the
//! [`Connection`] future that does its work. [`serve`] and [`Server`] answer the requests of a connection with
//! a service. Messages say by the trait [`Frame`] which request they belong to.
//!
//! Nothing here starts a task, as in [`pipeline`](super::pipeline); the transport, the deadlines and what becomes of a
//! call are the same.
//!
//! The id is all that assigns an answer to a request, and everything here guards it: a client uses none again before
//! its answer has come, also if the call was dropped and cancelled, and a server answers none twice. Ids that are taken
//! up at once and told apart by a generation were turned down: most protocols have 16 to 32 bits, and no room for one.
//!
//! # Examples
//!
//! A protocol of four bytes of length, four of id and text:
//!
//! ```
//! use mainspring::codec::{Buffer, Decoder, Encoder, Framed, LengthDelimited};
//! use mainspring::net::{TcpListener, TcpStream};
//! use mainspring::proto::multiplex::{self, Frame, Role};
//! use mainspring::service::service_fn;
//! use mainspring::time::sleep;
//! use std::{io, time::Duration};
//!
//! struct Message { id: u32, text: String }
//!
//! impl Frame for Message {
//!     fn role(&self) -> Role {
//!         Role::Call(self.id.into())
//!     }
//!     fn set_id(&mut self, id: u64) {
//!         self.id = id as u32; // within Frame::IDS
//!     }
//! }
//!
//! struct Codec(LengthDelimited);
//!
//! impl Decoder for Codec {
//!     type Item = Message;
//!     type Error = io::Error;
//!     fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Message>> {
//!         let Some(frame) = self.0.decode(buffer)? else { return Ok(None) };
//!         let (id, text) = frame.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
//!         Ok(Some(Message { id: u32::from_be_bytes(*id), text: String::from_utf8_lossy(text).into() }))
//!     }
//! }
//!
//! impl Encoder<Message> for Codec {
//!     type Error = io::Error;
//!     fn encode(&mut self, message: Message, output: &mut Vec<u8>) -> io::Result<()> {
//!         self.0.encode([&message.id.to_be_bytes(), message.text.as_bytes()].concat(), output)
//!     }
//! }
//!
//! let request = |text: &str| Message { id: 0, text: text.into() };
//! // In virtual time, in which the slow one is never early beside the fast one.
//! mainspring::testing::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let stream = TcpStream::connect(listener.local_addr()?).await?;
//!     mainspring::spawn(async move {
//!         let (stream, _peer) = listener.accept().await?;
//!         let service = service_fn(async |message: Message| {
//!             if message.text == "slow" {
//!                 sleep(Duration::from_millis(20)).await;
//!             }
//!             io::Result::Ok(Message { text: message.text.to_uppercase(), ..message })
//!         });
//!         let served = multiplex::serve(Framed::new(stream, Codec(LengthDelimited::new())), &service).await;
//!         served.map_err(io::Error::other)
//!     });
//!
//!     let (client, connection) = multiplex::connect(Framed::new(stream, Codec(LengthDelimited::new())));
//!     mainspring::spawn(connection);
//!     let slow = client.call(request("slow"));
//!     let fast = async {
//!         let answer = client.call(request("fast")).await;
//!         assert_eq!(client.in_flight(), 1, "the slow one is not waited for");
//!         answer
//!     };
//!     let (slow, fast) = futures::try_join!(slow, fast).map_err(io::Error::other)?;
//!     assert_eq!((&*slow.text, &*fast.text), ("SLOW", "FAST"));
//!     io::Result::Ok(())
//! })?;
//! # io::Result::Ok(())
//! ```
mod call;
mod client;
mod connection;
mod dispatch;
mod exchange;
mod frame;
mod role;
mod server;
mod slots;
mod woken;

pub use call::Call;
pub use client::{Client, connect};
pub use connection::Connection;
pub use frame::Frame;
pub use role::Role;
pub use server::{Server, serve};

pub use super::{Error, ErrorKind, ServeError};

/// The most messages that wait to be written and are neither requests nor answers: answers to pings, refusals,
/// confirmations of cancellations. Whoever has that many unread is flooding.
const CONTROLS_MAX: usize = 64;
