//! Redis's protocol (RESP2) as codecs for `mainspring::codec::Framed`, and a client on `mainspring::Client`.
//!
//! [`Replies`] is the client's end of a connection: [`Command`]s out, [`Value`]s in. [`Requests`] is the server's:
//! whatever a client may send comes in as a [`Request`], and [`Reply`]s go out. Both keep a frame in the buffer until
//! all of it has arrived and keep their place in it, so that no byte is parsed twice, and both have [`limits`]: memory
//! grows by what has arrived, never by what a peer declares.
//!
//! [`Redis`] is the client: typed commands, batches that share one write, a pool of connections that are made anew when
//! they are lost.

mod client;
mod command;
mod connection;
mod error;
mod frame;
pub mod limits;
mod replies;
mod requests;
mod value;

pub use client::{Redis, Settings};
pub use command::Command;
pub use error::{Error, Lost};
pub use replies::Replies;
pub use requests::{Reply, Request, Requests};
pub use value::Value;
