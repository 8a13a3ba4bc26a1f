//! HTTP/1.1 (RFC 9110, RFC 9112) as a codec for `mainspring::codec::Framed`, on `httparse`.
//!
//! [`Http`] turns bytes into [`Incoming`] messages and [`Response`]s into bytes. It guarantees that a request has one
//! reading: whatever two parsers could frame differently (two lengths, a length beside chunked, a bare line feed) is
//! refused and the connection closed behind the refusal, so nothing can be smuggled behind it. Bad input is never an
//! error of the codec, which would end the connection without a word, but an item that the service answers.
//!
//! All of it is total: no indexing, no unwrapping and no unchecked arithmetic on what a peer has sent, which the lints
//! below hold it to. Memory grows by what has arrived, up to [`limits`].
//!
//! [`relay`] are the two codecs of a proxy, one for each of its sides.
//!
//! Bodies arrive whole. Streaming them was turned down for an example: it needs a channel for each body.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod answers;
mod chunks;
mod codec;
mod date;
mod fields;
mod framing;
mod head;
mod host;
mod incoming;
pub mod limits;
mod lines;
mod lingering;
mod method;
mod owed;
pub mod relay;
mod request;
mod response;
mod status;
mod target;
mod version;

pub use answers::{NotServed, serve, stack};
pub use codec::Http;
pub use incoming::Incoming;
pub use lingering::Lingering;
pub use method::Method;
pub use request::Request;
pub use response::Response;
pub use status::Status;
