//! Tries that no event announces: descriptors or memory were short, and the system does not say when they no longer
//! are.
//!
//! A listener pauses so, and whoever sends what the kernel has no memory for (`ENOBUFS`, `ENOMEM` of send(2)); and a
//! Unix socket while a queue at the other end is full. A direction has one retry at a time, however often it is tried
//! meanwhile, so the wheel holds one entry for it. Since a descriptor that this reactor closes is one that a listener
//! may have, listeners are tried then too, at once.
//!
//! Turned down: a retry when any descriptor of the process is closed, which nobody reports; and a descriptor kept in
//! reserve, to accept and close what cannot be served, which the peer takes for an end in good order.

use std::io;
use std::rc::Rc;

use mainspring_sys::Token;

use crate::core::Core;
use crate::direction::Direction;
use crate::scope;
use crate::source::Source;
use crate::table::Tasks;
use crate::timer::Timer;

impl Source {
    /// Makes a direction worth a try after so many nanoseconds. False if a moment for that is set already.
    pub(crate) fn retry_after(&self, direction: Direction, pause: u64) -> bool {
        if self.has(direction.retried()) {
            return false;
        }
        self.set(direction.retried());
        // Why saturating: a virtual clock may stand anywhere.
        let time = self.core.clock.now().saturating_add(pause);
        let entry = self.core.insert_timer(time, Timer::Retry(self.token(), direction));
        // Kept, so that a source that is closed is no reason to wake, nor for a virtual clock to jump.
        self.rare.borrow_mut().get_or_insert_default().retries[direction as usize] = Some(entry);
        true
    }

    /// Whether a moment is set in which the direction is tried again.
    pub(crate) fn is_paused(&self, direction: Direction) -> bool {
        self.has(direction.retried())
    }

    /// Makes `attempt` have its system call also during a pause. What is believed of the direction stays as it was, so
    /// a wait that ends in it has its seat still.
    pub(crate) fn in_pause<R>(&self, direction: Direction, attempt: impl FnOnce() -> R) -> R {
        if !self.is_paused(direction) || self.readiness().intersects(direction.bit()) {
            return attempt();
        }
        self.believe(direction.bit());
        let answer = attempt();
        self.clear(direction);
        answer
    }

    /// A try in the style of a tick, also during a pause.
    pub(crate) fn try_in_pause<T>(
        self: &Rc<Self>,
        direction: Direction,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let tried = self.in_pause(direction, || self.try_io(direction, operation));
        if !matches!(tried, Ok(None)) {
            self.end_wait(direction, scope::sitting());
        }
        tried
    }

    /// The moment has come.
    pub(crate) fn retry(&self, direction: Direction, tasks: &mut Tasks) {
        self.unset(direction.retried());
        if let Some(rare) = self.rare.borrow_mut().as_mut() {
            rare.retries[direction as usize] = None;
        }
        self.record(direction.bit(), tasks);
    }
}

impl Core {
    /// The listener is to be tried when a descriptor is closed.
    pub(crate) fn await_descriptor(&self, listener: Token) {
        let mut short = self.short.borrow_mut();
        if !short.contains(&listener) {
            short.push(listener);
        }
    }

    /// A source is about to be closed. Foreign wakers are left with the core.
    #[inline]
    pub(crate) fn descriptor_freed(&self) {
        if !self.short.borrow().is_empty() {
            self.try_short();
        }
    }

    #[cold]
    fn try_short(&self) {
        // Tried by its task, which runs when the descriptor has been closed.
        for token in self.short.take() {
            if let Some(listener) = self.source(token) {
                listener.record(Direction::Read.bit(), &mut self.tasks.borrow_mut());
            }
        }
    }
}
