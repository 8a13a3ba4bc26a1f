//! One call on a pipelined connection.
//!
//! Made by [`Client::call`], awaited by the caller. It puts its request into the queue when it is first
//! polled, and takes the answer out.
//!
//! It guarantees one outcome, and that dropping it leaves nothing behind: a request that was not written is
//! withdrawn, one that was keeps its place until its answer has come.
//!
//! Queueing at the first poll, not when the call is made: a future that is made and never polled does
//! nothing, as with any `async fn`. The price is that the order of the requests is that of the first polls.
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Client, Error};

/// The future of an answer.
///
/// It holds the connection open like a [`Client`] does.
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// Made together and polled together, calls share one write and one wait:
///
/// ```
/// use mainspring::proto::pipeline::{Client, Error};
///
/// async fn both(client: &Client<u32, u32>) -> Result<u32, Error> {
///     let (one, two) = futures::try_join!(client.call(1), client.call(2))?;
///     Ok(one + two)
/// }
/// ```
#[must_use = "a call does nothing until it is polled"]
pub struct Call<Request, Response> {
    /// Keeps the connection open as long as somebody waits for an answer.
    client: Client<Request, Response>,
    stage: Stage<Request>,
}

enum Stage<Request> {
    /// Not polled yet.
    New(Request),
    /// In the queue or in flight, under this key.
    Queued(usize),
    /// Resolved.
    Finished,
}

/// The request is only ever moved, never pinned.
impl<Request, Response> Unpin for Call<Request, Response> {}

impl<Request, Response> Call<Request, Response> {
    pub(super) fn new(client: Client<Request, Response>, request: Request) -> Self {
        Self { client, stage: Stage::New(request) }
    }
}

impl<Request, Response> Future for Call<Request, Response> {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Why a clone before the borrow: making and dropping a waker may run code of another runtime.
        let mut waker = cx.waker().clone();
        match std::mem::replace(&mut self.stage, Stage::Finished) {
            Stage::New(request) => {
                let queued = self.client.exchange.borrow_mut().calls.enqueue(request, waker);
                match queued {
                    Ok(key) => self.stage = Stage::Queued(key),
                    Err((_request, error)) => return Poll::Ready(Err(error)),
                }
                self.client.wake_connection();
                Poll::Pending
            }
            Stage::Queued(key) => {
                let answer = self.client.exchange.borrow_mut().calls.poll_answer(key, &mut waker);
                if answer.is_pending() {
                    self.stage = Stage::Queued(key);
                }
                answer
            }
            Stage::Finished => panic!("a call was polled after it had resolved"),
        }
    }
}

impl<Request, Response> Drop for Call<Request, Response> {
    fn drop(&mut self) {
        if let Stage::Queued(key) = self.stage {
            // Why two statements: what is left of the call is dropped with nothing borrowed.
            let left = self.client.exchange.borrow_mut().calls.abandon(key);
            drop(left);
            self.client.wake_connection();
        }
    }
}

impl<Request, Response> fmt::Debug for Call<Request, Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::New(_) => "new",
            Stage::Queued(_) => "queued",
            Stage::Finished => "finished",
        };
        f.debug_struct("Call").field("stage", &stage).finish_non_exhaustive()
    }
}
