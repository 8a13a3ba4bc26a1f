//! Signals that end a program, as futures.
//!
//! From the first call on, the signal no longer ends the process by itself, also where it was ignored when the program
//! started, as for the background jobs of a shell. Every future of every reactor of the process hears each signal.
//!
//! For the `stop` of [`Server::run`](crate::Server::run) and for programs that clean up before they end. A signal is a
//! descriptor that becomes readable (`mainspring_sys::signal`), so to the reactor it is one more source. Several
//! signals before a poll are one. The handler is never removed: a second Ctrl-C between two futures does not kill a
//! process that is busy ending. A thread that waits in `sigwait(3)` would need the signal blocked in every other thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use mainspring_sys::signal::{Kind, Subscription};
use mainspring_sys::{Interest, Readiness, Selector};

use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;

/// Waits for Ctrl-C (`SIGINT`). It listens from this call on, or from the first poll if no reactor runs in the call.
///
/// # Errors
///
/// When it is polled: no reactor is running, the process is out of descriptors, or 64 listen already.
///
/// # Cancel safety
///
/// A signal that came while it listened is lost when it is dropped.
///
/// ```no_run
/// mainspring::run(async {
///     mainspring::signal::ctrl_c().await?;
///     println!("stopping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn ctrl_c() -> Signal {
    Signal::new(Kind::Interrupt)
}

/// Waits for `SIGTERM`, by which a supervisor asks a program to end; as [`ctrl_c`].
///
/// # Errors
///
/// As [`ctrl_c`].
///
/// # Cancel safety
///
/// As [`ctrl_c`].
pub fn terminate() -> Signal {
    Signal::new(Kind::Terminate)
}

/// The future of [`ctrl_c`] and [`terminate`]. Polled again after it was ready, it waits for the next signal.
///
/// # Cancel safety
///
/// Dropping it stops the listening, and a signal that it has not reported is lost. Polled by `&mut` in a loop that also
/// does other things, it goes on listening.
#[must_use = "futures do nothing unless polled"]
pub struct Signal {
    /// Which signal.
    kind: Kind,
    /// What it listens with; none before it does.
    listening: Option<Listening>,
}

impl Signal {
    fn new(kind: Kind) -> Self {
        // Why the error is dropped: the first poll tries again, and reports it.
        Self { kind, listening: Listening::start(kind).ok() }
    }
}

struct Listening {
    /// Tells whether the signal came.
    subscription: Subscription,
    /// What the reactor knows of the subscription's descriptor.
    source: Rc<Source>,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl Listening {
    fn start(kind: Kind) -> io::Result<Self> {
        let core = Core::running("a signal")?;
        let subscription = Subscription::new(kind)?;
        let source = core.register(subscription.as_fd(), Interest::READABLE, Readiness::READABLE, false)?;
        Ok(Self { subscription, source, owner: 0 })
    }
}

impl Future for Signal {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Listening { subscription, source, owner } = match &mut this.listening {
            Some(listening) => listening,
            none => none.insert(Listening::start(this.kind)?),
        };
        source.poll_io(owner, cx, Direction::Read, || {
            if subscription.drain()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.source.end_own(&mut self.owner, Direction::Read);
        self.source.close();
        // The descriptor outlives the subscription. Why ignored: one that is not registered is what is wanted.
        let _ = self.source.core().selector.deregister(self.subscription.as_fd());
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).field("listening", &self.listening.is_some()).finish()
    }
}
