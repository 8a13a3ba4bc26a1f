//! A descriptor by which something outside of the reactor says that it has come: a signal, a child that ended, a
//! notifier.
//!
//! It is registered for reading, and heard by draining it. Whoever waits keeps an owner id of their own, as every leaf
//! future does, so several may share one.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use mainspring_sys::{Interest, Mode, Readiness};

use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;

/// A registered descriptor that lives as long as this, or longer.
pub(crate) struct Listening<S: AsFd> {
    /// What becomes readable.
    heard: S,
    /// What the reactor knows of it.
    source: Rc<Source>,
}

impl<S: AsFd> Listening<S> {
    /// Registers `heard`.
    pub(crate) fn start(core: &Core, heard: S) -> io::Result<Self> {
        let source = core.register(heard.as_fd(), Interest::READABLE, Mode::Edge, Readiness::READABLE, false)?;
        Ok(Self { heard, source })
    }

    /// Waits until `drain`, called now and after each event, finds that it has come. `owner` is 0 before the first
    /// poll.
    pub(crate) fn poll<T>(
        &self,
        owner: &mut u64,
        cx: &Context<'_>,
        mut drain: impl FnMut(&S) -> io::Result<Option<T>>,
    ) -> Poll<io::Result<T>> {
        self.source
            .poll_io(owner, cx, Direction::Read, || drain(&self.heard)?.ok_or_else(|| io::ErrorKind::WouldBlock.into()))
    }

    /// A try in the style of a tick.
    pub(crate) fn try_now<T>(&self, drain: impl FnOnce(&S) -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        self.source.try_io(Direction::Read, || drain(&self.heard)?.ok_or_else(|| io::ErrorKind::WouldBlock.into()))
    }

    /// What a tick waits for has come in another way.
    pub(crate) fn progressed(&self) {
        let account = &self.source.core().account;
        account.spend();
        account.progressed();
    }

    /// Whoever waits does so no longer.
    pub(crate) fn end(&self, owner: &mut u64) {
        self.source.end_own(owner, Direction::Read);
    }
}

impl<S: AsFd> Drop for Listening<S> {
    fn drop(&mut self) {
        self.source.close();
        // The descriptor may outlive this. Why ignored: there is nobody to tell.
        let _ = self.source.core().deregister(self.heard.as_fd());
    }
}
