//! Work that blocks, on threads of the reactor's own.
//!
//! A small pool that starts with the first job, has a bound in threads and in its queue, and whose idle threads end
//! after a while. A job is given to the thread that has been idle for the shortest time, so that of those that came
//! with a burst no more stay than there is work for. Jobs have no way back to the reactor but a channel, so a job that
//! outlives its reactor harms nobody. A pool per process, as elsewhere, would let one reactor's slow lookups hold up
//! another's.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use mainspring_sys::{Waker, fork};

use crate::channel::oneshot;
use crate::contain::contain;
use crate::core::Core;
use crate::forked;
use crate::join_error::JoinError;
use crate::locks::{Condvar, Mutex};
use crate::trace;
use crate::waker;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs `job`, which may block, on a thread of the reactor's pool: at most 16 threads
/// ([`Builder::blocking_threads`](crate::Builder::blocking_threads)), at most 1,024 jobs waiting for one
/// ([`Builder::blocking_queue`](crate::Builder::blocking_queue)). A thread is started when a job finds none idle, and
/// ends when it had no job for 10 s ([`Builder::blocking_idle`](crate::Builder::blocking_idle)).
///
/// The job is handed over in the call. Host names are looked up on the same pool.
///
/// # Errors
///
/// A [`JoinError`]: the job panicked, too many jobs wait, no thread could be started, the reactor ended before the job
/// began, none is running on the thread of the call, or the job is a parent process's.
///
/// # Cancel safety
///
/// The job runs all the same, also if it had not begun, unless the reactor ends first; its output is dropped.
///
/// ```
/// mainspring::run(async {
///     let text = mainspring::unblock(|| std::fs::read_to_string("Cargo.toml")).await??;
///     assert!(text.contains("mainspring"));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn unblock<T, F>(job: F) -> impl Future<Output = Result<T, JoinError>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, mut receiver) = oneshot::channel();
    let job = Box::new(move || {
        let output = catch_unwind(AssertUnwindSafe(job)).map_err(JoinError::panicked);
        // Why ignored: nobody waits for it any more.
        let _ = sender.send(output);
    });
    let refused = match Core::running("unblock") {
        Ok(core) => core.pool().push(job).err(),
        Err(_) if waker::current(|core| core.is_some()) => Some(JoinError::refused(forked::TEXT)),
        Err(_) => Some(JoinError::not_running()),
    };
    let made_in = fork::generation();
    async move {
        if let Some(error) = refused {
            return Err(error);
        }
        poll_fn(|cx| {
            // Why before its lock: a thread that a child does not have may hold it.
            if made_in != fork::generation() {
                return Poll::Ready(Err(JoinError::refused(forked::TEXT)));
            }
            Pin::new(&mut receiver).poll(cx).map(|output| output.unwrap_or_else(|_| Err(JoinError::ended())))
        })
        .await
    }
}

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Threads there may be.
    pub(crate) threads: usize,
    /// Jobs that may wait for a thread; more are refused.
    pub(crate) queue: usize,
    /// How long a thread waits for a job before it ends.
    pub(crate) idle: Duration,
}

/// What a reactor knows of its pool. Behind this a pool is linked into programs alone that have blocking work.
pub(crate) trait Pool {
    /// Hands a job over.
    fn push(&self, job: Job) -> Result<(), JoinError>;
    /// Whether a job is under way.
    fn is_busy(&self) -> bool;
    /// The reactor has ended: jobs that wait are dropped, and idle threads end.
    fn close(&self);
}

/// The threads of one reactor.
pub(crate) struct Threads {
    /// The generation of the process that has made it, and that alone has its threads.
    made_in: u32,
    /// What it has in common with its threads.
    shared: Arc<Shared>,
}

struct Shared {
    /// The queue, and who works on it.
    state: Mutex<State>,
    /// Its bounds.
    limits: Limits,
    /// Woken after each job, if the reactor has a virtual clock that waits for jobs.
    waker: Option<Waker>,
    /// Where its threads run, if the reactor's own is kept on one processor, which they would inherit.
    processors: Option<Arc<[usize]>>,
}

