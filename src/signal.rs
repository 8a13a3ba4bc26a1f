//! Signals, as futures.
//!
//! From the first call for a signal on, it no longer does by itself what it did before: it does not end the process,
//! also where it was ignored when the program started, as for the background jobs of a shell. Every future of every
//! reactor of the process hears each signal. Several signals before a poll are one.
//!
//! [`stop`], which is [`ctrl_c`] or [`terminate`], is for the `stop` of [`Server::run`](crate::Server::run) and for
//! programs that clean up before they end, [`on`] is for all others. A signal is a descriptor that becomes readable
//! (`mainspring_sys::signal`), so to the reactor it is one more source. The handler is never removed: a second Ctrl-C
//! between two futures does not kill a process that is busy ending. For a handler of the program's own there is
//! [`Notifier`].
//!
//! Each future that listens holds two descriptors, and a process has at most 64 of them. So one task listens, and tells
//! the others by a [`CancellationToken`](crate::task::CancellationToken).
//!
//! A thread that waits in `sigwait(3)` would need the signal blocked in every other thread.

mod listening;
mod notifier;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mainspring_sys::signal::Subscription;

use crate::core::Core;
pub(crate) use listening::Listening;
pub use mainspring_sys::signal::Kind;
pub use notifier::{Notified, Notifier};

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
    on(Kind::INTERRUPT)
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
///
/// ```no_run
/// mainspring::run(async { mainspring::signal::terminate().await })??;
/// # std::io::Result::Ok(())
/// ```
pub fn terminate() -> Signal {
    on(Kind::TERMINATE)
}

/// Waits until the program is asked to end: for Ctrl-C or `SIGTERM`, whichever comes first. It listens from this call
/// on, or from the first poll if no reactor runs in the call, and is two of those that listen.
///
/// # Errors
///
/// As [`ctrl_c`].
///
/// # Cancel safety
///
/// As [`ctrl_c`].
///
/// ```no_run
/// # #[cfg(feature = "service")] {
/// use mainspring::{Server, server::Connection, signal};
///
/// async fn serve(connection: Connection) -> std::io::Result<()> {
///     connection.stream.write_all(b"good day\n").await
/// }
///
/// Server::bind("127.0.0.1:7000")?.run(|| serve, signal::stop())?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn stop() -> impl Future<Output = io::Result<()>> {
    let (mut ctrl_c, mut terminate) = (ctrl_c(), terminate());
    poll_fn(move |cx| match Pin::new(&mut ctrl_c).poll(cx) {
        Poll::Pending => Pin::new(&mut terminate).poll(cx),
        heard => heard,
    })
}

/// Waits for any signal that a program may handle; as [`ctrl_c`]. Poll it by `&mut` to miss none.
///
/// # Errors
///
/// As [`ctrl_c`].
///
/// # Cancel safety
///
/// As [`ctrl_c`].
///
/// ```no_run
/// use mainspring::signal::{self, Kind};
///
/// mainspring::run(async {
///     let mut hangup = signal::on(Kind::HANGUP);
///     loop {
///         (&mut hangup).await?;
///         println!("reading the settings again");
///     }
/// #   #[allow(unreachable_code)]
/// #   std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn on(kind: Kind) -> Signal {
    // Why the error is dropped: the first poll tries again, and reports it.
    Signal { kind, listening: listen(kind).ok(), owner: 0 }
}

/// The future of [`ctrl_c`], [`terminate`] and [`on`]. Polled again after it was ready, it waits for the next signal.
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
    listening: Option<Listening<Subscription>>,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

/// Starts to listen for a signal on the reactor of this thread.
fn listen(kind: Kind) -> io::Result<Listening<Subscription>> {
    let core = Core::running("a signal")?;
    Listening::start(&core, Subscription::new(kind)?)
}

impl Future for Signal {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { kind, listening, owner } = &mut *self;
        let listening = match listening {
            Some(listening) => listening,
            none => none.insert(listen(*kind)?),
        };
        listening.poll(owner, cx, |subscription| Ok(subscription.drain()?.then_some(())))
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.end(&mut self.owner);
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).field("listening", &self.listening.is_some()).finish()
    }
}
