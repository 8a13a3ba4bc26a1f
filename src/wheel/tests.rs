//! The wheel, rule by rule.
//!
//! A test for each promise of the wheel's documentation, and for each trap that the timer wheels of mio, tokio-core,
//! tokio-timer and tokio fell into: hash collisions, catching up after a gap, a wrapped top level after twelve days, a
//! deadline equal to the position, cancelled entries that stay. After each step the structure is checked as well, by
//! the module `structure`, which reads private fields: that is why these tests stand here and not in `tests/`. Random
//! operations are the business of the module `oracle`, and the tests here are the ones to read first.

mod oracle;
mod structure;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Key, LEVELS, SLOT_BITS, TICK, Wheel};
use structure::check_structure;

/// Nanoseconds in a day.
const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

/// All that is due at `now`, in order.
fn drain<T: Copy>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
    let mut values = Vec::new();
    while let Some(key) = wheel.pop(now) {
        values.push(wheel.remove(key));
        check_structure(wheel);
    }
    check_structure(wheel);
    values
}

/// Ticks in a slot of `level`.
fn span(level: usize) -> u64 {
    1 << (level as u32 * SLOT_BITS)
}

#[test]
fn an_entry_fires_at_its_tick_and_not_before() {
    let mut wheel = Wheel::new(0);
    wheel.insert(10 * TICK, 'a');
    assert_eq!(drain(&mut wheel, 10 * TICK - 1), []);
    assert_eq!(drain(&mut wheel, 10 * TICK), ['a']);
    assert_eq!(drain(&mut wheel, 11 * TICK), []);
}

#[test]
fn a_deadline_inside_a_tick_waits_for_its_end() {
    for deadline in [10 * TICK + 1, 10 * TICK + TICK / 2, 11 * TICK - 1] {
        let mut wheel = Wheel::new(5);
        wheel.insert(deadline, 'a');
        assert_eq!(wheel.next(), Some(11 * TICK));
        assert_eq!(drain(&mut wheel, deadline - 1), []);
        assert_eq!(drain(&mut wheel, 11 * TICK - 1), []);
        assert_eq!(drain(&mut wheel, 11 * TICK), ['a']);
    }
}

#[test]
fn a_deadline_equal_to_now_fires_at_the_next_pop() {
    for now in [0, TICK, 64 * TICK, 4096 * TICK, span(8) * TICK] {
        let mut wheel = Wheel::new(now);
        let key = wheel.insert(now, 'a');
        assert_eq!(wheel.next(), Some(now));
        wheel.disarm(key);
        wheel.arm(key, now);
        assert_eq!(drain(&mut wheel, now), ['a']);
        wheel.insert(now, 'b');
        assert_eq!(drain(&mut wheel, now), ['b']);
    }
}

#[test]
fn polling_late_still_fires() {
    let mut wheel = Wheel::new(0);
    wheel.insert(10 * TICK, 'a');
    assert_eq!(drain(&mut wheel, 5000 * TICK), ['a']);
    wheel.insert(10 * TICK, 'b');
    assert!(wheel.next() <= Some(5000 * TICK));
    assert_eq!(drain(&mut wheel, 5000 * TICK), ['b']);
}

#[test]
fn due_entries_drain_in_order_around_a_boundary() {
    let mut wheel = Wheel::new(0);
    for tick in [251, 199, 300, 200, 201, 299, 301] {
        wheel.insert(tick * TICK, tick);
    }
    assert_eq!(drain(&mut wheel, 200 * TICK), [199, 200]);
    assert_eq!(drain(&mut wheel, 298 * TICK), [201, 251]);
    assert_eq!(drain(&mut wheel, 301 * TICK), [299, 300, 301]);
    assert_eq!(wheel.next(), None);
}

#[test]
fn entries_of_one_tick_fire_in_the_order_of_arming() {
    let mut wheel = Wheel::new(0);
    let tick = 64 * 64 * 3 + 64 * 5 + 7;
    let first = wheel.insert(tick * TICK, 'a');
    wheel.insert(tick * TICK - 1, 'b');
    assert_eq!(drain(&mut wheel, 64 * 64 * 3 * TICK), []);
    wheel.insert(tick * TICK - 2, 'c');
    wheel.arm(first, tick * TICK);
    assert_eq!(drain(&mut wheel, tick * TICK), ['b', 'c', 'a']);
}

#[test]
fn a_removed_entry_never_fires() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert(10 * TICK, 'a');
    wheel.insert(10 * TICK, 'b');
    assert_eq!(wheel.remove(key), 'a');
    assert_eq!((wheel.len(), wheel.armed()), (1, 1));
    assert_eq!(drain(&mut wheel, 10 * TICK), ['b']);
}

