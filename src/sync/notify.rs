//! A signal between tasks of one reactor that carries no value.
//!
//! What a task does when it has changed something that another may wait for. One who comes after the signal must not
//! sleep, so a signal that finds nobody is kept, once; one who was signalled and is dropped before it looked must not
//! swallow the signal, so it is passed on. These two rules are the whole point of it, beside a list of wakers.
//!
//! Signals do not add up: two of them before anybody waits are one, as with a condition that is looked at again anyway.
//! What adds up is a [`Semaphore`](super::Semaphore).

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::line::{Line, Turn};
use crate::channel::wait::poll_locked;
use crate::scope;
use crate::wake::wake;

/// Wakes one task, or all, that wait for something to change. Clones are the same signal.
///
/// ```
/// use mainspring::sync::Notify;
/// use std::{cell::Cell, rc::Rc};
///
/// mainspring::run(async {
///     let (ready, changed) = (Rc::new(Cell::new(false)), Notify::new());
///     let (seen, waiting) = (ready.clone(), changed.clone());
///     let task = mainspring::spawn(async move {
///         while !seen.get() {
///             waiting.notified().await;
///         }
///     });
///     ready.set(true);
///     changed.notify_one(); // kept until the task looks, although it has not run yet
///     task.await.unwrap();
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct Notify {
    /// What clones share.
    state: Rc<RefCell<State>>,
}

struct State {
    /// Set if a signal found nobody, and is kept for the next who asks.
    kept: bool,
    /// How often all were signalled; one who was made before the last time need not wait.
    times: u64,
    /// Who waits.
    line: Line,
}

impl Notify {
    /// One that nobody waits for, and with no signal kept.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Rc::new(RefCell::new(State { kept: false, times: 0, line: Line::new() })) }
    }

    /// Signals the one who waits longest. If nobody waits, the signal is kept for the next who does; at most one is.
    ///
    /// Only enqueues: the other task runs later.
    pub fn notify_one(&self) {
        let waker = self.state.borrow_mut().signal();
        wake(waker);
    }

    /// Signals all who wait, those included whose [`Notified`] was made and has not been polled yet. None is kept.
    pub fn notify_waiters(&self) {
        let mut state = self.state.borrow_mut();
        state.times += 1;
        let wakers = state.line.release();
        drop(state);
        wake(wakers);
    }

    /// Waits for a signal: one that is kept, the turn in the line that begins with the first poll, or the next
    /// [`notify_waiters`](Self::notify_waiters) after this call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a signal of [`notify_one`](Self::notify_one) that came and was not seen goes to the next who waits,
    /// or is kept. The place in the line is given up.
    ///
    /// ```
    /// let changed = mainspring::sync::Notify::new();
    /// let waiting = changed.notified();
    /// changed.notify_waiters();
    /// futures::executor::block_on(waiting); // it was made before
    /// ```
    pub fn notified(&self) -> Notified {
        let times = self.state.borrow().times;
        Notified { notify: self.clone(), times, place: None, done: false }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Hands a signal to the first, or keeps it. Returns whom to wake.
    fn signal(&mut self) -> Option<Waker> {
        self.kept |= self.line.is_empty();
        self.line.serve(Turn::Served)
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Notify").field("kept", &state.kept).field("is_awaited", &!state.line.is_empty()).finish()
    }
}

/// The future of [`Notify::notified`]. Once ready it stays so.
#[must_use = "futures do nothing unless polled"]
pub struct Notified {
    /// The signal.
    notify: Notify,
    /// How often all had been signalled when this was made.
    times: u64,
    /// Its place in the line, while it has one.
    place: Option<usize>,
    /// Set once it has seen a signal.
    done: bool,
}

impl Notified {
    /// A try in the style of a tick: `None` is "not yet", and the running task is woken by the signal. Keep the same
    /// `Notified` from tick to tick: its place in the line is its own, and the signal is progress once. Outside a tick
    /// nobody is woken.
    ///
    /// ```
    /// use mainspring::{sync::Notify, tick::{schedule, Tick}};
    ///
    /// mainspring::run(async {
    ///     let changed = Notify::new();
    ///     let mut waiting = changed.notified();
    ///     let task = schedule(move || Ok(waiting.try_wait().map_or(Tick::WouldBlock, |()| Tick::Final)));
    ///     mainspring::yield_now().await;
    ///     changed.notify_one();
    ///     task.await.unwrap().unwrap();
    /// })
    /// # .unwrap();
    /// ```
    pub fn try_wait(&mut self) -> Option<()> {
        if self.done {
            return Some(());
        }
        scope::attempt(|waker| self.poll_with(waker))
    }

    fn poll_with(&mut self, waker: Option<&Waker>) -> Poll<()> {
        let Self { notify, times, place, done } = self;
        poll_locked(&*notify.state, waker, |state| {
            let key = match *place {
                Some(key) if state.line.turn(key) == Turn::Waits => key,
                Some(key) => {
                    state.line.leave(key);
                    *place = None;
                    *done = true;
                    return Ok(());
                }
                None if *done || state.times != *times || std::mem::take(&mut state.kept) => {
                    *done = true;
                    return Ok(());
                }
                None => *place.insert(state.line.join(1)),
            };
            Err(state.line.waker(key))
        })
    }
}

impl Future for Notified {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        scope::poll(cx, |waker| self.poll_with(waker))
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        let Some(key) = self.place else { return };
        let mut state = self.notify.state.borrow_mut();
        let (turn, waker) = state.line.leave(key);
        let next = if turn == Turn::Served { state.signal() } else { None };
        drop(state);
        drop(waker);
        wake(next);
    }
}

impl fmt::Debug for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").field("waits", &self.place.is_some()).field("done", &self.done).finish()
    }
}
