//! A message as services and callers see it: its head, and a body that may still be on the way.
//!
//! Made by whoever sends one, and by [`Streaming`](super::Streaming) of what arrives.
//!
//! The body is always there and may be empty, so that code which reads one needs no case for none.
use std::ops::RangeInclusive;

use super::Body;
use crate::proto::multiplex::{Frame, Role};

/// A head and a body. Made `from` a head, it has none.
///
/// # Examples
///
/// ```
/// use mainspring::proto::streaming::{Body, Streamed};
///
/// let answer: Streamed<&str, Vec<u8>> = Streamed::from("no body");
/// assert!(answer.body.is_empty());
/// let chunks = futures::stream::iter([vec![1, 2], vec![3]]);
/// let answer = Streamed { head: "two chunks", body: Body::from_stream(chunks) };
/// assert!(!answer.body.is_empty());
/// ```
#[derive(Debug)]
pub struct Streamed<Head, Chunk> {
    /// What is known at once.
    pub head: Head,
    /// What follows.
    pub body: Body<Chunk>,
}

impl<Head, Chunk> From<Head> for Streamed<Head, Chunk> {
    fn from(head: Head) -> Self {
        Self { head, body: Body::empty() }
    }
}

/// What its head is.
impl<Head: Frame, Chunk> Frame for Streamed<Head, Chunk> {
    const IDS: RangeInclusive<u64> = Head::IDS;
    const ANSWERS_CANCELLED: bool = Head::ANSWERS_CANCELLED;

    fn role(&self) -> Role {
        self.head.role()
    }

    fn set_id(&mut self, id: u64) {
        self.head.set_id(id);
    }

    fn cancel(id: u64) -> Option<Self> {
        Head::cancel(id).map(Self::from)
    }

    fn refuse(id: u64) -> Option<Self> {
        Head::refuse(id).map(Self::from)
    }

    fn ping(number: u64) -> Option<Self> {
        Head::ping(number).map(Self::from)
    }

    fn pong(number: u64) -> Option<Self> {
        Head::pong(number).map(Self::from)
    }

    fn go_away() -> Option<Self> {
        Head::go_away().map(Self::from)
    }
}
