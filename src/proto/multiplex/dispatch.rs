//! The work of a served connection: requests in, calls, answers out.
//!
//! Owned by [`Server::serve`](super::Server::serve). Each poll does, in this order:
//!
//! 1. see whether to drain, and poll the calls that were woken;
//! 2. write (answers to pings and the like, then answers, then pushes) and read, in turns, until neither moves;
//! 3. flush;
//! 4. close, once nothing is read any more and nothing is in flight, and throw away what still arrives;
//! 5. see whether the deadline of this phase has passed.
//!
//! It guarantees what that of the pipeline does: reading and writing never wait for each other, except that reading
//! stops while the slots are full, or too much waits that is no answer. So a peer that does not read is bounded by them
//! and the write buffer. A cancellation behind requests that are not read is not heard until there is a slot.
//!
//! Calls that take the slots may wait for parts of their bodies, which come behind further requests. Then reading goes
//! on: those requests are refused, as while it drains. A protocol that cannot refuse holds the bodies up until there is
//! a slot; to end its connections at once was turned down, for one body among quick calls is no reason to.
//!
//! It is beside the pipeline's and not a case of it: both are a page, and what differs (ids, cancellations, messages of
//! the server's own) is half of each step.
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::slots::Slots;
use super::{CONTROLS_MAX, Frame, Role, ServeError};
use crate::proto::last::{Last, MESSAGES_MAX};
use crate::proto::phase::{Phase, Progress};
use crate::proto::pressure::Heard;
use crate::proto::transport::poll_end;
use crate::proto::watchdog::Watchdog;
use crate::proto::{Deadlines, Pressure, Transport};

/// The most messages that are read, and the most that are pushed, in one poll. The task then goes to the back of the
/// queue, so that a peer which never stops sending does not hold up the others.
const MESSAGES_PER_POLL: usize = 64;

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The connection.
    Connection,
    /// The connection, which drains: they are refused. So many messages more are read with nothing in flight.
    Refused(u32),
    /// What has arrived already: the connection drains, and cannot refuse.
    Last(Last),
    /// Nowhere: the peer has sent its last request, or the connection is about to close.
    Nothing,
}

pub(super) struct Dispatch<T, F: Future, R, E, S> {
    transport: T,
    slots: Slots<F>,
    source: Source,
    /// What waits to be written before any answer. At most `CONTROLS_MAX`, and a farewell.
    controls: VecDeque<R>,
    /// Set when the pushes have ended.
    pushed_all: bool,
    /// What went wrong, to be reported once earlier answers are written. The first one stays.
    failure: Option<ServeError<E, S>>,
    /// Set by a message that was written, cleared by a flush that is done.
    flush_due: bool,
    /// Set once the writing side is closed.
    closed: bool,
    /// How many messages have been read.
    received: u64,
    deadlines: Deadlines,
    /// Under which deadlines are shortened.
    pressure: Option<Heard>,
    watchdog: Watchdog<Phase>,
}

