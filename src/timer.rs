//! Timers: what stands in the wheel, and what is done when it comes due.
//!
//! A sleep's entry belongs to its `Sleep`, which removes it. If a task awaits it, its number stands there and not its
//! waker: to drop a waker is a call through a pointer, and most sleeps are dropped before they are due. The entry of a
//! direction with a timeout belongs to its source, and is armed no earlier than the end of the batch in which a wait
//! started: see [`crate::deadline`]. A retry removes itself. All of them fire in phase 3 of the loop, a bounded number
//! per turn, by one reading of the clock.

use std::task::Waker;

use mainspring_sys::Token;

use crate::core::Core;
use crate::direction::Direction;
use crate::waker::Number;
use crate::wheel::Key;

/// Timers that fire per turn of the loop: a burst must not keep descriptors waiting.
const TIMERS_MAX: usize = 1024;

/// What an entry in the wheel is for.
pub(crate) enum Timer {
    /// A `Sleep` that a task of this process awaits.
    Task(Number),
    /// A `Sleep` that is awaited through any other waker; none once it has fired.
    Foreign(Option<Waker>),
    /// The deadline of a direction of a source.
    Deadline(Token, Direction),
    /// The moment to try a direction again that no event will announce.
    Retry(Token, Direction),
}

impl Timer {
    /// That of one who sleeps. Clones the waker, if it is not a task's.
    #[inline]
    fn sleep(waker: &Waker) -> Self {
        Number::of(waker).map_or_else(|| Self::Foreign(Some(waker.clone())), Self::Task)
    }

    /// Whether it wakes whom `waker` wakes.
    #[inline]
    fn will_wake(&self, waker: &Waker) -> bool {
        match self {
            Self::Task(known) => Number::of(waker) == Some(*known),
            Self::Foreign(Some(known)) => known.will_wake(waker),
            _ => false,
        }
    }
}

impl Core {
    /// Arms a new timer.
    #[inline]
    pub(crate) fn insert_timer(&self, deadline: u64, timer: Timer) -> Key {
        self.timers.borrow_mut().insert(deadline, timer)
    }

    /// Arms a new timer for one that sleeps.
    #[inline]
    pub(crate) fn insert_sleep(&self, deadline: u64, waker: &Waker) -> Key {
        self.insert_timer(deadline, Timer::sleep(waker))
    }

    /// Arms a timer of this reactor anew.
    pub(crate) fn arm_timer(&self, key: Key, deadline: u64) {
        self.timers.borrow_mut().arm(key, deadline);
    }

    /// An idle entry for a direction of a source.
    pub(crate) fn insert_deadline(&self, token: Token, direction: Direction) -> Key {
        self.timers.borrow_mut().insert_idle(Timer::Deadline(token, direction))
    }

    pub(crate) fn remove_timer(&self, key: Key) {
        let timer = self.timers.borrow_mut().remove(key);
        drop(timer);
    }

    /// Whether a sleep has fired; if not, records who is woken.
    #[inline]
    pub(crate) fn poll_sleep(&self, key: Key, waker: &Waker) -> bool {
        let mut timers = self.timers.borrow_mut();
        if !timers.is_armed(key) {
            return true;
        }
        if timers.value_mut(key).will_wake(waker) {
            return false;
        }
        drop(timers);
        self.exchange_sleeper(key, waker)
    }

    /// Another waker than before: cloned and dropped with nothing borrowed, since either may run code of another
    /// runtime.
    #[cold]
    fn exchange_sleeper(&self, key: Key, waker: &Waker) -> bool {
        let sleep = Timer::sleep(waker);
        let mut timers = self.timers.borrow_mut();
        if !timers.is_armed(key) {
            return true;
        }
        let before = std::mem::replace(timers.value_mut(key), sleep);
        drop(timers);
        drop(before);
        false
    }

    /// A wait of a direction that has a timeout started or ended.
    pub(crate) fn wait_changed(&self, token: Token, direction: Direction) {
        self.changed.borrow_mut().push((token, direction));
    }

    /// 3: gives the waits that started since the last turn their deadlines, and fires what is due, at most a batch.
    pub(crate) fn fire_timers(&self) {
        if self.timers.borrow().armed() == 0 && self.changed.borrow().is_empty() {
            return;
        }
        let now = self.clock.now();
        self.assign_deadlines(now);
        for _ in 0..TIMERS_MAX {
            let mut timers = self.timers.borrow_mut();
            let Some(key) = timers.pop(now) else { break };
            match timers.value_mut(key) {
                sleep @ &mut Timer::Task(number) => {
                    *sleep = Timer::Foreign(None);
                    self.counters.timers.add(1);
                    self.tasks.borrow_mut().wake(number);
                }
                Timer::Foreign(waker) => {
                    self.counters.timers.add(1);
                    if let Some(waker) = waker.take() {
                        self.wake_or_keep(waker, &mut self.tasks.borrow_mut());
                    }
                }
                &mut Timer::Deadline(token, direction) => {
                    drop(timers);
                    self.deadline_due(key, token, direction, now);
                }
                &mut Timer::Retry(token, direction) => {
                    timers.remove(key);
                    drop(timers);
                    if let Some(source) = self.source(token) {
                        source.retry(direction, &mut self.tasks.borrow_mut());
                    }
                }
            }
        }
        self.wake_foreign();
    }

    /// Nothing in here is a user's, so all of it is borrowed at once.
    fn assign_deadlines(&self, now: u64) {
        let mut changed = self.changed.borrow_mut();
        if changed.is_empty() {
            return;
        }
        let (sources, mut timers) = (self.sources.borrow(), self.timers.borrow_mut());
        for &(token, direction) in &*changed {
            let Some(source) = sources.get(token.0 as u32 as usize) else { continue };
            if source.token() != token {
                continue;
            }
            let Some((key, at)) = source.settle(direction, now) else { continue };
            match at {
                None => timers.disarm(key),
                Some(at) if timers.is_armed(key) && timers.deadline(key) <= at => {}
                Some(at) => timers.arm(key, at),
            }
        }
        changed.clear();
    }

    fn deadline_due(&self, key: Key, token: Token, direction: Direction, now: u64) {
        let Some(source) = self.source(token) else { return };
        let next = source.expire(direction, now, &mut self.tasks.borrow_mut());
        if let Some(at) = next {
            self.arm_timer(key, at);
        }
    }

    /// When the next timer is due, in nanoseconds of the clock.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.borrow().next()
    }

    /// How many timers are armed.
    pub(crate) fn timers_armed(&self) -> usize {
        self.timers.borrow().armed()
    }
}
