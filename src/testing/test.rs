//! A test: one future on a reactor of its own, with a limit in real time.
//!
//! The limit is kept by a thread, which sends the reactor a call when it is over; the call reports what the reactor
//! has, and makes it stop as a panic of a task does. So the loop knows nothing of tests, and a task that wakes itself
//! for ever ends as well as one that waits for ever. A poll that does not return cannot be ended: the thread says so,
//! and the test hangs.
//!
//! Finding out at once that a test is stuck was turned down: wakers are numbers without a count, so "nobody can wake
//! it" is not known.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::Clock;

use super::settle;
use crate::builder::Builder;
use crate::channel::oneshot;
use crate::core::Core;
use crate::handle::Handle;
use crate::panics::OnPanic;
use crate::parked::parked;
use crate::waker;

/// How long a test may take in real time: far longer than one in virtual time needs on a machine where it seldom has its
/// turn, and short enough to wait for.
const LIMIT: Duration = Duration::from_secs(60);

/// How a test is run. [`run`](super::run) is this with nothing changed.
///
/// ```
/// use mainspring::{OnPanic, spawn, testing::Test};
///
/// Test::new().on_panic(OnPanic::Report).all_tasks_end().run(async {
///     assert!(spawn(async { panic!("as is wanted") }).await.unwrap_err().is_panic());
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a test does nothing before `run`"]
pub struct Test {
    /// Of the reactor.
    settings: Builder,
    /// What a panic of a task does, if the settings have no hook.
    on_panic: OnPanic,
    /// In real time.
    limit: Duration,
    /// Whether tasks that are left at the end are a failure.
    all_tasks_end: bool,
}

impl Test {
    /// A test in virtual time that jumps, with a limit of 60 s of real time, which a panic of a task fails.
    pub fn new() -> Self {
        Self::with(Builder::new().clock(Clock::auto()))
    }

    /// The same on a reactor with these settings, its clock among them. If they have a hook for panics, that one
    /// decides.
    pub const fn with(settings: Builder) -> Self {
        Self { settings, on_panic: OnPanic::Stop, limit: LIMIT, all_tasks_end: false }
    }

    /// What the reactor takes for the time; [`Clock::auto`] by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings = self.settings.clock(clock);
        self
    }

    /// What a panic of a task does: [`OnPanic::Stop`] fails the test, and is the default; with [`OnPanic::Report`] it
    /// goes to the task's handle alone.
    pub const fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// How long the test may take in real time, 60 s by default. Zero fails it at once unless it is very quick,
    /// `Duration::MAX` lets it hang.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Tasks that are alive when the future has ended, and all others have [settled](super::settle()), fail the test,
    /// with their names.
    pub const fn all_tasks_end(mut self) -> Self {
        self.all_tasks_end = true;
        self
    }

    /// Runs `future` on a reactor of its own, on this thread, and returns its output. Tasks that are left are dropped;
    /// one that panics in that has panicked as any other.
    ///
    /// # Panics
    ///
    /// When the test fails: see [the module](super#when-a-test-fails). And when no reactor can be made, or one is
    /// running on this thread already.
    #[track_caller]
    pub fn run<F: Future>(self, future: F) -> F::Output {
        let Self { mut settings, on_panic, limit, all_tasks_end } = self;
        if settings.on_panic.is_none() {
            settings = settings.on_panic(move |_| on_panic);
        }
        let reactor = settings.build().unwrap_or_else(|error| panic!("no reactor for the test: {error}"));
        let (ended, ends) = oneshot::channel();
        let handle = reactor.handle();
        thread::Builder::new()
            .name("mainspring-test-limit".into())
            .spawn(move || watch(&handle, ends, limit))
            .unwrap_or_else(|error| panic!("no thread for the limit of the test: {error}"));
        let result = reactor.block_on(async {
            let output = future.await;
            let mut alive = Vec::new();
            if all_tasks_end {
                settle().await;
                alive = waker::current(|core| core.map_or_else(Vec::new, Core::live_names));
            }
            Ok((output, alive, Core::running("a test")?))
        });
        drop::<oneshot::Sender<()>>(ended);
        // Here the tasks that are left are dropped, and may panic.
        drop(reactor);
        match result.and_then(|result| result) {
            Ok((_, alive, _)) if !alive.is_empty() => {
                panic!("the test has ended, and its tasks have not: {}", list(&alive))
            }
            Ok((output, _, core)) => match core.panics.take_stop() {
                None => output,
                Some(error) => panic!("{error}"),
            },
            Err(error) => panic!("{error}"),
        }
    }
}

impl Default for Test {
    fn default() -> Self {
        Self::new()
    }
}

/// Stops a test that does not end within `limit`.
fn watch(handle: &Handle, ends: oneshot::Receiver<()>, limit: Duration) {
    let mut ends = pin!(ends);
    if parked(ends.as_mut(), Instant::now().checked_add(limit)).is_some() {
        return;
    }
    let stop = move || {
        waker::current(|core| core.map_or((), |core| core.stop(io::Error::other(report(core, limit)))));
    };
    // Why ignored: one that has ended has nothing to be told.
    let _ = handle.call_first(Box::new(stop));
    if parked(ends, Instant::now().checked_add(LIMIT)).is_none() {
        eprintln!("a test did not end within {limit:?} of real time, and cannot be ended: a poll does not return");
    }
}

/// Why a test has not ended, as far as its reactor can tell.
fn report(core: &Core, limit: Duration) -> String {
    let runnable = core.queued();
    let (timers, waits, sources) = (core.timers_armed(), core.waits(), core.sources_len());
    let jobs = if core.is_blocking() { ", blocking work under way" } else { "" };
    let alive = list(&core.live_names());
    format!(
        "the test did not end within {limit:?} of real time: {runnable} runnable, {timers} timers armed, \
         {waits} waits in {sources} sources{jobs}; tasks alive: {alive}"
    )
}

/// Each name once, with how many have it.
fn list(names: &[Option<Rc<str>>]) -> String {
    let mut names: Vec<_> = names.iter().map(|name| name.as_deref().unwrap_or("unnamed")).collect();
    names.sort_unstable();
    let entries = names.chunk_by(|one, other| one == other).map(|same| match same {
        [name] => (*name).to_owned(),
        _ => format!("{} ({} times)", same[0], same.len()),
    });
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() { "none".into() } else { entries.join(", ") }
}
