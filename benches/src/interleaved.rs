//! The same work by several contenders, in turns, so that whatever disturbs the machine disturbs all of them.
//!
//! A command makes its contenders, ourselves first and **ourselves once more second**, and gets back for each how its
//! cost compares with the first one's, round by round. No place in a round favours anybody, and no predecessor: what
//! one leaves in the allocator and the caches is met by each of the others as often ([`at`]). The pair of ourselves
//! differs in nothing, so what it shows is noise, and a peer that differs by less than that differs by nothing.
//!
//! A ratio is that of two turns of one round, and what is printed of all the ratios is their median and their middle
//! half. The best turn of each was turned down: on a machine that others use, who had the one quiet moment is chance.
//! So was to let all move up by a place in each round: whoever came second had ourselves before it in every round, and
//! of spawns from other threads took 0.71 to 0.88 of what the first took, which was the same code.

use std::fmt;
use std::io;

/// Fewer rounds than these have no middle half.
const ROUNDS_MIN: usize = 5;

/// One that takes part.
pub(crate) struct Contender<'a> {
    name: &'static str,
    /// Does the work once and says what it cost, in any unit that is the same for all: less is better.
    turn: Box<dyn FnMut() -> io::Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, turn: impl FnMut() -> io::Result<f64> + 'a) -> Self {
        Self { name, turn: Box::new(turn) }
    }

    /// The same under another name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }
}

/// What every turn cost, by contender and round.
pub(crate) struct Interleaved(Vec<Vec<f64>>);

