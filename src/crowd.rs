//! The waits of a source that have no seat: of several tasks that share it, and of foreign executors.
//!
//! Kept by [`crate::waits`], which says who has a seat. A wait stands here from its first "not yet" until its owner
//! succeeds, fails or is dropped, also while its waker is out after a wake.
//!
//! There are a handful, as a rule, and so they stand in a list, which costs a source with one foreign waiter the least.
//! With thousands it must not be searched from the start each time: an event wakes all, in their order, and all but one
//! ask again, in that order. So a search starts where the last one ended, and goes both ways; and ids grow, so that one
//! which is new is known by its id. A map was turned down: by owner it loses the order in which they came, and it
//! allocates for each wait that comes alone.

use std::cell::Cell;
use std::task::Waker;

use crate::direction::Direction;

/// A wait that has no seat.
pub(crate) struct Wait {
    /// Which half of the source.
    pub(crate) direction: Direction,
    /// Whose.
    pub(crate) owner: u64,
    /// Who is woken by the next event; none after a wake.
    pub(crate) waker: Option<Waker>,
    /// When it expires, if the direction has a timeout.
    pub(crate) deadline: u64,
}

/// The waits of both directions.
#[derive(Default)]
pub(crate) struct Crowd {
    /// Those that came first stand in front, but for what takes the place of one that ends.
    waits: Vec<Wait>,
    /// The largest id of an owner that has ever stood here.
    newest: u64,
    /// Behind the wait that was found last.
    cursor: Cell<usize>,
}

impl Crowd {
    /// Adds one, of an owner that does not stand here.
    pub(crate) fn push(&mut self, wait: Wait) {
        self.newest = self.newest.max(wait.owner);
        self.waits.push(wait);
    }

    /// The wait of an owner.
    pub(crate) fn get_mut(&mut self, direction: Direction, owner: u64) -> Option<&mut Wait> {
        self.position(direction, owner).map(|index| &mut self.waits[index])
    }

    /// Takes the wait of an owner out.
    pub(crate) fn remove(&mut self, direction: Direction, owner: u64) -> Option<Wait> {
        self.position(direction, owner).map(|index| self.waits.swap_remove(index))
    }

    /// Whether an owner stands here.
    pub(crate) fn contains(&self, direction: Direction, owner: u64) -> bool {
        self.position(direction, owner).is_some()
    }

    /// The waits of one direction.
    pub(crate) fn of(&mut self, direction: Direction) -> impl Iterator<Item = &mut Wait> {
        self.waits.iter_mut().filter(move |wait| wait.direction == direction)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.waits.len()
    }

    fn position(&self, direction: Direction, owner: u64) -> Option<usize> {
        // 0 is nobody's: one that has succeeded without a wait.
        if owner == 0 || owner > self.newest {
            return None;
        }
        let is_it = |index: &usize| {
            self.waits.get(*index).is_some_and(|wait| wait.owner == owner && wait.direction == direction)
        };
        let start = self.cursor.get().min(self.waits.len());
        // Below zero is beyond the end, and so nowhere.
        let both_ways = |distance| [start + distance, start.wrapping_sub(distance + 1)];
        let index = (0..self.waits.len()).flat_map(both_ways).find(is_it)?;
        self.cursor.set(index + 1);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::NEVER;

    /// A number below `limit`, of a generator by Lehmer.
    fn below(state: &mut u64, limit: u64) -> u64 {
        *state = *state * 48_271 % 0x7fff_ffff;
        *state % limit
    }

    #[test]
    fn random_operations_agree_with_a_naive_list() {
        for seed in 1..=20 {
            println!("seed {seed}");
            let mut state = seed;
            let (mut crowd, mut naive) = (Crowd::default(), Vec::new());
            for step in 0..200 {
                // Ids that were given out before come too, and one owner may wait for both directions.
                let owner = 1 + step - below(&mut state, step.min(20) + 1);
                let direction = Direction::BOTH[below(&mut state, 2) as usize];
                let stands = naive.contains(&(direction, owner));
                assert_eq!(crowd.contains(direction, owner), stands);
                match below(&mut state, 3) {
                    0 if !stands => {
                        crowd.push(Wait { direction, owner, waker: None, deadline: NEVER });
                        naive.push((direction, owner));
                    }
                    1 => {
                        let removed = crowd.remove(direction, owner).map(|wait| (wait.direction, wait.owner));
                        assert_eq!(removed, stands.then_some((direction, owner)));
                        naive.retain(|wait| *wait != (direction, owner));
                    }
                    _ => {
                        let found = crowd.get_mut(direction, owner).map(|wait| (wait.direction, wait.owner));
                        assert_eq!(found, stands.then_some((direction, owner)));
                    }
                }
                assert_eq!(crowd.len(), naive.len());
                for direction in Direction::BOTH {
                    let mut owners: Vec<_> = crowd.of(direction).map(|wait| wait.owner).collect();
                    let mut expected: Vec<_> =
                        naive.iter().filter(|wait| wait.0 == direction).map(|wait| wait.1).collect();
                    owners.sort_unstable();
                    expected.sort_unstable();
                    assert_eq!(owners, expected);
                }
            }
        }
    }
}
