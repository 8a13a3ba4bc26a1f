//! The threads of workers: how they start as one, and how they are joined.
//!
//! Starting is in two steps. Each thread makes its reactor and sends the handle; when all have come, each gets the list
//! of them and runs. A thread that fails before that, by an error or by a panic of the user's hook, sends nothing, and
//! the others never get the list: they end without having run anything, and all are joined before the error is
//! returned.
//!
//! Ending is in two steps too. `stopping` is what the workers' own code hears of; `ending` ends the loop of each
//! reactor, whatever runs there. A thread has no other way out, so a join always comes to an end unless a task blocks
//! its thread. To detach threads at the deadline was turned down: they would go on with descriptors that others believe
//! to be closed.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use super::builder::Settings;
use super::error::Reason;
use super::{Worker, WorkerError};
use crate::attempted::in_words;
use crate::channel::{mpsc, oneshot};
use crate::handle::Handle;
use crate::parked::parked;
use crate::task::CancellationToken;

/// Threads, each with a reactor. Dropping it ends and joins them.
pub(super) struct Crew<T> {
    /// Cancelled when it is time to end.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the time is up.
    pub(super) ending: CancellationToken,
    /// Which worker the first thread is.
    first: usize,
    /// Those that have not been joined.
    threads: Vec<thread::JoinHandle<Result<T, WorkerError>>>,
    /// Gets a word of each thread that is about to end, and its own end with the last.
    ends: mpsc::Receiver<()>,
}

/// What a thread brings to its life.
struct Seat {
    /// Which worker it is.
    index: usize,
    /// How its reactor is made.
    settings: Settings,
    /// As of the crew.
    stopping: CancellationToken,
    /// As of the crew.
    ending: CancellationToken,
    /// Says that it is ready.
    ready: oneshot::Sender<Handle>,
    /// The reactors of all; the end, if one could not be had.
    others: oneshot::Receiver<Arc<[Handle]>>,
}

impl<T: Send + 'static> Crew<T> {
    /// Starts a thread for each worker, but for the first if `own` is its reactor.
    pub(super) fn start<M, F>(settings: &Settings, own: Option<Handle>, make: &M) -> io::Result<(Arc<[Handle]>, Self)>
    where
        M: Fn(Worker) -> F + Clone + Send + 'static,
        F: Future<Output = io::Result<T>> + 'static,
    {
        let first = usize::from(own.is_some());
        let (alive, ends) = mpsc::unbounded();
        let (stopping, ending) = (CancellationToken::new(), CancellationToken::new());
        let mut crew = Self { stopping, ending, first, threads: Vec::new(), ends };
        let (mut coming, mut go) = (Vec::new(), Vec::new());
        for index in first..settings.threads {
            let ((ready, handle), (sender, others)) = (oneshot::channel(), oneshot::channel());
            let settings = settings.clone();
            let seat =
                Seat { index, settings, stopping: crew.stopping.clone(), ending: crew.ending.clone(), ready, others };
            let (make, alive) = (make.clone(), alive.clone());
            let name = format!("{}-{index}", seat.settings.name);
            let thread = thread::Builder::new().name(name).spawn(move || {
                let ended = seat.live(make);
                // Why ignored: nobody waits for it any more.
                let _ = alive.try_send(());
                ended
            });
            // Those that have started end with the crew. Why another kind: inside a tick that of `EAGAIN` is "not yet".
            crew.threads.push(thread.map_err(|error| {
                let error = in_words(format!("cannot start the thread of worker {index}"), error);
                io::Error::new(io::ErrorKind::OutOfMemory, error)
            })?);
            coming.push(handle);
            go.push(sender);
        }
        drop(alive);

        // Until each has sent its own or has ended.
        let sent = coming.into_iter().filter_map(|handle| parked(pin!(handle), None)?.ok());
        let handles: Arc<[Handle]> = own.into_iter().chain(sent).collect();
        if handles.len() < settings.threads {
            drop(go);
            let failed = crew.join().into_iter().filter_map(Result::err).find(|error| !error.is_dropped());
            return Err(failed.map_or_else(|| io::Error::other("a worker has not started"), Into::into));
        }
        for sender in go {
            // Why ignored: a thread that has ended meanwhile says so when it is joined.
            let _ = sender.send(handles.clone());
        }
        Ok((handles, crew))
    }
}

impl<T> Crew<T> {
    /// Ready when all threads are about to end.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.ends.poll_recv(cx)).is_some() {}
        Poll::Ready(())
    }

    /// Blocks this thread until all others are about to end, at most for `limit`.
    pub(super) fn wait(&mut self, limit: Duration) {
        let here = thread::current().id();
        let others = self.threads.iter().filter(|thread| thread.thread().id() != here).count();
        let ended = async {
            for _ in 0..others {
                self.ends.recv().await;
            }
        };
        // An instant beyond what the system can tell is never.
        parked(pin!(ended), Instant::now().checked_add(limit));
    }

    /// Blocks this thread until all others have ended, and says what became of each.
    pub(super) fn join(&mut self) -> Vec<Result<T, WorkerError>> {
        let here = thread::current().id();
        let threads = self.threads.drain(..).zip(self.first..);
        let join = |(thread, index): (thread::JoinHandle<_>, usize)| {
            if thread.thread().id() == here {
                let error = io::Error::other("a worker cannot wait for its own thread");
                return Err(WorkerError::new(index, Reason::Failed(error)));
            }
            // What a thread runs is in a `catch_unwind`; this is the drop of what is thread-local.
            thread.join().unwrap_or_else(|payload| Err(WorkerError::new(index, Reason::panicked(payload))))
        };
        threads.map(join).collect()
    }
}

impl<T> Drop for Crew<T> {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.ending.cancel();
        self.join();
    }
}

impl Seat {
    /// The life of a thread.
    fn live<M, F, T>(self, make: M) -> Result<T, WorkerError>
    where
        M: Fn(Worker) -> F + 'static,
        F: Future<Output = io::Result<T>> + 'static,
        T: 'static,
    {
        let (index, stopping) = (self.index, self.stopping.clone());
        let ended = catch_unwind(AssertUnwindSafe(|| self.run(make)))
            .unwrap_or_else(|payload| Err(WorkerError::new(index, Reason::panicked(payload))));
        if ended.is_err() {
            stopping.cancel();
        }
        ended
    }

    fn run<M, F, T>(self, make: M) -> Result<T, WorkerError>
    where
        M: Fn(Worker) -> F + 'static,
        F: Future<Output = io::Result<T>> + 'static,
        T: 'static,
    {
        let Self { index, settings, stopping, ending, ready, others } = self;
        let failed = |error| WorkerError::new(index, Reason::Failed(error));
        let reactor = settings.reactor(index)?;
        // Why ignored: whoever has given up has also dropped the other channel.
        let _ = ready.send(reactor.handle());
        let Some(Ok(handles)) = parked(pin!(others), None) else {
            return Err(WorkerError::new(index, Reason::Dropped));
        };
        let worker = Worker { index, handles, stopping };
        let ended = reactor.block_on(ending.until_cancelled(worker.work(make))).map_err(failed)?;
        ended.unwrap_or_else(|| Err(WorkerError::new(index, Reason::Dropped)))
    }
}
