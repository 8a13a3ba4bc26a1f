//! A pause before the next try, where no event tells that it is worth one: longer each time, until a try succeeds.
//!
//! Listeners take it when descriptors run out, a Unix stream while the queue of its listener is full, a Unix datagram
//! socket while that of its receiver is. The moment itself is the source's ([`Source::retry_after`]), of which a
//! direction has one at a time; an event that comes meanwhile is tried, and starts no other pause.
//!
//! A constant pause would be either too long for what passes in a moment or a waste for what does not; and one that is
//! drawn at random, against many who try in step, is not worth its numbers within one machine.

use std::cell::Cell;

use crate::direction::Direction;
use crate::source::Source;

/// The pauses of one source, nanoseconds.
pub(super) struct Pause {
    /// The first.
    min: u64,
    /// The longest.
    max: u64,
    /// The one that is taken next.
    next: Cell<u64>,
}

impl Pause {
    pub(super) const fn new(min: u64, max: u64) -> Self {
        Self { min, max, next: Cell::new(min) }
    }

    /// Makes a direction worth a try after the pause. False if there is one already.
    pub(super) fn start(&self, source: &Source, direction: Direction) -> bool {
        let pause = self.next.get();
        let starts = source.retry_after(direction, pause);
        if starts {
            self.next.set((pause * 2).min(self.max));
        }
        starts
    }

    /// A try has succeeded: the next pause is a short one.
    #[inline]
    pub(super) fn reset(&self) {
        self.next.set(self.min);
    }
}
