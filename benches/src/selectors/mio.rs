//! mio: always edge-triggered.
//!
//! Its waker is an event like any other, and whoever has one looks for its token in every batch. That is left out here
//! where nobody wakes; the other libraries keep that event to themselves, and compare.
//!
//! Streams of the standard library are registered through `SourceFd`, which is what it is for; mio's own stream reads
//! and writes with the same system calls, and would put the reading of one library beside the reading of another.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::peer::{Peer, SILENCE_MAX, WAITS_MAX, nobody_woke};

const WAKE: Token = Token(usize::MAX);

pub(super) struct Mio {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

impl Peer for Mio {
    const NAME: &'static str = "mio";

    type Source = UnixStream;
    type Waker = Arc<Waker>;

    fn new(capacity: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self { poll, events: Events::with_capacity(capacity), waker })
    }

    #[inline]
    fn register(&mut self, stream: UnixStream, token: usize) -> io::Result<UnixStream> {
        self.poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), Token(token), Interest::READABLE)?;
        Ok(stream)
    }

    #[inline]
    fn deregister(&mut self, stream: UnixStream) -> io::Result<UnixStream> {
        self.poll.registry().deregister(&mut SourceFd(&stream.as_raw_fd()))?;
        Ok(stream)
    }

    #[inline]
    fn select(&mut self, timeout: Option<Duration>, mut look: impl FnMut(usize, bool)) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)?;
        for event in &self.events {
            look(event.token().0, event.is_readable());
        }
        Ok(())
    }

    fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    #[inline]
    fn wake(waker: &Arc<Waker>) -> io::Result<()> {
        waker.wake()
    }

    #[inline]
    fn wait_for_wake(&mut self) -> io::Result<()> {
        for _ in 0..WAITS_MAX {
            self.poll.poll(&mut self.events, Some(SILENCE_MAX))?;
            if self.events.iter().any(|event| event.token() == WAKE) {
                return Ok(());
            }
        }
        Err(nobody_woke())
    }
}
