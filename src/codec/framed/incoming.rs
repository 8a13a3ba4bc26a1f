//! The reading half of a [`Framed`](super::Framed): bytes in, items out, then the end.
//!
//! Called by all three styles, which differ only in the scope that the read happens in.
//!
//! It guarantees that the decoder is asked only when there is something new, that the buffer never holds
//! more than one frame limit and one read, that a source which has ended is not read again, and that an
//! error which cannot be stepped over is followed by the end.
//!
//! Reads start small and double while they come back full, so an idle connection holds little and a busy
//! one needs few system calls. Asking the source how much there is was turned down: one more system call
//! for each read.
use std::io::{self, Read};

use crate::codec::{Buffer, Decoder, Next};

/// The size of the first read, and what an idle connection keeps at most. In bytes.
///
/// Most requests fit in it whole.
const READ_MIN: usize = 8 * 1024;

/// The largest read in bytes. Beyond it, copying outweighs the system calls that are saved.
const READ_MAX: usize = 64 * 1024;

/// The most bytes that are thrown away while a connection closes: an upload that is refused while it comes is larger
/// than a buffer of the system, and hardly larger than this.
const LINGER_MAX: usize = 32 * 1024 * 1024;

/// How many bytes are thrown away at once.
const LINGER_READ: usize = 8 * 1024;

/// What reading has come to.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Bytes have arrived that the decoder has not seen: ask it first.
    Decoding,
    /// The decoder wants more bytes: read.
    Reading,
    /// The source has ended: the decoder is asked what the rest means.
    Draining,
    /// Nothing comes any more. Entered once, never left.
    Ended,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) buffer: Buffer,
    /// Where in its life the stream is. Written by `advance`.
    phase: Phase,
    /// The size of the next read in bytes, between `READ_MIN` and `READ_MAX`; half of it will do. Written
    /// after each read.
    read_size: usize,
    /// How many bytes of an unfinished frame are held at most. Written by the setter.
    pub(super) max_frame: usize,
    /// Set when the source itself failed, so that the writing half gives up as well.
    pub(super) broken: bool,
    /// Set when the source has said that it has ended.
    ended: bool,
    /// How many bytes were thrown away. Written by `linger`.
    pub(super) thrown_away: usize,
}

impl Incoming {
    pub(super) const fn new(max_frame: usize) -> Self {
        Self {
            buffer: Buffer::new(),
            phase: Phase::Reading,
            read_size: READ_MIN,
            max_frame,
            broken: false,
            ended: false,
            thrown_away: 0,
        }
    }

    /// The next item, with as many reads as it takes.
    pub(super) fn advance<C: Decoder>(&mut self, io: &mut impl Read, codec: &mut C) -> Result<Next<C::Item>, C::Error> {
        loop {
            match self.phase {
                Phase::Decoding => {
                    if let Some(item) = self.decode(codec)? {
                        return Ok(Next::Item(item));
                    }
                }
                Phase::Reading => match self.read(io)? {
                    Some(0) => {
                        self.ended = true;
                        self.phase = Phase::Draining;
                    }
                    Some(_) => self.phase = Phase::Decoding,
                    None => {
                        self.buffer.release(READ_MIN);
                        return Ok(Next::NotYet);
                    }
                },
                Phase::Draining => {
                    if let Some(item) = self.decode_eof(codec)? {
                        return Ok(Next::Item(item));
                    }
                }
                Phase::Ended => return Ok(Next::End),
            }
        }
    }

    /// The next item, or what is wrong with it, if the decoder finds it in bytes that it has not seen.
    #[inline]
    pub(super) fn advance_arrived<C: Decoder>(&mut self, codec: &mut C) -> Option<Result<C::Item, C::Error>> {
        if self.phase == Phase::Decoding { self.decode(codec).transpose() } else { None }
    }

    /// The next item among the bytes that have arrived; the source is not touched.
    pub(super) fn advance_buffered<C: Decoder>(&mut self, codec: &mut C) -> Result<Option<C::Item>, C::Error> {
        match self.phase {
            Phase::Decoding => self.decode(codec),
            Phase::Draining => self.decode_eof(codec),
            Phase::Reading | Phase::Ended => Ok(None),
        }
    }

    /// What has been looked at in vain is looked at again, by another decoder.
    pub(super) fn ask_again(&mut self) {
        self.buffer.mark_scanned(0);
        if self.phase == Phase::Reading && !self.buffer.is_empty() {
            self.phase = Phase::Decoding;
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Ended;
        self.buffer = Buffer::new();
    }

    /// Throws away what the source has. True once there is nothing more to come, or no more of it is read; false is
    /// "not yet".
    // Why out of line: what it throws away stands on the stack, and the poll that calls it is that of every request.
    #[inline(never)]
    pub(super) fn linger(&mut self, io: &mut impl Read) -> bool {
        self.end();
        let mut thrown_away = [0; LINGER_READ];
        while !self.ended && !self.broken && self.thrown_away < LINGER_MAX {
            match io.read(&mut thrown_away) {
                Ok(0) => self.ended = true,
                Ok(count) => self.thrown_away += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.broken = true,
            }
        }
        true
    }

    /// Asks the decoder; without an item, the next step is to read.
    #[inline]
    fn decode<C: Decoder>(&mut self, codec: &mut C) -> Result<Option<C::Item>, C::Error> {
        let before = self.buffer.len();
        let answer = codec.decode(&mut self.buffer);
        match &answer {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.phase = Phase::Reading;
                self.check_limit()?;
            }
            Err(_) => self.recover(codec, before),
        }
        answer
    }

    /// Asks the decoder what the rest means; without an item, this is the end.
    fn decode_eof<C: Decoder>(&mut self, codec: &mut C) -> Result<Option<C::Item>, C::Error> {
        let before = self.buffer.len();
        let answer = codec.decode_eof(&mut self.buffer);
        match &answer {
            Ok(Some(_)) => {}
            Ok(None) => self.end(),
            Err(_) => self.recover(codec, before),
        }
        answer
    }

    /// After an error: goes on if the codec can, ends otherwise.
    fn recover<C: Decoder>(&mut self, codec: &C, length_before: usize) {
        // Why the length: an error that took nothing would be met again at the next call, and for ever.
        if !codec.recovers() || self.buffer.len() == length_before {
            self.end();
        }
    }

    fn check_limit(&mut self) -> io::Result<()> {
        let length = self.buffer.len();
        if length <= self.max_frame {
            return Ok(());
        }
        self.end();
        let message = format!("{length} bytes hold no whole frame, the limit is {}", self.max_frame);
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }

    /// Reads once; none is "not yet".
    fn read(&mut self, io: &mut impl Read) -> io::Result<Option<usize>> {
        let space = self.buffer.space(self.read_size / 2, self.read_size);
        let size = space.len();
        let count = loop {
            let error = match io.read(space) {
                Ok(count) => break count,
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(None),
                io::ErrorKind::Interrupted => {}
                _ => {
                    if super::is_final(&error) {
                        self.broken = true;
                        self.end();
                    }
                    return Err(error);
                }
            }
        };
        self.buffer.commit(count);
        if count == size {
            self.read_size = (self.read_size * 2).min(READ_MAX);
        } else if count < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(READ_MIN);
        }
        Ok(Some(count))
    }
}