struct State {
    /// Jobs that no thread has taken yet.
    queue: VecDeque<Job>,
    /// Threads without a job: those that wait for one, those that were signalled, those that have just been started.
    idle: usize,
    /// What signals those that wait, each its own: the one that began last stands last, and is taken out for the next
    /// job.
    waiting: Vec<Arc<Condvar>>,
    /// Threads in all.
    threads: usize,
    /// Jobs that were taken or wait.
    jobs: usize,
    /// Set when the reactor has ended.
    closed: bool,
}

impl Threads {
    pub(crate) fn new(limits: Limits, waker: Option<Waker>, processors: Option<Arc<[usize]>>) -> Self {
        let state = State { queue: VecDeque::new(), idle: 0, waiting: Vec::new(), threads: 0, jobs: 0, closed: false };
        let shared = Shared { state: Mutex::new(state), limits, waker, processors };
        Self { made_in: fork::generation(), shared: Arc::new(shared) }
    }
}

impl Pool for Threads {
    fn is_busy(&self) -> bool {
        self.shared.state.lock().jobs > 0
    }

    fn push(&self, job: Job) -> Result<(), JoinError> {
        let limits = &self.shared.limits;
        let mut state = self.shared.state.lock();
        let threads = state.threads;
        if state.idle <= state.queue.len() && threads < limits.threads {
            let shared = self.shared.clone();
            let started: io::Result<_> =
                thread::Builder::new().name("mainspring-blocking".into()).spawn(move || shared.work());
            match started {
                Ok(_) => {
                    state.threads += 1;
                    state.idle += 1;
                }
                // With a thread at work already, the job waits for that one.
                Err(_) if threads > 0 => {}
                Err(_) => return Err(JoinError::refused("no thread could be started for blocking work")),
            }
        }
        // What an idle thread is about to take does not wait.
        if state.queue.len() >= limits.queue.saturating_add(state.idle) {
            return Err(JoinError::refused("as many blocking jobs wait for a thread as may"));
        }
        state.jobs += 1;
        state.queue.push_back(job);
        let grew = (state.threads > threads).then_some(state.threads);
        let idle = state.waiting.pop();
        drop(state);
        if let Some(idle) = idle {
            idle.notify_one();
        }
        if let Some(threads) = grew {
            trace::pool_grew(threads);
        }
        Ok(())
    }

    fn close(&self) {
        if self.made_in != fork::generation() {
            // A thread that this process does not have may hold the lock.
            return;
        }
        let mut state = self.shared.state.lock();
        state.closed = true;
        let (queue, waiting) = (std::mem::take(&mut state.queue), std::mem::take(&mut state.waiting));
        drop(state);
        for idle in waiting {
            idle.notify_one();
        }
        for job in queue {
            // What a job has captured may panic when it is dropped, which must not keep the reactor from ending.
            contain(|| drop(job));
        }
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self) {
        if let Some(processors) = &self.processors {
            // Why ignored: they have been taken away meanwhile, and it works where it is.
            let _ = mainspring_sys::set_thread_processors(processors);
        }
        let work = Arc::new(Condvar::new());
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.idle -= 1;
                drop(state);
                // The job catches its own panic; an output that nobody wants may panic when it is dropped.
                contain(job);
                state = self.state.lock();
                state.jobs -= 1;
                state.idle += 1;
                if let Some(waker) = &self.waker {
                    waker.wake();
                }
                continue;
            }
            if state.closed {
                break;
            }
            state.waiting.push(work.clone());
            let timed_out;
            (state, timed_out) = work.wait_timeout(state, self.limits.idle);
            // There still, unless it was signalled.
            state.waiting.retain(|other| !Arc::ptr_eq(other, &work));
            if timed_out && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        state.idle -= 1;
    }
}
