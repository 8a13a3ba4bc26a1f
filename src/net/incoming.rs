//! The connections of a listener, as a stream.
//!
//! Made by [`TcpListener::incoming`] and [`UnixListener::incoming`], for those who compose with the combinators of
//! `futures`. It borrows the listener, so several may take from one, beside `accept`. Each item is one accepted
//! connection; dropping the stream ends its wait and loses none. It has no end of its own: errors are those of the
//! listener, and whether to go on is the caller's choice.
//!
//! The address of the peer is left out of the item, so that it is what most handlers want; `peer_addr` has it for a
//! system call. A type with a name, and not an `impl Stream`, so that it can be kept in a struct and is `Unpin`.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::{fmt, io};

use futures_core::Stream;

use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::unix_listener::UnixListener;
use super::unix_stream::UnixStream;
use crate::direction::Direction;
use crate::source::Source;

/// The stream of [`TcpListener::incoming`] and [`UnixListener::incoming`]. It never ends.
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
pub struct Incoming<'a, L = TcpListener> {
    /// Where they come from.
    listener: &'a L,
    /// What the reactor knows of it.
    source: &'a Rc<Source>,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl<'a, L> Incoming<'a, L> {
    pub(super) const fn new(listener: &'a L, source: &'a Rc<Source>) -> Self {
        Self { listener, source, owner: 0 }
    }

    fn poll_accept<S, A>(
        &mut self,
        cx: &Context<'_>,
        accept: impl FnOnce(&'a L) -> io::Result<(S, A)>,
    ) -> Poll<Option<io::Result<S>>> {
        let accepted = self.source.poll_io(&mut self.owner, cx, Direction::Read, || accept(self.listener));
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(cx, TcpListener::accept_one)
    }
}

impl Stream for Incoming<'_, UnixListener> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(cx, UnixListener::accept_one)
    }
}

impl<L> Drop for Incoming<'_, L> {
    fn drop(&mut self) {
        self.source.end_own(&mut self.owner, Direction::Read);
    }
}

impl<L: fmt::Debug> fmt::Debug for Incoming<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish()
    }
}
