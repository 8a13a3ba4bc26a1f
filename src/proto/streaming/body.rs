//! A body: a stream of chunks that arrive, or that are to be sent.
//!
//! Of what arrives, [`Streaming`](super::Streaming) holds the [`Inlet`]: it asks for room before it reads a chunk, so a
//! body that is not read holds the peer up. Of what is sent it holds the body itself, which may be one that arrived on
//! another connection: a proxy hands it over.
//!
//! It guarantees at most [`CHUNKS_MAX`] chunks in memory, and of those that are weighed one more than is allowed, the
//! end or [`Incomplete`] exactly once, and that neither side is left asleep: reading wakes who fills, filling and the
//! end wake who reads, dropping wakes the other.
//!
//! Both ends are on one thread, an `Rc` and no lock. The channel of the crate was turned down: its senders wait as
//! futures, and a connection has no place to keep one for each body.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

/// The most chunks of a body that have arrived and are not read. A few, so that reader and peer need not take turns.
pub const CHUNKS_MAX: usize = 8;

/// What the chunks of a body may weigh that have arrived and are not read.
pub(super) struct Weight<C> {
    /// From when on there is no room for another one.
    pub(super) max: usize,
    /// Of a chunk.
    pub(super) of: fn(&C) -> usize,
}

impl<C> Weight<C> {
    /// Whatever they like.
    pub(super) const UNBOUNDED: Self = Self { max: usize::MAX, of: |_| 0 };
}

impl<C> Clone for Weight<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Weight<C> {}

/// The body ended before its end, since the connection or whoever made it did. The chunks before it were whole.
///
/// Converts into an [`io::Error`] of kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete;

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ended before its end")
    }
}

impl std::error::Error for Incomplete {}

impl From<Incomplete> for io::Error {
    fn from(incomplete: Incomplete) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, incomplete)
    }
}

/// The chunks of a message.
///
/// A body that arrives and is dropped before its end is read and thrown away, so that what comes behind it on the
/// connection is not held up; one that is kept and not read does hold it up.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use mainspring::proto::streaming::Body;
///
/// let body = Body::from_stream(futures::stream::iter(["one", "two"]));
/// let chunks: Vec<_> = futures::executor::block_on(body.collect());
/// assert_eq!(chunks, [Ok("one"), Ok("two")]);
/// ```
pub struct Body<C>(Kind<C>);

enum Kind<C> {
    Empty,
    /// It arrives.
    Arriving(Rc<RefCell<Shared<C>>>),
    /// Made here.
    Made(Pin<Box<dyn Stream<Item = Result<C, Incomplete>>>>),
}

struct Shared<C> {
    /// Chunks that have arrived.
    chunks: VecDeque<C>,
    /// What they weigh.
    weight: usize,
    bound: Weight<C>,
    /// What comes behind them, once it is known. Written by the inlet, taken by the body.
    end: Option<Result<(), Incomplete>>,
    /// Set once the end was seen, or nobody reads any more.
    finished: bool,
    reader: Option<Waker>,
    /// The connection, while it waits for room.
    writer: Option<Waker>,
}

impl<C> Shared<C> {
    /// Whether there is no room for another chunk.
    fn is_full(&self) -> bool {
        self.chunks.len() >= CHUNKS_MAX || self.weight >= self.bound.max
    }
}

impl<C> Body<C> {
    /// No chunks.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// The items of `chunks`, which are asked for as there is room to write them. One allocation.
    pub fn from_stream(chunks: impl Stream<Item = C> + 'static) -> Self
    where
        C: 'static,
    {
        Self::try_from_stream(Whole(Box::pin(chunks)))
    }

    /// As [`from_stream`](Self::from_stream), of chunks whose source can fail. Nothing is sent behind an `Err`.
    pub fn try_from_stream(chunks: impl Stream<Item = Result<C, Incomplete>> + 'static) -> Self {
        Self(Kind::Made(Box::pin(chunks)))
    }

    /// Whether it is known that there are no chunks, as of a message without a body.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Empty)
    }

