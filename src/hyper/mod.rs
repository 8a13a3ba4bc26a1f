//! hyper 1 on a reactor: the traits of its `rt` module; with the feature `hyper` alone.
//!
//! | hyper asks for | here |
//! |---|---|
//! | `rt::Read`, `rt::Write` | [`Pollable`](crate::io::Pollable), around a stream, or whatever reads and writes as std does |
//! | `rt::Timer`, `rt::Sleep` | [`Timer`], [`Sleep`] |
//! | `rt::Executor` | [`Executor`] |
//!
//! HTTP/1 needs the first alone, HTTP/2 an executor too. **A server needs the timer in any case**: without one hyper
//! turns its timeout for the head of a request off, and a peer that sends half a head holds its connection for ever.
//! The features of hyper itself (`http1`, `http2`, `server`, `client`) are the user's to choose.
//!
//! Nothing of it need be `Send` but what hyper demands of a sleep, and nothing on the path of a request is shared
//! between threads. Connections by a poll interface of the sockets themselves were turned down: TLS on a socket would
//! need an adapter that `Pollable` is for both.
//!
//! ```text
//! use hyper::server::conn::http1;
//! use mainspring::{Server, hyper::Timer, io::Pollable, server::Connection, signal};
//! use std::{io, pin::pin};
//!
//! async fn serve(connection: Connection) -> io::Result<()> {
//!     let Connection { stream, mut draining, .. } = connection;
//!     let served = http1::Builder::new().timer(Timer).serve_connection(Pollable::new(stream), service_fn(answer));
//!     let mut served = pin!(served);
//!     let end = match draining.until(served.as_mut()).await {
//!         Some(end) => end,
//!         None => {
//!             // Else one that is idle holds the end of the server up.
//!             served.as_mut().graceful_shutdown();
//!             served.await
//!         }
//!     };
//!     end.map_err(io::Error::other)
//! }
//!
//! Server::bind("127.0.0.1:8080")?.run(|| serve, signal::stop())?;
//! ```
//!
//! An upgrade, or a CONNECT, is had by `without_shutdown` of hyper's connections of HTTP/1, which gives the stream back
//! with what was read of it. `with_upgrades` is not to be had: it keeps the stream behind a type that is `Send`.
//!
//! hyper reads while it writes, so that it hears of a client that leaves, and
//! [`ServerBuilder::idle`](crate::server::ServerBuilder::idle) is a timeout of reads. So an answer of HTTP/1 that takes
//! longer than that, five minutes by default, is cut if its client says nothing meanwhile: a server of such answers
//! sets `idle(None)`, and hyper's timeout for heads bounds the silence between them.
//!
//! The whole of it, with both versions of HTTP on one port and a drain, is `examples/interop/hyper.rs`, over the
//! adapters of `examples/interop/src/hyper.rs`.
mod executor;
mod io;
mod sleep;
mod timer;

pub use executor::Executor;
pub use sleep::Sleep;
pub use timer::Timer;
