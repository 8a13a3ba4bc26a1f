//! What a reactor hears the end of a child by.
//!
//! A descriptor of the child itself where there is one. Otherwise the signal `SIGCHLD`: it tells that some child has
//! ended, so each that is waited for looks whether it was the one. The subscription is shared by all children of a
//! reactor, of which there may be more than subscriptions. Whoever takes a signal off it takes nothing from the others:
//! the event that let it do so has woken all, and each looks before it waits. With n children each end of one costs n
//! looks, which is what it costs to have no descriptors of processes.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use mainspring_sys::process_descriptor;
use mainspring_sys::signal::{Kind, Subscription};

use crate::core::Core;
use crate::signal::Listening;

/// What becomes readable when a child may have ended.
pub(super) enum Watch {
    /// A descriptor of the child.
    Process(Listening<OwnedFd>),
    /// The signal of all children.
    Signal(Rc<Listening<Subscription>>),
}

impl Watch {
    /// Starts to hear of `child`, which is looked at only after this.
    pub(super) fn new(core: &Core, child: &Child) -> io::Result<Self> {
        // Why any error leads to the other way: if it is one of the child, waiting reports it.
        if let Ok(descriptor) = process_descriptor(child) {
            return Ok(Self::Process(Listening::start(core, descriptor)?));
        }
        let mut shared = core.children.borrow_mut();
        if let Some(listening) = shared.upgrade() {
            return Ok(Self::Signal(listening));
        }
        let listening = Rc::new(Listening::start(core, Subscription::new(Kind::CHILD)?)?);
        *shared = Rc::downgrade(&listening);
        Ok(Self::Signal(listening))
    }

    /// Waits for `child`. `owner` is 0 before the first poll.
    pub(super) fn poll(&self, owner: &mut u64, cx: &Context<'_>, child: &mut Child) -> Poll<io::Result<ExitStatus>> {
        match self {
            Self::Process(listening) => listening.poll(owner, cx, |_| child.try_wait()),
            Self::Signal(listening) => loop {
                // Why before: another may have taken the signal since the event.
                if let Some(status) = child.try_wait()? {
                    listening.end(owner);
                    return Poll::Ready(Ok(status));
                }
                ready!(listening.poll(owner, cx, |signal| Ok(signal.drain()?.then_some(()))))?;
            },
        }
    }

    /// A try in the style of a tick.
    pub(super) fn try_now(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        match self {
            Self::Process(listening) => listening.try_now(|_| child.try_wait()),
            Self::Signal(listening) => loop {
                if let Some(status) = child.try_wait()? {
                    listening.progressed();
                    return Ok(Some(status));
                }
                if listening.try_now(|signal| Ok(signal.drain()?.then_some(())))?.is_none() {
                    return Ok(None);
                }
            },
        }
    }

    /// Whoever waits does so no longer.
    pub(super) fn end(&self, owner: &mut u64) {
        match self {
            Self::Process(listening) => listening.end(owner),
            Self::Signal(listening) => listening.end(owner),
        }
    }
}