impl Interleaved {
    /// Lets all have a turn, `rounds` times, after one round that is not counted: it fills the caches.
    ///
    /// # Errors
    ///
    /// That of the first turn that fails, with the name of the contender.
    pub(crate) fn run(rounds: usize, contenders: &mut [Contender<'_>]) -> io::Result<Self> {
        let count = contenders.len();
        let mut costs = vec![Vec::with_capacity(rounds); count];
        for round in 0..=rounds {
            for place in 0..count {
                let index = at(place, round, count);
                let Contender { name, turn } = &mut contenders[index];
                let cost = turn().map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
                if round > 0 {
                    costs[index].push(cost);
                }
            }
        }
        Ok(Self(costs))
    }

    /// Of costs that were taken apart from a run, by contender and round.
    pub(crate) const fn of(costs: Vec<Vec<f64>>) -> Self {
        Self(costs)
    }

    /// What a turn of this contender costs.
    pub(crate) fn cost(&self, contender: usize) -> Spread {
        Spread::of(self.0[contender].clone())
    }

    /// How many times the cost of the first one this contender has: above 1 it is the slower.
    pub(crate) fn ratio(&self, contender: usize) -> Spread {
        Spread::of(self.0[contender].iter().zip(&self.0[0]).map(|(cost, first)| cost / first).collect())
    }

    /// The same of what is done in the same time: below 1 it is the slower.
    pub(crate) fn rate(&self, contender: usize) -> Spread {
        self.rate_beside(contender, 0)
    }

    /// The same beside another than the first one.
    pub(crate) fn rate_beside(&self, contender: usize, other: usize) -> Spread {
        Spread::of(self.0[contender].iter().zip(&self.0[other]).map(|(cost, other)| other / cost).collect())
    }

    /// Whether this contender costs more than the first one, or less; none if that is no more than the pair, the first
    /// and the second, differs by, and if there are so few rounds that the middle half of the pair's says nothing.
    pub(crate) fn beyond_the_pair(&self, contender: usize) -> Option<bool> {
        if self.0[0].len() < ROUNDS_MIN {
            return None;
        }
        let pair = self.ratio(1);
        let noise = pair.high.max(1.0 / pair.low).max(1.0);
        let ratio = self.ratio(contender).median;
        (ratio.max(1.0 / ratio) > noise).then_some(ratio > 1.0)
    }
}

/// Whose turn it is at a place in a round. Within as many rounds as there are contenders, or twice as many if their
/// number is odd, each has each place as often, and each of the others before it as often: the Latin square of E. J.
/// Williams, "Experimental designs balanced for the estimation of residual effects of treatments" (1949).
const fn at(place: usize, round: usize, count: usize) -> usize {
    let is_backwards = count % 2 == 1 && round / count % 2 == 1;
    let place = if is_backwards { count - 1 - place } else { place };
    // 0, 1, -1, 2, -2: each step is of another length.
    let zigzag = if place % 2 == 1 { place.div_ceil(2) } else { count - place / 2 };
    (zigzag + round) % count
}

/// The middle of some numbers, and between which two the middle half of them lies.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of at least one number.
    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        Self { low: numbers[last / 4], median: numbers[last / 2], high: numbers[last - last / 4] }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} [{:.2}-{:.2}]", self.median, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn each_has_each_place_and_each_predecessor_as_often() {
        for count in 1..=9 {
            let times = 1 + count % 2;
            let mut places = vec![vec![0; count]; count];
            let mut predecessors = vec![vec![0; count]; count];
            for round in 0..times * count {
                let order: Vec<_> = (0..count).map(|place| at(place, round, count)).collect();
                for (place, &index) in order.iter().enumerate() {
                    places[index][place] += 1;
                }
                for pair in order.windows(2) {
                    predecessors[pair[1]][pair[0]] += 1;
                }
            }
            assert_eq!(places, vec![vec![times; count]; count], "places of {count}");
            for (index, before) in predecessors.iter().enumerate() {
                let of = |other| if other == index { 0 } else { times };
                assert_eq!(*before, (0..count).map(of).collect::<Vec<_>>(), "before {index} of {count}");
            }
        }
    }

    #[test]
    fn all_have_a_turn_in_each_round() {
        let turns = RefCell::new(String::new());
        let contender = |name: &'static str| {
            let turns = &turns;
            Contender::new(name, move || {
                turns.borrow_mut().push_str(name);
                Ok(1.0)
            })
        };
        Interleaved::run(3, &mut [contender("a"), contender("b"), contender("c")]).unwrap();
        // The first round, and three that are counted.
        assert_eq!(*turns.borrow(), "abcbcacabcba");
    }

    #[test]
    fn a_ratio_is_that_of_one_round() {
        let mut costs = [9.0, 1.0, 2.0, 4.0].into_iter();
        let mut first = move || Ok(costs.next().unwrap());
        let mut others = [9.0, 2.0, 6.0, 4.0].into_iter();
        let contenders =
            &mut [Contender::new("a", &mut first), Contender::new("b", move || Ok(others.next().unwrap()))];
        let result = Interleaved::run(3, contenders).unwrap();
        assert_eq!(result.cost(0), Spread { low: 1.0, median: 2.0, high: 4.0 });
        assert_eq!(result.ratio(0), Spread { low: 1.0, median: 1.0, high: 1.0 });
        assert_eq!(result.ratio(1), Spread { low: 1.0, median: 2.0, high: 3.0 });
    }

    #[test]
    fn the_middle_half_leaves_out_a_quarter_at_each_end() {
        let spread = Spread::of((0..9).map(f64::from).rev().collect());
        assert_eq!(spread, Spread { low: 2.0, median: 4.0, high: 6.0 });
        assert_eq!(Spread::of(vec![3.0]), Spread { low: 3.0, median: 3.0, high: 3.0 });
    }

    #[test]
    fn a_rate_is_the_inverse_of_a_cost() {
        let run = Interleaved::of(vec![vec![2.0, 4.0, 4.0], vec![1.0, 8.0, 1.0]]);
        assert_eq!(run.rate(1), Spread { low: 0.5, median: 2.0, high: 4.0 });
    }

    #[test]
    fn what_the_pair_differs_by_is_nothing() {
        // The pair's middle half lies between 0.8 and 1.1, so its noise is 1.25 times.
        let of = |costs: [f64; 4]| costs.map(|cost| vec![cost; 5]).to_vec();
        let mut costs = of([1.0, 1.0, 1.2, 1.3]);
        costs[1] = vec![0.8, 0.8, 1.0, 1.1, 1.1];
        costs.push(vec![0.81; 5]);
        costs.push(vec![0.79; 5]);
        let run = Interleaved::of(costs);
        let beyond: Vec<_> = (0..6).map(|contender| run.beyond_the_pair(contender)).collect();
        assert_eq!(beyond, [None, None, None, Some(true), None, Some(false)]);
        let few = Interleaved::of(vec![vec![1.0; 4], vec![1.0; 4], vec![9.0; 4]]);
        assert_eq!(few.beyond_the_pair(2), None);
    }

    #[test]
    fn an_error_names_its_contender() {
        let failing = || Err(io::Error::other("no descriptors"));
        let result = Interleaved::run(1, &mut [Contender::new("mio", failing)]);
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), Some("mio: no descriptors"));
    }
}
