//! polling: in one-shot mode as its documentation has it, and edge-triggered, which is nearer to the others.
//!
//! One-shot is its default: each event is followed by a `modify` that asks for the next. Edge-triggered mode spares
//! that, and is there on every system that has epoll or kqueue; it is shown too, so that what remains is not what the
//! mode costs.

use std::borrow::Borrow;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use polling_owned::Owned;

use super::peer::{Peer, SILENCE_MAX};

pub(super) struct Polling<const EDGE: bool> {
    poller: Arc<Poller>,
    events: Events,
}

/// As its documentation has it.
pub(super) type PollingOneshot = Polling<false>;

/// Edge-triggered.
pub(super) type PollingEdge = Polling<true>;

impl<const EDGE: bool> Peer for Polling<EDGE> {
    const NAME: &'static str = if EDGE { "polling-edge" } else { "polling" };

    const REARMS: bool = !EDGE;

    type Source = Owned;
    type Waker = Arc<Poller>;

    fn new(capacity: usize) -> io::Result<Self> {
        let capacity = NonZeroUsize::new(capacity).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { poller: Arc::new(Poller::new()?), events: Events::with_capacity(capacity) })
    }

    #[inline]
    fn register(&mut self, stream: UnixStream, token: usize) -> io::Result<Owned> {
        let mode = if EDGE { PollMode::Edge } else { PollMode::Oneshot };
        Owned::add(&self.poller, stream, Event::readable(token), mode)
    }

    #[inline]
    fn deregister(&mut self, source: Owned) -> io::Result<UnixStream> {
        source.delete(&self.poller)
    }

    #[inline]
    fn select(&mut self, timeout: Option<Duration>, mut look: impl FnMut(usize, bool)) -> io::Result<()> {
        self.events.clear();
        self.poller.wait(&mut self.events, timeout)?;
        for event in self.events.iter() {
            look(event.key, event.readable);
        }
        Ok(())
    }

    #[inline]
    fn rearm(&mut self, source: &Owned, token: usize) -> io::Result<()> {
        let stream: &UnixStream = source.borrow();
        if EDGE { Ok(()) } else { self.poller.modify(stream, Event::readable(token)) }
    }

    fn waker(&self) -> Arc<Poller> {
        Arc::clone(&self.poller)
    }

    #[inline]
    fn wake(waker: &Arc<Poller>) -> io::Result<()> {
        waker.notify()
    }

    /// Returns as well when nobody wakes it: `wait` does not tell the two apart.
    #[inline]
    fn wait_for_wake(&mut self) -> io::Result<()> {
        self.events.clear();
        self.poller.wait(&mut self.events, Some(SILENCE_MAX)).map(drop)
    }
}
