//! A number of permits, for which tasks of one reactor wait in line.
//!
//! What bounds something: requests in flight, connections of a pool, bytes in memory. A permit is a guard that owns its
//! share of the semaphore, so it can be kept in a future, and goes back when that is dropped.
//!
//! Permits are handed over: one that comes free belongs to the first in line from that moment, so that nobody who comes
//! later takes it, and one who asks for many is not starved by those who ask for one. The price is that such a request
//! at the head holds back smaller ones that there were permits for.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Closed;
use super::line::{Line, Turn};
use crate::channel::wait::poll_locked;
use crate::scope;
use crate::wake::wake;
use crate::waker::{self, Number};

/// Ticks that were told "not yet" by `try_acquire`, in items, from which on those that have ended are looked for: 16
/// KiB, below which there is nothing worth the search. It doubles with what is left, so that it is paid for by as many
/// tries.
const TICKS_WEEDED: usize = 1024;

/// Permits that are taken in order. Clones share them.
///
/// ```
/// use mainspring::sync::Semaphore;
///
/// mainspring::run(async {
///     let in_flight = Semaphore::new(2);
///     let (first, second) = (in_flight.acquire(1).await?, in_flight.acquire(1).await?);
///     assert!(in_flight.try_acquire(1)?.is_none());
///     drop(first);
///     assert_eq!(in_flight.available(), 1);
///     drop(second);
///     Ok::<_, mainspring::sync::Closed>(())
/// })?
/// # .unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    /// What clones share.
    state: Rc<RefCell<State>>,
}

struct State {
    /// Permits that nobody has, and nobody was handed.
    available: usize,
    /// Set by `close`.
    closed: bool,
    /// Who waits.
    line: Line,
    /// Ticks that were told "not yet" by `try_acquire`, in the order in which they asked.
    ticks: Vec<Option<Waker>>,
    /// At this many, those that have ended are taken out.
    weed_at: usize,
}

impl Semaphore {
    /// One with that many permits; none is a semaphore that waits for [`add_permits`](Self::add_permits).
    #[must_use]
    pub fn new(permits: usize) -> Self {
        let (line, ticks, weed_at) = (Line::new(), Vec::new(), TICKS_WEEDED);
        let state = State { available: permits, closed: false, line, ticks, weed_at };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Takes `permits`, waiting for them behind all who began to wait before. More than there will ever be waits until
    /// [`close`](Self::close); zero waits for its turn alone.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed, also while waiting.
    ///
    /// # Panics
    ///
    /// The future panics if it is polled after it was ready.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was handed over and not taken goes to the next in line, and the place is given up.
    pub fn acquire(&self, permits: usize) -> Acquire {
        Acquire { semaphore: self.clone(), permits, place: None, done: false }
    }

    /// Takes `permits` if nobody waits and there are so many. `None` is "not yet".
    ///
    /// Inside a tick, "not yet" also records that the task waits for permits, and it runs again when some are left
    /// over. No place is kept for it: those who wait in [`acquire`](Self::acquire) come first. A tick that wants a
    /// place in the line keeps an [`Acquire`] and calls its [`try_wait`](Acquire::try_wait).
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed.
    pub fn try_acquire(&self, permits: usize) -> Result<Option<Permit>, Closed> {
        let mut early = Vec::new();
        let taken = scope::attempt(|waker| {
            poll_locked(&*self.state, waker, |state| {
                if state.closed {
                    return Ok(Err(Closed));
                }
                if state.take(permits) {
                    return Ok(Ok(()));
                }
                Err(state.tick_slot(waker, &mut early))
            })
        });
        wake(early);
        taken.transpose().map(|taken| taken.map(|()| Permit { semaphore: self.clone(), permits }))
    }

    /// How many permits nobody has.
    #[must_use]
    pub fn available(&self) -> usize {
        self.state.borrow().available
    }

    /// Adds permits, at most up to `usize::MAX`, and hands them to those who wait.
    pub fn add_permits(&self, permits: usize) {
        let wakers = self.state.borrow_mut().give_back(permits);
        wake(wakers);
    }

    /// Gives out no more permits: whoever waits gets an error, now and later. Permits that were handed over are good.
    pub fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.closed = true;
        let mut wakers = state.line.release();
        wakers.extend(state.ticks.drain(..).flatten());
        drop(state);
        wake(wakers);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }
}

impl State {
    /// Takes permits, if nobody waits.
    const fn take(&mut self, permits: usize) -> bool {
        let taken = self.line.is_empty() && permits <= self.available;
        if taken {
            self.available -= permits;
        }
        taken
    }

    /// Permits come free. Returns whom to wake.
    #[inline]
    fn give_back(&mut self, permits: usize) -> Vec<Waker> {
        self.available = self.available.saturating_add(permits);
        if self.line.is_empty() && self.ticks.is_empty() {
            return Vec::new();
        }
        self.hand_over()
    }

