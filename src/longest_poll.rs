//! The poll that kept all others waiting longest.
//!
//! A task that computes, or calls what blocks, holds up every other task of its reactor, and none of them can tell
//! which it was. A reactor that was built to measure polls reads its clock before and after each, and remembers the
//! longest with the name of its task.
//!
//! Off by default, since a clock reading costs as much as a short poll. Then nothing is measured and nothing asked: the
//! loop looks once for each batch whether it is on. How such a batch is run is a function that
//! [`Builder::measure_polls`] names, so that a program which does not call that is linked without it.
//!
//! [`Builder::measure_polls`]: crate::Builder::measure_polls

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mainspring_sys::Clock;

use crate::reactor::MeasuredBatch;
use crate::trace;
use crate::waker;

/// The longest poll of a reactor so far, by the reactor's clock; see
/// [`Builder::measure_polls`](crate::Builder::measure_polls).
///
/// ```
/// use mainspring::{LongestPoll, Reactor, task::spawn_named};
/// use std::time::Duration;
///
/// let reactor = Reactor::builder().measure_polls(true).build()?;
/// reactor.block_on(async {
///     spawn_named("slow", async { std::thread::sleep(Duration::from_millis(5)) }).await.unwrap();
/// })?;
/// let longest = reactor.longest_poll().unwrap();
/// assert!(longest.duration >= Duration::from_millis(5));
/// assert_eq!(longest.name.as_deref(), Some("slow"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongestPoll {
    /// How long it took.
    pub duration: Duration,
    /// What its task is called; none for the future of `block_on`, and for a task without a name.
    pub name: Option<Rc<str>>,
}

impl LongestPoll {
    /// That of the reactor that is running on this thread; none if there is none, or it does not measure.
    pub fn current() -> Option<Self> {
        waker::current(|core| core.and_then(|core| core.longest.get()))
    }
}

/// Remembers the longest poll of one reactor.
pub(crate) struct Longest {
    /// Runs a batch, if polls are measured.
    pub(crate) batch: Option<MeasuredBatch>,
    /// The length of the longest, nanoseconds.
    nanoseconds: Cell<u64>,
    /// The name of its task.
    name: RefCell<Option<Rc<str>>>,
}

impl Longest {
    pub(crate) const fn new(batch: Option<MeasuredBatch>) -> Self {
        Self { batch, nanoseconds: Cell::new(0), name: RefCell::new(None) }
    }

    /// A poll of a task of that name begins. It ends with what is returned.
    pub(crate) fn begin<'a>(&'a self, clock: &'a Clock, name: Option<Rc<str>>) -> Measured<'a> {
        Measured { longest: self, clock, start: clock.now(), name }
    }

    /// How long the longest took; zero if none was measured.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.nanoseconds.get()
    }

    pub(crate) fn get(&self) -> Option<LongestPoll> {
        let duration = Duration::from_nanos(self.nanoseconds.get());
        self.batch.map(|_| LongestPoll { duration, name: self.name.borrow().clone() })
    }
}

/// A poll that is going on. Dropped when it ends, also by a panic.
pub(crate) struct Measured<'a> {
    longest: &'a Longest,
    clock: &'a Clock,
    /// When it began, nanoseconds of the clock.
    start: u64,
    /// What the task is called.
    name: Option<Rc<str>>,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let nanoseconds = self.clock.now().saturating_sub(self.start);
        if nanoseconds > self.longest.nanoseconds.get() {
            trace::longest_poll(self.name.as_deref(), nanoseconds);
            self.longest.nanoseconds.set(nanoseconds);
            self.longest.name.replace(self.name.take());
        }
    }
}
