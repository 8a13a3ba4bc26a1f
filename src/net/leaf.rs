//! The future of one operation on one direction of a source.
//!
//! All leaf futures of sockets are this one: an operation to try, and the owner id under which its wait stands. It never
//! enters a scope; its `Context` has the waker. Dropping it ends the wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::source::{Direction, Source};

/// Tries `operation` until it does not say "not yet". `operation` is one system call.
pub(super) struct Leaf<'a, F> {
    /// What it waits for.
    source: &'a Source,
    /// Which half of it.
    direction: Direction,
    /// 0 before its first wait.
    owner: u64,
    /// The system call.
    operation: F,
}

// The operation is called by `&mut`, and never pinned.
impl<F> Unpin for Leaf<'_, F> {}

impl<'a, F> Leaf<'a, F> {
    #[inline]
    pub(super) const fn new(source: &'a Source, direction: Direction, operation: F) -> Self {
        Self { source, direction, owner: 0, operation }
    }
}

impl<T, F: FnMut() -> io::Result<T>> Future for Leaf<'_, F> {
    type Output = io::Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let this = &mut *self;
        this.source.poll_io(&mut this.owner, cx, this.direction, &mut this.operation)
    }
}

impl<F> Drop for Leaf<'_, F> {
    #[inline]
    fn drop(&mut self) {
        self.source.end_own(&mut self.owner, self.direction);
    }
}
