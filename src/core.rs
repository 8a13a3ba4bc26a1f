//! What one reactor consists of, as its tasks, sources and timers see it.
//!
//! The loop is in [`crate::reactor`]; this is the state that the loop turns, and the entrances for what runs on its
//! thread: spawn and wake, registration of sources, timers. Everything is in cells, because user code re-enters at any
//! time; the rule that makes this safe is that nothing is borrowed while user code (a poll, a wake, a drop) runs.
//! Wakers of this reactor's own tasks only enqueue, so they are woken on the spot; foreign ones are collected and
//! called after.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use mainspring_sys::signal::Subscription;
use mainspring_sys::{Clock, Events, Interest, Mode, OsSelector, Readiness, Selector, Token, fork};
use slab::Slab;

use crate::account::Account;
use crate::buffers::Buffers;
use crate::builder::Builder;
use crate::contain::contain;
use crate::direction::Direction;
use crate::due::Due;
use crate::forked;
use crate::join_error::JoinError;
use crate::longest_poll::Longest;
use crate::names::Names;
use crate::panics::Panics;
use crate::remote::{Lease, Mail, Slot};
use crate::signal::Listening;
use crate::source::Source;
use crate::stats::Counters;
use crate::table::{Join, Room, Task, Tasks};
use crate::time::nanoseconds;
use crate::timer::Timer;
use crate::unblock::{Limits, Pool, Threads};
use crate::waker::{self, Number};
use crate::wheel::Wheel;
use crate::work::{self, Body, Work};

/// Closures that are taken from the inbox in a turn, less the tasks that are in the run queue. The rest stays where it
/// is bounded: so those who send faster than their tasks end are refused, and what is queued has its turn.
const CALLS_TAKEN: usize = 64;

/// Whatever is queued, as many are taken as tasks have ended since, and one after so many polls: tasks that always wake
/// themselves do not keep new ones out. By polls and not by turns, since a batch of long polls has few.
const POLLS_PER_CALL: u64 = 64;

/// The state of a reactor.
pub(crate) struct Core {
    /// Which of the process's reactors it is.
    pub(crate) number: u16,
    /// Which tenant of that number.
    pub(crate) epoch: u64,
    /// The generation of the process that has made it, as of `mainspring_sys::fork`.
    made_in: u32,
    /// Itself, for what keeps it alive.
    this: Weak<Self>,
    /// Where sources are registered.
    pub(crate) selector: Arc<OsSelector>,
    /// Where other threads leave their wakes.
    slot: &'static Slot,
    /// What the running poll may still do, and what it has said.
    pub(crate) account: Account,
    /// What time it is.
    pub(crate) clock: Clock,
    /// Its tasks, and which were woken.
    pub(crate) tasks: RefCell<Tasks>,
    /// The tasks whose turn it is.
    pub(crate) due: Due,
    /// Its sources by token.
    pub(crate) sources: RefCell<Slab<Rc<Source>>>,
    /// The generation of the source registered last.
    generation: Cell<u32>,
    /// Listeners for which there was no descriptor.
    pub(crate) short: RefCell<Vec<Token>>,
    /// Sleeping tasks and deadlines of sources.
    pub(crate) timers: RefCell<Wheel<Timer>>,
    /// How much later than its moment a timer may fire, in nanoseconds.
    pub(crate) timer_slack: u64,
    /// Directions whose waits started or ended since the last clock reading, and that have a timeout.
    pub(crate) changed: RefCell<Vec<(Token, Direction)>>,
    /// The mail of the last turn, empty, for its memory.
    mail: RefCell<Mail>,
    /// How many polls there had been, and how many tasks had ended, when closures could be taken last.
    calls_taken_at: Cell<(u64, u64)>,
    /// Foreign wakers of the present batch of events or timers, for its memory.
    foreign: RefCell<Vec<Waker>>,
    /// The threads for blocking work; made with the first job.
    pool: OnceCell<Box<dyn Pool>>,
    /// The bounds of the pool.
    blocking: Limits,
    /// Where they run, if not where this thread does.
    processors: Option<Arc<[usize]>>,
    /// Buffers that are lent for one read.
    pub(crate) buffers: Buffers,
    /// Host names that were looked up lately; made when the first one is.
    names: OnceCell<RefCell<Names>>,
    /// How many of them are kept, and for how long.
    names_kept: (usize, Duration),
    /// By what it hears of children that have no descriptor, while there are any.
    pub(crate) children: RefCell<Weak<Listening<Subscription>>>,
    /// How many of its tasks wait for children that were dropped; `run` does not wait for those.
    pub(crate) orphans: Cell<usize>,
    /// What it has done.
    pub(crate) counters: Counters,
    /// What it does about panics of tasks.
    pub(crate) panics: Panics,
    /// Its longest poll.
    pub(crate) longest: Longest,
    /// The number of a poll, and a reading of the clock in it.
    recent: Cell<(u64, u64)>,
    /// Set when `Handle::shutdown` was received.
    pub(crate) shutdown: Cell<bool>,
    /// Set when the selector has failed.
    pub(crate) broken: Cell<bool>,
}

