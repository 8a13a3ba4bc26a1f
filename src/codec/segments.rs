//! The bytes that are to be written: small ones together, large ones as they were given.
//!
//! [`Framed`](super::Framed) has one for what waits, an [`Encoder`](super::Encoder) appends to it, and one vectored
//! write takes them all to the source: `sendmsg(2)` with `MSG_NOSIGNAL` for a socket.
//!
//! It guarantees the order, that a large vector which is handed over is never copied, and that what an encoder that
//! failed has appended can be taken back.
//!
//! Small bytes are copied into one vector behind the last large one: a copy of 100 bytes is cheaper than an entry of a
//! vectored write. Reference-counted segments were turned down, as everywhere here; one that is `'static` costs nothing
//! either.
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, Write};

/// From this many bytes on, a segment is kept as it was given. Below, copying it is cheaper than an entry for it.
const SEGMENT_MIN: usize = 4 * 1024;

/// The most segments of one vectored write: as many as hyper's. `IOV_MAX` is 1,024 at most, and 16 where POSIX is all
/// there is.
const SLICES_MAX: usize = 64;

/// Bytes on their way out.
///
/// # Examples
///
/// ```
/// use mainspring::codec::Segments;
///
/// let mut output = Segments::new();
/// output.tail().extend_from_slice(b"short, and copied; ");
/// output.push(vec![b'x'; 100_000]); // handed over
/// assert_eq!(output.len(), 100_019);
/// ```
#[derive(Default)]
pub struct Segments {
    /// What is written before `tail`, none of it empty.
    done: VecDeque<Cow<'static, [u8]>>,
    /// How many bytes of the first segment, which is `tail` if there is no other, have been written.
    written: usize,
    /// Bytes of `done`, those that have been written too.
    length: usize,
    /// Small ones.
    tail: Vec<u8>,
}

/// A place in [`Segments`], to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    segments: usize,
    length: usize,
    tail: usize,
}

impl Segments {
    /// None, without an allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { done: VecDeque::new(), written: 0, length: 0, tail: Vec::new() }
    }

    /// How many bytes have not been written.
    #[inline]
    pub fn len(&self) -> usize {
        self.length + self.tail.len() - self.written
    }

    /// Whether all has been written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector that small bytes are appended to. It may hold others, which are to be left as they are.
    #[inline]
    pub const fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends bytes without a copy, if they are 4 KiB or more; fewer are copied.
    #[inline]
    pub fn push(&mut self, bytes: impl Into<Cow<'static, [u8]>>) {
        let bytes = bytes.into();
        if bytes.len() < SEGMENT_MIN {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            self.length += self.tail.len();
            self.done.push_back(Cow::Owned(std::mem::take(&mut self.tail)));
        }
        self.length += bytes.len();
        self.done.push_back(bytes);
    }

    /// Writes once as much as `io` takes. Not to be called when there is nothing.
    #[inline]
    pub(super) fn write(&mut self, io: &mut impl Write) -> io::Result<usize> {
        if self.done.is_empty() { io.write(&self.tail[self.written..]) } else { self.write_vectored(io) }
    }

    #[inline(never)]
    fn write_vectored(&mut self, io: &mut impl Write) -> io::Result<usize> {
        let Some(first) = self.done.front() else { return Ok(0) };
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let rest = self.done.iter().skip(1).map(|segment| &**segment);
        let tail = Some(&*self.tail).filter(|tail| !tail.is_empty());
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip([&first[self.written..]].into_iter().chain(rest).chain(tail)) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        io.write_vectored(&slices[..count])
    }

    /// The first `count` bytes have been written.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "a source claims to have written {count} bytes of {}", self.len());
        self.written += count;
        while self.done.front().is_some_and(|first| first.len() <= self.written) {
            let length = self.done.pop_front().map_or(0, |first| first.len());
            self.written -= length;
            self.length -= length;
        }
    }

    /// Gives memory back: all but `kept` bytes if there is nothing left, else the written part of the tail once that is
    /// as long as the rest, so that a byte moves once at most.
    #[inline]
    pub(super) fn compact(&mut self, kept: usize) {
        if self.is_empty() {
            self.tail.clear();
            self.tail.shrink_to(kept);
            self.written = 0;
        } else if self.done.is_empty() && self.written >= self.len() {
            self.tail.drain(..self.written);
            self.written = 0;
        }
    }

    /// The end, as it is now.
    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { segments: self.done.len(), length: self.length, tail: self.tail.len() }
    }

    /// Takes back what was appended since `mark`. Nothing may have been written since.
    pub(super) fn truncate(&mut self, mark: Mark) {
        if self.done.len() > mark.segments {
            self.tail.clear();
            // If there was a tail, it is the first segment since.
            if let Some(Cow::Owned(tail)) = self.done.drain(mark.segments..).next() {
                if mark.tail > 0 {
                    self.tail = tail;
                }
            }
            self.length = mark.length;
        }
        self.check(mark);
        self.tail.truncate(mark.tail);
    }

    /// Panics if what was there at `mark` is not there any more.
    #[inline]
    pub(super) fn check(&self, mark: Mark) {
        let tail = if self.done.len() > mark.segments { mark.tail } else { self.tail.len() };
        assert!(tail >= mark.tail, "an encoder cut the output from {} bytes to {tail}", mark.tail);
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments").field("len", &self.len()).field("segments", &self.done.len()).finish_non_exhaustive()
    }
}
