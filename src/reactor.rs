//! The loop: what a thread does while it has tasks.
//!
//! A [`Reactor`] belongs to the thread that made it. It runs tasks that were woken, and when none is left it sleeps in
//! the selector until a source is ready, a timer is due or another thread has something for it. There is one
//! `catch_unwind` around a batch, which a panic ends, so that a task that does not panic pays nothing for it.
//!
//! Work stealing is left out on purpose: a reactor per core, with connections shared out when they are accepted, needs
//! no lock and no atomic operation on the path of a request, and tasks need not be `Send`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use mainspring_sys::{Clock, Events, Selector};

use crate::builder::Builder;
use crate::core::Core;
use crate::forked;
use crate::handle::Handle;
use crate::join_error::JoinError;
use crate::longest_poll::LongestPoll;
use crate::pace::Pace;
use crate::remote::Lease;
use crate::sentence::sentence;
use crate::stats::Stats;
use crate::table::Task;
use crate::trace;
use crate::waker::{self, Number};
use crate::work::Polled;

/// A thread's loop over tasks, descriptors and timers.
///
/// One turn of the loop:
///
/// 1. run woken tasks, at most a batch: 64 polls, and fewer while they are so long that these take over 1 ms;
/// 2. take the inbox: wakes and shutdown from other threads, and spawns until 64 tasks are runnable, but at least as
///    many as tasks have ended, and one for each 64 polls;
/// 3. fire due timers, and give waits that started their deadlines;
/// 4. select: skipped while tasks are runnable, up to 8 batches or 1 ms since the last one, or until a task has spent
///    its budget on descriptors, then with timeout zero; until the next deadline when nothing is runnable;
/// 5. record the readiness of the whole batch of events, then wake: a task sees its whole state.
///
/// After fork(2), a child does not have the reactors of its parent: to run one, to spawn on it, to await what it runs
/// and each operation of its sources is an error that says so, and to drop them takes nothing from the parent. A poll
/// that forks goes on in the child, and other tasks may be polled once more there, before `block_on` returns that
/// error. A new reactor works, also inside that poll, and a sleep goes on in the one that polls it. A child that lives
/// on without exec, which closes them, keeps the streams that its parent drops: their peers see no end, and the parent
/// may get stale events of them.
///
/// Dropping a reactor drops its tasks on this thread, in no particular order, and blocking work that has not begun.
/// Sources, timers and handles may outlive it: their operations return errors (`NotConnected` for sources), sleeps
/// never end. Its selector, two descriptors, stays open for the next reactor of the process.
///
/// ```
/// let reactor = mainspring::Reactor::new()?;
/// let answer = reactor.block_on(async { 6 * 7 })?;
/// assert_eq!(answer, 42);
/// # std::io::Result::Ok(())
/// ```
pub struct Reactor {
    /// What the loop turns.
    core: Rc<Core>,
    /// Where the selector puts events; taken while the loop runs.
    events: RefCell<Events>,
    /// The place in the process's table of reactors; none after the end.
    lease: Cell<Option<Lease>>,
}

