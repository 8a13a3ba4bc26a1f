//! The loop of the models: rounds of random steps, until so many operations were done.

use std::env;
use std::fmt::Debug;

use super::in_virtual_time::in_virtual_time;
use super::random::Random;

/// The longest round, in steps.
const STEPS_MAX: usize = 300;

/// Steps that are taken after the end of what is tested.
const STEPS_AFTER: usize = 10;

/// From how many operations on a run must have seen everything once.
const OPERATIONS_ENOUGH: usize = 10_000;

/// Runs rounds in virtual time until `NAME_OPERATIONS` (by default `operations`) steps were taken, from `NAME_SEED`. A
/// round makes what is tested, takes the steps it is given by [`take`], and returns how many it took. `counts` are what
/// must not be zero of all that was seen, unless the run was short.
pub(crate) fn rounds<S: Default + Debug>(
    name: &str,
    operations: usize,
    mut round: impl FnMut(&mut Random, &mut S, usize) -> usize,
    counts: impl FnOnce(&S) -> Vec<usize>,
) {
    in_virtual_time(|| {
        let number = |what: &str, default| {
            let name = format!("{name}_{what}");
            let number = env::var(&name).map_or(default, |value| value.parse().expect("a number"));
            println!("{name}={number}");
            number
        };
        let (operations, seed) = (number("OPERATIONS", operations as u64) as usize, number("SEED", 0x5eed));
        let (mut random, mut seen) = (Random::new(seed), S::default());
        let mut done = 0;
        while done < operations {
            let steps = 1 + random.below(STEPS_MAX);
            done += round(&mut random, &mut seen, steps);
        }
        println!("{seen:?}");
        let is_whole = counts(&seen).iter().all(|&count| count > 0);
        assert!(is_whole || operations < OPERATIONS_ENOUGH, "the run missed something: {seen:?}");
    });
}

/// Takes so many steps, or a few after one has said that what is tested has ended. Returns how many.
pub(crate) fn take(steps: usize, mut step: impl FnMut() -> bool) -> usize {
    let mut after = 0;
    for taken in 1..=steps {
        after += usize::from(step());
        if after == STEPS_AFTER {
            return taken;
        }
    }
    steps
}
