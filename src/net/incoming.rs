//! The connections of a listener, as a stream.
//!
//! Made by [`TcpListener::incoming`], for those who compose with the combinators of `futures`. It borrows the listener, so
//! several may take from one, beside `accept`. Each item is one accepted connection; dropping the stream ends its wait
//! and loses none. It has no end of its own: errors are those of the listener, and whether to go on is the caller's choice.
//!
//! The address of the peer is left out of the item, so that it is what most handlers want; `peer_addr` has it for a
//! system call. A type with a name, and not an `impl Stream`, so that it can be kept in a struct and is `Unpin`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};

use futures_core::Stream;

use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use crate::direction::Direction;

/// The stream of [`TcpListener::incoming`]. It never ends.
///
/// ```
/// use futures::StreamExt;
/// use mainspring::net::{TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let _client = TcpStream::connect(listener.local_addr()?).await?;
///     let server = listener.incoming().next().await.unwrap()?;
///     assert_eq!(server.local_addr()?, listener.local_addr()?);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    /// Where they come from.
    listener: &'a TcpListener,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl<'a> Incoming<'a> {
    pub(super) const fn new(listener: &'a TcpListener) -> Self {
        Self { listener, owner: 0 }
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let listener = self.listener;
        let accepted = listener.source().poll_io(&mut self.owner, cx, Direction::Read, || listener.accept_one());
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        self.listener.source().end_own(&mut self.owner, Direction::Read);
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish()
    }
}
