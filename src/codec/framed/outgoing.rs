//! The writing half of a [`Framed`](super::Framed): items encoded one behind the other, written in order.
//!
//! Called by all three styles, which differ only in the scope that the write happens in.
//!
//! It guarantees that a partial write loses and repeats nothing, that an encoding that fails leaves the
//! buffer as it was, that the buffer never grows beyond the high watermark and one item, and that nothing
//! more is written once the connection has failed.
//!
//! Two watermarks instead of one: with a single boundary, a slow reader would make the sender alternate
//! between one item and one small write.
use std::io::{self, Write};

use crate::codec::{Encoder, HalfClose, Segments};

/// From this many unwritten bytes on, there is no room for another item.
const HIGH_WATERMARK: usize = 64 * 1024;

/// There is room again at this many unwritten bytes: half of the high one, so that each pause is worth a
/// large write.
const LOW_WATERMARK: usize = 32 * 1024;

/// What an idle connection keeps of the buffer at most, in bytes.
const KEPT: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct Outgoing {
    /// Encoded items that have not reached the source.
    bytes: Segments,
    /// How many bytes have, ever.
    pub(super) written: u64,
    /// Set at the high watermark, cleared at the low one. While it is set there is no room.
    paused: bool,
    /// Set by a `ready` that found room, cleared by `send`, which insists on it.
    room_granted: bool,
    /// Set by `send`, cleared when the source has been flushed.
    flush_due: bool,
    /// Set when a write failed for good.
    broken: bool,
    /// The watermarks in unwritten bytes, `low <= high`. Written by the setter.
    low: usize,
    high: usize,
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Segments::new(),
            written: 0,
            paused: false,
            room_granted: false,
            flush_due: false,
            broken: false,
            low: LOW_WATERMARK,
            high: HIGH_WATERMARK,
        }
    }

    pub(super) const fn set_watermarks(&mut self, low: usize, high: usize) {
        self.low = low;
        self.high = high;
    }

    #[inline]
    pub(super) fn unwritten(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is room for an item; writes if that is what it takes.
    pub(super) fn ready(&mut self, io: &mut impl Write) -> io::Result<bool> {
        if self.paused && self.write_down_to(self.low, io)? {
            self.paused = false;
        }
        Ok(self.grant())
    }

    /// Whether there is room for an item without a write.
    #[inline]
    pub(super) fn grant(&mut self) -> bool {
        self.room_granted = !self.paused;
        self.room_granted
    }

    /// Encodes `item` behind the others.
    #[inline]
    pub(super) fn send<I, C: Encoder<I>>(&mut self, codec: &mut C, item: I) -> Result<(), C::Error> {
        assert!(self.room_granted, "an item was sent without asking for room first, {} bytes wait", self.unwritten());
        self.room_granted = false;

        let mark = self.bytes.mark();
        let answer = codec.encode_segments(item, &mut self.bytes);
        if answer.is_err() {
            self.bytes.truncate(mark);
            return answer;
        }
        self.bytes.check(mark);
        self.flush_due = true;
        self.paused = self.unwritten() >= self.high;
        Ok(())
    }

    /// Whether everything has been written, and the source flushed.
    #[inline]
    pub(super) fn flush(&mut self, io: &mut impl Write) -> io::Result<bool> {
        if !self.write_down_to(0, io)? {
            return Ok(false);
        }
        self.paused = false;
        while self.flush_due {
            match io.flush() {
                Ok(()) => self.flush_due = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(true)
    }

    /// Whether everything has been written, and the writing side closed.
    pub(super) fn shutdown<T: Write + HalfClose>(&mut self, io: &mut T) -> io::Result<bool> {
        if !self.flush(io)? {
            return Ok(false);
        }
        loop {
            let Err(error) = io.shutdown_write() else {
                return Ok(true);
            };
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(false),
                // shutdown(2): ENOTCONN, a connection that the peer has reset. Everything was written.
                io::ErrorKind::NotConnected => return Ok(true),
                _ => return Err(self.fail(error)),
            }
        }
    }

    /// The connection has failed: nothing can be written any more.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
        self.bytes = Segments::new();
    }

    /// Whether at most `mark` unwritten bytes are left.
    #[inline]
    fn write_down_to(&mut self, mark: usize, io: &mut impl Write) -> io::Result<bool> {
        if self.broken {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "cannot write, the connection has failed before"));
        }
        while self.unwritten() > mark {
            match self.bytes.write(io) {
                Ok(0) => {
                    let message = format!("the source takes none of the {} bytes that are left", self.unwritten());
                    return Err(self.fail(io::Error::new(io::ErrorKind::WriteZero, message)));
                }
                Ok(count) => {
                    self.bytes.consume(count);
                    self.written += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.bytes.compact(KEPT);
                    return Ok(false);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
        self.bytes.compact(KEPT);
        Ok(true)
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        if super::is_final(&error) {
            self.give_up();
        }
        error
    }
}
