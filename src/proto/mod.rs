//! Protocols: how requests and answers share a connection.
//!
//! [`pipeline`] answers in the order of the requests, as HTTP/1.1, Redis and most line protocols do; [`multiplex`] in
//! any order, by ids, as Cassandra and most RPC protocols do. Each joins a [`Service`](crate::service::Service) to a
//! [`Transport`], which is [`codec::Framed`](crate::codec::Framed) over a socket, or anything that moves whole
//! messages. They differ in how an answer finds its call, and share what becomes of a call, the deadlines and the
//! errors.
//!
//! What holds on both sides: every queue has a bound, a call that is dropped never shifts the answer of
//! another, reading goes on while writing is blocked, closing lets what was accepted finish, and a peer
//! that does nothing meets a deadline.
//!
//! Requests and answers are messages that are there as a whole. Bodies that stream are opted into with
//! [`streaming`], between the transport and the dispatcher. A generic parameter for them was turned down: it is what
//! made the protocol library of 2016 hard to use, and each large protocol opted out of it all the same.
//!
//! In the guide: [from bytes to messages, from messages to calls](crate::guide::protocols).
mod alarm;
mod calls;
mod deadlines;
mod error;
mod last;
pub mod multiplex;
mod phase;
pub mod pipeline;
mod pressure;
mod serve_error;
pub mod streaming;
mod transport;
mod watchdog;

pub use deadlines::Deadlines;
pub use error::{Error, ErrorKind};
pub use pressure::{Admit, Pressure};
pub use serve_error::ServeError;
pub use transport::{Bodies, Transport};
