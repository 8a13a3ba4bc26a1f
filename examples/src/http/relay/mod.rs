//! HTTP/1.1 passed on: the codecs of a reverse proxy.
//!
//! [`Front`] is the side of the clients, which it holds to all that [`Http`](super::Http) does: what it passes on has
//! one reading, and is written anew with one length. [`Back`] is the side of the servers. Fields that concern one
//! connection only (RFC 9110, section 7.6.1) stay on their side.
//!
//! Requests and answers are kept whole before they are passed on: a request can be made again elsewhere, and an answer
//! that breaks off is an error and not half an answer. The price is memory within [`limits`](super::limits), and that
//! the first byte waits for the last; streaming was turned down for an example.

mod answer;
mod back;
mod fields;
mod forwarded;
mod front;

pub use answer::{Answer, Passed};
pub use back::Back;
pub use forwarded::Forwarded;
pub use front::{Arrived, Front};
