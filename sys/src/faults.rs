//! An operating system that fails by plan, for tests: `--cfg mainspring_faults` alone compiles it.
//!
//! A [`Plan`] belongs to one thread, and says which calls of which kind fail there with which error code, which
//! transfers come out short, and how the selector errs about readiness. The seam (`seam.rs`) asks it at every call.
//! Calls are counted from the moment when the plan was made, so a fault is told by its kind and its number; each fault
//! counts how often it struck, because a fault that never struck has tested nothing.
//!
//! What the kernel would do besides is done here: a `WouldBlock` that is not so, or a transfer that came out short with
//! no reason, is followed by an event, as it would be in truth, where an edge-triggered selector reports nothing that
//! was not missing. Turned down: a plan for the whole process, which tests that run side by side would share; and
//! probabilities, which a test makes itself, from a seed that it prints.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;

use libc::c_int;

use crate::Token;
use crate::backend::{Record, event_of, ready};
pub use crate::call::Call;
use crate::timeout::Timeout;

/// The most registrations that a spurious event is made for, in items: the latest. More would not fit into one batch.
const TOKENS_MAX: usize = 1_024;

/// How many kinds of calls there are.
const KINDS: usize = Call::WritePipe as usize + 1;

/// One thing that goes wrong: at the first call that it is about, unless [`nth`](Self::nth) and
/// [`times`](Self::times) say otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    what: What,
    /// The number of the first call that it strikes, from 1.
    first: u64,
    /// How many calls in a row it strikes.
    times: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// The call is not made, and fails.
    Fail(Call, c_int),
    /// A call of any kind is not made, and fails.
    FailAny(c_int),
    /// The call is made, and is then said to have failed.
    FailAfter(Call, c_int),
    /// The call may transfer no more than so many.
    Cut(Call, usize),
    /// The selector says that all that is registered is ready.
    Spurious,
    /// The selector keeps its events for so many waits.
    Delay(u64),
}

impl Fault {
    /// The call is not made, and fails with the error code. If that is `EAGAIN`, the next wait of the selector says
    /// that all that is registered is ready, for else it would report nothing more.
    pub const fn fail(call: Call, code: i32) -> Self {
        Self::new(What::Fail(call, code))
    }

    /// As [`fail`](Self::fail), for a call of whatever kind: `nth` counts them all.
    pub const fn fail_any(code: i32) -> Self {
        Self::new(What::FailAny(code))
    }

    /// The call is made, and fails with the error code all the same, as a connect does that is interrupted. Not for
    /// calls that make a descriptor, which nobody would close.
    pub const fn fail_after(call: Call, code: i32) -> Self {
        Self::new(What::FailAfter(call, code))
    }

    /// The call transfers at most `count` bytes or, if it is vectored, buffers; at least 1. The next wait of the
    /// selector says that all that is registered is ready, as after an untrue `EAGAIN`.
    pub const fn cut(call: Call, count: usize) -> Self {
        Self::new(What::Cut(call, if count == 0 { 1 } else { count }))
    }

    /// A wait of the selector returns at once, and says that all that was registered on this thread is readable and
    /// writable, up to the room that there is; also what has been closed since.
    pub const fn spurious() -> Self {
        Self::new(What::Spurious)
    }

    /// The events of a wait are reported by the one `waits` later. Waits in between do not sleep.
    pub const fn delay(waits: u64) -> Self {
        Self::new(What::Delay(waits))
    }

    const fn new(what: What) -> Self {
        Self { what, first: 1, times: 1 }
    }

    /// Strikes first at call number `number` of its kind, from 1, counted since the plan was made.
    pub const fn nth(mut self, number: u64) -> Self {
        self.first = number;
        self
    }

    /// Strikes that many calls in a row.
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    fn strikes(&self, number: u64) -> bool {
        number >= self.first && number - self.first < self.times
    }
}

/// The faults of this thread, until it is dropped. There is one at a time.
///
/// ```
/// use mainspring_sys::faults::{Call, Fault, Plan};
/// use mainspring_sys::OsSelector;
/// use mainspring_sys::Selector;
///
/// let plan = Plan::new([Fault::fail(Call::Selector, 24).nth(2)]);
/// assert!(OsSelector::new().is_ok());
/// assert_eq!(OsSelector::new().unwrap_err().raw_os_error(), Some(24));
/// assert!(OsSelector::new().is_ok());
/// assert_eq!((plan.hits(), plan.calls(Call::Selector)), (vec![1], 3));
/// ```
#[derive(Debug)]
#[must_use = "the faults end when the plan is dropped"]
pub struct Plan {
    /// It belongs to this thread.
    _not_send: PhantomData<*const ()>,
}

/// What the seam knows on this thread.
struct State {
    /// The faults, and how often each has struck.
    faults: Vec<(Fault, u64)>,
    /// Calls so far, by kind.
    calls: [u64; KINDS],
    /// Events that are kept, and the number of the wait that reports them.
    kept: Vec<(u64, Record)>,
    /// Set while an `EAGAIN` or a short transfer that was not so has had no event.
    owes_event: bool,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
    /// What was registered on this thread, the latest last; also before there was a plan.
    static TOKENS: RefCell<VecDeque<Token>> = const { RefCell::new(VecDeque::new()) };
}