#[test]
fn one_of_several_due_is_removed_between_pops() {
    for cancelled in 1..4 {
        let mut wheel = Wheel::new(0);
        let keys: Vec<Key> = (0..4).map(|id| wheel.insert(9 * TICK, id)).collect();
        let fired = wheel.pop(9 * TICK).expect("all four are due");
        assert_eq!(fired, keys[0]);
        wheel.remove(keys[cancelled]);
        check_structure(&wheel);
        let rest: Vec<usize> = (1..4).filter(|&id| id != cancelled).collect();
        assert_eq!(drain(&mut wheel, 9 * TICK), rest);
    }
}

#[test]
fn an_entry_is_removed_after_its_neighbours_fired() {
    let mut wheel = Wheel::new(0);
    wheel.insert(10 * TICK, 'a');
    let later = wheel.insert(100 * TICK, 'b');
    wheel.insert(11 * TICK, 'c');
    assert_eq!(drain(&mut wheel, 50 * TICK), ['a', 'c']);
    assert_eq!(wheel.remove(later), 'b');
    assert_eq!(wheel.next(), None);
    assert_eq!(drain(&mut wheel, 100 * TICK), []);
}

#[test]
fn a_popped_entry_stays_until_it_is_removed() {
    let mut wheel = Wheel::new(0);
    wheel.insert(10 * TICK, 'a');
    let key = wheel.pop(10 * TICK).expect("due");
    assert!(!wheel.is_armed(key));
    assert_eq!((wheel.len(), wheel.armed()), (1, 0));
    assert_eq!(wheel.pop(10 * TICK), None);
    wheel.disarm(key);
    *wheel.value_mut(key) = 'b';
    assert_eq!(wheel.deadline(key), 10 * TICK);
    assert_eq!(wheel.remove(key), 'b');
    assert_eq!((wheel.len(), wheel.armed()), (0, 0));
}

#[test]
fn an_idle_entry_fires_once_it_is_armed() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert_idle('a');
    assert!(!wheel.is_armed(key));
    assert_eq!((wheel.len(), wheel.armed(), wheel.next()), (1, 0, None));
    assert_eq!(wheel.pop(DAY), None);
    wheel.arm(key, 2 * DAY);
    assert!(wheel.is_armed(key));
    assert_eq!(drain(&mut wheel, 2 * DAY + TICK), ['a']);
}

#[test]
fn a_disarmed_entry_is_silent_until_it_is_armed_again() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert(10 * TICK, 'a');
    wheel.disarm(key);
    wheel.disarm(key);
    check_structure(&wheel);
    assert_eq!((wheel.len(), wheel.armed(), wheel.next()), (1, 0, None));
    assert_eq!(wheel.pop(20 * TICK), None);
    wheel.arm(key, 30 * TICK);
    assert_eq!(drain(&mut wheel, 30 * TICK), ['a']);
}

#[test]
fn an_entry_armed_anew_fires_at_its_new_deadline_only() {
    let (early, late) = (10 * TICK, 5000 * TICK);
    for (old, new) in [(early, late), (late, early)] {
        let mut wheel = Wheel::new(0);
        let key = wheel.insert(old, 'a');
        wheel.arm(key, new);
        assert_eq!((wheel.len(), wheel.armed()), (1, 1));
        assert_eq!(drain(&mut wheel, new - 1), []);
        assert_eq!(drain(&mut wheel, new), ['a']);
        assert_eq!(drain(&mut wheel, late), []);
    }
}

#[test]
fn an_earlier_entry_armed_later_fires_first() {
    let mut wheel = Wheel::new(0);
    wheel.insert(500 * TICK, 'a');
    assert!(wheel.next() <= Some(500 * TICK));
    wheel.insert(20 * TICK, 'b');
    assert_eq!(wheel.next(), Some(20 * TICK));
    assert_eq!(drain(&mut wheel, 20 * TICK), ['b']);
    assert_eq!(drain(&mut wheel, 500 * TICK), ['a']);
}

#[test]
fn next_is_the_earliest_and_an_early_pop_leaves_it() {
    let mut wheel = Wheel::new(0);
    assert_eq!(wheel.next(), None);
    wheel.insert(30 * TICK, 'a');
    let earliest = wheel.insert(20 * TICK, 'b');
    assert_eq!(wheel.next(), Some(20 * TICK));
    assert_eq!(wheel.pop(19 * TICK), None);
    assert_eq!(wheel.next(), Some(20 * TICK));
    wheel.remove(earliest);
    assert_eq!(wheel.next(), Some(30 * TICK));
    assert_eq!(drain(&mut wheel, 30 * TICK), ['a']);
    assert_eq!(wheel.next(), None);
}

