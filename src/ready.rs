//! std I/O made asynchronous: the future that tries until the source is ready.
//!
//! `ready(|| op)` enters a scope with the waker of its `Context` and calls `op`. Every socket, timer and channel that
//! says "not yet" inside has recorded that waker, so there is nothing to pass, to register or to wrap: whatever reads
//! and writes through `std::io` and keeps its place when it sees `WouldBlock` is asynchronous.
//!
//! What looks like "not yet" but recorded nothing would sleep for ever; it resolves to an error instead.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::scope::Owner;

/// Calls `op` until it no longer says "not yet", and waits in between for the sources that said so.
///
/// "Not yet" is an error that is, or that has in its chain of [`source`](Error::source)s, an [`io::Error`] of kind
/// `WouldBlock`. So `ready(|| reader.fill_buf().map(|_| ()))` waits for bytes in a `BufReader`, and the same works for
/// whatever keeps its position when it sees `WouldBlock`: a TLS or WebSocket connection, a `Take`, a `BufWriter`.
///
/// **std's `write_all`, `read_exact`, `read_line`, `copy` and `write!` do not keep their position**: inside `ready`
/// they lose or repeat bytes. Use those of [`crate::io`], which keep it in their future.
///
/// **An operation that takes a message by value**, as the `write` of tungstenite does, has kept the message when it
/// says "not yet". To call it again would send it twice: the first try calls it, and those after it repeat its flush,
/// not the call. With the message in an `Option`, `take` tells the closure which try it is.
///
/// # Errors
///
/// Those of `op`; and when `op` says "not yet" although no source of a running reactor did, an `E` is returned as `op`
/// made it: the wait would never end.
///
/// # Cancel safety
///
/// Dropping it ends its waits. What `op` has done, it has done: `op` must keep it somewhere that outlives the future.
///
/// ```
/// use std::io::{BufRead, BufReader};
/// use mainspring::{net::{TcpListener, TcpStream}, ready};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let mut server = BufReader::new(server);
///     ready(|| server.fill_buf().map(|_| ())).await?;
///     assert_eq!(server.buffer(), b"hello");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn ready<T, E, F>(op: F) -> Ready<F, fn(&E) -> bool>
where
    F: FnMut() -> Result<T, E>,
    E: Error + 'static,
{
    Ready { op, is_not_yet: is_would_block::<E>, owner: Owner::new() }
}

/// As [`ready`], for errors that hide their `io::Error`: `is_not_yet` says which mean "not yet".
///
/// ```
/// use mainspring::{net::{TcpListener, TcpStream}, ready_if};
///
/// #[derive(Debug)]
/// enum Hidden { NotYet, Other(std::io::Error) }
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
///     let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
///     let accept = || match listener.try_accept() {
///         Ok(Some((stream, _))) => Ok(stream),
///         Ok(None) => Err(Hidden::NotYet),
///         Err(error) => Err(Hidden::Other(error)),
///     };
///     ready_if(accept, |error| matches!(error, Hidden::NotYet)).await.unwrap();
/// })
/// # .unwrap();
/// ```
pub fn ready_if<T, E, F, P>(op: F, is_not_yet: P) -> Ready<F, P>
where
    F: FnMut() -> Result<T, E>,
    P: Fn(&E) -> bool,
{
    Ready { op, is_not_yet, owner: Owner::new() }
}

fn is_would_block<E: Error + 'static>(error: &E) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io_error = error.downcast_ref::<io::Error>();
        if io_error.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The future of [`ready`] and [`ready_if`].
#[must_use = "futures do nothing unless polled"]
pub struct Ready<F, P> {
    /// What is tried.
    op: F,
    /// Which of its errors mean "not yet".
    is_not_yet: P,
    /// Under whose name its waits stand.
    owner: Owner,
}

// The closures are called by `&mut`, and never pinned.
impl<F, P> Unpin for Ready<F, P> {}

impl<T, E, F, P> Future for Ready<F, P>
where
    F: FnMut() -> Result<T, E>,
    P: Fn(&E) -> bool,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (result, outcome) = this.owner.enter(cx.waker(), &mut this.op);
        match result {
            Err(error) if (this.is_not_yet)(&error) && (outcome.blocked() || outcome.refused()) => Poll::Pending,
            result => Poll::Ready(result),
        }
    }
}

impl<F, P> fmt::Debug for Ready<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("owner", &self.owner).finish_non_exhaustive()
    }
}
