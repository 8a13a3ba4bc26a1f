//! The settings of workers, and the two ways to start them: beside this thread, or with it.
//!
//! Setters do nothing but store, in any order. What concerns one reactor is left to a [`Builder`], which a hook gets
//! for each: to have all its setters here again would be two places for one thing.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::crew::Crew;
use super::error::Reason;
use super::{Worker, WorkerError, Workers};
use crate::builder::Builder;
use crate::reactor::{self, Reactor};

/// What the threads are called, before their number.
const NAME: &str = "mainspring";

/// Settings of [`Workers`].
///
/// ```
/// use mainspring::{OnPanic, Workers};
/// use std::time::Duration;
///
/// let workers = Workers::builder()
///     .threads(2)
///     .pin(true)
///     .name("search")
///     .reactor(|_worker, builder| builder.measure_polls(true).on_panic(|_panic| OnPanic::Stop))
///     .start(|worker| async move { Ok(worker.stopping().cancelled().await) })?;
/// for ended in workers.shutdown(Duration::from_secs(1)) {
///     ended?;
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `start` or `run`"]
pub struct WorkersBuilder {
    /// How many, at least 1; none for as many as there are processors.
    threads: Option<usize>,
    /// Whether each stays on one processor.
    pin: bool,
    /// What the threads are called; none for the default.
    name: Option<String>,
    /// What is done to the settings of each reactor.
    hook: Option<Hook>,
}

/// Changes the settings of one reactor.
#[derive(Clone)]
struct Hook(Arc<dyn Fn(usize, Builder) -> Builder + Send + Sync>);

/// The settings, as they are when threads are started.
#[derive(Clone)]
pub(super) struct Settings {
    /// How many workers there are.
    pub(super) threads: usize,
    /// What their threads are called, before their number.
    pub(super) name: Arc<str>,
    /// The processors that this process may use, if each worker is to stay on one.
    processors: Option<Arc<[usize]>>,
    /// What is done to the settings of each reactor.
    hook: Option<Hook>,
}

impl WorkersBuilder {
    pub(crate) const fn new() -> Self {
        Self { threads: None, pin: false, name: None, hook: None }
    }

