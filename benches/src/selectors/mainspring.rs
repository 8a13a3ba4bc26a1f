//! Ourselves: `mainspring-sys`, edge-triggered as the reactor uses it.
//!
//! The waker is used as its documentation says: the token is taken after each select, and ends the wait. Nothing here
//! is tuned for the benchmark; the other peers stand in files of the same shape.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token, Waker};

use super::peer::{Peer, SILENCE_MAX, WAITS_MAX, nobody_woke};

pub(super) struct Mainspring {
    selector: OsSelector,
    events: Events,
    waker: Waker,
}

impl Peer for Mainspring {
    const NAME: &'static str = "mainspring";

    type Source = UnixStream;
    type Waker = Waker;

    fn new(capacity: usize) -> io::Result<Self> {
        let selector = OsSelector::new()?;
        let waker = selector.waker()?;
        Ok(Self { selector, events: Events::with_capacity(capacity), waker })
    }

    #[inline]
    fn register(&mut self, stream: UnixStream, token: usize) -> io::Result<UnixStream> {
        self.selector.register(stream.as_fd(), Token(token as u64), Interest::READABLE, Mode::Edge)?;
        Ok(stream)
    }

    #[inline]
    fn deregister(&mut self, stream: UnixStream) -> io::Result<UnixStream> {
        self.selector.deregister(stream.as_fd())?;
        Ok(stream)
    }

    #[inline]
    fn select(&mut self, timeout: Option<Duration>, mut look: impl FnMut(usize, bool)) -> io::Result<()> {
        self.selector.select(&mut self.events, timeout)?;
        for event in self.events.iter() {
            look(event.token().0 as usize, event.is_readable());
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    #[inline]
    fn wake(waker: &Waker) -> io::Result<()> {
        waker.wake();
        Ok(())
    }

    #[inline]
    fn wait_for_wake(&mut self) -> io::Result<()> {
        for _ in 0..WAITS_MAX {
            if self.waker.take() {
                return Ok(());
            }
            self.selector.select(&mut self.events, Some(SILENCE_MAX))?;
        }
        Err(nobody_woke())
    }
}