impl Plan {
    /// Lets the faults strike on this thread from now on, and counts its calls. Of several that could strike one call,
    /// the first does.
    ///
    /// # Panics
    ///
    /// If there is a plan on this thread already.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let state = State {
            faults: faults.into_iter().map(|fault| (fault, 0)).collect(),
            calls: [0; KINDS],
            kept: Vec::new(),
            owes_event: false,
        };
        let before = STATE.replace(Some(state));
        assert!(before.is_none(), "this thread has a plan already");
        Self { _not_send: PhantomData }
    }

    /// How often each fault has struck, in the order in which they were given.
    pub fn hits(&self) -> Vec<u64> {
        with(|state| state.faults.iter().map(|&(_, hits)| hits).collect()).unwrap_or_default()
    }

    /// How many calls of a kind there were, those that failed included.
    pub fn calls(&self, call: Call) -> u64 {
        with(|state| state.calls[call as usize]).unwrap_or_default()
    }

    /// How many calls there were.
    pub fn calls_of_any_kind(&self) -> u64 {
        with(|state| state.calls.iter().sum()).unwrap_or_default()
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        STATE.set(None);
    }
}

/// Nothing where there is no plan, or no longer one because the thread ends.
fn with<T>(f: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.try_with(|state| state.borrow_mut().as_mut().map(f)).ok().flatten()
}

impl State {
    /// What the first fault that strikes says, by `strikes`; it is counted.
    fn strike<T>(&mut self, strikes: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.faults.iter_mut().find_map(|(fault, hits)| {
            let says = strikes(fault).filter(|_| *hits < fault.times)?;
            *hits += 1;
            Some(says)
        })
    }

    /// Counts a call, and says by which code it fails, and whether it is made before.
    fn begin(&mut self, call: Call) -> Option<(c_int, bool)> {
        self.calls[call as usize] += 1;
        let (number, of_all) = (self.calls[call as usize], self.calls.iter().sum());
        let fails = self.strike(|fault| match fault.what {
            What::Fail(kind, code) if kind == call && fault.strikes(number) => Some((code, false)),
            What::FailAfter(kind, code) if kind == call && fault.strikes(number) => Some((code, true)),
            What::FailAny(code) if fault.strikes(of_all) => Some((code, false)),
            _ => None,
        });
        self.owes_event |= matches!(fails, Some((libc::EAGAIN, _)));
        fails
    }

    /// Puts what is due into the records of a wait.
    fn report(&mut self, wait: u64, spurious: bool, records: &mut Vec<Record>) {
        let delay = |fault: &Fault| match fault.what {
            What::Delay(waits) if fault.strikes(wait) => Some(waits),
            _ => None,
        };
        if records.iter().any(is_source) {
            if let Some(waits) = self.strike(delay) {
                self.kept.extend(records.iter().copied().filter(is_source).map(|record| (wait + waits, record)));
                records.retain(|record| !is_source(record));
            }
        }
        let room = records.capacity();
        self.kept.retain(|&(due, record)| {
            let report = due <= wait && records.len() < room;
            if report {
                records.push(record);
            }
            !report
        });
        if spurious {
            let free = room - records.len();
            TOKENS.with_borrow(|tokens| records.extend(tokens.iter().rev().flat_map(|&token| ready(token)).take(free)));
        }
    }
}

fn is_source(record: &Record) -> bool {
    event_of(record).token() != Token::WAKER
}

/// Makes a call of the kind, unless it is to fail; `fail` says what it returns then.
pub(crate) fn pass<T>(call: Call, make: impl FnOnce() -> T, fail: impl FnOnce(c_int) -> T) -> T {
    let Some((code, made)) = with(|state| state.begin(call)).flatten() else { return make() };
    if made {
        drop(make());
    }
    fail(code)
}

/// How many of `count` bytes (of a vectored call: buffers) the next call of the kind may transfer.
pub(crate) fn cut(call: Call, count: usize) -> usize {
    let cut = with(|state| {
        let number = state.calls[call as usize] + 1;
        let cut = state.strike(|fault| match fault.what {
            What::Cut(kind, most) if kind == call && most < count && fault.strikes(number) => Some(most),
            _ => None,
        });
        state.owes_event |= cut.is_some();
        cut
    });
    cut.flatten().unwrap_or(count)
}

/// Remembers what is registered.
pub(crate) fn watch(token: Token) {
    // Why ignored: when a thread ends there is nothing left to report.
    let _ = TOKENS.try_with(|tokens| {
        let mut tokens = tokens.borrow_mut();
        tokens.push_back(token);
        if tokens.len() > TOKENS_MAX {
            tokens.pop_front();
        }
    });
}

/// Waits, and changes what was found.
pub(crate) fn disturb(
    records: &mut Vec<Record>,
    timeout: Timeout,
    wait: impl FnOnce(&mut Vec<Record>, Timeout) -> io::Result<()>,
) -> io::Result<()> {
    let before = with(|state| {
        let number = state.calls[Call::Select as usize] + 1;
        let struck = state.strike(|fault| (fault.what == What::Spurious && fault.strikes(number)).then_some(()));
        let owed = std::mem::take(&mut state.owes_event);
        (number, struck.is_some() || owed, !state.kept.is_empty())
    });
    let Some((number, spurious, keeps)) = before else { return wait(records, timeout) };
    wait(records, if spurious || keeps { Timeout::ZERO } else { timeout })?;
    with(|state| state.report(number, spurious, records));
    Ok(())
}
