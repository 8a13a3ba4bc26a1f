//! A source joined to a codec: items instead of bytes.
//!
//! Applications use it directly, as a stream of items or from a tick; [`crate::proto`] uses it as the
//! transport under its clients and servers. This file holds the tick style and the settings, `polling.rs`
//! the poll and async styles, `incoming.rs` and `outgoing.rs` the state machines of the two directions.
//!
//! It guarantees bounded memory in both directions, nothing lost or repeated across a "not yet" or a
//! dropped future, and that an error which ends a direction is reported once, and then the end.
//!
//! Both directions live in one object. Two halves that share the source were turned down: the reading side
//! of most protocols has something to write (an answer, a window update), and halves need a lock for it.
use std::fmt;
use std::io::{self, Read, Write};

use super::{Buffer, Decoder, Encoder, HalfClose, Next};
use crate::scope::{self, Owner};

mod incoming;
mod outgoing;
pub(super) mod polling;

use incoming::Incoming;
use outgoing::Outgoing;

/// The most bytes of one unfinished frame, unless [`Framed::max_frame`] says otherwise.
const MAX_FRAME: usize = 1024 * 1024;

/// A source of bytes and a codec, as a stream of items that can be written to as well.
///
/// The same object serves three styles, which mix freely:
///
/// | | tick | poll | async |
/// |---|---|---|---|
/// | the next item | [`try_next`](Self::try_next) | [`poll_next`](Self::poll_next), `Stream` | [`next`](Self::next) |
/// | room to write | [`try_ready`](Self::try_ready) | [`poll_ready`](Self::poll_ready) | [`ready`](Self::ready) |
/// | write an item | [`try_send`](Self::try_send), [`start_send`](Self::start_send) | [`start_send`](Self::start_send) | [`send`](Self::send) |
/// | have it leave | [`try_flush`](Self::try_flush) | [`poll_flush`](Self::poll_flush) | [`flush`](Self::flush) |
/// | say goodbye | [`try_shutdown`](Self::try_shutdown) | [`poll_shutdown`](Self::poll_shutdown) | [`shutdown`](Self::shutdown) |
///
/// # Limits
///
/// A frame that is not whole after 1 MiB is an error ([`max_frame`](Self::max_frame)). An item is accepted
/// while fewer than 64 KiB wait to be written; from then on there is no room until at most 32 KiB are left
/// ([`watermarks`](Self::watermarks)). An idle connection keeps at most 8 KiB for each direction.
///
/// # Errors
///
/// An error of the decoder ends the reading, unless the codec [recovers](Decoder::recovers); writing goes on.
/// An error of the source ends both. Either is reported once, and after it comes the end. `TimedOut` from a
/// deadline that was set on the source ends nothing.
///
/// # Examples
///
/// An echo, in the tick style: it asks for room before it takes an item, so it never has to keep one.
///
/// ```
/// use mainspring::codec::{Framed, Lines, Next};
/// use std::io::{self, Read, Write};
///
/// /// True once the peer has said goodbye and everything is answered.
/// fn echo<T: Read + Write>(framed: &mut Framed<T, Lines>) -> io::Result<bool> {
///     while framed.try_ready()?.is_some() {
///         match framed.try_next()? {
///             Next::Item(line) => framed.start_send(line)?,
///             Next::NotYet => break,
///             Next::End => return Ok(framed.try_flush()?.is_some()),
///         }
///     }
///     framed.try_flush()?;
///     Ok(false)
/// }
/// # let mut framed = Framed::new(io::Cursor::new(Vec::new()), Lines::new());
/// # assert!(echo(&mut framed)?);
/// # Ok::<(), io::Error>(())
/// ```
pub struct Framed<T, C> {
    io: T,
    codec: C,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The waits of the poll and async styles. They end with this object.
    owner: Owner,
}

/// Nothing in it is pinned: the source and the codec are only ever used by reference.
impl<T, C> Unpin for Framed<T, C> {}

impl<T, C> Framed<T, C> {
    /// Joins `io` and `codec`. Allocates nothing until the first byte is to be read or written.
    pub fn new(io: T, codec: C) -> Self {
        Self { io, codec, incoming: Incoming::new(MAX_FRAME), outgoing: Outgoing::new(), owner: Owner::new() }
    }

