//! A future with a deadline.
//!
//! For users as [`timeout`], and for the service of the same name by the same [`Limit`]. The inner future is polled
//! first: a value that is there wins over a deadline that has passed, so no answer is thrown away for being polled
//! late. The deadline is seen even if the inner future spends the whole budget of each poll.
//!
//! It bounds any future, whatever it waits for, and costs an entry in the wheel. Waits for a socket have a cheaper
//! bound, `set_read_timeout`, which makes no entry per operation. The output is a type of its own and not an
//! `io::Error`, since the inner future may have nothing to do with I/O; it converts into one.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Sleep, sleep};
use crate::pin::{Projected, Step};

/// Runs `future`, and gives up after `duration`, counted from now.
///
/// Zero polls `future` once; `Duration::MAX` never gives up.
///
/// # Errors
///
/// [`Elapsed`] when the deadline passed first. The future is dropped with the one returned here.
///
/// # Cancel safety
///
/// That of `future`.
///
/// ```
/// use std::time::Duration;
/// use mainspring::time::timeout;
///
/// mainspring::run(async {
///     assert_eq!(timeout(Duration::from_secs(1), async { 42 }).await, Ok(42));
///     let never = std::future::pending::<()>();
///     assert!(timeout(Duration::from_millis(1), never).await.is_err());
/// })
/// # .unwrap();
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    Projected::new(future, Limit(sleep(duration)))
}

/// What a `timeout` keeps beside its future: a sleep that is never refused, because a future that spends the budget of
/// every poll would otherwise never be told that its time is over.
#[derive(Debug)]
pub(crate) struct Limit(pub(crate) Sleep);

impl Future for Limit {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_elapsed(cx)
    }
}

impl<F: Future> Step<F> for Limit {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn step(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(self).poll(cx).map(|()| Err(Elapsed(())))
    }
}

/// The error of a deadline that has passed.
///
/// ```
/// # use mainspring::time::timeout;
/// # mainspring::run(async {
/// let never = std::future::pending::<()>();
/// let elapsed = timeout(std::time::Duration::ZERO, never).await.unwrap_err();
/// assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed(pub(crate) ());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
