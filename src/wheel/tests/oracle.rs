//! Random operations on a wheel and on a list, compared after each operation.
//!
//! An operation inserts, arms, disarms, removes, moves time by nothing up to centuries, or sleeps until `next` as the
//! reactor does. After each, the wheel must agree with the list about every entry: none early, none lost, none twice,
//! in order, `next` never too late, and the lists of the wheel sound. The list is scanned from end to end for each
//! answer, so it has nothing in common with the wheel but the rounding to a tick.
//!
//! `WHEEL_OPERATIONS` is the number of operations and `WHEEL_SEED` the first seed; a failure prints the seed to set.
//! The default seed is fixed, so that every run of a commit tests the same: a random one would find more over time, but
//! would fail for changes that have nothing to do with it.

use std::{env, thread};

use super::super::{Key, LEVELS, TICK, Wheel};
use super::structure::check_structure;

/// Operations on one wheel, before the next one starts with the next seed. Enough to fill and drain it many times.
const EPISODE: u64 = 500;

/// Operations by default: about a second without optimisation.
const OPERATIONS: u64 = 20_000;

/// The most entries at a time. Few, so that slots become empty as often as they become shared.
const ENTRIES_MAX: usize = 64;

/// SplitMix64 (Steele, Lea and Flood, 2014): enough to choose operations, and one line of state.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A duration of at most `bits` bits, as often small as large.
    fn duration(&mut self, bits: u64) -> u64 {
        let length = self.below(bits + 1);
        self.next().checked_shr(64 - length as u32).unwrap_or(0)
    }
}

/// What the oracle knows of an entry.
struct Known {
    /// The entry's number in the order of insertion, which is its value in the wheel too.
    id: u64,
    key: Key,
    deadline: u64,
    /// When it was armed, counted in armings; `None` if it is not armed.
    armed: Option<u64>,
    /// Armed for a tick that had passed: it may fire in any place among those that are due.
    late: bool,
}

/// A wheel and the list of what it should hold, compared after every operation.
struct Oracle {
    wheel: Wheel<u64>,
    known: Vec<Known>,
    /// The latest time that the wheel was told of.
    now: u64,
    inserted: u64,
    armings: u64,
    fired: u64,
}

impl Oracle {
    fn new(now: u64) -> Self {
        Self { wheel: Wheel::new(now), known: Vec::new(), now, inserted: 0, armings: 0, fired: 0 }
    }

    fn insert(&mut self, deadline: Option<u64>) {
        let id = self.inserted;
        self.inserted += 1;
        let key = match deadline {
            Some(deadline) => self.wheel.insert(deadline, id),
            None => self.wheel.insert_idle(id),
        };
        self.known.push(Known { id, key, deadline: u64::MAX, armed: None, late: false });
        if let Some(deadline) = deadline {
            self.armed(self.known.len() - 1, deadline);
        }
    }

    /// Notes that the wheel has armed an entry.
    fn armed(&mut self, index: usize, deadline: u64) {
        self.armings += 1;
        self.known[index].deadline = deadline;
        self.known[index].armed = Some(self.armings);
        self.known[index].late = deadline.div_ceil(TICK) < self.now / TICK;
    }

    fn remove(&mut self, index: usize) {
        let known = self.known.swap_remove(index);
        assert_eq!(self.wheel.remove(known.key), known.id, "value");
    }

    /// Takes one due entry out of both, and returns its index.
    fn pop(&mut self, now: u64) -> Option<usize> {
        self.now = self.now.max(now);
        let is_due = |known: &&Known| known.deadline.div_ceil(TICK) <= self.now / TICK;
        let due = self.known.iter().filter(|known| known.armed.is_some());
        let due = due.filter(is_due);
        let Some(key) = self.wheel.pop(now) else {
            assert_eq!(due.count(), 0, "lost at {now}");
            let overdue = |known: &&Known| known.armed.is_some() && known.deadline.saturating_add(TICK) <= self.now;
            let lost = self.known.iter().find(overdue).map(|known| known.deadline);
            assert!(lost.is_none_or(|deadline| deadline.div_ceil(TICK) > u64::MAX / TICK));
            return None;
        };
        let on_time = due.filter(|known| !known.late);
        let first = on_time.min_by_key(|known| (known.deadline.div_ceil(TICK), known.armed));
        let first = first.map(|known| known.id);
        let popped = self.known.iter().position(|known| known.key == key);
        let popped = popped.expect("an entry that is there");
        let known = &mut self.known[popped];
        assert!(known.deadline <= self.now, "early: {}", known.deadline);
        assert!(known.armed.take().is_some(), "fired twice: {}", known.id);
        self.fired += 1;
        assert!(known.late || first == Some(known.id), "out of order");
        Some(popped)
    }