/// Polls the future of `block_on`, and keeps its output.
type Root<'a> = &'a mut dyn FnMut(&mut Context<'_>) -> Poll<()>;

/// Runs a batch of which each poll is measured.
pub(crate) type MeasuredBatch = fn(&Core, usize, &mut Option<Root<'_>>, &mut bool) -> thread::Result<bool>;

impl Reactor {
    /// A reactor with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// When the process is out of descriptors or memory, or has 4,096 reactors.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Settings, and then a reactor.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn with(settings: Builder) -> io::Result<Self> {
        let (lease, slot, epoch) = Lease::begin()?;
        let events = RefCell::new(Events::with_capacity(settings.events));
        Ok(Self { core: Core::new(&lease, epoch, slot, settings), events, lease: Cell::new(Some(lease)) })
    }

    /// A handle by which other threads reach this reactor.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.number, self.core.epoch)
    }

    /// What this reactor has done so far: a copy of plain counters, but for the waits, for which it looks at each
    /// source.
    ///
    /// ```
    /// let reactor = mainspring::Reactor::new()?;
    /// reactor.spawn(async {});
    /// assert_eq!(reactor.stats().tasks, 1);
    /// reactor.run()?;
    /// assert_eq!((reactor.stats().tasks, reactor.stats().spawned), (0, 1));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stats(&self) -> Stats {
        Stats::of(&self.core)
    }

    /// Its longest poll so far, with the name of the task; none if it was not built to measure them
    /// ([`Builder::measure_polls`]).
    pub fn longest_poll(&self) -> Option<LongestPoll> {
        self.core.longest.get()
    }

    /// Runs `future`, and the tasks beside it, until `future` ends. Tasks that remain stay, for the next call.
    ///
    /// `future` is dropped after the reactor has stopped running: what its drop calls finds no reactor on this thread,
    /// so a [`spawn`](crate::spawn) there is refused.
    ///
    /// # Errors
    ///
    /// When a reactor is running on this thread already, when the selector fails (the raw OS error is kept), and when a
    /// task has panicked whose panic is to stop the reactor ([`Builder::on_panic`]).
    ///
    /// # Panics
    ///
    /// With the panic of `future` itself. A panic of a task goes to its [`JoinHandle`](crate::JoinHandle).
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        let mut future = pin!(future);
        let mut output = None;
        let mut root = |cx: &mut Context<'_>| future.as_mut().poll(cx).map(|value| output = Some(value));
        self.drive(Some(&mut root))?;
        output.ok_or_else(|| sentence(io::ErrorKind::Other, "the reactor ended before the future of block_on"))
    }

    /// Runs until no task is left, or until [`Handle::shutdown`]. Tasks that remain are dropped with the reactor.
    ///
    /// # Errors
    ///
    /// As [`block_on`](Self::block_on).
    ///
    /// ```
    /// let reactor = mainspring::Reactor::new()?;
    /// reactor.spawn(async {
    ///     mainspring::spawn(async { println!("and its own") });
    ///     println!("a task");
    /// });
    /// reactor.run()?; // until both have ended
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run(&self) -> io::Result<()> {
        self.drive(None)
    }

    /// Spawns a task before the reactor runs; inside it, use [`spawn`](crate::spawn).
    ///
    /// # Errors
    ///
    /// In the handle that is returned: that the reactor has 16,777,215 live tasks. The future is dropped then.
    ///
    /// ```
    /// let reactor = mainspring::Reactor::new()?;
    /// let task = reactor.spawn(async { 6 * 7 });
    /// assert_eq!(reactor.block_on(task)?.unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn spawn<F>(&self, future: F) -> crate::JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        crate::JoinHandle::new(self.core.spawn(Polled::new(future, ())))
    }

    fn drive(&self, root: Option<Root<'_>>) -> io::Result<()> {
        if self.core.is_forked() {
            return Err(forked::error());
        }
        refuse_second()?;
        trace::reactor_runs(self.core.number);
        let _stop = Stop(&self.core);
        waker::run(&self.core, || self.turn_until(root))
    }

    fn turn_until(&self, mut root: Option<Root<'_>>) -> io::Result<()> {
        let core = &*self.core;
        let mut events = self.events.borrow_mut();
        if root.is_some() {
            core.wake(Number::root(core.number));
        }
        let mut pace = Pace::new();
        loop {
            core.counters.turns.add(1);

            // 1. Run woken tasks, at most a batch.
            let is_root_ready = self.run_batch(pace.batch(), &mut root);
            if let Some(why) = core.panics.take_stop() {
                return Err(why);
            }
            if is_root_ready {
                return Ok(());
            }

            if core.is_forked() {
                return Err(forked::error());
            }

            // 2. Take the inbox.
            let is_more = core.take_inbox();

            // 3. Fire due timers.
            core.fire_timers();

            let is_idle = || core.tasks.borrow().live() == core.orphans.get() && !is_more;
            if root.is_none() && (core.shutdown.take() || is_idle()) {
                return Ok(());
            }

            // 4. Select.
            let runnable = core.queued() > 0;
            let is_system_spent = core.account.take_system_spent();
            let timeout = if runnable {
                // A task that has made all the system calls it may is asked to let others in, which only the selector
                // knows.
                if !pace.is_over(|| core.clock.now()) && !is_system_spent {
                    continue;
                }
                Some(Duration::ZERO)
            } else {
                self.until_next_timer()
            };
            core.counters.selects.add(1);
            core.selector.select(&mut events, timeout).inspect_err(|_| core.broken.set(true))?;
            pace.asked(|| core.clock.now());

            // 5. Record readiness, then wake.
            if events.is_empty() {
                self.jump(runnable);
            } else {
                core.record(&events);
            }
        }
    }

    /// How long the selector may sleep when nothing is runnable; none is for ever.
    fn until_next_timer(&self) -> Option<Duration> {
        let next = self.core.next_timer()?;
        match &self.core.clock {
            Clock::Os => {
                let left = next.saturating_sub(self.core.clock.now());
                // What is due has waited already, for the batch before.
                let slack = if left > 0 { self.core.timer_slack } else { 0 };
                Some(Duration::from_nanos(left.saturating_add(slack)))
            }
            clock if clock.is_auto() && !self.core.is_blocking() => Some(Duration::ZERO),
            clock if next <= clock.now() => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// A virtual clock that jumps, when nothing is left to do at its present time.
    fn jump(&self, runnable: bool) {
        let clock = &self.core.clock;
        if runnable || !clock.is_auto() || self.core.is_blocking() {
            return;
        }
        // A job that has just ended has left its wake here.
        if self.core.take_inbox() || self.core.queued() > 0 {
            return;
        }
        if let Some(next) = self.core.next_timer() {
            // Why ignored: the only error is that the clock is not virtual.
            let _ = clock.advance_to(next);
        }
    }

    /// Runs at most `batch` polls; true when the future of `block_on` is ready.
    fn run_batch(&self, batch: usize, root: &mut Option<Root<'_>>) -> bool {
        let core = &*self.core;
        let mut in_root = false;
        let result = match core.longest.batch {
            Some(run_measured) => run_measured(core, batch, root, &mut in_root),
            None => {
                let run = |task: &Task| Self::run_task(core, task, root, &mut in_root);
                catch_unwind(AssertUnwindSafe(|| core.due.run(core, batch, run)))
            }
        };
        match result {
            Ok(is_root_ready) => is_root_ready,
            Err(payload) if in_root => resume_unwind(payload),
            Err(payload) => {
                Self::end_panicked(core, payload);
                false
            }
        }
    }

    /// Polls a task that was in the queue; true when it is the future of `block_on`, and ready.
    #[inline]
    fn run_task(core: &Core, task: &Task, root: &mut Option<Root<'_>>, in_root: &mut bool) -> bool {
        if task.begin() {
            let number = task.number();
            core.begin_poll(number);
            let poll = trace::in_task(task, || match task.lend(|body| body.run(core, number)) {
                Some(poll) => poll,
                None => Self::poll_root(number, root, in_root),
            });
            if poll.is_ready() {
                if number.is_root() {
                    return true;
                }
                core.finish(task);
            }
        } else if task.is_aborted() {
            Self::end_task(core, task, JoinError::aborted());
        }
        false
    }

    /// The same batch, each poll between two readings of the clock.
    #[cold]
    #[inline(never)]
    pub(crate) fn run_measured(
        core: &Core,
        batch: usize,
        root: &mut Option<Root<'_>>,
        in_root: &mut bool,
    ) -> thread::Result<bool> {
        let run = |task: &Task| {
            // Why before the poll: a task that ends in it has no name after.
            let _measured = core.longest.begin(&core.clock, task.name());
            Self::run_task(core, task, root, in_root)
        };
        catch_unwind(AssertUnwindSafe(|| core.due.run(core, batch, run)))
    }

    /// Ends the task that has panicked. A payload that nobody awaits is dropped here, and may panic too.
    #[cold]
    #[inline(never)]
    fn end_panicked(core: &Core, payload: Box<dyn Any + Send>) {
        core.counters.panics.add(1);
        core.contain(|| {
            // A task that has ended has not panicked: the waker of whoever awaits it has.
            let task = core.tasks.borrow().get(core.account.task()).filter(|task| !task.is_done()).cloned();
            if let Some(task) = task {
                let name = task.name();
                core.contain(|| core.panics.report(name, &*payload));
                Self::end_task(core, &task, JoinError::panicked(payload));
            }
        });
    }

    /// Polls the future of `block_on`, if that is what runs; a panic in it leaves `in_root` set.
    fn poll_root(number: Number, root: &mut Option<Root<'_>>, in_root: &mut bool) -> Poll<()> {
        let Some(root) = root else { return Poll::Pending };
        *in_root = true;
        // Why not dropped: there is nothing to drop in a number.
        let waker = ManuallyDrop::new(number.waker());
        let poll = root(&mut Context::from_waker(&waker));
        *in_root = false;
        poll
    }

    /// Drops the future of a task that has not ended, whose drop may panic, and reports `error` to its handle.
    #[cold]
    fn end_task(core: &Core, task: &Task, error: JoinError) {
        if task.is_done() {
            return;
        }
        core.begin_poll(task.number());
        let name = task.name();
        core.contain_drop(name, || _ = task.lend(|body| body.fail(error)));
        core.contain(|| core.finish(task));
    }
}

/// An error if a reactor is running on this thread: another would stop it. That of a parent process does not run any
/// more.
pub(crate) fn refuse_second() -> io::Result<()> {
    match waker::current(|core| core.is_some_and(|core| !core.is_forked())) {
        true => Err(sentence(io::ErrorKind::Other, "a reactor is already running on this thread")),
        false => Ok(()),
    }
}

/// The reactor stops running, also when the future of `block_on` panics.
struct Stop<'a>(&'a Core);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.account.exhaust();
        trace::reactor_stops(self.0.number);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let core = &*self.core;
        waker::run(core, || {
            // Tasks first: what they own may be sources of this reactor.
            let live = core.tasks.borrow_mut().close();
            for task in live {
                Self::end_task(core, &task, JoinError::ended());
            }
            core.account.exhaust();
            core.detach_sources();
        });
        core.close_pool();
        if let Some(mut lease) = self.lease.take() {
            lease.generation = core.last_generation();
            lease.end(core.broken.get());
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("number", &self.core.number).field("stats", &self.stats()).finish()
    }
}
