//! The moment from which a connection takes no further request: the server drains, or the connection is old.
//!
//! The drain of the protocols that [`Connection::pipeline`](super::Connection::pipeline) and `multiplex` set up. To a
//! protocol both are the same, so they are one future.
//!
//! The age has no deadline of its own behind it: what a connection does then, answer, flush and close, has those of
//! each phase. Aborting whatever is older was turned down, it would cut answers off.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Draining;
use crate::time::{Sleep, sleep};

/// Waits until a connection is to end in good order.
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
#[derive(Debug)]
pub struct Retiring {
    /// The server's.
    draining: Draining,
    /// Until the connection is old; none if it never is.
    age: Option<Sleep>,
}

impl Retiring {
    pub(super) fn new(draining: Draining, age: Option<Duration>) -> Self {
        Self { draining, age: age.map(sleep) }
    }
}

impl Future for Retiring {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if Pin::new(&mut this.draining).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match &mut this.age {
            Some(age) => Pin::new(age).poll(cx),
            None => Poll::Pending,
        }
    }
}
