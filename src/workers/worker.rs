//! One of several workers, as what runs on it sees it: which it is, how it reaches the others, and when to end.

use std::future::Future;
use std::io;
use std::sync::Arc;

use super::WorkerError;
use super::error::Reason;
use crate::handle::Handle;
use crate::spawn::spawn;
use crate::task::CancellationToken;

/// One of several workers: what the closure of [`WorkersBuilder::start`](super::WorkersBuilder::start) is given.
///
/// ```
/// use mainspring::Workers;
///
/// let workers = Workers::builder().threads(2).start(|worker| async move {
///     if worker.index() == 0 {
///         let answer = worker.handles()[1].spawn(|| async { 6 * 7 }).await?;
///         assert_eq!(answer, 42);
///         worker.stopping().cancel(); // all may end now
///     }
///     Ok(worker.stopping().cancelled().await)
/// })?;
/// for ended in workers.join() {
///     ended?;
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Worker {
    /// Which it is.
    pub(super) index: usize,
    /// The reactors of all.
    pub(super) handles: Arc<[Handle]>,
    /// Cancelled when it is time to end.
    pub(super) stopping: CancellationToken,
}

impl Worker {
    /// Which it is, counted from 0.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// How the reactors of all workers are reached, this one's too, in their order.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Cancelled when it is time to end: [`Workers::stop`](crate::Workers::stop) was called, or a worker has failed. A
    /// worker that cancels it tells all of them to end.
    pub const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Runs what `make` makes on the reactor of this thread, as a task, so that a panic is reported as that of any
    /// other. An error tells the other workers to end.
    pub(super) async fn work<M, F, T>(self, make: M) -> Result<T, WorkerError>
    where
        M: FnOnce(Self) -> F + 'static,
        F: Future<Output = io::Result<T>> + 'static,
        T: 'static,
    {
        let (index, stopping) = (self.index, self.stopping.clone());
        let ended = match spawn(async move { make(self).await }).await {
            Ok(ended) => ended.map_err(Reason::Failed),
            Err(error) => Err(match error.into_panic() {
                Ok(payload) => Reason::panicked(payload),
                Err(error) => Reason::Failed(error.into()),
            }),
        };
        ended.map_err(|reason| {
            stopping.cancel();
            WorkerError::new(index, reason)
        })
    }
}
