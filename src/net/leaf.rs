//! The future of one operation on one direction of a source.
//!
//! All leaf futures of sockets are this one: an operation to try, and the owner id under which its wait stands. It
//! never enters a scope; its `Context` has the waker. Dropping it ends the wait.
//!
//! [`TcpStream`](super::TcpStream) and [`TcpListener`](super::TcpListener) return it as `impl Future`. The operation is
//! tried at once, and a wait is recorded only after "not yet", so the common case costs a system call and no
//! bookkeeping; an operation that is dropped before it was ready has done nothing. A struct per operation would say the
//! same thing a dozen times, and an `async fn` around a shared wait would put a second state machine about this one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::direction::Direction;
use crate::source::Source;

/// Tries `operation` until it does not say "not yet". `operation` is one system call.
///
/// The direction is a parameter of the type (`WRITE`), so that each direction has code of its own.
pub(super) struct Leaf<'a, F, const WRITE: bool> {
    /// What it waits for.
    source: &'a Source,
    /// 0 before its first wait.
    owner: u64,
    /// The system call.
    operation: F,
}

// The operation is called by `&mut`, and never pinned.
impl<F, const WRITE: bool> Unpin for Leaf<'_, F, WRITE> {}

/// Tries `operation`, which reads.
#[inline]
pub(super) const fn reading<F>(source: &Source, operation: F) -> Leaf<'_, F, false> {
    Leaf { source, owner: 0, operation }
}

/// Tries `operation`, which writes.
#[inline]
pub(super) const fn writing<F>(source: &Source, operation: F) -> Leaf<'_, F, true> {
    Leaf { source, owner: 0, operation }
}

impl<F, const WRITE: bool> Leaf<'_, F, WRITE> {
    const DIRECTION: Direction = if WRITE { Direction::Write } else { Direction::Read };
}

impl<T, F: FnMut() -> io::Result<T>, const WRITE: bool> Leaf<'_, F, WRITE> {
    /// As `poll`, also while its direction pauses on account of another operation.
    pub(super) fn poll_in_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (source, mut owner) = (self.source, self.owner);
        let polled = source.in_pause(Self::DIRECTION, || Pin::new(self).poll(cx));
        if polled.is_ready() {
            source.end_own(&mut owner, Self::DIRECTION);
        }
        polled
    }
}

impl<T, F: FnMut() -> io::Result<T>, const WRITE: bool> Future for Leaf<'_, F, WRITE> {
    type Output = io::Result<T>;

    // Why always: `Source::try_io` says it.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let this = &mut *self;
        this.source.poll_io(&mut this.owner, cx, Self::DIRECTION, &mut this.operation)
    }
}

impl<F, const WRITE: bool> Drop for Leaf<'_, F, WRITE> {
    #[inline]
    fn drop(&mut self) {
        self.source.end_own(&mut self.owner, Self::DIRECTION);
    }
}
