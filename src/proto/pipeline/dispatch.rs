//! The work of a served connection: requests in, calls, answers out.
//!
//! Owned by [`Server::serve`](super::Server::serve). Each poll does, in this order:
//!
//! 1. see whether to drain, and poll the calls in flight;
//! 2. write answers whose turn has come and read requests, in turns, until neither moves;
//! 3. flush;
//! 4. close, once nothing is read any more and nothing is in flight, and throw away what still arrives;
//! 5. see whether the deadline of this phase has passed.
//!
//! It guarantees that reading and writing never wait for each other, except that reading stops while the
//! slots are full: so a peer that does not read its answers is bounded by them and the write buffer.
//!
//! Reading until the slots are full, also while writing is blocked, was preferred to stopping at the first
//! blocked write: a peer that writes all its requests before it reads would otherwise never finish.
//!
//! The transport hears which answer is the last before it has it. So from the drain on, an answer with no call behind
//! it is held back until it is known whether another request has arrived: a turn of the reactor or two, for that waits
//! for no peer. If one has, the answer goes out before that is begun, since it may be the last by its own word. While
//! the rest of a request is waited for, it is not held back, and not the last. To announce each answer from the drain
//! on was turned down: what waits in the socket is answered behind it.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ServeError;
use super::slots::Slots;
use crate::proto::last::Last;
use crate::proto::phase::{Phase, Progress};
use crate::proto::pressure::Heard;
use crate::proto::transport::poll_end;
use crate::proto::watchdog::Watchdog;
use crate::proto::{Deadlines, Pressure, Transport};

/// The most requests that are read in one poll. The task then goes to the back of the queue, so that a peer
/// which never stops sending does not hold up the others.
const REQUESTS_PER_POLL: usize = 64;

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The connection.
    Connection,
    /// What has arrived already: the connection drains.
    Last(Last),
    /// Nowhere: the peer has sent its last request, or the connection is about to close.
    Nothing,
}

pub(super) struct Dispatch<T, F: Future, E, S> {
    transport: T,
    slots: Slots<F>,
    source: Source,
    /// What went wrong, to be reported once earlier answers are written. The first one stays.
    failure: Option<ServeError<E, S>>,
    /// Set by an answer that was written, cleared by a flush that is done.
    flush_due: bool,
    /// Set once the writing side is closed.
    closed: bool,
    /// How many requests have been read.
    received: u64,
    /// How many answers have been handed to the transport.
    answered: u64,
    deadlines: Deadlines,
    /// Under which deadlines are shortened.
    pressure: Option<Heard>,
    watchdog: Watchdog<Phase>,
}