impl Core {
    pub(crate) fn new(lease: &Lease, epoch: u64, slot: &'static Slot, settings: Builder) -> Rc<Self> {
        let Builder { clock, blocking, processors, on_panic, measured, buffers, names, timer_slack, .. } = settings;
        let number = lease.number;
        // Before all others, since these alone may panic: so nothing has to be dropped when they do.
        let (timers, tasks) = (Wheel::new(clock.now()), Tasks::new(number));
        Rc::new_cyclic(|this| Self {
            number,
            epoch,
            made_in: lease.made_in,
            this: this.clone(),
            selector: lease.selector.clone(),
            slot,
            account: Account::closed(number),
            timers: RefCell::new(timers),
            clock,
            tasks: RefCell::new(tasks),
            due: Due::default(),
            sources: RefCell::new(Slab::new()),
            generation: Cell::new(lease.generation),
            short: RefCell::default(),
            timer_slack: nanoseconds(timer_slack),
            changed: RefCell::default(),
            mail: RefCell::default(),
            calls_taken_at: Cell::default(),
            foreign: RefCell::default(),
            pool: OnceCell::new(),
            blocking,
            processors,
            buffers: Buffers::new(buffers.0, buffers.1),
            names: OnceCell::new(),
            names_kept: names,
            children: RefCell::default(),
            orphans: Cell::new(0),
            counters: Counters::default(),
            panics: Panics::new(on_panic),
            longest: Longest::new(measured),
            recent: Cell::new((u64::MAX, 0)),
            shutdown: Cell::new(false),
            broken: Cell::new(false),
        })
    }

    /// The reactor that is running on this thread.
    ///
    /// # Errors
    ///
    /// One that names `what`, if there is none.
    #[inline]
    pub(crate) fn running(what: &str) -> io::Result<Rc<Self>> {
        match waker::current(|core| core.and_then(|core| core.this.upgrade())) {
            Some(core) if !core.is_forked() => Ok(core),
            core => Err(not_running(what, core.is_some())),
        }
    }

