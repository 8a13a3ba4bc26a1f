//! Signals that end a program, as futures.
//!
//! From the first call on, the signal no longer ends the process by itself, also where it was ignored when the program
//! started, as for the background jobs of a shell. Every future of every reactor of the process hears each signal.

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
use crate::source::{Direction, Source};

/// Waits for Ctrl-C (`SIGINT`). It listens from this call on.
///
/// # Errors
///
/// When it is polled: no reactor was running in the call, the process is out of descriptors, or 64 listen already.
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
/// })?
/// # ;std::io::Result::Ok(())
/// ```
pub fn ctrl_c() -> Signal {
    Signal { listening: Some(Listening::start(Kind::Interrupt)) }
}

/// Waits for `SIGTERM`, by which a supervisor asks a program to end; as [`ctrl_c`].
pub fn terminate() -> Signal {
    Signal { listening: Some(Listening::start(Kind::Terminate)) }
}

/// The future of [`ctrl_c`] and [`terminate`]. Polled again after it was ready, it waits for the next signal.
#[must_use = "futures do nothing unless polled"]
pub struct Signal {
    /// What it listens with; an error is reported once, and none left after.
    listening: Option<io::Result<Listening>>,
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
        match &mut self.listening {
            Some(Ok(Listening { subscription, source, owner })) => source.poll_io(owner, cx, Direction::Read, || {
                if subscription.drain()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
            }),
            failed => Poll::Ready(match failed.take() {
                Some(Err(error)) => Err(error),
                _ => Err(io::Error::other("a signal was polled again after it had failed")),
            }),
        }
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
        let failed = !matches!(self.listening, Some(Ok(_)));
        f.debug_struct("Signal").field("failed", &failed).finish_non_exhaustive()
    }
}