    /// Sleeps until `next` and pops, as the reactor does, until an entry fires.
    fn follow(&mut self) {
        for _ in 0..=LEVELS {
            let Some(next) = self.wheel.next() else {
                return;
            };
            self.check();
            if self.pop(next).is_some() {
                return;
            }
            assert!(self.wheel.next() > Some(next), "no progress at {next}");
        }
        panic!("more than {LEVELS} rounds in which nothing fired");
    }

    fn check(&self) {
        check_structure(&self.wheel);
        assert_eq!(self.wheel.len(), self.known.len(), "len");
        let armed = || self.known.iter().filter(|known| known.armed.is_some());
        assert_eq!(self.wheel.armed(), armed().count(), "armed");
        for known in &self.known {
            assert_eq!(self.wheel.is_armed(known.key), known.armed.is_some());
            assert_eq!(self.wheel.deadline(known.key), known.deadline);
        }
        let ticks = armed().map(|known| known.deadline.div_ceil(TICK).max(self.now / TICK));
        let earliest = ticks.min().and_then(|tick| tick.checked_mul(TICK));
        match (self.wheel.next(), earliest) {
            (Some(next), Some(earliest)) => assert!(next <= earliest, "{next} > {earliest}"),
            (next, earliest) => assert_eq!(next, earliest),
        }
    }
}

/// Prints how to repeat the episode if it panics.
struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("repeat with WHEEL_SEED={} WHEEL_OPERATIONS={EPISODE}", self.0);
        }
    }
}

/// One operation. Durations are at most `bits` bits long.
fn operate(oracle: &mut Oracle, generator: &mut Generator, bits: u64) {
    let deadline = match generator.below(16) {
        0 => u64::MAX,
        1 => generator.next(),
        2 => oracle.now.saturating_sub(generator.duration(bits)),
        3 => oracle.now,
        _ => oracle.now.saturating_add(generator.duration(bits)),
    };
    if oracle.known.is_empty() {
        return oracle.insert(Some(deadline));
    }
    let index = generator.below(oracle.known.len() as u64) as usize;
    let key = oracle.known[index].key;
    match generator.below(16) {
        0..4 if oracle.known.len() < ENTRIES_MAX => oracle.insert(Some(deadline)),
        4 if oracle.known.len() < ENTRIES_MAX => oracle.insert(None),
        0..8 => {
            oracle.wheel.arm(key, deadline);
            oracle.armed(index, deadline);
        }
        8 => {
            oracle.wheel.disarm(key);
            oracle.known[index].armed = None;
        }
        9 | 10 => oracle.remove(index),
        11 => oracle.follow(),
        12 => {
            oracle.pop(oracle.now.saturating_sub(generator.duration(bits)));
        }
        _ => {
            let now = oracle.now.saturating_add(generator.duration(bits));
            // At times stops half-way, so that the operations that follow meet entries that are due.
            for _ in 0..generator.below(2 * ENTRIES_MAX as u64) {
                match oracle.pop(now) {
                    Some(index) if generator.below(2) == 0 => oracle.remove(index),
                    Some(index) if generator.below(4) == 0 => {
                        oracle.wheel.arm(oracle.known[index].key, deadline);
                        oracle.armed(index, deadline);
                    }
                    Some(_) => {}
                    None => break,
                }
                oracle.check();
            }
        }
    }
}

/// A decimal number from the environment.
fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|error| panic!("{name}={value}: {error}")))
}

#[test]
fn the_wheel_agrees_with_a_list_under_random_operations() {
    let operations = variable("WHEEL_OPERATIONS").unwrap_or(OPERATIONS);
    let first_seed = variable("WHEEL_SEED").unwrap_or(0);
    let mut fired = 0;
    for episode in 0..operations.div_ceil(EPISODE) {
        let seed = first_seed.wrapping_add(episode);
        let _print_seed = PrintSeed(seed);
        let mut generator = Generator(seed);

        // From durations below a tick, over those of each level, to those of the whole clock.
        let bits = 10 + generator.below(55);
        let mut oracle = Oracle::new(generator.duration(64));
        for _ in 0..EPISODE {
            operate(&mut oracle, &mut generator, bits);
            oracle.check();
        }
        while oracle.pop(u64::MAX).is_some() {}
        oracle.check();
        while !oracle.known.is_empty() {
            oracle.remove(0);
        }
        oracle.check();
        fired += oracle.fired;
    }
    println!("{operations} operations from seed {first_seed}: {fired} entries fired");
    assert!(fired > 0, "operations after which nothing fires test nothing");
}
