//! Waiting for a moment.
//!
//! A `Sleep` is an entry in its reactor's wheel, made when it is first polled, so one that is made and dropped costs a
//! clock reading and nothing else. The deadline counts from the reading made in the call; the wheel rounds it up by
//! less than a tick (32.768 µs), so a sleep is never early.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Instant;
use crate::core::Core;
use crate::scope;
use crate::waker;
use crate::wheel::Key;

/// Waits for `duration`, counted from now.
///
/// Zero is ready at the first poll; `Duration::MAX` never ends. Late by at most 33 µs plus the kernel's wake-up, the
/// batch of tasks that runs at that moment, and the [slack](crate::Builder::timer_slack) of the reactor, if it has one.
///
/// # Panics
///
/// When it is polled and no reactor is running on this thread.
///
/// # Cancel safety
///
/// Dropping it removes the timer; nothing is lost.
///
/// ```
/// use std::time::Duration;
/// use mainspring::time::{sleep, Instant};
///
/// mainspring::run(async {
///     let start = Instant::now();
///     sleep(Duration::from_millis(2)).await;
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// })
/// # .unwrap();
/// ```
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    let deadline = Instant::now() + duration;
    Sleep { deadline, state: if duration.is_zero() { State::Elapsed } else { State::New } }
}

/// Waits until `deadline`. One that has passed is ready at the first poll.
///
/// # Panics
///
/// As [`sleep`].
///
/// # Cancel safety
///
/// As [`sleep`].
///
/// ```
/// use std::time::Duration;
/// use mainspring::time::{sleep_until, Instant};
///
/// mainspring::run(async {
///     let deadline = Instant::now() + Duration::from_millis(2);
///     sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// })
/// # .unwrap();
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, state: if deadline <= Instant::now() { State::Elapsed } else { State::New } }
}

/// Waits until `deadline`, of which the caller knows that it has not passed.
pub(crate) const fn sleep_until_later(deadline: Instant) -> Sleep {
    Sleep { deadline, state: State::New }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    /// When it ends.
    deadline: Instant,
    /// Whether it stands in a wheel.
    state: State,
}

enum State {
    /// Not polled yet.
    New,
    /// In the wheel of a reactor, until it is dropped or reset.
    Armed(Rc<Core>, Key),
    /// The deadline has passed.
    Elapsed,
    /// It has passed, and a tick has been told.
    Told,
}

impl Sleep {
    /// When it ends.
    #[inline]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has ended, as far as has been found out by polling it.
    #[inline]
    pub const fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed | State::Told)
    }

    /// Ends at `deadline` instead, whether or not it has ended before. It has to be polled again, to be woken. One that
    /// waits in a reactor that has ended never ends.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mainspring::time::{sleep, Instant};
    ///
    /// mainspring::run(async {
    ///     let mut idle = sleep(Duration::from_secs(3600));
    ///     idle.reset(Instant::now() + Duration::from_millis(1));
    ///     idle.await;
    /// })
    /// # .unwrap();
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        match &self.state {
            State::Armed(core, key) => core.arm_timer(*key, deadline.nanoseconds()),
            State::New => {}
            State::Elapsed | State::Told => self.state = State::New,
        }
    }

    /// A try in the style of a tick: `None` is "not yet", and the running task is woken at the deadline. That it has
    /// passed is progress once, until the sleep is reset. Outside a tick nobody is woken, and the answer is that of
    /// [`Instant::now`].
    ///
    /// # Errors
    ///
    /// When it has to wait, in a tick or in [`ready`](crate::ready), and no reactor is running on this thread.
    pub fn try_wait(&mut self) -> io::Result<Option<()>> {
        if let State::Told = self.state {
            return Ok(Some(()));
        }
        if !scope::admit() {
            return Ok(None);
        }
        let mut elapsed = None;
        scope::blocked(|waker| elapsed = Some(self.poll_with(waker)));
        if !elapsed.unwrap_or_else(|| Ok(self.deadline <= Instant::now()))? {
            return Ok(None);
        }
        // Outside a tick it may stand in the wheel still.
        if let State::Elapsed = self.state {
            self.state = State::Told;
        }
        scope::progress();
        Ok(Some(()))
    }

    /// As `poll`, without the budget: a deadline around a future that spends all of it must still be seen.
    #[inline]
    pub(crate) fn poll_elapsed(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.poll_with(cx.waker()) {
            Ok(true) => Poll::Ready(()),
            Ok(false) => Poll::Pending,
            // The poll that forks, after which the reactor says so.
            Err(_) if waker::current(|core| core.is_some()) => Poll::Pending,
            Err(error) => panic!("a sleep was polled outside a reactor: {error}"),
        }
    }

    /// Arms it if need be; true if it has ended.
    #[inline]
    fn poll_with(&mut self, waker: &std::task::Waker) -> io::Result<bool> {
        if let State::Armed(core, key) = &self.state {
            if core.poll_sleep(*key, waker) {
                core.remove_timer(*key);
                self.state = State::Elapsed;
            } else if core.is_forked() {
                // It goes on in a reactor of this process.
                core.remove_timer(*key);
                self.state = State::New;
            } else {
                return Ok(false);
            }
        }
        if let State::New = self.state {
            let core = Core::running("a timer")?;
            let key = core.insert_sleep(self.deadline.nanoseconds(), waker);
            self.state = State::Armed(core, key);
            return Ok(false);
        }
        Ok(true)
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(scope::poll_admit(cx));
        ready!(self.poll_elapsed(cx));
        scope::spend();
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Armed(core, key) = &self.state {
            core.remove_timer(*key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).field("is_elapsed", &self.is_elapsed()).finish()
    }
}
