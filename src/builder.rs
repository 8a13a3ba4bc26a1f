//! The settings of a reactor.
//!
//! Made by [`Reactor::builder`], and turned into a reactor by [`Builder::build`]. A plain struct: setters take effect
//! in any order, and nothing happens before `build`, which makes the reactor on the thread of the call.
//!
//! Each setting has a bound, and a number beyond it is brought inside and not refused, so that setters need no `Result`
//! and `build` fails for want of descriptors, memory or a place among the reactors alone. Bounds that only the
//! benchmarks would turn, such as the size of a batch, are constants beside their code.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mainspring_sys::Clock;

use crate::panics::{Hook, OnPanic, TaskPanic};
use crate::reactor::{MeasuredBatch, Reactor};
use crate::unblock::Limits;

/// Events per call of the selector: enough that a busy reactor asks rarely, little enough to stay in a cache (16 KiB).
const EVENTS: usize = 1024;

/// Threads for blocking work: host names and files, not computing.
const BLOCKING_THREADS: usize = 16;

/// Jobs that may wait for a thread, 64 for each: behind more, an answer would come after whoever asked has given up.
const BLOCKING_QUEUE: usize = 1024;

/// How long a thread waits for a job: they come in bursts, which find it still there, and a reactor that has none keeps
/// no thread.
const BLOCKING_IDLE: Duration = Duration::from_secs(10);

/// Bytes of a buffer that is lent for one read: the largest TLS record (RFC 8446 §5.1), and two fills of a `BufReader`.
const BUFFER_SIZE: usize = 16 * 1024;

/// Buffers that are kept for the next read, in items, 1 MiB in all. As many tasks run in a batch of the loop; a buffer
/// that is given back before the task waits is enough for all of them.
const BUFFERS: usize = 64;

/// Host names that are kept, in items: a client speaks to fewer hosts than that at once.
const NAMES: usize = 256;

/// For how long each is good. The system's resolver does not say; a host that moves is found again after that.
const NAMES_LIFETIME: Duration = Duration::from_secs(5);

/// The most that timers may be late by choice: what is later is not coarse but wrong.
const SLACK_MAX: Duration = Duration::from_secs(1);

/// Settings of a [`Reactor`].
///
/// ```
/// use mainspring::{Reactor, time::{Clock, sleep}};
/// use std::time::Duration;
///
/// // A year passes in no time.
/// let reactor = Reactor::builder().clock(Clock::auto()).build()?;
/// reactor.block_on(sleep(Duration::from_secs(365 * 24 * 3600)))?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct Builder {
    /// What the reactor takes for the time.
    pub(crate) clock: Clock,
    /// Events per call of the selector, 1 to 32,768.
    pub(crate) events: usize,
    /// Threads for blocking work, at least 1; jobs that wait for one; how long a thread waits for a job.
    pub(crate) blocking: Limits,
    /// Where those threads run, if the reactor's own thread is kept on one processor: whoever keeps it there says so.
    pub(crate) processors: Option<Arc<[usize]>>,
    /// Hears of panics of tasks.
    pub(crate) on_panic: Option<Hook>,
    /// Runs a batch, if polls are measured.
    pub(crate) measured: Option<MeasuredBatch>,
    /// How many buffers are kept, and of how many bytes.
    pub(crate) buffers: (usize, usize),
    /// How many host names are kept, and for how long.
    pub(crate) names: (usize, Duration),
    /// How much later than its moment a timer may fire.
    pub(crate) timer_slack: Duration,
}

impl Builder {
    pub(crate) const fn new() -> Self {
        Self {
            clock: Clock::Os,
            events: EVENTS,
            blocking: Limits { threads: BLOCKING_THREADS, queue: BLOCKING_QUEUE, idle: BLOCKING_IDLE },
            processors: None,
            on_panic: None,
            measured: None,
            buffers: (BUFFERS, BUFFER_SIZE),
            names: (NAMES, NAMES_LIFETIME),
            timer_slack: Duration::ZERO,
        }
    }

