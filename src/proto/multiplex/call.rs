//! One call on a multiplexed connection.
//!
//! Made by [`Client::call`], awaited by the caller. It puts its request into the queue when it is first
//! polled, and takes the answer out.
//!
//! It guarantees one outcome, and that dropping it leaves nothing behind: a request that was not written is
//! withdrawn, one that was is cancelled if the protocol can, and keeps its id until its answer has come.
//!
//! It is the pipeline's but for what dropping it does. One type for both was turned down: it would have the kind of its
//! connection as a parameter, in each signature that names it.
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
/// The first answer of two, whichever that is; the other call is dropped, and cancelled if the protocol can:
///
/// ```
/// use futures::future::{Either, select};
/// use mainspring::proto::multiplex::{Client, Error};
///
/// async fn first<Q, R>(client: &Client<Q, R>, one: Q, two: Q) -> Result<R, Error> {
///     match select(client.call(one), client.call(two)).await {
///         Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
///     }
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
            let left = self.client.exchange.borrow_mut().abandon(key);
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
