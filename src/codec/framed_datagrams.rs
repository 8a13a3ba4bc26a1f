//! A UDP socket joined to a codec: items with addresses instead of datagrams.
//!
//! For protocols whose messages are datagrams or stand in them. A frame ends with its datagram at the latest: what is
//! left over is what the codec makes of the end of a stream. Each datagram is decoded by a copy of the codec, as it was
//! given: nothing that one peer sends changes what is understood of another, and an error ends its datagram and nothing
//! else.
//!
//! In three styles, as [`Framed`](super::Framed): tick (`try_*`), poll, of which a
//! [`Transport`](crate::proto::Transport) over datagrams is made, and async.
//!
//! Turned down: [`Framed`](super::Framed) over a socket with `Read` and `Write`, to which two datagrams of two peers
//! would be one run of bytes.
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use super::framed::polling::{check, settle};
use super::{Buffer, Decoder, Encoder};
use crate::net::UdpSocket;
use crate::scope::{self, Owner};

/// The longest datagram that is taken, in bytes, unless `max_datagram` says otherwise: the longest there is, RFC 768.
const DATAGRAM_MAX: usize = 65_535;

/// A UDP socket and a codec, as items that come from addresses and go to them.
///
/// ```
/// use mainspring::codec::{FramedDatagrams, Lines};
/// use mainspring::net::UdpSocket;
///
/// mainspring::run(async {
///     let mut server = FramedDatagrams::new(UdpSocket::bind("127.0.0.1:0")?, Lines::new());
///     let mut client = FramedDatagrams::new(UdpSocket::bind("127.0.0.1:0")?, Lines::new());
///     client.send("one", server.socket().local_addr()?).await?;
///     let (line, peer) = server.next().await?;
///     assert_eq!(line, "one");
///     server.send("two", peer).await?;
///     assert_eq!(client.next().await?, ("two".to_owned(), peer_of(&server)?));
///     std::io::Result::Ok(())
/// })??;
/// # fn peer_of<C>(framed: &FramedDatagrams<C>) -> std::io::Result<std::net::SocketAddr> { framed.socket().local_addr() }
/// # std::io::Result::Ok(())
/// ```
pub struct FramedDatagrams<C> {
    socket: UdpSocket,
    /// As it was given.
    codec: C,
    /// The longest datagram that is taken, in bytes.
    max_datagram: usize,
    /// The datagram that is being decoded, who sent it, and the codec that decodes it.
    incoming: Option<(C, SocketAddr)>,
    /// The rest of that datagram.
    received: Buffer,
    /// The datagram that is to be sent, if it has an address.
    encoded: Vec<u8>,
    receiver: Option<SocketAddr>,
    /// The waits of the poll style. They end with this object.
    owner: Owner,
}

impl<C> FramedDatagrams<C> {
    /// Joins the two. The memory for one datagram is allocated with the first one.
    pub fn new(socket: UdpSocket, codec: C) -> Self {
        Self {
            socket,
            codec,
            max_datagram: DATAGRAM_MAX,
            incoming: None,
            received: Buffer::new(),
            encoded: Vec::new(),
            receiver: None,
            owner: Owner::new(),
        }
    }

    /// Sets the longest datagram, in bytes, that is taken: a longer one is an error, and lost. Default 65,535, which is
    /// as long as any. It is also the memory that is kept.
    #[must_use]
    pub const fn max_datagram(mut self, bytes: usize) -> Self {
        self.max_datagram = bytes;
        self
    }

    /// The socket.
    pub const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Takes the two apart. Items that were not taken, and a datagram that was not sent, are dropped.
    pub fn into_parts(self) -> (UdpSocket, C) {
        (self.socket, self.codec)
    }
}