impl<T, F, E, R, S> Dispatch<T, F, E, S>
where
    T: Transport<R, Error = E>,
    F: Future<Output = Result<R, S>>,
    E: From<io::Error>,
{
    pub(super) fn new(transport: T, max_in_flight: usize, deadlines: Deadlines, pressure: Option<Pressure>) -> Self {
        Self {
            transport,
            slots: Slots::new(max_in_flight),
            source: Source::Connection,
            failure: None,
            flush_due: false,
            closed: false,
            received: 0,
            answered: 0,
            deadlines,
            pressure: pressure.map(Heard::new),
            watchdog: Watchdog::new(),
        }
    }

    /// One poll; the numbers are those of the module. Not to be polled again after it was ready.
    pub(super) fn poll<D: Future<Output = ()>>(
        &mut self,
        cx: &mut Context<'_>,
        drain: Pin<&mut D>,
        call: &mut impl FnMut(T::Incoming) -> F,
    ) -> Poll<Result<(), ServeError<E, S>>> {
        // 1.
        if self.source == Source::Connection && drain.poll(cx).is_ready() {
            self.source = Source::Last(Last::new());
        }
        self.slots.poll(cx);

        // 2. and 3.
        if let Err(error) = self.exchange(cx, call) {
            return Poll::Ready(self.outcome(Err(error)));
        }

        // 4. and 5.
        loop {
            if self.is_closing() {
                if let Poll::Ready(end) = poll_end(&mut self.transport, &mut self.closed, cx) {
                    return Poll::Ready(self.outcome(end));
                }
            }
            let phase = Phase::of(self.progress());
            let limit = phase.limit(&self.deadlines);
            let limit = match &mut self.pressure {
                Some(pressure) if phase.is_idle() => pressure.shorten(cx, limit),
                _ => limit,
            };
            if self.watchdog.poll(cx, phase, limit).is_pending() {
                return Poll::Pending;
            }
            match phase {
                Phase::Idle(_) => self.source = Source::Nothing,
                Phase::PartialFrame(_) => {
                    self.source = Source::Nothing;
                    let Some(request) = self.transport.give_up() else {
                        return Poll::Ready(self.outcome(Err(phase.expired(limit).into())));
                    };
                    if let Err(error) = self.start(cx, call(request)).and_then(|()| self.exchange(cx, call)) {
                        return Poll::Ready(self.outcome(Err(error)));
                    }
                }
                // All is said; the peer goes on and on.
                Phase::Closing(_) if self.closed => return Poll::Ready(self.outcome(Ok(()))),
                _ => return Poll::Ready(self.outcome(Err(phase.expired(limit).into()))),
            }
        }
    }

    /// Writes answers and reads requests until neither moves, then flushes.
    fn exchange(&mut self, cx: &mut Context<'_>, call: &mut impl FnMut(T::Incoming) -> F) -> Result<(), E> {
        let mut count = 0;
        loop {
            let was_held = self.write(cx)?;
            // What was held back goes out in the poll that decides it.
            let moved = self.read(cx, call)? || (was_held && !self.is_held());
            if !moved {
                break;
            }
            count += 1;
            if count == REQUESTS_PER_POLL {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if self.flush_due && self.transport.poll_flush(cx)?.is_ready() {
            self.flush_due = false;
        }
        Ok(())
    }

    /// Reads a request and starts its call. False if there is none to read, or no slot for it.
    #[inline]
    fn read(&mut self, cx: &mut Context<'_>, call: &mut impl FnMut(T::Incoming) -> F) -> Result<bool, E> {
        let is_held = self.is_held();
        // Why not with an answer that is held back: where one slot is all there is, what it waits for is never known.
        if self.slots.is_full() && !(is_held && self.transport.poll_ready(cx)?.is_ready()) {
            self.transport.poll_bodies(cx);
            return Ok(false);
        }
        let request = match &mut self.source {
            Source::Connection => self.transport.poll_receive(cx),
            Source::Last(last) => last.poll_receive(cx, &mut self.transport),
            Source::Nothing => {
                // A body of one that was received may go on, as the answer.
                self.transport.poll_bodies(cx);
                return Ok(false);
            }
        };
        let Poll::Ready(request) = request else { return Ok(false) };
        match request {
            Some(Ok(request)) => {
                if is_held && self.transport.poll_ready(cx)?.is_ready() {
                    if let Some(answer) = self.slots.pop() {
                        self.send(answer);
                    }
                    // It was the last one by its own word, or had no encoding: nothing behind it is begun.
                    if self.source == Source::Nothing {
                        return Ok(false);
                    }
                }
                self.start(cx, call(request))?;
                return Ok(true);
            }
            Some(Err(error)) => {
                // Why a flush: it tells a connection that has failed from a message that was malformed.
                self.flush_due = true;
                self.failure.get_or_insert(ServeError::Transport(error));
            }
            None => {}
        }
        self.source = Source::Nothing;
        Ok(false)
    }

    /// A request has come. Most calls need one poll, and find nobody before them: such an answer goes to the transport
    /// without a stay in a slot, unless it is held back.
    #[inline]
    fn start(&mut self, cx: &mut Context<'_>, call: F) -> Result<(), E> {
        self.received += 1;
        let Some(answer) = self.slots.start(call, cx) else { return Ok(()) };
        if !self.is_undecided() && self.transport.poll_ready(cx)?.is_ready() {
            self.send(answer);
        } else {
            self.slots.keep(answer);
        }
        Ok(())
    }

    /// Hands answers whose turn has come to the transport, as far as there is room. True if one is held back.
    #[inline]
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, E> {
        while self.slots.is_answered() {
            if self.is_held() {
                return Ok(true);
            }
            if self.transport.poll_ready(cx)?.is_pending() {
                break;
            }
            let Some(answer) = self.slots.pop() else {
                break;
            };
            self.send(answer);
        }
        Ok(false)
    }

    /// Hands an answer to the transport, which has room for it.
    #[inline]
    fn send(&mut self, answer: Result<R, S>) {
        self.answered += 1;
        let sent = match answer {
            Ok(response) => {
                if self.is_closing() {
                    self.transport.before_last();
                }
                self.transport.send(response).map_err(ServeError::Transport)
            }
            Err(error) => Err(ServeError::Service(error)),
        };
        match sent {
            Ok(()) => {
                self.flush_due = true;
                if self.transport.is_last() {
                    self.stop();
                }
            }
            Err(failure) => {
                self.failure.get_or_insert(failure);
                self.stop();
            }
        }
    }

    /// Whether the connection drains, and will soon be known to have another request or none.
    #[inline]
    fn is_undecided(&self) -> bool {
        matches!(&self.source, Source::Last(last) if last.is_soon_known(&self.transport))
    }

    /// Whether an answer waits to hear whether it is the last one.
    #[inline]
    fn is_held(&self) -> bool {
        self.is_undecided() && self.slots.is_one_answer()
    }

    /// Nothing more is read or answered. What was written still leaves.
    fn stop(&mut self) {
        self.source = Source::Nothing;
        self.slots.clear();
    }

    /// What is reported when the connection has ended with `end`.
    fn outcome(&mut self, end: Result<(), E>) -> Result<(), ServeError<E, S>> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => end.map_err(ServeError::Transport),
        }
    }

    fn progress(&self) -> Progress {
        let bodies = self.transport.bodies();
        // Why not always: a call that still runs is what is waited for, whatever the peer reads meanwhile.
        let unwritten =
            self.transport.unwritten() > 0 && (self.slots.is_empty() || self.slots.is_answered() || bodies.leaving);
        Progress {
            received: self.received,
            oldest: self.answered + bodies.moved,
            in_flight: !self.slots.is_empty() || bodies.leaving || bodies.wanted,
            partial: self.transport.has_partial(),
            unwritten,
            written: self.transport.written(),
            closing: self.is_closing(),
        }
    }

    /// Whether nothing is left but to write and close.
    fn is_closing(&self) -> bool {
        self.source == Source::Nothing && self.slots.is_empty()
    }
}
