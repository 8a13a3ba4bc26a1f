//! N reactors on N threads, as one thing that starts and ends.
//!
//! [`Workers::builder`] says how many threads, where they run and what their reactors are like; a closure that is
//! called once on each makes what runs there, so nothing but that closure need be `Send`.
//! [`Server::run`](crate::Server::run) is made of it, and so is whatever else is to run on all processors: a Unix or
//! UDP server, a program of plain threads that calls reactors by their [`Handle`]s.
//!
//! They share nothing but the word that it is time to end. A worker that fails ends the others too, in good order: a
//! set of which a part is missing, and nobody notices, was not asked for. What starts at all starts whole: no worker's
//! code runs before all reactors are there, and if one cannot be had, none is left. None of its threads outlives
//! [`Workers`]; those for blocking work may, as long as their jobs take.
//!
//! No task moves from one worker to another by itself. Stealing needs tasks that are `Send`, and locks or atomics on
//! the path of each wake; what is spread here are connections, when they are accepted
//! ([`Sharing`](crate::server::Sharing)).
//!
//! In the guide: [all processors](crate::guide::cores).

mod builder;
mod crew;
mod error;
mod worker;

pub use builder::WorkersBuilder;
pub use error::WorkerError;
pub use worker::Worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handle::Handle;
use crew::Crew;

/// Reactors that run on threads of their own, until they end or are told to.
///
/// Dropping it ends them at once, as dropping a [`Reactor`](crate::Reactor) ends its tasks, and waits for the threads.
///
/// A program of plain threads that uses reactors for its connections:
///
/// ```
/// use mainspring::{Workers, time::sleep};
/// use std::time::Duration;
///
/// let workers = Workers::builder().threads(2).start(|worker| async move {
///     // Until the program ends; `workers.handles()` reach this reactor meanwhile.
///     worker.stopping().cancelled().await;
///     Ok(worker.index())
/// })?;
///
/// // From any thread: makes a future on the first reactor, and waits for its output.
/// let answer = workers.handles()[0].call(|| async {
///     sleep(Duration::from_millis(1)).await;
///     6 * 7
/// })?;
/// assert_eq!(answer, 42);
///
/// for (index, ended) in workers.shutdown(Duration::from_secs(1)).into_iter().enumerate() {
///     assert_eq!(ended?, index);
/// }
/// # std::io::Result::Ok(())
/// ```
pub struct Workers<T> {
    /// The reactors, in the order of the workers.
    handles: Arc<[Handle]>,
    /// Their threads.
    crew: Crew<T>,
}

impl<T> Workers<T> {
    /// How each reactor is reached from other threads, in the order of the workers.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Tells all workers that it is time to end: [`Worker::stopping`] is cancelled. They end in their own time.
    pub fn stop(&self) {
        self.crew.stopping.cancel();
    }

    /// Waits until all workers have ended, without telling them to, and says what became of each, in their order.
    ///
    /// It blocks this thread: on one where a reactor is running, that one stands still meanwhile. Called on the thread
    /// of a worker it is that worker's own that is not waited for, and reported as an error.
    pub fn join(mut self) -> Vec<Result<T, WorkerError>> {
        self.crew.join()
    }

    /// Tells all workers that it is time to end, waits, and after `deadline` drops what has not ended: its tasks, on
    /// its thread. Zero drops all at once; `Duration::MAX` waits for ever.
    ///
    /// A task that blocks its thread cannot be dropped, and is waited for beyond the deadline. Otherwise as
    /// [`join`](Self::join).
    pub fn shutdown(mut self, deadline: Duration) -> Vec<Result<T, WorkerError>> {
        self.stop();
        self.crew.wait(deadline);
        self.crew.ending.cancel();
        self.crew.join()
    }
}

impl Workers<()> {
    /// Settings, and then workers.
    pub const fn builder() -> WorkersBuilder {
        WorkersBuilder::new()
    }
}

impl<T> fmt::Debug for Workers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("handles", &self.handles).finish_non_exhaustive()
    }
}