    /// Gives what there is to those who wait. Returns whom to wake.
    fn hand_over(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some(wanted) = self.line.wanted().filter(|&wanted| wanted <= self.available) {
            self.available -= wanted;
            wakers.extend(self.line.serve(Turn::Served));
        }
        // Also if no permit is left: one that asks for none waits for its turn alone.
        if self.line.is_empty() {
            wakers.extend(self.ticks.drain(..).flatten());
            self.weed_at = TICKS_WEEDED;
        }
        wakers
    }

    /// Where the waker of a tick stands: the place that it has already, or a new one. Who has to leave is in `early`.
    fn tick_slot(&mut self, waker: Option<&Waker>, early: &mut Vec<Waker>) -> &mut Option<Waker> {
        let own = |slot: &Option<Waker>| match (slot, waker) {
            (Some(stored), Some(waker)) => stored.will_wake(waker),
            _ => true,
        };
        let index = self.ticks.iter().position(own).unwrap_or_else(|| {
            if self.ticks.len() >= self.weed_at {
                self.weed(early);
            }
            self.ticks.push(None);
            self.ticks.len() - 1
        });
        &mut self.ticks[index]
    }

    /// Takes out the ticks that have ended, so that the list is bounded by the number of tasks. Of a foreign waker it
    /// is not known whether somebody is behind it: it is woken, and asks again if it still waits.
    #[cold]
    fn weed(&mut self, early: &mut Vec<Waker>) {
        self.ticks.retain_mut(|slot| match slot.as_ref().map(Number::of) {
            Some(Some(task)) => waker::current(|core| core.is_none_or(|core| !core.has_ended(task))),
            _ => {
                early.extend(slot.take());
                false
            }
        });
        self.weed_at = TICKS_WEEDED.max(2 * self.ticks.len());
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Semaphore").field("available", &state.available).field("closed", &state.closed).finish()
    }
}

/// The future of [`Semaphore::acquire`].
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    /// Whose permits.
    semaphore: Semaphore,
    /// How many.
    permits: usize,
    /// Its place in the line, while it has one.
    place: Option<usize>,
    /// Set once it was ready.
    done: bool,
}

impl Acquire {
    /// A try in the style of a tick: `None` is "not yet", and the running task is woken when it has its turn. Keep the
    /// same `Acquire` from tick to tick: its place in the line is its own. Outside a tick nobody is woken.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// When it is called again after it returned permits or an error.
    pub fn try_wait(&mut self) -> Result<Option<Permit>, Closed> {
        scope::attempt(|waker| self.poll_with(waker)).transpose()
    }

    fn poll_with(&mut self, waker: Option<&Waker>) -> Poll<Result<Permit, Closed>> {
        let Self { semaphore, permits, place, done } = self;
        assert!(!*done, "an Acquire of {permits} permits was polled after it was ready");
        let taken = poll_locked(&*semaphore.state, waker, |state| {
            let key = match *place {
                Some(key) if state.line.turn(key) == Turn::Waits => key,
                Some(key) => {
                    let (turn, _) = state.line.leave(key);
                    *place = None;
                    return Ok(turn == Turn::Served);
                }
                None if state.closed => return Ok(false),
                None if state.take(*permits) => return Ok(true),
                None => *place.insert(state.line.join(*permits)),
            };
            Err(state.line.waker(key))
        });
        taken.map(|taken| {
            *done = true;
            if taken { Ok(Permit { semaphore: semaphore.clone(), permits: *permits }) } else { Err(Closed) }
        })
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        scope::poll(cx, |waker| self.poll_with(waker))
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(key) = self.place else { return };
        let mut state = self.semaphore.state.borrow_mut();
        let (turn, waker) = state.line.leave(key);
        // Also if it only waited: those behind it may want less.
        let next = state.give_back(if turn == Turn::Served { self.permits } else { 0 });
        drop(state);
        drop(waker);
        wake(next);
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("permits", &self.permits).field("waits", &self.place.is_some()).finish()
    }
}

/// Permits of a [`Semaphore`]; they go back when this is dropped.
///
/// ```
/// let connections = mainspring::sync::Semaphore::new(3);
/// let permit = connections.try_acquire(2).unwrap().unwrap();
/// assert_eq!((permit.permits(), connections.available()), (2, 1));
/// permit.forget(); // there is one permit from now on
/// assert_eq!(connections.available(), 1);
/// ```
#[must_use = "permits go back when they are dropped"]
pub struct Permit {
    /// Where they go back to.
    semaphore: Semaphore,
    /// How many.
    permits: usize,
}

impl Permit {
    /// How many permits these are.
    #[must_use]
    pub const fn permits(&self) -> usize {
        self.permits
    }

    /// They do not go back: the semaphore has so many fewer.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
