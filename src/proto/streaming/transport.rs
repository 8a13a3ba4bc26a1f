//! The adapter: parts below, messages with bodies above.
//!
//! Used as the transport of a client or server, which asks it for messages and hands it messages; between them it moves
//! chunks. It reads no further than there is room for in the bodies, and asks the bodies that it sends for no more than
//! there is room to write.
//!
//! In order, one body is sent at a time and the next message waits for its end; by ids, bodies and messages take turns.
//! While one body that arrives is full nothing is read, by ids neither: a protocol whose bodies must not hold each
//! other up has windows, in its codec.
//!
//! Pushes have no ids, so their bodies come one after the other, as id 0: until that of the one before has ended, a
//! push with a body waits, and the pushes behind it; answers, pongs and the like do not. A protocol that has such
//! pushes gives that id to no call.
//!
//! By ids as well there are at most [`BODIES_MAX`] on the way. Until one of those that are sent ends, no message is; a
//! peer that sends more has failed.
//!
//! A body that nobody reads any more is thrown away as it comes, and counted: a peer that goes on for longer than that
//! is not worth a connection.
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::body::{Inlet, Weight};
use super::{Body, Part, Streamed};
use crate::proto::multiplex::{Frame, Role};
use crate::proto::transport::{Bodies, Transport};

/// The most parts that are moved in one direction before others have their turn.
const PARTS_PER_POLL: usize = 128;

/// The most bodies that are sent at once, and the most that arrive: more than a client has requests in flight by
/// default. Not many more, for all of them are looked at whenever one has a chunk.
const BODIES_MAX: usize = 1_024;

/// The id of the bodies of pushes, which have none.
const PUSH: u64 = 0;

/// The most pushes that wait for the body of one before. A server of [`multiplex`](crate::proto::multiplex) has one at
/// most, since it asks for no further push then.
const HELD_MAX: usize = 16;

/// The most chunks of one body that are thrown away, unless [`Streaming::max_discarded`] says otherwise: with chunks of
/// a usual read, 8 MiB.
const DISCARDED_MAX: usize = 1_024;

/// A transport of messages with bodies, over one of [`Part`]s. `I` and `O` are the heads that arrive and that are sent.
///
/// # Errors
///
/// Those of the transport below; [`InvalidData`](io::ErrorKind::InvalidData) for a chunk or an end where there is no
/// body, a head within a body in order, for a body that goes on and on while nobody reads it, and for more than 1,024
/// bodies at once.
pub struct Streaming<T, I, O, C> {
    transport: T,
    /// Bodies that arrive, by their ids. In order, at most one.
    arriving: Vec<Arriving<C>>,
    /// A message, a failure or the end that came while there was no place for it.
    stashed: Option<Received<I, C, io::Error>>,
    /// Bodies that are sent, the next one first.
    leaving: VecDeque<(Whose, Body<C>)>,
    /// A push with a body, while that of the one before is sent: they have no ids by which they could be told apart.
    /// And the pushes behind it, of which a server sends none.
    held: VecDeque<(O, Body<C>)>,
    /// Whether bodies come one after the other.
    in_order: bool,
    /// What a head is that arrives. In order, a call of id 0.
    role_arriving: RoleOf<I>,
    /// What one is that is sent.
    role_leaving: RoleOf<O>,
    /// Chunks and ends that have been moved in either direction.
    moved: u64,
    max_discarded: usize,
    /// What chunks may weigh that nobody has read.
    weight: Weight<C>,
}

/// What a head is.
type RoleOf<Head> = fn(&Head) -> Role;

struct Arriving<C> {
    id: u64,
    inlet: Inlet<C>,
    discarded: usize,
}

impl<T, I, O, C> Unpin for Streaming<T, I, O, C> {}

impl<T, I, O, C> Streaming<T, I, O, C> {
    /// For a [pipeline](crate::proto::pipeline): bodies come in the order of their heads, and ids are 0.
    pub fn in_order(transport: T) -> Self {
        Self::new(transport, true, |_| Role::Call(0), |_| Role::Call(0))
    }

    /// For [multiplex](crate::proto::multiplex): bodies have the ids of their heads, and take turns.
    pub fn by_id(transport: T) -> Self
    where
        I: Frame,
        O: Frame,
    {
        Self::new(transport, false, I::role, O::role)
    }

