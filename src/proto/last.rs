//! What a connection that drains still takes: what has arrived by then.
//!
//! From the drain on both dispatchers ask a [`Last`] in place of the transport, in three steps:
//!
//! 1. what the connection has, until it has nothing more for now: requests wait there while the slots are full;
//! 2. whole messages among the bytes that were read, and the rest of bodies;
//! 3. the rest of one message, if a part was there at the end of the first step.
//!
//! It guarantees an end, whatever the peer goes on sending: a part that begins behind that one message is not waited
//! for, and messages are counted.
//!
//! To read no more from the drain on was turned down: a peer that pipelines has asked before it could hear of it, and
//! its requests would be lost with the connection. Bytes would be the better count, and are not known here.
use std::task::{Context, Poll, ready};

use super::Transport;
use crate::scope;

/// The most messages that are taken from the drain on: more than most peers have under way, and an end for one that
/// never stops sending.
pub(super) const MESSAGES_MAX: u32 = 1_024;

/// What is still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    /// How many messages.
    left: u32,
    /// Whether the selector has been asked since the drain. What it has not told of is not seen by a read.
    has_looked: bool,
    /// Set by the end of the first step.
    has_arrived: bool,
    /// Whether the rest of a message is waited for. Written at the end of the first step, cleared by that message and
    /// not by one that only comes before it.
    is_rest_due: bool,
}

impl Last {
    pub(super) const fn new() -> Self {
        Self { left: MESSAGES_MAX, has_looked: false, has_arrived: false, is_rest_due: false }
    }

    /// Whether a message, or that none is taken any more, is a turn of the reactor or two away. If not, the peer is
    /// waited for: for the rest of a message, or of a body.
    #[cold]
    #[inline(never)]
    pub(super) fn is_soon_known<T: Transport<O>, O>(&self, transport: &T) -> bool {
        let bodies = transport.bodies();
        if self.has_arrived {
            return !self.is_rest_due && !bodies.arriving;
        }
        // What has been read behind the answer's request is another one, or its beginning.
        self.left == 0 || bodies.arriving || !transport.has_partial()
    }

    /// The next message; `None` once none is taken any more. The numbers are those of the module.
    #[cold]
    #[inline(never)]
    pub(super) fn poll_receive<T: Transport<O>, O>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<Option<Result<T::Incoming, T::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let message = ready!(self.poll_next(cx, transport));
        self.left -= 1;
        Poll::Ready(message)
    }

    fn poll_next<T: Transport<O>, O>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<Option<Result<T::Incoming, T::Error>>> {
        // 1.
        if !self.has_arrived {
            if let Poll::Ready(message) = transport.poll_receive(cx) {
                return Poll::Ready(message);
            }
            // Without budget that was a refusal, which says nothing of the connection.
            ready!(scope::poll_admit(cx));
            if !self.has_looked {
                self.has_looked = true;
                scope::look_outside(cx);
                return Poll::Pending;
            }
            self.has_arrived = true;
            self.is_rest_due = transport.has_partial();
        }
        // 2. What comes between the parts of a body is in the buffer too.
        transport.poll_bodies(cx);
        if let Some(message) = transport.receive_buffered() {
            return Poll::Ready(Some(message));
        }
        if transport.bodies().arriving {
            return Poll::Pending;
        }
        // 3.
        if !self.is_rest_due || !transport.has_partial() {
            return Poll::Ready(None);
        }
        let message = ready!(transport.poll_receive(cx));
        self.is_rest_due = transport.is_interim();
        Poll::Ready(message)
    }
}
