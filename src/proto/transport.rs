//! What the clients and servers need of a connection: whole messages in, whole messages out.
//!
//! [`Framed`] is one for each codec. A protocol whose handshake, upgrade or framing
//! does not fit a codec implements the trait itself, and so do the mocks of the tests.
//!
//! An implementor guarantees that a direction which is pending has recorded the waker, and that the two
//! directions do not wait for each other: reading answers while writing is blocked.
//!
//! Poll methods on `&mut self` instead of `Stream` and `Sink`: the two traits cannot be asked for buffered
//! messages alone, know no half-close, and want a pin that no connection needs.
use std::io::{Read, Write};
use std::task::{Context, Poll, ready};

use crate::codec::{Decoder, Encoder, Framed, HalfClose};

/// A connection that carries messages, and takes `Outgoing` ones.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, HalfClose, Lines};
/// use mainspring::proto::Transport;
/// use std::io::{Read, Write};
///
/// fn is_transport(_: impl Transport<&'static str, Incoming = String>) {}
///
/// fn lines<T: Read + Write + HalfClose>(io: T) {
///     is_transport(Framed::new(io, Lines::new()));
/// }
/// # lines(std::io::Cursor::new(Vec::new()));
/// ```
pub trait Transport<Outgoing> {
    /// The messages that arrive.
    type Incoming;

    /// What can go wrong.
    type Error: std::error::Error + From<std::io::Error>;

    /// The next message; `None` once the peer will send no more.
    ///
    /// # Errors
    ///
    /// What arrived is not a message, or the connection has failed. Nothing more is received after it. If
    /// the connection has failed, [`poll_flush`](Self::poll_flush) fails from then on, even with nothing to write.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Self::Incoming, Self::Error>>>;

    /// The next message among the bytes that have arrived already. Nothing is read, and `None` says nothing
    /// about what the connection has.
    ///
    /// A server that drains asks for these. As provided, there are none.
    fn receive_buffered(&mut self) -> Option<Result<Self::Incoming, Self::Error>> {
        None
    }

    /// Whether a part of a message has arrived, and its end has not. As provided, `false`.
    fn has_partial(&self) -> bool {
        false
    }

    /// Whether the message that was received last comes before another of which only a part is there
    /// ([`Decoder::is_interim`]). As provided, `false`.
    fn is_interim(&self) -> bool {
        false
    }

    /// The rest of a message did not come in time. A protocol that answers this (HTTP: 408) returns what stands for the
    /// message; nothing is read after it. As provided, `None`: the connection fails.
    fn give_up(&mut self) -> Option<Self::Incoming> {
        None
    }

    /// Moves what has arrived of the bodies of messages that were received, as far as there is room in them. Asked
    /// while no further message is received. As provided, messages have none.
    fn poll_bodies(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Which bodies of messages are on the way. As provided, none.
    fn bodies(&self) -> Bodies {
        Bodies::default()
    }

    /// Waits for room for one message.
    ///
    /// # Errors
    ///
    /// The connection has failed.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Takes a message. Called once after each [`poll_ready`](Self::poll_ready) that was ready.
    ///
    /// # Errors
    ///
    /// The message has no encoding. Nothing of it is written, and the connection goes on.
    fn send(&mut self, message: Outgoing) -> Result<(), Self::Error>;

    /// The message that is sent next, with its body if it has one, is the last one of this connection
    /// ([`Encoder::before_last`]). As provided, nothing is done.
    fn before_last(&mut self) {}

    /// Whether the message that was sent last is the last one of this connection. As provided, `false`.
    fn is_last(&self) -> bool {
        false
    }

    /// Waits until all messages that were taken are written.
    ///
    /// # Errors
    ///
    /// The connection has failed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// How many bytes of the messages that were taken wait to be written. As provided, it is not known, and 0.
    ///
    /// While some do and the peer is what is waited for, a server gives it more time as it reads.
    fn unwritten(&self) -> usize {
        0
    }

    /// How many bytes have been written, ever. As provided, it is not known, and 0.
    fn written(&self) -> u64 {
        0
    }

    /// Waits until all messages that were taken are written, then tells the peer that there will be no more: unless the
    /// last one has made the connection another protocol's ([`Encoder::leaves_open`]).
    ///
    /// # Errors
    ///
    /// The connection has failed.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Throws away what has arrived and, if that was something, what still arrives, until the peer has closed as well
    /// or enough was thrown away. Nothing is received after it.
    ///
    /// A server asks for it once [`poll_close`](Self::poll_close) is ready, and drops the transport then: a socket that
    /// is closed with bytes that nobody has read is reset, and answers that are under way are lost with it. As
    /// provided, ready.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }
}

/// Tells the peer that there will be no more, once, which sets `closed`; then waits until the transport can be dropped
/// without a loss.
#[cold]
pub(super) fn poll_end<T: Transport<O>, O>(
    transport: &mut T,
    closed: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), T::Error>> {
    if !*closed {
        ready!(transport.poll_close(cx))?;
        *closed = true;
    }
    transport.poll_linger(cx).map(Ok)
}

/// Bodies of messages that are on the way, of a transport that has some.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Bodies;
///
/// let none = Bodies::default();
/// assert!(!none.arriving && !none.leaving && none.moved == 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    /// Whether one arrives.
    pub arriving: bool,
    /// Whether one of those is read by somebody.
    pub wanted: bool,
    /// Whether nothing is read, since one that arrives is full.
    pub held_up: bool,
    /// Whether one is sent.
    pub leaving: bool,
    /// Whether a push waits for the end of one that is sent: further pushes are to wait too.
    pub push_waits: bool,
    /// How many parts of bodies have been moved, in both directions, ever. Deadlines start anew with each.
    pub moved: u64,
}

