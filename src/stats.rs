//! What a reactor has done: plain counters, each a plain add where it happens.
//!
//! The core, the loop and the listeners add; [`Reactor::stats`](crate::Reactor::stats) and [`Stats::current`] copy all
//! of them at one moment. A counter never goes down, and wraps around at 2^64. What exists at the moment (tasks,
//! sources, timers) is not counted but asked of its table, so it cannot drift from it.
//!
//! The counters belong to one thread, so an add is not atomic and they are always on; the price is that another thread
//! has to ask by a task. Atomics that anybody may read would cost their share in every poll.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::core::Core;

/// A counter of one thread.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get().wrapping_add(count));
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// The counters of a reactor; [`Stats`] says what each counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) turns: Counter,
    pub(crate) selects: Counter,
    pub(crate) events: Counter,
    pub(crate) stale: Counter,
    pub(crate) polls: Counter,
    pub(crate) wakes_local: Counter,
    pub(crate) wakes_remote: Counter,
    pub(crate) timers: Counter,
    pub(crate) spawned: Counter,
    pub(crate) panics: Counter,
    pub(crate) registered: Counter,
    pub(crate) accepted: Counter,
    pub(crate) accept_failed: Counter,
    pub(crate) accept_paused: Counter,
}

/// What a reactor has done since it was made, and what it has at the moment.
///
/// ```
/// let reactor = mainspring::Reactor::new()?;
/// reactor.block_on(mainspring::yield_now())?;
/// assert_eq!(reactor.stats().polls, 2);
/// println!("{}", reactor.stats());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Calls of the selector: one system call each.
    pub selects: u64,
    /// Events that the selector reported.
    pub events: u64,
    /// Events for sources that were gone by then.
    pub stale_events: u64,
    /// Polls of tasks, and of the future of `block_on`; a task that is dropped before its end counts as one more.
    pub polls: u64,
    /// Wakes from this reactor's own thread, while it runs: by a waker, and of whoever awaits a task that ends. What
    /// events and timers wake is not among them.
    pub wakes_local: u64,
    /// Wakes taken from the inbox.
    pub wakes_remote: u64,
    /// Timers and deadlines that expired.
    pub timers_fired: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Panics that were caught, of tasks and of wakers.
    pub panics: u64,
    /// Sources registered: one system call each.
    pub registered: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that had failed before they were accepted.
    pub accept_failed: u64,
    /// Times a listener paused because descriptors or memory ran out.
    pub accept_paused: u64,
    /// Tasks that have not ended, at the moment.
    pub tasks: usize,
    /// Tasks in the run queue, at the moment.
    pub runnable: usize,
    /// Sources registered, at the moment.
    pub sources: usize,
    /// Waits that stand in sources, at the moment.
    pub waits: usize,
    /// Timers and deadlines armed, at the moment.
    pub timers: usize,
    /// The longest poll so far; zero unless polls are measured
    /// ([`Builder::measure_polls`](crate::Builder::measure_polls)). [`LongestPoll`](crate::LongestPoll) tells whose it
    /// was.
    pub longest_poll: Duration,
    /// Buffers of the pool that are in use, at the moment.
    pub buffers: usize,
}

impl Stats {
    pub(crate) fn of(core: &Core) -> Self {
        let counters = &core.counters;
        let tasks = core.tasks.borrow();
        Self {
            turns: counters.turns.get(),
            selects: counters.selects.get(),
            events: counters.events.get(),
            stale_events: counters.stale.get(),
            polls: counters.polls.get(),
            wakes_local: counters.wakes_local.get(),
            wakes_remote: counters.wakes_remote.get(),
            timers_fired: counters.timers.get(),
            spawned: counters.spawned.get(),
            panics: counters.panics.get(),
            registered: counters.registered.get(),
            accepted: counters.accepted.get(),
            accept_failed: counters.accept_failed.get(),
            accept_paused: counters.accept_paused.get(),
            tasks: tasks.live(),
            runnable: core.queued(),
            sources: core.sources_len(),
            waits: core.waits(),
            timers: core.timers_armed(),
            longest_poll: Duration::from_nanos(core.longest.nanoseconds()),
            buffers: core.buffers.lent(),
        }
    }

    /// The stats of the reactor that is running on this thread; none if there is none.
    pub fn current() -> Option<Self> {
        crate::waker::current(|core| core.map(Self::of))
    }

    /// Each name with its value, in a fixed order: what a page or a metrics exporter is made from. The names are those
    /// of the fields, and stay; new ones come at the end. The longest poll is in nanoseconds, and says so in its name.
    pub fn fields(&self) -> [(&'static str, u64); 21] {
        [
            ("turns", self.turns),
            ("selects", self.selects),
            ("events", self.events),
            ("stale_events", self.stale_events),
            ("polls", self.polls),
            ("wakes_local", self.wakes_local),
            ("wakes_remote", self.wakes_remote),
            ("timers_fired", self.timers_fired),
            ("spawned", self.spawned),
            ("panics", self.panics),
            ("registered", self.registered),
            ("accepted", self.accepted),
            ("accept_failed", self.accept_failed),
            ("accept_paused", self.accept_paused),
            ("tasks", self.tasks as u64),
            ("runnable", self.runnable as u64),
            ("sources", self.sources as u64),
            ("waits", self.waits as u64),
            ("timers", self.timers as u64),
            ("buffers", self.buffers as u64),
            ("longest_poll_ns", self.longest_poll.as_nanos() as u64),
        ]
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.fields().into_iter().enumerate() {
            write!(f, "{}{name} {value}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