    fn new(transport: T, in_order: bool, role_arriving: RoleOf<I>, role_leaving: RoleOf<O>) -> Self {
        Self {
            transport,
            arriving: Vec::new(),
            stashed: None,
            leaving: VecDeque::new(),
            held: VecDeque::new(),
            in_order,
            role_arriving,
            role_leaving,
            moved: 0,
            max_discarded: DISCARDED_MAX,
            weight: Weight::UNBOUNDED,
        }
    }

    /// Sets how many `chunks` of a body that was dropped are read and thrown away. Default 1,024; one more ends the
    /// connection.
    #[must_use]
    pub fn max_discarded(mut self, chunks: usize) -> Self {
        self.max_discarded = chunks;
        self
    }

    /// Sets from how many `bytes` on that have arrived of a body and are not read, the peer is held up, and how many a
    /// chunk has; so there is one chunk more in memory at most. By default chunks are counted alone,
    /// [`CHUNKS_MAX`](super::CHUNKS_MAX) of them, each as large as the codec takes. At least a byte.
    ///
    /// ```
    /// use mainspring::proto::streaming::Streaming;
    ///
    /// fn bounded<T>(transport: T) -> Streaming<T, String, String, Vec<u8>> {
    ///     Streaming::in_order(transport).max_unread(64 << 10, Vec::len)
    /// }
    /// ```
    #[must_use]
    pub fn max_unread(mut self, bytes: usize, of: fn(&C) -> usize) -> Self {
        self.weight = Weight { max: bytes.max(1), of };
        self
    }

