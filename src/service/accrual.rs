//! Whether a service is taken for dead, by what its calls have come to.
//!
//! The core of [`FailureAccrual`](super::FailureAccrual) and [`FailFast`](super::FailFast): a pure structure, whose
//! time is a parameter. The states and policies are those of Finagle's accrual:
//!
//! ```text
//!            policy says so           time is over            one call
//!   Alive ------------------> Dead ----------------> Open ---------------> Probing
//!     ^                        ^                      ^                     | | |
//!     |                        +---- it fails: longer | it says nothing ----+ | |
//!     |                        +----------------------|-----------------------+ |
//!     +------------------------------------------------ it succeeds ------------+
//! ```
//!
//! Guarantees: of the calls that begin while it is not alive, exactly one at a time is the probe, and only the probe's
//! end changes the state, so late results of calls from before neither revive nor prolong. A probe that is dropped or
//! says nothing gives its turn back.
//!
//! The trade-off: the end of a time is seen when somebody asks, so no timer stands for each service that is down. Rates
//! are kept in ten slots of the window, which is forgotten a slot at a time.
use super::{Backoff, Status};
use crate::random::Random;

/// Slots in which the results of the window stand.
const SLOTS: usize = 10;

/// When a service is taken for dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// After so many failures in a row; never if 0.
    pub(super) consecutive: u32,
    /// When less than this fraction of the calls in the window has succeeded; never if 0.
    pub(super) success_rate: f64,
    /// The window, in nanoseconds; at least as many as there are slots.
    pub(super) window: u64,
    /// The fewest calls in the window from which the fraction says something.
    pub(super) calls_min: u32,
    /// For how long.
    pub(super) backoff: Backoff,
}

/// What is thought of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It works.
    Alive,
    /// It does not, until then it is left alone.
    Dead(u64),
    /// The next call is the probe.
    ProbeOpen,
    /// A probe is under way.
    Probing,
}

/// What a call has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Success,
    Failure,
    /// It says nothing, or was dropped.
    Nothing,
}

/// The results of a part of the window.
#[derive(Clone, Copy, Default, Debug)]
struct Slot {
    successes: u32,
    failures: u32,
}

/// What is thought of a service.
#[derive(Clone, Debug)]
pub(super) struct Accrual {
    policy: Policy,
    state: State,
    /// Failures since the last success.
    consecutive: u32,
    /// The results of the window.
    slots: [Slot; SLOTS],
    /// The slot of the last result, counted from the beginning of time.
    slot: u64,
    /// How often it was dead since it was last alive.
    times: u32,
    /// For the length of that.
    random: Random,
}

impl Accrual {
    /// One that is alive.
    pub(super) fn new(policy: Policy, random: Random) -> Self {
        let slots = [Slot::default(); SLOTS];
        Self { policy, state: State::Alive, consecutive: 0, slots, slot: 0, times: 0, random }
    }

    /// Another one that is alive, with another policy.
    pub(super) fn with_policy(&self, policy: Policy) -> Self {
        Self::new(policy, self.random.clone())
    }

    /// Whether it is alive, for which no time is needed.
    #[inline]
    pub(super) fn is_alive(&self) -> bool {
        self.state == State::Alive
    }

    /// Open if it is alive or the next call would be a probe, else Busy.
    pub(super) fn status(&mut self, now: u64) -> Status {
        if let State::Dead(until) = self.state {
            if until <= now {
                self.state = State::ProbeOpen;
            }
        }
        match self.state {
            State::Alive | State::ProbeOpen => Status::Open,
            State::Dead(_) | State::Probing => Status::Busy,
        }
    }

    /// A call begins; true if it is the probe. One that begins while the status is Busy changes nothing.
    pub(super) fn begin(&mut self, now: u64) -> bool {
        let is_probe = self.status(now) == Status::Open && self.state == State::ProbeOpen;
        if is_probe {
            self.state = State::Probing;
        }
        is_probe
    }

    /// A call ends, of which `begin` has returned `is_probe`.
    pub(super) fn end(&mut self, now: u64, is_probe: bool, end: End) {
        match (self.state, end) {
            (State::Probing, End::Success) if is_probe => self.revive(),
            (State::Probing, End::Failure) if is_probe => self.mark_dead(now),
            (State::Probing, End::Nothing) if is_probe => self.state = State::ProbeOpen,
            (State::Alive, End::Success) => {
                self.consecutive = 0;
                let slot = self.at(now);
                slot.successes = slot.successes.saturating_add(1);
            }
            (State::Alive, End::Failure) => {
                self.consecutive = self.consecutive.saturating_add(1);
                let slot = self.at(now);
                slot.failures = slot.failures.saturating_add(1);
                if self.is_too_much() {
                    self.mark_dead(now);
                }
            }
            // A result from before, of which nothing is made.
            _ => {}
        }
    }

    fn revive(&mut self) {
        (self.state, self.consecutive, self.times) = (State::Alive, 0, 0);
        self.slots = [Slot::default(); SLOTS];
    }

    #[cold]
    fn mark_dead(&mut self, now: u64) {
        let wait = self.policy.backoff.wait(self.times, &self.random);
        self.times = self.times.saturating_add(1);
        self.state = State::Dead(now.saturating_add(crate::time::nanoseconds(wait)));
    }