    /// Whether this process is a child of the one that has made the reactor.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.made_in != fork::generation()
    }

    /// Before each poll of a task, and before one is dropped.
    #[inline]
    pub(crate) fn begin_poll(&self, task: Number) {
        self.account.begin(task);
        self.counters.polls.add(1);
    }

    /// A reading of the clock in this poll: the first one that was asked for.
    #[inline]
    pub(crate) fn recent(&self) -> u64 {
        let (poll, reading) = self.recent.get();
        if poll == self.poll_number() {
            return reading;
        }
        let now = self.clock.now();
        self.recent.set((self.poll_number(), now));
        now
    }

    /// Tells a source whether it is asked within the same poll.
    #[inline]
    pub(crate) fn poll_number(&self) -> u64 {
        self.counters.polls.get()
    }

    /// Calls `f`, which runs or drops what users made; a panic in it is counted, and ends here.
    pub(crate) fn contain(&self, f: impl FnOnce()) {
        self.counters.panics.add(u64::from(contain(f)));
    }

    /// Calls `f`, which drops what is a task's; a panic in it goes to the hook, is counted, and ends here.
    pub(crate) fn contain_drop(&self, name: Option<Rc<str>>, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.contain(|| self.panics.report(name, &*payload));
            // It is counted, and its payload dropped.
            self.contain(|| resume_unwind(payload));
        }
    }

    // Tasks.

    /// Queues a task of this reactor.
    #[inline]
    pub(crate) fn wake(&self, number: Number) {
        self.counters.wakes_local.add(1);
        self.tasks.borrow_mut().wake(number);
    }

    /// How many tasks are in the run queue.
    pub(crate) fn queued(&self) -> usize {
        self.due.len() + self.tasks.borrow().woken()
    }

    /// Adds a task that will be joined.
    pub(crate) fn spawn<W>(&self, work: W) -> Result<(Rc<Self>, Number), JoinError>
    where
        W: Work + 'static,
        W::Output: 'static,
    {
        let Some(this) = self.this.upgrade() else { return Err(JoinError::ended()) };
        let room = self.room()?;
        Ok((this, self.insert(room, work::body(work), true)))
    }

    /// Room for one task more, or why there is none.
    #[inline]
    pub(crate) fn room(&self) -> Result<Room, JoinError> {
        if self.is_forked() {
            return Err(JoinError::refused(forked::TEXT));
        }
        self.tasks.borrow().room()
    }

    /// Adds a task, which will be joined or not.
    #[inline]
    pub(crate) fn insert(&self, room: Room, body: Body, is_joined: bool) -> Number {
        self.counters.spawned.add(1);
        self.tasks.borrow_mut().insert(room, body, is_joined)
    }

    pub(crate) fn abort(&self, number: Number) {
        self.tasks.borrow_mut().abort(number);
    }

    pub(crate) fn is_finished(&self, number: Number) -> bool {
        self.tasks.borrow().get(number).is_none_or(|task| task.is_done())
    }

    /// Whether it is known that a number is of a task that has ended; nothing is known of another reactor's.
    pub(crate) fn has_ended(&self, number: Number) -> bool {
        number.reactor() == self.number && self.is_finished(number)
    }

    /// What a task is called.
    pub(crate) fn name(&self, number: Number) -> Option<Rc<str>> {
        let task = self.tasks.borrow().get(number).cloned();
        task.and_then(|task| task.name())
    }

    /// What the tasks that have not ended are called. Looks at each.
    pub(crate) fn live_names(&self) -> Vec<Option<Rc<str>>> {
        let live = self.tasks.borrow().live_tasks();
        live.iter().map(|task| task.name()).collect()
    }

    /// Takes the output of a task that has ended; else records who is woken when it does.
    #[inline]
    pub(crate) fn join(&self, number: Number, waker: &Waker) -> Join {
        // A number is copied, which runs nobody's code. A foreign waker may do anything, also when it is cloned or
        // dropped.
        match Number::of(waker) {
            Some(own) => self.tasks.borrow_mut().join(number, || own.waker()),
            None => self.join_foreign(number, waker),
        }
    }

    #[cold]
    fn join_foreign(&self, number: Number, waker: &Waker) -> Join {
        let mut cloned = Some(waker.clone());
        let join = self.tasks.borrow_mut().join(number, || cloned.take().unwrap_or_else(|| waker.clone()));
        // Only now is one that was not recorded dropped.
        join
    }

    /// Nobody will join a task any more. Called by destructors: nothing comes out of it.
    pub(crate) fn detach(&self, number: Number) {
        let (joiner, rest) = self.tasks.borrow_mut().detach(number);
        if joiner.is_some() {
            self.contain(|| drop(joiner));
        }
        if rest.is_some() {
            self.contain_drop(None, || drop(rest));
        }
    }

    /// The task has ended: whoever awaits it is woken.
    #[inline(never)]
    pub(crate) fn finish(&self, task: &Task) {
        let mut tasks = self.tasks.borrow_mut();
        let (mut joiner, rest) = tasks.finish(task);
        // A task of this reactor is woken with the table at hand.
        let own = joiner.as_ref().and_then(Number::of).filter(|number| number.reactor() == self.number);
        if let Some(number) = own {
            self.counters.wakes_local.add(1);
            tasks.wake(number);
            // Why forgotten: there is nothing to drop in a number, and the drop would be a call.
            mem::forget(joiner.take());
        }
        drop(tasks);
        if rest.is_some() {
            self.contain_drop(None, || drop(rest));
        }
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Wakes a task at once, and keeps any other waker for [`Core::wake_foreign`].
    #[inline]
    pub(crate) fn wake_or_keep(&self, waker: Waker, tasks: &mut Tasks) {
        match Number::of(&waker) {
            Some(number) => tasks.wake(number),
            None => self.foreign.borrow_mut().push(waker),
        }
    }

    /// Calls the foreign wakers that were collected; a panic in one does not skip the rest.
    #[inline]
    pub(crate) fn wake_foreign(&self) {
        if !self.foreign.borrow().is_empty() {
            self.call_foreign();
        }
    }

    #[cold]
    fn call_foreign(&self) {
        let mut wakers = self.foreign.take();
        for waker in wakers.drain(..) {
            self.contain(|| waker.wake());
        }
        self.foreign.replace(wakers);
    }

    /// Makes `run` or `block_on` return an error, also if nothing is runnable.
    pub(crate) fn stop(&self, why: io::Error) {
        self.panics.stop(why);
        self.wake(Number::root(self.number));
    }

    /// Takes what other threads have left; true if some of it is still there, for which the next select does not wait.
    #[inline]
    pub(crate) fn take_inbox(&self) -> bool {
        self.slot.waker().take() && self.take_mail()
    }

    /// How many closures are taken now.
    fn room_for_calls(&self) -> usize {
        let (polls, live) = (self.poll_number(), self.tasks.borrow().live() as u64);
        let ended = self.counters.spawned.get() - live;
        let (polls_before, ended_before) = self.calls_taken_at.get();
        let least =
            (ended - ended_before).max((polls - polls_before) / POLLS_PER_CALL).min(CALLS_TAKEN as u64) as usize;
        let room = least.max(CALLS_TAKEN.saturating_sub(self.queued()));
        if room > 0 {
            self.calls_taken_at.set((polls, ended));
        }
        room
    }

    #[inline(never)]
    fn take_mail(&self) -> bool {
        let mut mail = self.mail.take();
        let is_more = self.slot.take(&mut mail, self.room_for_calls());
        self.counters.wakes_remote.add(mail.wakes.len() as u64);
        for &number in &mail.wakes {
            self.tasks.borrow_mut().wake(number);
        }
        mail.wakes.clear();
        for call in mail.calls.drain(..) {
            // A call spawns, aborts, or ends a test; the user's part of it runs inside the task. What cannot be spawned
            // is dropped here, and may panic.
            self.contain(call);
        }
        if mem::take(&mut mail.shutdown) {
            self.shutdown.set(true);
        }
        self.mail.replace(mail);
        is_more
    }

    // Sources.

    /// Registers `fd` with what is believed of it at first; `mode` is `Edge`, or `Exclusive` for a listener that other
    /// reactors have too.
    pub(crate) fn register(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        mode: Mode,
        believed: Readiness,
        drains: bool,
    ) -> io::Result<Rc<Source>> {
        let Some(this) = self.this.upgrade() else { return Err(io::ErrorKind::NotConnected.into()) };
        if self.is_forked() {
            return Err(forked::error());
        }
        let generation = self.generation.get().wrapping_add(1);
        self.generation.set(generation);
        let mut sources = self.sources.borrow_mut();
        let entry = sources.vacant_entry();
        let token = Token((generation as u64) << 32 | entry.key() as u64);
        self.selector.register(fd, token, interest, mode)?;
        let source = Rc::new(Source::new(this, token, believed, drains));
        entry.insert(source.clone());
        self.counters.registered.add(1);
        Ok(source)
    }

    /// Ends the registration of `fd`. That it has none is what is wanted, and that it is a parent's is left so.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        if self.is_forked() {
            return Ok(());
        }
        match self.selector.deregister(fd) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    pub(crate) fn source(&self, token: Token) -> Option<Rc<Source>> {
        let sources = self.sources.borrow();
        sources.get(token.0 as u32 as usize).filter(|source| source.token() == token).cloned()
    }

    /// Takes a source out of the table; late events for it are counted as stale.
    pub(crate) fn remove_source(&self, source: &Source) {
        let mut sources = self.sources.borrow_mut();
        let index = source.token().0 as u32 as usize;
        if sources.get(index).is_some_and(|known| known.token() == source.token()) {
            let removed = sources.remove(index);
            drop(sources);
            drop(removed);
        }
    }

    /// 5: records the events of a batch, and wakes this reactor's own tasks; nothing else runs before all are recorded.
    #[inline(never)]
    pub(crate) fn record(&self, events: &Events) {
        let sources = self.sources.borrow();
        let mut tasks = self.tasks.borrow_mut();
        let mut count = 0;
        for event in events.iter() {
            count += 1;
            let token = event.token();
            match sources.get(token.0 as u32 as usize) {
                Some(source) if source.token() == token => source.record(event.readiness(), &mut tasks),
                _ => self.counters.stale.add(1),
            }
        }
        drop((sources, tasks));
        self.counters.events.add(count);
        self.wake_foreign();
    }

    /// The reactor ends: sources that outlive it say so from now on.
    pub(crate) fn detach_sources(&self) {
        let sources = self.sources.take();
        for (_, source) in &sources {
            source.detach();
            source.wake_all(self);
        }
    }

    /// How many sources are registered.
    pub(crate) fn sources_len(&self) -> usize {
        self.sources.borrow().len()
    }

    /// How many waits stand in its sources. Looks at each.
    pub(crate) fn waits(&self) -> usize {
        self.sources.borrow().iter().map(|(_, source)| source.waits()).sum()
    }

    /// The generation that the next tenant of this selector goes on from.
    pub(crate) fn last_generation(&self) -> u32 {
        self.generation.get()
    }

    // Blocking work, and what few programs need: nothing but these functions reaches it, so that others are linked
    // without.

    /// The pool for blocking work, made on the first call.
    pub(crate) fn pool(&self) -> &dyn Pool {
        &**self.pool.get_or_init(|| {
            let waker = self.clock.is_auto().then(|| self.slot.waker().clone());
            Box::new(Threads::new(self.blocking, waker, self.processors.clone()))
        })
    }

    /// Whether blocking work is under way, so that a virtual clock must not jump.
    pub(crate) fn is_blocking(&self) -> bool {
        self.pool.get().is_some_and(|pool| pool.is_busy())
    }

    /// The reactor has ended, whatever of it lives on: its threads for blocking work end.
    pub(crate) fn close_pool(&self) {
        if let Some(pool) = self.pool.get() {
            pool.close();
        }
    }

    /// Host names that were looked up lately.
    pub(crate) fn names(&self) -> &RefCell<Names> {
        self.names.get_or_init(|| RefCell::new(Names::new(self.names_kept.0, nanoseconds(self.names_kept.1))))
    }
}

/// Why there is no reactor for `what`.
#[cold]
#[inline(never)]
fn not_running(what: &str, is_forked: bool) -> io::Error {
    if is_forked {
        return forked::error();
    }
    io::Error::other(format!("{what} needs a reactor, and none is running on this thread"))
}