impl<T, F, E, R, S> Dispatch<T, F, R, E, S>
where
    T: Transport<R, Error = E>,
    T::Incoming: Frame,
    F: Future<Output = Result<R, S>>,
    E: From<io::Error>,
    R: Frame,
{
    pub(super) fn new(transport: T, max_in_flight: usize, deadlines: Deadlines, pressure: Option<Pressure>) -> Self {
        Self {
            transport,
            slots: Slots::new(max_in_flight),
            source: Source::Connection,
            controls: VecDeque::new(),
            pushed_all: false,
            failure: None,
            flush_due: false,
            closed: false,
            received: 0,
            deadlines,
            pressure: pressure.map(Heard::new),
            watchdog: Watchdog::new(),
        }
    }

    /// One poll; the numbers are those of the module. Not to be polled again after it was ready.
    pub(super) fn poll<D: Future<Output = ()>, P: Stream<Item = R>>(
        &mut self,
        cx: &mut Context<'_>,
        drain: Pin<&mut D>,
        mut pushes: Pin<&mut P>,
        call: &mut impl FnMut(T::Incoming) -> F,
    ) -> Poll<Result<(), ServeError<E, S>>> {
        // 1.
        if self.source == Source::Connection && drain.poll(cx).is_ready() {
            self.drain();
        }
        self.slots.poll(cx);

        // 2. and 3.
        if let Err(error) = self.exchange(cx, pushes.as_mut(), call) {
            return Poll::Ready(self.outcome(Err(error)));
        }

        // 4. and 5.
        loop {
            if self.is_closing() && self.controls.is_empty() {
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
                Phase::Idle(_) => self.stop_reading(),
                Phase::PartialFrame(_) => {
                    self.stop_reading();
                    let Some(message) = self.transport.give_up() else {
                        return Poll::Ready(self.outcome(Err(phase.expired(limit).into())));
                    };
                    self.take(message, call);
                    if let Err(error) = self.exchange(cx, pushes.as_mut(), call) {
                        return Poll::Ready(self.outcome(Err(error)));
                    }
                }
                // All is said; the peer goes on and on.
                Phase::Closing(_) if self.closed => return Poll::Ready(self.outcome(Ok(()))),
                _ => return Poll::Ready(self.outcome(Err(phase.expired(limit).into()))),
            }
        }
    }

    /// The connection is to end in good order.
    fn drain(&mut self) {
        self.controls.extend(R::go_away());
        self.source = if can_refuse::<R>() { Source::Refused(MESSAGES_MAX) } else { Source::Last(Last::new()) };
    }

    /// Writes and reads until neither moves, then flushes.
    fn exchange<P: Stream<Item = R>>(
        &mut self,
        cx: &mut Context<'_>,
        mut pushes: Pin<&mut P>,
        call: &mut impl FnMut(T::Incoming) -> F,
    ) -> Result<(), E> {
        let mut count = 0;
        loop {
            self.write(cx)?;
            if !self.read(cx, call) {
                break;
            }
            count += 1;
            if count == MESSAGES_PER_POLL {
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.push(cx, pushes.as_mut())?;
        let push_waits = self.transport.bodies().push_waits;
        if self.flush_due && self.transport.poll_flush(cx)?.is_ready() {
            self.flush_due = false;
        }
        if push_waits && !self.transport.bodies().push_waits {
            // The flush has sent it, and nobody has asked for the next one.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Reads a message and does what it asks for. False if there is none to read, or no place for it.
    fn read(&mut self, cx: &mut Context<'_>, call: &mut impl FnMut(T::Incoming) -> F) -> bool {
        let has_slot = !self.slots.is_full() || self.refuses_for_bodies();
        let message = match &mut self.source {
            Source::Nothing => {
                // A body of one that was received may go on, as the answer. Messages between its parts are not heard.
                let arriving = self.transport.bodies().arriving;
                if arriving {
                    self.transport.poll_bodies(cx);
                }
                return arriving && self.transport.receive_buffered().is_some();
            }
            _ if !has_slot || self.controls.len() >= CONTROLS_MAX => {
                self.transport.poll_bodies(cx);
                return false;
            }
            Source::Connection => match self.transport.poll_receive(cx) {
                Poll::Ready(message) => message,
                Poll::Pending => return false,
            },
            Source::Refused(0) if self.slots.is_empty() => None,
            Source::Refused(left) => match self.transport.poll_receive(cx) {
                Poll::Ready(message) => {
                    *left = left.saturating_sub(1);
                    message
                }
                Poll::Pending => {
                    if self.slots.is_empty() && !self.transport.has_partial() {
                        self.stop_reading();
                    }
                    return false;
                }
            },
            Source::Last(last) => match last.poll_receive(cx, &mut self.transport) {
                Poll::Ready(message) => message,
                Poll::Pending => return false,
            },
        };
        match message {
            Some(Ok(message)) => return self.take(message, call),
            Some(Err(error)) => self.fail(error),
            None => self.stop_reading(),
        }
        false
    }

    /// Does what a message asks for. False if it ends the reading.
    fn take(&mut self, message: T::Incoming, call: &mut impl FnMut(T::Incoming) -> F) -> bool {
        self.received += 1;
        match message.role() {
            Role::Call(id) if self.slots.contains(id) => {
                let message = format!("request {id} came while one of that id is in flight");
                self.fail(io::Error::new(io::ErrorKind::InvalidData, message).into());
                return false;
            }
            Role::Call(id) if self.is_refusing() => self.controls.extend(R::refuse(id)),
            Role::Call(id) => self.slots.start(Some(id), call(message)),
            Role::Push if self.is_refusing() => {}
            Role::Push => self.slots.start(None, call(message)),
            Role::Cancel(id) => {
                // One that is not in flight was answered before it was cancelled.
                if self.slots.cancel(id) {
                    self.controls.extend(R::cancel(id));
                }
            }
            Role::Ping(number) => self.controls.extend(R::pong(number)),
            Role::Refuse(_) | Role::Pong(_) | Role::GoAway => {}
        }
        true
    }

    /// Whether calls are refused for which there is no slot: those that have one wait for parts of their bodies, which
    /// come behind.
    fn refuses_for_bodies(&self) -> bool {
        self.transport.bodies().wanted && can_refuse::<R>()
    }

    /// Whether requests that arrive are refused, and pushes dropped.
    fn is_refusing(&self) -> bool {
        matches!(self.source, Source::Refused(_)) || self.slots.is_full()
    }

    /// What arrived cannot be understood: what came before it is answered.
    fn fail(&mut self, error: E) {
        // Why a flush: it tells a connection that has failed from a message that was malformed.
        self.flush_due = true;
        self.failure.get_or_insert(ServeError::Transport(error));
        self.stop_reading();
    }

    /// Hands controls and answers to the transport, as far as there is room.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), E> {
        while !self.controls.is_empty() || self.slots.is_answered() {
            if self.transport.poll_ready(cx)?.is_pending() {
                break;
            }
            if let Some(control) = self.controls.pop_front() {
                self.send(control);
            } else if let Some((id, answer)) = self.slots.pop() {
                match (id, answer) {
                    (Some(id), Ok(mut response)) => {
                        response.set_id(id);
                        self.send(response);
                    }
                    (None, Ok(unwanted)) => drop(unwanted),
                    (_, Err(error)) => self.stop(ServeError::Service(error)),
                }
            }
        }
        Ok(())
    }

    /// Hands pushes to the transport, as far as there is room.
    fn push<P: Stream<Item = R>>(&mut self, cx: &mut Context<'_>, mut pushes: Pin<&mut P>) -> Result<(), E> {
        for _ in 0..MESSAGES_PER_POLL {
            if self.pushed_all || self.is_closing() || self.transport.poll_ready(cx)?.is_pending() {
                return Ok(());
            }
            if self.transport.bodies().push_waits {
                return Ok(());
            }
            match pushes.as_mut().poll_next(cx) {
                Poll::Ready(Some(message)) => self.send(message),
                Poll::Ready(None) => self.pushed_all = true,
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn send(&mut self, message: R) {
        match self.transport.send(message) {
            Ok(()) => {
                self.flush_due = true;
                if self.transport.is_last() {
                    self.stop_at_once();
                }
            }
            Err(error) => self.stop(ServeError::Transport(error)),
        }
    }

    /// Nothing more is read or answered, for this reason.
    fn stop(&mut self, failure: ServeError<E, S>) {
        self.failure.get_or_insert(failure);
        self.stop_at_once();
    }

    /// Nothing more is read or answered. What was written still leaves.
    fn stop_at_once(&mut self) {
        self.stop_reading();
        self.controls.clear();
        self.slots.clear();
    }

    fn stop_reading(&mut self) {
        self.source = Source::Nothing;
    }

    /// What is reported when the connection has ended with `end`.
    fn outcome(&mut self, end: Result<(), E>) -> Result<(), ServeError<E, S>> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => end.map_err(ServeError::Transport),
        }
    }

    fn progress(&mut self) -> Progress {
        let bodies = self.transport.bodies();
        // Why not always: a call that still runs is what is waited for, whatever the peer reads meanwhile.
        let unwritten =
            self.transport.unwritten() > 0 && (self.slots.is_empty() || self.slots.is_answered() || bodies.leaving);
        Progress {
            received: self.received,
            oldest: self.slots.oldest() + bodies.moved,
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

/// Whether the protocol has a message for requests that are not begun.
fn can_refuse<R: Frame>() -> bool {
    R::refuse(*R::IDS.start()).is_some()
}