    /// Sets how many `bytes` of a frame may arrive before it is whole. Default 1 MiB.
    ///
    /// It bounds memory: the buffer holds at most this and one read, 64 KiB. A frame that arrives whole in
    /// one read is not measured; a protocol that has to refuse it has the limit in its codec.
    #[must_use]
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.incoming.max_frame = bytes;
        self
    }

    /// Sets the watermarks of the write buffer, in bytes. Default 32 KiB and 64 KiB.
    ///
    /// From `high` unwritten bytes on there is no room for an item, until at most `low` are left. The buffer
    /// holds at most `high` bytes and one item.
    ///
    /// # Panics
    ///
    /// If `high` is 0, or `low` is not below it.
    #[must_use]
    pub const fn watermarks(mut self, low: usize, high: usize) -> Self {
        assert!(low < high, "the low watermark has to be below the high one");
        self.outgoing.set_watermarks(low, high);
        self
    }

    /// The source.
    pub const fn io(&self) -> &T {
        &self.io
    }

    /// The source, mutably. Bytes that are read or written past the codec are missing from the items.
    pub const fn io_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// The codec.
    pub const fn codec(&self) -> &C {
        &self.codec
    }

    /// The codec, mutably.
    pub const fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// The bytes that have arrived and are not part of an item yet.
    #[inline]
    pub fn received(&self) -> &[u8] {
        self.incoming.buffer.as_slice()
    }

    /// How many encoded bytes have not been written to the source.
    pub fn unwritten(&self) -> usize {
        self.outgoing.unwritten()
    }

    /// How many encoded bytes have been written to the source, ever.
    pub(crate) const fn written(&self) -> u64 {
        self.outgoing.written
    }

    /// Goes on with another codec, for a connection whose protocol changes (`STARTTLS` and `Upgrade` come before
    /// another source; `AUTH` and compression before another codec). Bytes that have arrived behind the last item are
    /// the new one's, and those that wait to be written leave as they are. Limits stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Fixed, Framed, Lines, Next};
    /// use std::io::Cursor;
    ///
    /// let mut lines = Framed::new(Cursor::new(b"BINARY\n1234".to_vec()), Lines::new());
    /// assert_eq!(lines.try_next()?, Next::Item("BINARY".into()));
    /// let mut words = lines.map_codec(|_lines| Fixed::<4>::new());
    /// assert_eq!(words.try_next()?, Next::Item(*b"1234"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn map_codec<D>(mut self, map: impl FnOnce(C) -> D) -> Framed<T, D> {
        self.incoming.ask_again();
        let Self { io, codec, incoming, outgoing, owner } = self;
        Framed { io, codec: map(codec), incoming, outgoing, owner }
    }

    /// Takes the two apart, for a connection that goes on in another protocol.
    ///
    /// The buffer holds the bytes that have arrived behind the last item. Bytes that have not been written are
    /// dropped: flush first.
    pub fn into_parts(self) -> (T, C, Buffer) {
        (self.io, self.codec, self.incoming.buffer)
    }
}

impl<T: Read, C: Decoder> Framed<T, C> {
    /// The next item, without waiting.
    ///
    /// # Errors
    ///
    /// What the source or the decoder reports; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the source
    /// ends inside a frame; [`InvalidData`](io::ErrorKind::InvalidData) for a frame beyond the limit.
    pub fn try_next(&mut self) -> Result<Next<C::Item>, C::Error> {
        if !scope::admit() {
            return Ok(Next::NotYet);
        }
        let answer = self.advance();
        if matches!(answer, Ok(Next::Item(_)) | Err(_)) {
            scope::progress();
        }
        answer
    }

    /// The next item among the bytes that have arrived already. The source is not touched, and `None` says
    /// nothing about what it has.
    ///
    /// # Errors
    ///
    /// What the decoder reports.
    pub fn next_buffered(&mut self) -> Result<Option<C::Item>, C::Error> {
        self.incoming.advance_buffered(&mut self.codec)
    }

    fn advance(&mut self) -> Result<Next<C::Item>, C::Error> {
        let answer = self.incoming.advance(&mut self.io, &mut self.codec);
        if self.incoming.broken {
            self.outgoing.give_up();
        }
        answer
    }
}

impl<T: Write, C> Framed<T, C> {
    /// Asks for room for one item, without waiting. `None` is "not yet": the write buffer is above its mark.
    ///
    /// # Errors
    ///
    /// What the source reports; [`WriteZero`](io::ErrorKind::WriteZero) if it takes no bytes;
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if it has failed before.
    pub fn try_ready(&mut self) -> io::Result<Option<()>> {
        Ok(self.outgoing.ready(&mut self.io)?.then_some(()))
    }

    /// Encodes an item behind the others. It leaves with the next flush, or when room is asked for.
    ///
    /// # Errors
    ///
    /// What the encoder reports. Nothing of `item` is written then, and the connection goes on.
    ///
    /// # Panics
    ///
    /// If room was not asked for, and found, since the last item.
    #[inline]
    pub fn start_send<I>(&mut self, item: I) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        self.outgoing.send(&mut self.codec, item)
    }

    /// Encodes an item if there is room, without waiting. The inner `Err` gives it back: "not yet".
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready) and [`start_send`](Self::start_send).
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Framed, Lines};
    /// use std::io::Cursor;
    ///
    /// let mut lines = Framed::new(Cursor::new(Vec::new()), Lines::new());
    /// assert_eq!(lines.try_send("hello")?, Ok(()));
    /// assert_eq!(lines.try_flush()?, Some(()));
    /// assert_eq!(lines.io().get_ref(), b"hello\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_send<I>(&mut self, item: I) -> Result<Result<(), I>, C::Error>
    where
        C: Encoder<I>,
    {
        match self.try_ready()? {
            Some(()) => self.start_send(item).map(Ok),
            None => Ok(Err(item)),
        }
    }

    /// Writes what is buffered, without waiting. `None` is "not yet": some of it is left.
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready).
    pub fn try_flush(&mut self) -> io::Result<Option<()>> {
        Ok(self.outgoing.flush(&mut self.io)?.then_some(()))
    }
}

impl<T: Write + HalfClose, C> Framed<T, C> {
    /// Writes what is buffered and closes the writing side, without waiting. `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready). A peer that is gone already is no error.
    pub fn try_shutdown(&mut self) -> io::Result<Option<()>> {
        Ok(self.outgoing.shutdown(&mut self.io)?.then_some(()))
    }
}

impl<T: fmt::Debug, C: fmt::Debug> fmt::Debug for Framed<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("io", &self.io)
            .field("codec", &self.codec)
            .field("received", &self.received().len())
            .field("unwritten", &self.unwritten())
            .finish_non_exhaustive()
    }
}

/// Whether an error of the source means that the connection has failed.
fn is_final(error: &io::Error) -> bool {
    // Why the code: a deadline of the source has none, while ETIMEDOUT says that the peer is gone.
    let deadline = error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none();
    error.kind() != io::ErrorKind::WouldBlock && !deadline
}