#[test]
fn next_is_exact_for_a_near_deadline_however_late_the_clock() {
    let later = 64 * 64 * 64 * 99 * TICK;
    let mut idle = Wheel::new(0);
    assert_eq!(idle.pop(later), None);
    for mut wheel in [idle, Wheel::new(later)] {
        wheel.insert(later + 63 * TICK, 'a');
        assert_eq!(wheel.next(), Some(later + 63 * TICK));
        wheel.insert(later + 9 * TICK + 1, 'b');
        assert_eq!(wheel.next(), Some(later + 10 * TICK));
    }
}

#[test]
fn next_is_exact_for_a_far_deadline_so_that_nobody_is_woken_to_move_it() {
    for level in 1..LEVELS {
        let deadline = (span(level) + span(level) / 2).saturating_mul(TICK);
        let mut wheel = Wheel::new(0);
        wheel.insert(deadline + TICK, 'b');
        wheel.insert(deadline, 'a');
        assert_eq!(wheel.next(), Some(deadline), "level {level}");
        assert_eq!(drain(&mut wheel, deadline), ['a'], "level {level}");
        assert_eq!(wheel.next(), Some(deadline + TICK), "level {level}");
    }
}

#[test]
fn a_cancelled_deadline_is_asked_for_at_most_once_while_its_slot_has_others() {
    let mut wheel = Wheel::new(0);
    let cancelled = wheel.insert(70 * TICK, 'a');
    wheel.insert(90 * TICK, 'b');
    wheel.remove(cancelled);
    assert_eq!(wheel.next(), Some(70 * TICK));
    assert_eq!(wheel.pop(70 * TICK), None);
    assert_eq!(wheel.next(), Some(90 * TICK));
    // A slot that has become empty has forgotten it.
    let alone = wheel.insert(5000 * TICK, 'c');
    wheel.disarm(alone);
    wheel.insert(6000 * TICK, 'd');
    assert_eq!(drain(&mut wheel, 90 * TICK), ['b']);
    assert_eq!(wheel.next(), Some(6000 * TICK));
}

#[test]
fn deadlines_whole_turns_of_a_level_apart_fire_in_their_own_turn() {
    for level in 0..LEVELS - 1 {
        let turn = span(level + 1) * TICK;
        let mut wheel = Wheel::new(0);
        // Two turns of the last level but one go beyond the clock.
        let turns = 0..(u64::MAX / turn).min(4);
        for turns in turns.clone().rev() {
            wheel.insert(5 * TICK + turns * turn, turns);
        }
        for turns in turns {
            let due = 5 * TICK + turns * turn;
            assert_eq!(drain(&mut wheel, due - 1), []);
            assert_eq!(drain(&mut wheel, due), [turns]);
        }
    }
}

#[test]
fn deadlines_at_the_boundaries_of_levels_fire_at_their_tick() {
    for level in 1..LEVELS {
        let boundary = span(level);
        for start in [0, 1, 63, 64, boundary - 1, boundary, boundary + 1] {
            for ahead in [boundary - 1, boundary, boundary + 1, 64 * boundary - 1] {
                let Some(deadline) = (start + ahead).checked_mul(TICK) else {
                    continue;
                };
                let mut wheel = Wheel::new(start * TICK);
                wheel.insert(deadline, 'a');
                assert_eq!(drain(&mut wheel, deadline - 1), [], "{start} + {ahead}");
                assert_eq!(drain(&mut wheel, deadline), ['a'], "{start} + {ahead}");
            }
        }
    }
}

#[test]
fn a_slot_behind_that_of_the_position_is_not_taken_for_one_ahead() {
    // Almost a turn ahead: the digit of the deadline is the smaller one on every level but the last.
    for level in 0..LEVELS - 1 {
        let start = (span(level + 1) - span(level)) * TICK;
        let deadline = start + (span(level + 1) - span(level)) * TICK;
        let mut wheel = Wheel::new(start);
        wheel.insert(deadline, 'a');
        assert!(wheel.next() > Some(start), "level {level}");
        assert_eq!(drain(&mut wheel, deadline - 1), []);
        assert_eq!(drain(&mut wheel, deadline), ['a']);
    }
}

#[test]
fn the_days_from_11_to_13_fire_in_order() {
    for start in [0, 11 * DAY + 5, 365 * DAY] {
        let mut wheel = Wheel::new(start);
        for hour in (11 * 24..13 * 24).rev() {
            wheel.insert(start + hour * (DAY / 24), hour);
        }
        for hour in 11 * 24..13 * 24 {
            let due = start + hour * (DAY / 24);
            assert_eq!(drain(&mut wheel, due - 1), []);
            assert_eq!(drain(&mut wheel, due + TICK), [hour]);
        }
    }
}

