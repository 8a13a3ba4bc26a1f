//! Pipelining: many requests on the way at once, answered in the order in which they were sent.
//!
//! [`connect`] turns a transport into a [`Client`], which is a [`Service`](crate::service::Service), and the
//! [`Connection`] future that does its work. [`serve`] and [`Server`] answer the requests of a connection with
//! a service.
//!
//! Nothing here starts a task: the caller spawns the futures, knows when a connection has ended and how, and
//! decides what becomes of it. Both ends live on one thread, and need no lock.
//!
//! The order of the answers is all that assigns them to requests, and everything here guards it: a call that
//! is dropped after its request was written keeps its place, and its answer is thrown away. Closing the
//! connection on each dropped call, as HTTP clients do, was turned down: under load, time-outs would then turn
//! into reconnects.
mod call;
mod client;
mod connection;
mod dispatch;
mod exchange;
mod server;
mod slots;

pub use call::Call;
pub use client::{Client, connect};
pub use connection::Connection;
pub use server::{Server, serve};

pub use super::{Error, ErrorKind, ServeError};
