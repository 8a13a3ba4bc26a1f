//! How far a frame in the buffer has been read: its lines and its strings, one after the other.
//!
//! Nothing is taken off the buffer before the frame is whole, so that the connection counts as being inside a frame all
//! the while, and what is left when the peer goes is seen to be a part of one.

use std::ops::Range;

use mainspring::codec::Buffer;
use memchr::memchr;

use super::limits;

/// What makes bytes no frame, in the words of the protocol.
pub(super) type Malformed = String;

/// The place in the frame at the front of a buffer.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Behind what has been read.
    position: usize,
    /// The length of the string that begins here, if one does.
    bulk: Option<usize>,
}

impl Frame {
    /// The next line, without its end, as a place in the buffer; none if it has not arrived.
    pub(super) fn line(&mut self, buffer: &mut Buffer, limit: usize) -> Result<Option<Range<usize>>, Malformed> {
        let bytes = buffer.as_slice();
        let start = self.position;
        let looked_at = buffer.scanned().max(start);
        let Some(found) = memchr(b'\n', &bytes[looked_at..]) else {
            if bytes.len() - start > limit {
                return Err("too big a line".to_owned());
            }
            buffer.mark_scanned(buffer.len());
            return Ok(None);
        };
        let end = looked_at + found;
        self.position = end + 1;
        if end - start > limit {
            return Err("too big a line".to_owned());
        }
        let is_ended = end > start && bytes[end - 1] == b'\r';
        Ok(Some(start..if is_ended { end - 1 } else { end }))
    }

    /// A string of this length comes next.
    pub(super) fn expect_bulk(&mut self, length: usize) -> Result<(), Malformed> {
        if length > limits::BULK {
            return Err("invalid bulk length".to_owned());
        }
        if self.position + length > limits::FRAME {
            return Err("too big a frame".to_owned());
        }
        self.bulk = Some(length);
        Ok(())
    }

    /// Whether a string comes next.
    pub(super) const fn is_at_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// The string that comes next, if one does and it has arrived.
    pub(super) fn bulk(&mut self, buffer: &Buffer) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(length) = self.bulk else { return Ok(None) };
        let Some(bytes) = buffer.as_slice().get(self.position..self.position + length + 2) else { return Ok(None) };
        let (bytes, end) = bytes.split_at(length);
        if end != b"\r\n" {
            return Err("a string has no end".to_owned());
        }
        self.bulk = None;
        self.position += length + 2;
        Ok(Some(bytes.to_vec()))
    }

    /// The frame is whole: it is taken off the buffer.
    pub(super) fn finish(&mut self, buffer: &mut Buffer) {
        buffer.consume(self.position);
        self.position = 0;
    }
}

/// A number of the protocol. Why by hand: `parse` takes a plus as well.
pub(super) fn integer(digits: &[u8]) -> Option<i64> {
    if digits.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The length of a string or an array; the inner `None` is that of one that is not there.
pub(super) fn length(digits: &[u8], limit: usize) -> Option<Option<usize>> {
    match integer(digits)? {
        -1 => Some(None),
        number => Some(Some(usize::try_from(number).ok().filter(|&length| length <= limit)?)),
    }
}