impl<C: Decoder + Clone> FramedDatagrams<C> {
    /// The next item, and who sent it. There is no end: a socket without a stream has none.
    ///
    /// # Errors
    ///
    /// What the decoder says of a datagram, or of its end: the rest of that datagram is dropped, unless the codec
    /// [recovers](Decoder::recovers). `InvalidData` for a datagram that is too long. Those of [`UdpSocket::recv_from`].
    /// After any of them it goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<(C::Item, SocketAddr), C::Error> {
        loop {
            if let Some(item) = self.decode()? {
                return Ok(item);
            }
            let room = self.received.space(self.max_datagram + 1, self.max_datagram + 1);
            let (count, sender) = self.socket.recv_from(room).await?;
            self.arrived(count, sender)?;
        }
    }

    /// A try of [`next`](Self::next): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `next`.
    pub fn try_next(&mut self) -> Result<Option<(C::Item, SocketAddr)>, C::Error> {
        loop {
            if let Some(item) = self.decode()? {
                return Ok(Some(item));
            }
            let room = self.received.space(self.max_datagram + 1, self.max_datagram + 1);
            let Some((count, sender)) = self.socket.try_recv_from(room)? else { return Ok(None) };
            self.arrived(count, sender)?;
        }
    }

    /// The poll of [`next`](Self::next), for a future of one's own.
    ///
    /// # Errors
    ///
    /// As `next`.
    #[expect(clippy::type_complexity, reason = "it is what `next` says, in a `Poll`")]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(C::Item, SocketAddr), C::Error>> {
        ready!(scope::poll_admit(cx));
        loop {
            if let Some(item) = self.decode()? {
                scope::spend();
                return Poll::Ready(Ok(item));
            }
            let room = self.received.space(self.max_datagram + 1, self.max_datagram + 1);
            let (answer, outcome) = self.owner.enter(cx.waker(), || self.socket.try_recv_from(room));
            match answer? {
                Some((count, sender)) => self.arrived(count, sender)?,
                None => {
                    check(outcome)?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes over a datagram that was received.
    fn arrived(&mut self, count: usize, sender: SocketAddr) -> io::Result<()> {
        // One byte more than is allowed was asked for, so one that is longer shows.
        if count > self.max_datagram {
            let message = format!("a datagram of {sender} is longer than the limit of {} bytes", self.max_datagram);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.received.commit(count);
        self.incoming = Some((self.codec.clone(), sender));
        Ok(())
    }

    /// The next item of the datagram that has arrived.
    fn decode(&mut self) -> Result<Option<(C::Item, SocketAddr)>, C::Error> {
        let Some((codec, sender)) = &mut self.incoming else { return Ok(None) };
        let before = self.received.len();
        let answer = codec.decode_eof(&mut self.received);
        // Why the length: an error that took nothing would be met again at the next call, and for ever.
        let goes_on = match &answer {
            Ok(item) => item.is_some(),
            Err(_) => codec.recovers() && self.received.len() < before,
        };
        let sender = *sender;
        if !goes_on {
            self.incoming = None;
            self.received.consume(self.received.len());
        }
        answer.map(|item| item.map(|item| (item, sender)))
    }
}

impl<C> FramedDatagrams<C> {
    /// Sends an item as one datagram.
    ///
    /// # Errors
    ///
    /// What the encoder says: nothing is sent then. Those of [`UdpSocket::send_to`], also of a datagram that
    /// [`try_send`](Self::try_send) has left to be sent: that datagram is dropped, and the next one is a new one.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent the item, or it leaves with the next [`try_flush`](Self::try_flush) or
    /// `send`, or it is dropped: nothing tells which.
    pub async fn send<I>(&mut self, item: I, receiver: SocketAddr) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        self.flush().await?;
        self.encode(item, receiver)?;
        Ok(self.flush().await?)
    }

    /// Sends an item as one datagram, or keeps it to be sent: [`try_flush`](Self::try_flush). The inner `Err` gives it
    /// back: "not yet", since another one is kept already.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send<I>(&mut self, item: I, receiver: SocketAddr) -> Result<Result<(), I>, C::Error>
    where
        C: Encoder<I>,
    {
        if self.try_flush()?.is_none() {
            return Ok(Err(item));
        }
        self.encode(item, receiver)?;
        self.try_flush()?;
        Ok(Ok(()))
    }

    /// Sends the datagram that is kept, if there is one. `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_flush(&mut self) -> io::Result<Option<()>> {
        let Some(receiver) = self.receiver else { return Ok(Some(())) };
        match self.socket.try_send_to(&self.encoded, receiver) {
            Ok(None) => return Ok(None),
            result => {
                self.receiver = None;
                result?;
            }
        }
        Ok(Some(()))
    }

    /// Encodes a datagram, which leaves with the next flush. The poll style asks for room first:
    /// [`poll_flush`](Self::poll_flush).
    ///
    /// # Errors
    ///
    /// What the encoder says: nothing is sent then.
    ///
    /// # Panics
    ///
    /// If another datagram is kept.
    pub fn start_send<I>(&mut self, item: I, receiver: SocketAddr) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        assert!(self.receiver.is_none(), "a datagram is sent before the one to {:?} has left", self.receiver);
        self.encode(item, receiver)
    }

    /// Waits until the datagram that is kept has left, if there is one.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(receiver) = self.receiver else { return Poll::Ready(Ok(())) };
        let (answer, outcome) = self.owner.enter(cx.waker(), || self.socket.try_send_to(&self.encoded, receiver));
        let left = settle(answer.map(|count| count.is_some()), outcome);
        if left.is_ready() {
            self.receiver = None;
        }
        left
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Some(receiver) = self.receiver else { return Ok(()) };
        let result = self.socket.send_to(&self.encoded, receiver).await;
        self.receiver = None;
        result.map(drop)
    }

    /// Makes the datagram that is sent next.
    fn encode<I>(&mut self, item: I, receiver: SocketAddr) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        self.encoded.clear();
        self.codec.encode(item, &mut self.encoded)?;
        self.receiver = Some(receiver);
        Ok(())
    }
}

impl<C: fmt::Debug> fmt::Debug for FramedDatagrams<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedDatagrams")
            .field("socket", &self.socket)
            .field("codec", &self.codec)
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}
