//! Those who wait for something, in the order in which they came.
//!
//! What [`Notify`](super::Notify) and [`Semaphore`](super::Semaphore) have in common. A place in the line belongs to
//! one future, from its first "not yet" until it leaves; being served takes the place out of the order and keeps it
//! until its owner has seen it, so that a turn that came too late for its owner can be passed on.
//!
//! Places stand in a slab and are linked by their keys: joining, serving and leaving take constant time, and a line
//! that has had its length once allocates no more. A map ordered by tickets is shorter, and allocates and frees with
//! each waiter that comes to an empty line, which is the common case.

use std::task::Waker;

use slab::Slab;

/// No place.
const NONE: usize = usize::MAX;

/// What has become of one who waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// Nothing yet.
    Waits,
    /// It was served, and what it was given is its own.
    Served,
    /// It was sent away: everybody was.
    Released,
}

/// One who waits.
struct Place {
    /// How much of what is given out it waits for.
    wanted: usize,
    /// What has become of it.
    turn: Turn,
    /// Who is woken when it has its turn; none before its first poll that has a waker.
    waker: Option<Waker>,
    /// Who came before it, if it waits.
    before: usize,
    /// Who came after it, if it waits.
    after: usize,
}

/// All who wait.
pub(super) struct Line {
    /// Those that wait, and those that have had their turn and not seen it.
    places: Slab<Place>,
    /// Who waits longest.
    first: usize,
    /// Who came last.
    last: usize,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { places: Slab::new(), first: NONE, last: NONE }
    }

    /// Whether nobody waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// A place at the end.
    pub(super) fn join(&mut self, wanted: usize) -> usize {
        let place = Place { wanted, turn: Turn::Waits, waker: None, before: self.last, after: NONE };
        let key = self.places.insert(place);
        match self.places.get_mut(self.last) {
            Some(last) => last.after = key,
            None => self.first = key,
        }
        self.last = key;
        key
    }

    /// How much the first one waits for.
    pub(super) fn wanted(&self) -> Option<usize> {
        self.places.get(self.first).map(|place| place.wanted)
    }

    /// What has become of a place.
    pub(super) fn turn(&self, key: usize) -> Turn {
        self.places[key].turn
    }

    /// Where the waker of a place stands.
    pub(super) fn waker(&mut self, key: usize) -> &mut Option<Waker> {
        &mut self.places[key].waker
    }

    /// The first one has its turn. Returns whom to wake.
    pub(super) fn serve(&mut self, turn: Turn) -> Option<Waker> {
        let key = self.first;
        self.unlink(key);
        let place = self.places.get_mut(key)?;
        place.turn = turn;
        place.waker.take()
    }

    /// All that wait are sent away. Returns whom to wake.
    pub(super) fn release(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while !self.is_empty() {
            wakers.extend(self.serve(Turn::Released));
        }
        wakers
    }

    /// Gives a place up. Returns what had become of it, and a waker to be dropped with nothing borrowed.
    pub(super) fn leave(&mut self, key: usize) -> (Turn, Option<Waker>) {
        if self.turn(key) == Turn::Waits {
            self.unlink(key);
        }
        let place = self.places.remove(key);
        (place.turn, place.waker)
    }

    fn unlink(&mut self, key: usize) {
        let Some(place) = self.places.get(key) else { return };
        let (before, after) = (place.before, place.after);
        match self.places.get_mut(before) {
            Some(place) => place.after = after,
            None => self.first = after,
        }
        match self.places.get_mut(after) {
            Some(place) => place.before = before,
            None => self.last = before,
        }
    }
}