    /// What the reactor takes for the time: the system's clock by default, or a virtual one for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many events are taken from the selector at once: 1,024 by default, at least 1, at most 32,768.
    pub fn events(mut self, events: usize) -> Self {
        self.events = events.clamp(1, 32_768);
        self
    }

    /// How many threads [`unblock`](crate::unblock) may use: 16 by default, at least 1.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking.threads = threads.max(1);
        self
    }

    /// How many jobs of [`unblock`](crate::unblock) may wait while all threads are at work: 1,024 by default. More are
    /// refused; with zero, each that finds no thread is.
    pub const fn blocking_queue(mut self, jobs: usize) -> Self {
        self.blocking.queue = jobs;
        self
    }

    /// How long a thread for blocking work waits for a job before it ends: 10 s by default. With zero none is kept,
    /// with `Duration::MAX` they stay as long as the reactor.
    pub const fn blocking_idle(mut self, time: Duration) -> Self {
        self.blocking.idle = time;
        self
    }

    /// Calls `hook` with each panic of a task, in a poll or in the drop of its future, before the task's handle hears
    /// of it, and with each panic in the drop of an output that nobody takes; the hook says whether the reactor goes
    /// on. Without a hook it does. By default there is none.
    ///
    /// The panic of the future of `block_on` is its caller's, and not reported. The hook runs on the reactor's thread;
    /// a panic in it is counted, and is the same as [`OnPanic::Report`]. An output that is dropped with a
    /// [`RemoteJoinHandle`](crate::RemoteJoinHandle) is reported on the thread where that is, to the reactor that runs
    /// there; on a plain thread its panic is discarded.
    pub fn on_panic(mut self, hook: impl Fn(&TaskPanic<'_>) -> OnPanic + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Hook::new(hook));
        self
    }

    /// Whether each poll is measured, for [`Stats::longest_poll`](crate::Stats::longest_poll) and
    /// [`Reactor::longest_poll`]: off by default, since it takes two readings of the clock for each poll. With a virtual clock
    /// a poll takes as long as that clock moves in it.
    pub const fn measure_polls(mut self, on: bool) -> Self {
        self.measured = if on { Some(Reactor::run_measured) } else { None };
        self
    }

    /// The pool that [`io::read_pooled`](crate::io::read_pooled) and copying take their buffers from: how many are kept
    /// while nobody uses them, 64 by default, and the bytes of each, 16 KiB by default, at least 1 and at most 1 GiB.
    ///
    /// Zero keeps none. More than that can be in use at once; those are freed when they are given back.
    pub fn buffers(mut self, kept: usize, size: usize) -> Self {
        self.buffers = (kept, size);
        self
    }

    /// How many host names are kept with their addresses, 256 by default and 4,096 at most, and for how long each, 5 s
    /// by default. Zero of either keeps none; with `Duration::MAX` they do not become too old.
    pub fn names(mut self, kept: usize, lifetime: Duration) -> Self {
        self.names = (kept, lifetime);
        self
    }

    /// How much later than its moment a timer may fire, so that those that follow fire with it: nothing by default, and
    /// a second at most. A virtual clock has none. An interval whose period is shorter misses ticks, which
    /// [`MissedTicks::Burst`](crate::time::MissedTicks::Burst) alone makes up for.
    ///
    /// A thread that sleeps is woken for each moment at which timers are due; with thousands a second that costs more
    /// than the timers. Waking it for several at once is what coarser timers do for all. The system has a slack of its
    /// own, `PR_SET_TIMERSLACK` of prctl(2), which comes on top: 50 µs on Linux unless it was set.
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.timer_slack = slack.min(SLACK_MAX);
        self
    }

    /// Makes the reactor, on this thread.
    ///
    /// # Errors
    ///
    /// When the process is out of descriptors or memory, or has 4,096 reactors.
    pub fn build(self) -> io::Result<Reactor> {
        Reactor::with(self)
    }
}
