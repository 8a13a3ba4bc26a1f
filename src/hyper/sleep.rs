//! A sleep of hyper, which may be sent to another thread.
//!
//! hyper demands `Send + Sync` of each sleep, also where all of it stays on one thread, and a wheel belongs to its
//! thread. So this holds no reference to one but three numbers: which reactor of the process, which tenant of that
//! number, and which entry of its wheel. At each poll the reactor that is running on this thread is compared with them,
//! which takes no lock and no `unsafe`; the entry is this sleep's alone, so the numbers are true for as long as the
//! reactor is.
//!
//! | polled, reset or dropped | what happens |
//! |---|---|
//! | on its reactor | the entry is asked, moved or removed, in O(1) |
//! | on another reactor | it gets an entry there, and the former one is removed by a call to the inbox of its reactor |
//! | where none runs | polling panics, as that of any sleep; dropping sends that call |
//! | after its reactor has ended | its entry has ended with the reactor |
//!
//! A `Mutex` around a sleep of [`crate::time`] was turned down: that is not `Send` inside a lock either. So was a timer
//! thread, which would be asked for each request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt;

use crate::core::Core;
use crate::remote;
use crate::time::Instant;
use crate::waker;
use crate::wheel::Key;

/// What [`Timer`](super::Timer) makes: ready once its deadline has passed, and never earlier.
///
/// # Panics
///
/// When it is polled and no reactor is running on this thread.
pub struct Sleep {
    /// When it ends, by the clock of the reactor on whose thread it was made.
    deadline: Instant,
    /// Whether it stands in a wheel.
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Not polled since it was made or reset.
    New,
    /// In the wheel of a reactor, until it fires, or is dropped.
    Armed(Entry),
    /// The deadline has passed.
    Elapsed,
}

/// Where its entry is.
#[derive(Clone, Copy)]
struct Entry {
    /// Which of the process's reactors.
    reactor: u16,
    /// Which tenant of that number.
    epoch: u64,
    /// Which entry of its wheel.
    key: Key,
}

impl Sleep {
    pub(super) const fn until(deadline: Instant) -> Self {
        Self { deadline, state: State::New }
    }

    /// Ends at `deadline` instead, whether or not it has ended before.
    pub(super) fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        match self.state {
            // It has to be polled again to be woken, as one that is new; the waker that it has may be woken for
            // nothing.
            State::Armed(entry) if entry.with(|core| core.arm_timer(entry.key, deadline.nanoseconds())).is_some() => {}
            State::Armed(entry) => {
                entry.remove();
                self.state = State::New;
            }
            State::New | State::Elapsed => self.state = State::New,
        }
    }
}

impl Entry {
    /// Calls `f` with its reactor, if that is the one that is running on this thread.
    fn with<R>(self, f: impl FnOnce(&Core) -> R) -> Option<R> {
        waker::current(|core| core.filter(|core| core.number == self.reactor && core.epoch == self.epoch).map(f))
    }

    /// Takes it out of its wheel, on whichever thread that is.
    fn remove(self) {
        if self.with(|core| core.remove_timer(self.key)).is_none() {
            self.remove_there();
        }
    }

    #[cold]
    fn remove_there(self) {
        let call = move || {
            self.with(|core| core.remove_timer(self.key));
        };
        if let Some(slot) = remote::slot(self.reactor) {
            // Why without a limit: there are no more of these than entries, and one that was refused would be left
            // behind. Why ignored: a reactor that has ended has no entries.
            let _ = slot.call_first(self.epoch, Box::new(call));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    /// Without the budget of the task: the deadline of a peer that keeps it busy must still be seen.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Armed(entry) = self.state {
            match entry.with(|core| core.poll_sleep(entry.key, cx.waker())) {
                Some(false) => return Poll::Pending,
                Some(true) => {
                    entry.remove();
                    self.state = State::Elapsed;
                }
                None => {
                    entry.remove();
                    self.state = State::New;
                }
            }
        }
        if let State::New = self.state {
            let core = match Core::running("a timer") {
                Ok(core) => core,
                // The poll that forks, after which the reactor says so.
                Err(_) if waker::current(|core| core.is_some()) => return Poll::Pending,
                Err(error) => panic!("a sleep was polled outside a reactor: {error}"),
            };
            if self.deadline > Instant::now() {
                let key = core.insert_sleep(self.deadline.nanoseconds(), cx.waker());
                self.state = State::Armed(Entry { reactor: core.number, epoch: core.epoch, key });
                return Poll::Pending;
            }
            self.state = State::Elapsed;
        }
        Poll::Ready(())
    }
}

impl rt::Sleep for Sleep {}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Armed(entry) = self.state {
            entry.remove();
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