#[test]
fn a_jump_of_days_or_to_the_end_of_the_clock_catches_up() {
    for now in [30 * DAY, u64::MAX] {
        let mut wheel = Wheel::new(7);
        for days in (0..30).rev() {
            wheel.insert(days * DAY + 9, days);
        }
        assert_eq!(drain(&mut wheel, now), Vec::from_iter(0..30));
        assert_eq!((wheel.len(), wheel.next()), (0, None));
    }
}

#[test]
fn a_deadline_beyond_the_clock_never_fires() {
    let last = u64::MAX / TICK * TICK;
    let mut wheel = Wheel::new(0);
    let never = wheel.insert(u64::MAX, 'n');
    wheel.insert(last + 1, 'm');
    assert_eq!((wheel.armed(), wheel.next()), (2, None));
    wheel.insert(last, 'a');
    assert!(wheel.next() <= Some(last));
    assert_eq!(drain(&mut wheel, last - 1), []);
    assert_eq!(drain(&mut wheel, last), ['a']);
    assert_eq!(drain(&mut wheel, u64::MAX), []);
    assert_eq!((wheel.armed(), wheel.next()), (2, None));
    assert!(wheel.is_armed(never));
    wheel.arm(never, 0);
    assert_eq!(drain(&mut wheel, u64::MAX), ['n']);
}

#[test]
fn time_that_goes_backwards_stands_still() {
    let mut wheel = Wheel::new(100 * TICK);
    wheel.insert(101 * TICK, 'a');
    assert_eq!(drain(&mut wheel, 50 * TICK), []);
    assert_eq!(wheel.next(), Some(101 * TICK));
    assert_eq!(drain(&mut wheel, 101 * TICK), ['a']);
    wheel.insert(60 * TICK, 'b');
    assert_eq!(drain(&mut wheel, 0), ['b']);
}

#[test]
fn entries_are_armed_while_others_fire() {
    let mut wheel = Wheel::new(0);
    for id in 0..10 {
        wheel.insert((60 + id) * TICK, id);
    }
    let mut fired = Vec::new();
    for now in 0..200 {
        while let Some(key) = wheel.pop(now * TICK) {
            let id = *wheel.value_mut(key);
            fired.push((now, id));
            if id < 10 {
                *wheel.value_mut(key) += 10;
                wheel.arm(key, (now + 64) * TICK);
            }
            check_structure(&wheel);
        }
    }
    let first = (0..10).map(|id| (60 + id, id));
    let second = (0..10).map(|id| (124 + id, id + 10));
    assert_eq!(fired, Vec::from_iter(first.chain(second)));
}

#[test]
fn an_entry_armed_for_the_past_does_not_starve_those_that_are_due() {
    let mut wheel = Wheel::new(0);
    wheel.insert(0, 0);
    for id in 1..100 {
        wheel.insert(id * 50 * TICK, id);
    }
    let mut others = Vec::new();
    for _ in 0..300 {
        let key = wheel.pop(5000 * TICK).expect("one is always due");
        match *wheel.value_mut(key) {
            0 => wheel.arm(key, 0),
            _ => others.push(wheel.remove(key)),
        }
        check_structure(&wheel);
    }
    assert_eq!(others, Vec::from_iter(1..100));
}

#[test]
fn cancelled_entries_leave_nothing_behind() {
    let mut wheel = Wheel::new(0);
    for turn in 0..10_000 {
        let keys = [turn, turn + 70, turn + 5000].map(|tick| wheel.insert(tick * TICK, turn));
        assert_eq!(wheel.len(), 3);
        for key in keys {
            assert!(key.index() < keys.len(), "{key:?} is not reused");
            wheel.remove(key);
        }
    }
    check_structure(&wheel);
    assert_eq!((wheel.armed(), wheel.next()), (0, None));
}

#[test]
fn a_key_that_was_removed_panics_and_leaves_the_others() {
    let mut wheel = Wheel::new(0);
    let [kept, removed] = [1, 2].map(|tick| wheel.insert(tick * TICK, tick));
    assert_eq!(wheel.remove(removed), 2);
    let twice = catch_unwind(AssertUnwindSafe(|| wheel.remove(removed)));
    assert!(twice.is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| *wheel.value_mut(removed))).is_err());
    // Only debug builds look here.
    if cfg!(debug_assertions) {
        assert!(catch_unwind(AssertUnwindSafe(|| wheel.arm(removed, TICK))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| wheel.disarm(removed))).is_err());
    }
    check_structure(&wheel);
    let added = [3, 4].map(|tick| wheel.insert(tick * TICK, tick));
    check_structure(&wheel);
    assert_eq!([kept, added[0], added[1]].map(|key| *wheel.value_mut(key)), [1, 3, 4]);
}