    /// How many workers there are: by default as many as this process may use processors, by its affinity and its
    /// control group. Zero is taken as one.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(if threads == 0 { 1 } else { threads });
        self
    }

    /// Whether each worker stays on one processor (sched_setaffinity(2)), those that this thread may use in turn: off
    /// by default. With more workers than processors, some share one.
    ///
    /// It keeps a reactor's memory in the caches of its processor, and keeps the worker waiting there when something
    /// else runs on it. Threads for blocking work are not kept on it; a thread that a worker starts itself is, and so
    /// is a child process, which will count one processor. Linux and Android alone: elsewhere it does nothing.
    pub const fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// What the threads are called, before a hyphen and their number: `mainspring` by default. Linux shows the first 15
    /// bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Calls `hook` on each thread with the number of the worker and the settings of its reactor, and makes the reactor
    /// from what it returns.
    pub fn reactor(mut self, hook: impl Fn(usize, Builder) -> Builder + Send + Sync + 'static) -> Self {
        self.hook = Some(Hook(Arc::new(hook)));
        self
    }

    /// How many workers there are going to be.
    pub(crate) fn count(&self) -> usize {
        self.threads.unwrap_or_else(mainspring_sys::processors)
    }

    /// Starts the workers, each on a thread of its own. `make` is called once on each, when all reactors are there; the
    /// future that it makes is the worker's: with its end the worker ends, and whatever other tasks it has.
    ///
    /// # Errors
    ///
    /// When a thread or a reactor cannot be had, or the hook panics: then no thread is left, and `make` has been called
    /// on none. `OutOfMemory` for want of a thread, with the system's error as its source; `InvalidInput` for a name
    /// with a zero byte.
    pub fn start<M, F, T>(self, make: M) -> io::Result<Workers<T>>
    where
        M: Fn(Worker) -> F + Clone + Send + 'static,
        F: Future<Output = io::Result<T>> + 'static,
        T: Send + 'static,
    {
        let (handles, crew) = Crew::start(&self.settings()?, None, &make)?;
        Ok(Workers { handles, crew })
    }

    /// As [`start`](Self::start), with this thread as the first worker, until all have ended; when `stop` is ready,
    /// they are told to. `stop` runs on the reactor of this thread, to its end or to that of the last worker. Returns
    /// what became of each, in their order.
    ///
    /// # Errors
    ///
    /// As `start`; and when a reactor is running on this thread.
    ///
    /// # Panics
    ///
    /// With a panic of `stop` itself; the other threads are ended then.
    ///
    /// ```
    /// use mainspring::{Workers, time::sleep};
    /// use std::time::Duration;
    ///
    /// let ended = Workers::builder().threads(2).run(
    ///     |worker| async move { Ok(worker.stopping().cancelled().await) },
    ///     async { sleep(Duration::from_millis(1)).await },
    /// )?;
    /// assert!(ended.iter().all(Result::is_ok));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run<M, F, T>(self, make: M, stop: impl Future) -> io::Result<Vec<Result<T, WorkerError>>>
    where
        M: Fn(Worker) -> F + Clone + Send + 'static,
        F: Future<Output = io::Result<T>> + 'static,
        T: Send + 'static,
    {
        reactor::refuse_second()?;
        let settings = self.settings()?;
        let _unpinned = Unpinned(settings.processors.clone());
        let reactor = settings.reactor(0)?;
        let (handles, mut crew) = Crew::start(&settings, Some(reactor.handle()), &make)?;
        let worker = Worker { index: 0, handles, stopping: crew.stopping.clone() };
        let first = reactor.block_on(async {
            let (mut stop, mut first) = (pin!(stop), pin!(worker.work(make)));
            let (mut is_stopped, mut ended) = (false, None);
            poll_fn(|cx| {
                if !is_stopped && stop.as_mut().poll(cx).is_ready() {
                    is_stopped = true;
                    crew.stopping.cancel();
                }
                if ended.is_none() {
                    if let Poll::Ready(output) = first.as_mut().poll(cx) {
                        ended = Some(output);
                    }
                }
                // Why not in `join` below: what `stop` has spawned here, to hear signals for one, runs on meanwhile.
                match crew.poll_ended(cx) {
                    Poll::Ready(()) => ended.take().map_or(Poll::Pending, Poll::Ready),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        });
        let first = first.unwrap_or_else(|error| {
            crew.stopping.cancel();
            Err(WorkerError::new(0, Reason::Failed(error)))
        });
        // Before the others are joined, who may wait for what its tasks have.
        drop(reactor);
        let mut all = vec![first];
        all.extend(crew.join());
        Ok(all)
    }

    fn settings(self) -> io::Result<Settings> {
        let threads = self.count();
        let name: Arc<str> = self.name.map_or_else(|| NAME.into(), Into::into);
        if name.contains('\0') {
            let message = format!("cannot call threads {name:?}: a zero byte is in it");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let processors = match self.pin.then(mainspring_sys::thread_processors).transpose() {
            // As documented: it does nothing there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
            processors => processors?.filter(|list| !list.is_empty()).map(Into::into),
        };
        Ok(Settings { threads, name, processors, hook: self.hook })
    }
}

impl Settings {
    /// Makes the reactor of a worker, on its thread.
    pub(super) fn reactor(&self, index: usize) -> Result<Reactor, WorkerError> {
        let made = catch_unwind(AssertUnwindSafe(|| self.make(index).map_err(Reason::Failed)));
        let made = made.unwrap_or_else(|payload| Err(Reason::panicked(payload)));
        made.map_err(|reason| WorkerError::new(index, reason))
    }

    fn make(&self, index: usize) -> io::Result<Reactor> {
        if let Some(processors) = &self.processors {
            mainspring_sys::set_thread_processors(&[processors[index % processors.len()]])?;
        }
        let mut builder = Reactor::builder();
        if let Some(hook) = &self.hook {
            builder = (hook.0)(index, builder);
        }
        builder.processors = self.processors.clone();
        builder.build()
    }
}

/// Lets this thread run where it ran before, when it is dropped.
struct Unpinned(Option<Arc<[usize]>>);

impl Drop for Unpinned {
    fn drop(&mut self) {
        if let Some(processors) = &self.0 {
            // Why ignored: they have been taken away meanwhile; there is nobody to tell.
            let _ = mainspring_sys::set_thread_processors(processors);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
