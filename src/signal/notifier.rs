//! What a program's own signal handler may call to wake a task.
//!
//! A [`Waker`](std::task::Waker) is no such thing: waking pushes into the inbox of a reactor, under a lock that the
//! interrupted thread may hold, and into memory that may have to grow; on the thread of the reactor it borrows the
//! table of tasks, in whatever state it is.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use mainspring_sys::signal;

use super::Listening;
use crate::core::Core;

/// Wakes a task from a signal handler. To be a static, where the handler finds it.
///
/// For signals that have a handler of the program's own or of a library; the others are simpler to wait for by
/// [`on`](super::on). Only [`notify`](Self::notify) may be called in a handler. In particular a handler must not call
/// an ordinary [`Waker`](std::task::Waker) of this crate, nor send on a channel: both take a lock, which the
/// interrupted thread may hold, and may allocate.
///
/// ```
/// use mainspring::signal::Notifier;
///
/// static NOTIFIER: Notifier = Notifier::new();
///
/// // Installed by sigaction(2), by whoever handles the signal.
/// extern "C" fn handler(_number: i32) {
///     NOTIFIER.notify();
/// }
///
/// mainspring::run(async {
///     let mut notified = NOTIFIER.notified();
///     handler(10);
///     (&mut notified).await?;
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Notifier {
    /// What the handler touches.
    told: signal::Notifier,
    /// Set while a future listens.
    is_heard: AtomicBool,
}

impl Notifier {
    /// One that was not notified. It makes no system call.
    pub const fn new() -> Self {
        Self { told: signal::Notifier::new(), is_heard: AtomicBool::new(false) }
    }

    /// Ends the wait of [`notified`](Self::notified), or that of the next one if nobody waits. Any number of calls
    /// before it is polled are one.
    ///
    /// From any thread, and from a signal handler: it is async-signal-safe, signal-safety(7). It touches atomics and
    /// write(2) alone, of which there is one at most until the task looks, never waits, and leaves errno as it was.
    pub fn notify(&self) {
        self.told.notify();
    }

    /// Waits for [`notify`](Self::notify); also for one that came before, which is kept until it is reported. One
    /// future at a time listens, from its first poll until it is dropped; polled again after it was ready, it waits for
    /// the next.
    ///
    /// # Errors
    ///
    /// When it is polled: no reactor is running, the process is out of descriptors, or another future listens. In a
    /// child after fork(2), if one has listened in the parent.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub const fn notified(&self) -> Notified<'_> {
        Notified { notifier: self, listening: None, owner: 0 }
    }

    /// Starts to listen on the reactor of this thread.
    fn listen(&self) -> io::Result<Listening<BorrowedFd<'_>>> {
        let core = Core::running("a notifier")?;
        let descriptor = self.told.descriptor()?;
        if self.is_heard.swap(true, Ordering::SeqCst) {
            return Err(io::Error::other("another future waits for the notifier already"));
        }
        Listening::start(&core, descriptor).inspect_err(|_| self.is_heard.store(false, Ordering::SeqCst))
    }
}

/// The future of [`Notifier::notified`].
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a> {
    notifier: &'a Notifier,
    /// What it listens with; none before its first poll.
    listening: Option<Listening<BorrowedFd<'a>>>,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl Future for Notified<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { notifier, listening, owner } = &mut *self;
        let listening = match listening {
            Some(listening) => listening,
            none => none.insert(notifier.listen()?),
        };
        listening.poll(owner, cx, |_| Ok(notifier.told.drain().then_some(())))
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.end(&mut self.owner);
            drop(listening);
            self.notifier.is_heard.store(false, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").field("listening", &self.listening.is_some()).finish()
    }
}
