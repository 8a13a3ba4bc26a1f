//! Remote procedure calls: many at once over one connection, with deadlines, cancellation and streams of items.
//!
//! A method is a type with a number; who calls and who answers agree by it, and the compiler sees to the rest:
//!
//! ```
//! use examples::rpc::{Client, Method, Server};
//! use mainspring::net::{TcpListener, TcpStream};
//!
//! struct Add;
//!
//! impl Method for Add {
//!     const NUMBER: u32 = 1;
//!     type Request = (u64, u64);
//!     type Response = u64;
//! }
//!
//! mainspring::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let stream = TcpStream::connect(listener.local_addr()?).await?;
//!     mainspring::spawn(async move {
//!         let server = Server::new().on::<Add>(async |(one, other)| Ok(one + other));
//!         server.serve(listener.accept().await?.0, std::future::pending()).await
//!     });
//!     let client = Client::new(stream);
//!     assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
//!     std::io::Result::Ok(())
//! })??;
//! # std::io::Result::Ok(())
//! ```
//!
//! | on the wire | |
//! |---|---|
//! | deadline | what is left of it goes with the call; the server drops what is late, and its own calls inherit it |
//! | cancellation | a call that is dropped is dropped on the server, and says so |
//! | limit | calls beyond those that a connection may have are refused, and can be made again elsewhere |
//! | streams | items are pushed as far as the caller has room; the answer of the call is their end |
//!
//! A macro that makes a trait of methods was turned down: it would say the same in words of its own.

mod client;
mod error;
mod message;
mod server;
mod wire;

pub use client::{Client, Items, Request, call};
pub use error::{Error, Failure};
pub use server::{Server, Sink};
pub use wire::Wire;

/// Items of a stream that may be on the way and not taken.
const WINDOW: u32 = 32;

/// What can be called.
pub trait Method {
    /// Its name on the wire.
    const NUMBER: u32;
    /// With what.
    type Request: Wire;
    /// What comes of it.
    type Response: Wire;
}

/// What can be called and has many answers.
pub trait StreamMethod {
    /// Its name on the wire.
    const NUMBER: u32;
    /// With what.
    type Request: Wire;
    /// What comes of it, one by one.
    type Item: Wire;
}