    /// Whether every body that arrives has room.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut room = Poll::Ready(());
        for body in &self.arriving {
            if body.inlet.poll_room(cx).is_pending() {
                room = Poll::Pending;
            }
        }
        room
    }

    /// Takes a part in: the message, if it is a head.
    fn take(&mut self, part: Part<I, C>) -> io::Result<Option<Streamed<I, C>>> {
        match part {
            Part::Head(head, has_body) => self.begin(head, has_body).map(Some),
            Part::Chunk(id, chunk) => self.chunk(id, chunk).map(|()| None),
            Part::End(id) => {
                if let Some(body) = self.remove(id)? {
                    body.inlet.end();
                }
                Ok(None)
            }
            // Its inlet is dropped before the end.
            Part::Cut(id) => self.remove(id).map(|_incomplete| None),
        }
    }

    fn begin(&mut self, head: I, has_body: bool) -> io::Result<Streamed<I, C>> {
        let role = (self.role_arriving)(&head);
        if let Role::Cancel(id) | Role::Refuse(id) = role {
            self.forget(id);
        }
        let Some(id) = Whose::of(role).map(Whose::id).filter(|_| has_body) else { return Ok(Streamed::from(head)) };
        if self.arriving.iter().any(|body| body.id == id) {
            let message = format!("a message came within the body of the one before, id {id}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if self.arriving.len() == BODIES_MAX {
            let message = format!("one more body came than the {BODIES_MAX} that may be on the way, id {id}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let (inlet, body) = Body::arriving(self.weight);
        self.arriving.push(Arriving { id, inlet, discarded: 0 });
        Ok(Streamed { head, body })
    }

    fn chunk(&mut self, id: u64, chunk: C) -> io::Result<()> {
        let in_order = self.in_order;
        let Some(body) = self.arriving.iter_mut().find(|body| body.id == id) else { return stray(in_order, id) };
        self.moved += 1;
        if let Err(unread) = body.inlet.push(chunk) {
            drop(unread);
            body.discarded += 1;
            if body.discarded > self.max_discarded {
                let message = format!("a body that nobody reads goes on after {} chunks, id {id}", self.max_discarded);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(())
    }

    fn remove(&mut self, id: u64) -> io::Result<Option<Arriving<C>>> {
        let Some(place) = self.arriving.iter().position(|body| body.id == id) else {
            return stray(self.in_order, id).map(|()| None);
        };
        self.moved += 1;
        Ok(Some(self.arriving.swap_remove(place)))
    }

    /// No more is sent or taken of the bodies of this id: its message was cancelled or refused, by either side.
    fn forget(&mut self, id: u64) {
        self.arriving.retain(|body| body.id != id);
        let kept = |(whose, _): &(Whose, Body<C>)| *whose != Whose::Call(id);
        let all = std::mem::take(&mut self.leaving);
        self.leaving = all.into_iter().filter(kept).collect();
    }
}

/// A message, a failure, or the end.
type Received<I, C, E> = Option<Result<Streamed<I, C>, E>>;

/// What belongs to no body. By ids it may be late, for one that was cancelled.
fn stray(in_order: bool, id: u64) -> io::Result<()> {
    if in_order {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a chunk came and no body, id {id}")));
    }
    Ok(())
}

/// To which message a body belongs. That of a push is not that of the call with the same id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Call(u64),
    Push,
}

impl Whose {
    /// None if such a message can have no body.
    const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Call(id) => Some(Self::Call(id)),
            Role::Push => Some(Self::Push),
            Role::Cancel(_) | Role::Refuse(_) | Role::Ping(_) | Role::Pong(_) | Role::GoAway => None,
        }
    }

    /// By which its parts are known.
    const fn id(self) -> u64 {
        match self {
            Self::Call(id) => id,
            Self::Push => PUSH,
        }
    }
}

impl<T, I, O, C> Streaming<T, I, O, C>
where
    T: Transport<Part<O, C>, Incoming = Part<I, C>>,
{
    /// The next message, or the end, from below; or nothing, once all bodies are there if they alone are wanted.
    fn poll_parts(&mut self, cx: &mut Context<'_>, bodies_alone: bool) -> Poll<Option<Received<I, C, T::Error>>> {
        for _ in 0..PARTS_PER_POLL {
            if bodies_alone && self.arriving.is_empty() {
                return Poll::Ready(None);
            }
            ready!(self.poll_room(cx));
            let part = ready!(self.transport.poll_receive(cx));
            if let Some(message) = self.message(part) {
                return Poll::Ready(Some(message));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What came from below; nothing if it was a part of a body.
    fn message(&mut self, part: Option<Result<Part<I, C>, T::Error>>) -> Option<Received<I, C, T::Error>> {
        let taken = match part {
            Some(Ok(part)) => self.take(part).map_err(T::Error::from).transpose()?,
            Some(Err(error)) => Err(error),
            None => {
                self.arriving.clear();
                return Some(None);
            }
        };
        if taken.is_err() {
            self.arriving.clear();
        }
        Some(Some(taken))
    }

    /// Sends what there is of bodies, and the push that waited for one of them.
    fn pump(&mut self, cx: &mut Context<'_>) -> Result<(), T::Error> {
        self.pump_bodies(cx)?;
        while !self.held.is_empty() && !self.is_pushing() && self.transport.poll_ready(cx)?.is_ready() {
            let Some((head, body)) = self.held.pop_front() else { break };
            let has_body = !body.is_empty();
            self.transport.send(Part::Head(head, has_body))?;
            self.leaving.extend(has_body.then_some((Whose::Push, body)));
            self.pump_bodies(cx)?;
        }
        Ok(())
    }

    /// Whether there is a body, or a push, to be sent.
    fn has_more(&self) -> bool {
        !self.leaving.is_empty() || !self.held.is_empty()
    }

    /// Whether the body of a push is sent.
    fn is_pushing(&self) -> bool {
        self.leaving.iter().any(|(whose, _)| *whose == Whose::Push)
    }

    /// Sends chunks of bodies, as far as there are some and room for them.
    fn pump_bodies(&mut self, cx: &mut Context<'_>) -> Result<(), T::Error> {
        // Those in front have not been asked since they had a chunk; those behind sleep, and will wake the task.
        let mut awake = self.leaving.len();
        let mut count = 0;
        while awake > 0 && self.transport.poll_ready(cx)?.is_ready() {
            if count == PARTS_PER_POLL {
                cx.waker().wake_by_ref();
                break;
            }
            let Some((whose, mut body)) = self.leaving.pop_front() else { break };
            let id = whose.id();
            awake -= 1;
            match Pin::new(&mut body).poll_next(cx) {
                Poll::Pending => {
                    self.leaving.push_back((whose, body));
                    continue;
                }
                Poll::Ready(Some(Ok(chunk))) => {
                    self.transport.send(Part::Chunk(id, chunk))?;
                    self.leaving.insert(awake, (whose, body));
                    awake += 1;
                }
                Poll::Ready(Some(Err(_))) => self.transport.send(Part::Cut(id))?,
                Poll::Ready(None) => self.transport.send(Part::End(id))?,
            }
            count += 1;
            self.moved += 1;
        }
        Ok(())
    }
}

impl<T, I, O, C> Transport<Streamed<O, C>> for Streaming<T, I, O, C>
where
    T: Transport<Part<O, C>, Incoming = Part<I, C>>,
{
    type Incoming = Streamed<I, C>;
    type Error = T::Error;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Self::Incoming, Self::Error>>> {
        match self.stashed.take() {
            Some(stashed) => Poll::Ready(stashed.map(|message| message.map_err(T::Error::from))),
            // Why never nothing: that is of bodies alone.
            None => self.poll_parts(cx, false).map(Option::flatten),
        }
    }

    fn receive_buffered(&mut self) -> Option<Result<Self::Incoming, Self::Error>> {
        if let Some(stashed) = self.stashed.take() {
            return stashed.map(|message| message.map_err(T::Error::from));
        }
        // Within a body, the connection is asked, which waits for room.
        while self.arriving.is_empty() {
            let part = self.transport.receive_buffered()?;
            if let Some(message) = self.message(Some(part)) {
                return message;
            }
        }
        None
    }

    fn has_partial(&self) -> bool {
        !self.arriving.is_empty() || self.transport.has_partial()
    }

    fn is_interim(&self) -> bool {
        self.transport.is_interim()
    }

    fn give_up(&mut self) -> Option<Self::Incoming> {
        // Within a body the message has been given already.
        if !self.arriving.is_empty() {
            return None;
        }
        match self.transport.give_up()? {
            Part::Head(head, _) => Some(Streamed::from(head)),
            Part::Chunk(..) | Part::End(_) | Part::Cut(_) => None,
        }
    }

    fn poll_bodies(&mut self, cx: &mut Context<'_>) {
        if self.arriving.is_empty() || self.stashed.is_some() {
            return;
        }
        if let Poll::Ready(Some(message)) = self.poll_parts(cx, true) {
            self.stashed = Some(message.map(|message| message.map_err(|error| io::Error::other(error.to_string()))));
        }
    }

    fn bodies(&self) -> Bodies {
        Bodies {
            arriving: !self.arriving.is_empty(),
            wanted: self.arriving.iter().any(|body| !body.inlet.is_unread()),
            held_up: self.arriving.iter().any(|body| body.inlet.is_full()),
            leaving: self.has_more(),
            push_waits: !self.held.is_empty(),
            moved: self.moved,
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // By ids messages come before chunks, which would take all the room that there ever is; a flush sends those.
        let leaving_max = if self.in_order { 1 } else { BODIES_MAX };
        let is_full = |this: &Self| this.leaving.len() >= leaving_max || this.held.len() >= HELD_MAX;
        if is_full(self) {
            self.pump(cx)?;
            if is_full(self) {
                return Poll::Pending;
            }
        }
        self.transport.poll_ready(cx)
    }

    fn send(&mut self, message: Streamed<O, C>) -> Result<(), Self::Error> {
        let Streamed { head, body } = message;
        let role = (self.role_leaving)(&head);
        if let Role::Cancel(id) | Role::Refuse(id) = role {
            self.forget(id);
        }
        let whose = Whose::of(role).filter(|_| !body.is_empty());
        if role == Role::Push && (!self.held.is_empty() || whose.is_some() && self.is_pushing()) {
            self.held.push_back((head, body));
            return Ok(());
        }
        self.transport.send(Part::Head(head, whose.is_some()))?;
        self.leaving.extend(whose.map(|whose| (whose, body)));
        Ok(())
    }

    fn before_last(&mut self) {
        self.transport.before_last();
    }

    fn is_last(&self) -> bool {
        self.transport.is_last()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.pump(cx)?;
        ready!(self.transport.poll_flush(cx))?;
        if self.has_more() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn unwritten(&self) -> usize {
        self.transport.unwritten()
    }

    fn written(&self) -> u64 {
        self.transport.written()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.pump(cx)?;
        if !self.has_more() {
            return self.transport.poll_close(cx);
        }
        ready!(self.transport.poll_flush(cx))?;
        Poll::Pending
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transport.poll_linger(cx)
    }
}

impl<T: fmt::Debug, I, O, C> fmt::Debug for Streaming<T, I, O, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming")
            .field("transport", &self.transport)
            .field("arriving", &self.arriving.len())
            .field("leaving", &self.leaving.len())
            .finish_non_exhaustive()
    }
}