    /// Whether the failures are more than the policy allows.
    fn is_too_much(&self) -> bool {
        let Policy { consecutive, success_rate, calls_min, .. } = self.policy;
        if consecutive > 0 && self.consecutive >= consecutive {
            return true;
        }
        let sum = |count: fn(&Slot) -> u32| self.slots.iter().map(|slot| u64::from(count(slot))).sum::<u64>();
        let (successes, failures) = (sum(|slot| slot.successes), sum(|slot| slot.failures));
        let calls = successes + failures;
        calls >= u64::from(calls_min) && (successes as f64) < success_rate * calls as f64
    }

    /// The slot of this moment; those that have become too old are emptied.
    #[inline]
    fn at(&mut self, now: u64) -> &mut Slot {
        let slot = (now / (self.policy.window / SLOTS as u64).max(1)).max(self.slot);
        for old in 1..=(slot - self.slot).min(SLOTS as u64) {
            self.slots[((self.slot + old) % SLOTS as u64) as usize] = Slot::default();
        }
        self.slot = slot;
        &mut self.slots[(slot % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn policy() -> Policy {
        Policy {
            consecutive: 3,
            success_rate: 0.5,
            window: 10 * SECOND,
            calls_min: 6,
            backoff: Backoff::new(Duration::from_secs(4), Duration::from_secs(16)),
        }
    }

    /// The rules once more, over lists of all that has happened.
    #[derive(Default)]
    struct Naive {
        /// When and how calls have ended while it was alive, since it was last revived.
        ends: Vec<(u64, bool)>,
        /// Until when it is dead.
        until: Option<u64>,
        probing: bool,
        /// How often it has died since it was last revived.
        deaths: u32,
    }

    impl Naive {
        fn is_busy(&self, now: u64) -> bool {
            self.probing || self.until.is_some_and(|until| now < until)
        }

        /// Whether it must now be taken for dead.
        fn ends(&mut self, now: u64, success: bool) -> bool {
            self.ends.push((now, success));
            if success {
                return false;
            }
            let in_a_row = self.ends.iter().rev().take_while(|(_, success)| !success).count();
            let recent: Vec<_> = self.ends.iter().filter(|(at, _)| now / SECOND - at / SECOND < 10).collect();
            let successes = recent.iter().filter(|(_, success)| *success).count();
            in_a_row >= 3 || recent.len() >= 6 && 2 * successes < recent.len()
        }
    }

    #[test]
    fn random_calls_agree_with_lists_of_all_that_has_happened() {
        let (mut deaths, mut revivals, mut by_rate) = (0, 0, 0);
        for seed in 0..200 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let failing = 1 + random.below(9);
            let mut accrual = Accrual::new(policy(), Random::seeded(seed));
            let (mut naive, mut calls, mut now) = (Naive::default(), Vec::new(), random.below(SECOND));
            for _ in 0..300 {
                let is_busy = naive.is_busy(now);
                assert_eq!(accrual.status(now) == Status::Busy, is_busy);
                if random.below(2) == 0 {
                    let is_probe = accrual.begin(now);
                    assert_eq!(is_probe, naive.until.is_some() && !is_busy);
                    naive.probing |= is_probe;
                    calls.push(is_probe);
                } else if !calls.is_empty() {
                    let is_probe = calls.swap_remove(random.below(calls.len() as u64) as usize);
                    let end = match random.below(10) {
                        0 => End::Nothing,
                        nth if nth <= failing => End::Failure,
                        _ => End::Success,
                    };
                    accrual.end(now, is_probe, end);
                    let mut dies = false;
                    if is_probe {
                        naive.probing = false;
                        match end {
                            End::Success => {
                                naive = Naive::default();
                                revivals += 1;
                            }
                            End::Failure => dies = true,
                            End::Nothing => {}
                        }
                    } else if naive.until.is_none() && end != End::Nothing {
                        dies = naive.ends(now, end == End::Success);
                        let last = naive.ends.iter().rev().take(3);
                        by_rate += u32::from(dies && last.clone().any(|(_, success)| *success));
                    }
                    if dies {
                        let State::Dead(until) = accrual.state else { panic!("it should be dead") };
                        let whole = (4 * SECOND) << naive.deaths.min(2);
                        assert!((now + whole / 2..=now + whole).contains(&until));
                        naive.until = Some(until);
                        naive.deaths += 1;
                        deaths += 1;
                    } else {
                        let is_dead = matches!(accrual.state, State::Dead(_));
                        assert!(!is_dead || naive.until.is_some());
                    }
                }
                now += random.below(SECOND);
            }
        }
        println!("{deaths} deaths, {by_rate} of them by the rate, and {revivals} revivals");
        assert!(deaths > 500 && by_rate > 50 && revivals > 50);
    }

    #[test]
    fn a_late_result_neither_revives_nor_prolongs() {
        let mut accrual = Accrual::new(policy(), Random::seeded(1));
        let late = accrual.begin(0);
        for _ in 0..3 {
            accrual.end(0, false, End::Failure);
        }
        let dead = accrual.state;
        accrual.end(1, late, End::Success);
        accrual.end(1, late, End::Failure);
        assert_eq!(accrual.state, dead);
        assert!(accrual.begin(4 * SECOND), "the probe");
        accrual.end(4 * SECOND, late, End::Success);
        assert_eq!(accrual.status(4 * SECOND), Status::Busy);
        accrual.end(4 * SECOND, true, End::Success);
        assert!(accrual.is_alive());
    }

    #[test]
    fn nothing_is_too_much_for_a_policy_that_is_switched_off() {
        let off = Policy { consecutive: 0, success_rate: 0.0, ..policy() };
        let mut accrual = Accrual::new(off, Random::seeded(1));
        for now in 0..1_000 {
            accrual.end(now * SECOND, false, End::Failure);
        }
        assert!(accrual.is_alive());
    }
}
