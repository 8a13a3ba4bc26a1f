//! How other threads reach a reactor.
//!
//! A handle is two numbers. What it sends is a closure, which makes its future on the reactor's thread: so tasks need not
//! be `Send`, and nothing of theirs ever crosses threads but their output.
//!
//! The numbers are a slot of the process's table (`remote.rs`) and an epoch of it. A slot is let again when its reactor has
//! ended, and the epoch tells the tenants apart: a handle that comes too late hears so, and never reaches another's
//! reactor. A shared pointer to the reactor's inbox would have a count that every clone and drop changes.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use crate::channel::oneshot;
use crate::join_error::JoinError;
use crate::join_handle::RemoteJoinHandle;
use crate::remote::{self, Refused};

/// A reactor, from any thread. Cheap to copy, and valid for ever: when the reactor has ended, its calls say so.
///
/// ```
/// let reactor = mainspring::Reactor::new()?;
/// let handle = reactor.handle();
/// let other = std::thread::spawn(move || {
///     handle.spawn(|| async { println!("on the reactor's thread") });
///     handle.shutdown();
/// });
/// reactor.block_on(async { mainspring::unblock(move || other.join().unwrap()).await })?.unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    /// Which of the process's reactors.
    number: u16,
    /// Which tenant of that number.
    epoch: u64,
}

impl Handle {
    pub(crate) const fn new(number: u16, epoch: u64) -> Self {
        Self { number, epoch }
    }

    /// Runs the future that `make` makes, as a task on the reactor's thread. Neither the future nor what it keeps need be
    /// `Send`. At most 65,536 may wait to be taken up by the reactor.
    ///
    /// # Errors
    ///
    /// In the handle that is returned: that the reactor has ended, or that too many wait.
    pub fn spawn<M, F>(&self, make: M) -> RemoteJoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (output_sender, output) = oneshot::channel();
        let (abort, aborted) = oneshot::channel::<()>();
        let call = Box::new(move || {
            crate::spawn(async move {
                let output = abortable(make, aborted).await;
                // Why ignored: whoever dropped the handle does not want the output.
                let _ = output_sender.send(output);
            });
        });
        let refused = match remote::slot(self.number) {
            Some(slot) => slot.call(self.epoch, call).err(),
            None => Some(Refused::Ended),
        };
        match refused {
            None => RemoteJoinHandle::new(output, abort),
            Some(refused) => {
                let (sender, output) = oneshot::channel();
                let error = match refused {
                    Refused::Ended => JoinError::aborted(),
                    Refused::Full => JoinError::refused("the inbox of the reactor holds 65536 spawns"),
                };
                // Why ignored: the receiver is two lines above.
                let _ = sender.send(Err(error));
                RemoteJoinHandle::new(output, abort)
            }
        }
    }

    /// Makes [`Reactor::run`](crate::Reactor::run) return, now or when it is called next. No effect on `block_on`, and
    /// none after the reactor has ended.
    pub fn shutdown(&self) {
        if let Some(slot) = remote::slot(self.number) {
            slot.shutdown(self.epoch);
        }
    }
}

/// Runs the future until it ends, panics, or `aborted` says so. A dropped sender says nothing.
async fn abortable<M, F>(make: M, aborted: oneshot::Receiver<()>) -> Result<F::Output, JoinError>
where
    M: FnOnce() -> F + 'static,
    F: Future + 'static,
    F::Output: 'static,
{
    // A task of its own, so that its panic is its own, and its abort the ordinary one.
    let mut task = crate::spawn(async move { make().await });
    let mut aborted = pin!(aborted);
    let mut listening = true;
    std::future::poll_fn(move |cx| {
        if listening {
            match aborted.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => {
                    task.abort();
                    listening = false;
                }
                Poll::Ready(Err(_)) => listening = false,
                Poll::Pending => {}
            }
        }
        std::pin::Pin::new(&mut task).poll(cx)
    })
    .await
}
