//! Cassandra's native protocol, version 4: frames with stream ids, statements that are prepared, events.
//!
//! | | |
//! |---|---|
//! | [`Session`] | a connection, on which requests are in flight side by side |
//! | [`Request`], [`Response`], [`Value`] | what is said |
//! | [`Codec`], [`Outgoing`], [`Incoming`] | how it goes over the wire |
//!
//! Left out: pages, batches, compression, and types beyond the most common ones, whose values are bytes.

mod frame;
mod reader;
mod request;
mod response;
mod session;
mod value;

pub use frame::{Codec, Incoming, Outgoing};
pub use request::{Consistency, Request};
pub use response::{Event, Failure, Response, Rows};
pub use session::{Error, Prepared, Session};
pub use value::{Type, Value};