    /// A body, and what fills it.
    pub(super) fn arriving(bound: Weight<C>) -> (Inlet<C>, Self) {
        let chunks = VecDeque::new();
        let shared = Shared { chunks, weight: 0, bound, end: None, finished: false, reader: None, writer: None };
        let shared = Rc::new(RefCell::new(shared));
        (Inlet(shared.clone()), Self(Kind::Arriving(shared)))
    }
}

impl<C> Default for Body<C> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<C> fmt::Debug for Body<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Empty => "Body(empty)",
            Kind::Arriving(_) => "Body(arriving)",
            Kind::Made(_) => "Body(made)",
        })
    }
}

/// Chunks are moved, never pinned.
impl<C> Unpin for Body<C> {}

impl<C> Stream for Body<C> {
    type Item = Result<C, Incomplete>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Made(chunks) => chunks.as_mut().poll_next(cx),
            Kind::Arriving(shared) => poll_arriving(shared, cx),
        }
    }
}

fn poll_arriving<C>(shared: &RefCell<Shared<C>>, cx: &mut Context<'_>) -> Poll<Option<Result<C, Incomplete>>> {
    // Why a clone before the borrow, and a drop behind it: either may run code of another runtime.
    let mut waker = Some(cx.waker().clone());
    let mut borrowed = shared.borrow_mut();
    let was_full = borrowed.is_full();
    if let Some(chunk) = borrowed.chunks.pop_front() {
        borrowed.weight = borrowed.weight.saturating_sub((borrowed.bound.of)(&chunk));
        let writer = if was_full { borrowed.writer.take() } else { None };
        drop(borrowed);
        if let Some(writer) = writer {
            writer.wake();
        }
        return Poll::Ready(Some(Ok(chunk)));
    }
    if borrowed.finished {
        return Poll::Ready(None);
    }
    match borrowed.end {
        Some(end) => {
            borrowed.finished = true;
            Poll::Ready(end.err().map(Err))
        }
        None => {
            std::mem::swap(&mut borrowed.reader, &mut waker);
            drop(borrowed);
            Poll::Pending
        }
    }
}

impl<C> Drop for Body<C> {
    fn drop(&mut self) {
        let Kind::Arriving(shared) = &self.0 else { return };
        let mut borrowed = shared.borrow_mut();
        borrowed.finished = true;
        let left = (std::mem::take(&mut borrowed.chunks), borrowed.reader.take());
        let writer = borrowed.writer.take();
        drop(borrowed);
        drop(left);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

/// Where chunks of a body come in. Dropped before the end, it leaves the body incomplete.
pub(super) struct Inlet<C>(Rc<RefCell<Shared<C>>>);

impl<C> Inlet<C> {
    /// Whether nobody reads, so that chunks are thrown away.
    pub(super) fn is_unread(&self) -> bool {
        self.0.borrow().finished
    }

    /// Whether there is no room for a chunk, and somebody who could make some.
    pub(super) fn is_full(&self) -> bool {
        let shared = self.0.borrow();
        !shared.finished && shared.is_full()
    }

    /// Whether there is room for a chunk, or nobody to keep it. The connection is woken when there is, and when nobody
    /// reads any more.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let before = self.0.borrow_mut().writer.replace(waker);
        drop(before);
        if self.is_full() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// A chunk has come; it comes back if nobody reads.
    pub(super) fn push(&self, chunk: C) -> Result<(), C> {
        let mut shared = self.0.borrow_mut();
        if shared.finished {
            return Err(chunk);
        }
        shared.weight = shared.weight.saturating_add((shared.bound.of)(&chunk));
        shared.chunks.push_back(chunk);
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// The end has come.
    pub(super) fn end(self) {
        self.0.borrow_mut().end = Some(Ok(()));
    }
}

impl<C> Drop for Inlet<C> {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.end.get_or_insert(Err(Incomplete));
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// A stream that cannot fail, as one that could.
struct Whole<S>(Pin<Box<S>>);

impl<S: Stream> Stream for Whole<S> {
    type Item = Result<S::Item, Incomplete>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|chunk| chunk.map(Ok))
    }
}