impl<T, C, Outgoing> Transport<Outgoing> for Framed<T, C>
where
    T: Read + Write + HalfClose,
    C: Decoder + Encoder<Outgoing, Error = <C as Decoder>::Error>,
    <C as Decoder>::Error: std::error::Error,
{
    type Incoming = C::Item;
    type Error = <C as Decoder>::Error;

    #[inline]
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<C::Item, Self::Error>>> {
        self.poll_next(cx)
    }

    #[inline]
    fn receive_buffered(&mut self) -> Option<Result<C::Item, Self::Error>> {
        self.next_buffered().transpose()
    }

    #[inline]
    fn has_partial(&self) -> bool {
        !self.received().is_empty()
    }

    fn is_interim(&self) -> bool {
        self.codec().is_interim()
    }

    #[inline]
    fn give_up(&mut self) -> Option<C::Item> {
        self.codec_mut().give_up()
    }

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Self::poll_ready(self, cx).map_err(Self::Error::from)
    }

    #[inline]
    fn send(&mut self, message: Outgoing) -> Result<(), Self::Error> {
        self.start_send(message)
    }

    fn before_last(&mut self) {
        self.codec_mut().before_last();
    }

    #[inline]
    fn is_last(&self) -> bool {
        self.codec().is_last()
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Self::poll_flush(self, cx).map_err(Self::Error::from)
    }

    #[inline]
    fn unwritten(&self) -> usize {
        Self::unwritten(self)
    }

    #[inline]
    fn written(&self) -> u64 {
        Self::written(self)
    }

    #[inline]
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let closed = if self.codec().leaves_open() { Self::poll_flush(self, cx) } else { self.poll_shutdown(cx) };
        closed.map_err(Self::Error::from)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.codec().leaves_open() { Poll::Ready(()) } else { Self::poll_linger(self, cx) }
    }
}

/// Lent to a client or a server, and had back when that has ended: for a connection that goes on in another protocol.
impl<T: Transport<Outgoing>, Outgoing> Transport<Outgoing> for &mut T {
    type Incoming = T::Incoming;
    type Error = T::Error;

    #[inline]
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T::Incoming, T::Error>>> {
        T::poll_receive(self, cx)
    }

    #[inline]
    fn receive_buffered(&mut self) -> Option<Result<T::Incoming, T::Error>> {
        T::receive_buffered(self)
    }

    #[inline]
    fn has_partial(&self) -> bool {
        T::has_partial(self)
    }

    fn is_interim(&self) -> bool {
        T::is_interim(self)
    }

    #[inline]
    fn give_up(&mut self) -> Option<T::Incoming> {
        T::give_up(self)
    }

    #[inline]
    fn poll_bodies(&mut self, cx: &mut Context<'_>) {
        T::poll_bodies(self, cx);
    }

    #[inline]
    fn bodies(&self) -> Bodies {
        T::bodies(self)
    }

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        T::poll_ready(self, cx)
    }

    #[inline]
    fn send(&mut self, message: Outgoing) -> Result<(), T::Error> {
        T::send(self, message)
    }

    fn before_last(&mut self) {
        T::before_last(self);
    }

    #[inline]
    fn is_last(&self) -> bool {
        T::is_last(self)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        T::poll_flush(self, cx)
    }

    #[inline]
    fn unwritten(&self) -> usize {
        T::unwritten(self)
    }

    #[inline]
    fn written(&self) -> u64 {
        T::written(self)
    }

    #[inline]
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        T::poll_close(self, cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        T::poll_linger(self, cx)
    }
}
