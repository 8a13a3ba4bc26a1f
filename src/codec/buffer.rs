//! The bytes that have arrived and were not taken yet.
//!
//! [`Framed`](super::Framed) fills one from its source, a [`Decoder`](super::Decoder) takes frames off
//! its front. A decoder can be driven by hand as well: [`extend`](Buffer::extend) the buffer, decode.
//!
//! It guarantees that taking a frame is O(1), that a byte moves at most once per frame, and that a
//! decoder can remember how far it has looked: [`scanned`](Buffer::scanned) moves with the front, so a
//! frame that dribbles in byte by byte is searched once in all.
//!
//! The memory behind it stays initialised between reads. A vector that is resized for each read clears
//! the same bytes again and again; reading into uninitialised memory is not possible without `unsafe`.
//! A ring was turned down too: a decoder wants one slice, not two.
use std::fmt;

/// Bytes with a front that moves: what a [`Decoder`](super::Decoder) reads from.
///
/// # Examples
///
/// ```
/// use mainspring::codec::Buffer;
///
/// let mut buffer = Buffer::new();
/// buffer.extend(b"one two");
/// buffer.consume(4);
/// assert_eq!(buffer.as_slice(), b"two");
/// ```
#[derive(Default)]
pub struct Buffer {
    /// Initialised memory. What lies outside `start..end` is stale.
    bytes: Vec<u8>,
    /// Where the unread bytes begin. Moved by `consume`, at most `end`.
    start: usize,
    /// Where the unread bytes end. Moved by `extend` and `commit`, at most `bytes.len()`.
    end: usize,
    /// How many unread bytes the decoder has looked at in vain. Written by `mark_scanned`, lowered by
    /// `consume`, at most `end - start`.
    scanned: usize,
}

impl Buffer {
    /// Makes an empty buffer, without an allocation.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, scanned: 0 }
    }

    /// The unread bytes, oldest first.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The number of unread bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are no unread bytes.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes of memory the buffer holds.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes `count` bytes off the front.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`len`](Self::len).
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot consume {count} bytes of {}", self.len());
        self.start += count;
        self.scanned = self.scanned.saturating_sub(count);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// How many of the unread bytes an earlier call has looked at in vain; 0 at first.
    ///
    /// A decoder starts its search here, and calls [`mark_scanned`](Self::mark_scanned) before it
    /// answers that there is no whole frame yet.
    #[inline]
    pub const fn scanned(&self) -> usize {
        self.scanned
    }

    /// Remembers that the first `count` unread bytes need no second look.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`len`](Self::len).
    #[inline]
    pub fn mark_scanned(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot mark {count} bytes of {} as scanned", self.len());
        self.scanned = count;
    }

    /// Overwrites what needs no second look, so that a decoder which takes one shows.
    #[cfg(test)]
    pub(super) fn overwrite_scanned(&mut self, byte: u8) {
        self.bytes[self.start..self.start + self.scanned].fill(byte);
    }

    /// Appends `bytes` at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.space(bytes.len(), bytes.len()).copy_from_slice(bytes);
        self.commit(bytes.len());
    }

    /// Writable bytes behind the unread ones, at least `minimum` and at most `maximum`. What they hold is stale.
    ///
    /// Memory grows only for the minimum, so a few bytes that are left over do not double it.
    #[inline]
    pub(super) fn space(&mut self, minimum: usize, maximum: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < minimum {
            self.make_space(minimum, maximum);
        }
        let end = self.bytes.len().min(self.end + maximum);
        &mut self.bytes[self.end..end]
    }

    #[inline(never)]
    fn make_space(&mut self, minimum: usize, maximum: usize) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < minimum {
            self.bytes.resize(self.end + maximum, 0);
        }
    }

    /// Declares the first `count` bytes of the last `space` as arrived.
    #[inline]
    pub(super) fn commit(&mut self, count: usize) {
        let free = self.bytes.len() - self.end;
        assert!(count <= free, "a source claims to have read {count} bytes into {free}");
        self.end += count;
    }

    /// Gives the memory back if nothing is unread and there is more of it than `kept` bytes.
    #[inline]
    pub(super) fn release(&mut self, kept: usize) {
        if self.is_empty() && self.capacity() > kept {
            *self = Self::new();
        }
    }
}

impl From<Vec<u8>> for Buffer {
    /// Takes the bytes as they are, all of them unread.
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), scanned: 0, bytes }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("unread", &self.as_slice().escape_ascii().to_string()).finish_non_exhaustive()
    }
}
