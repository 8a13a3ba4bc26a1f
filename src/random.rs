//! Random numbers for what has to be spread: jitter, and the choice among endpoints.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): one word of state and
//! five operations a number, which passes the usual tests. Filters hold one each, seeded from the system's entropy, or
//! by whoever wants a run to repeat. Nothing secret may come of it.
//!
//! A crate for it was turned down: the build has six, and this is all that they would be asked.
use std::cell::Cell;

/// A generator; not for secrets.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

/// A clone has numbers of its own, which are named by those of the original: clones of a filter do not act in step.
impl Clone for Random {
    fn clone(&self) -> Self {
        Self::seeded(self.bits())
    }
}

impl Random {
    /// The one that this seed names.
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// One that nobody can name.
    pub(crate) fn from_entropy() -> Self {
        Self::seeded(mainspring_sys::entropy())
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut bits = state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number from 0 up to `bound`, which is left out and not 0, by the upper half of a product (Lemire, 2019):
    /// biased by less than `bound` in 2^64.
    #[inline]
    pub(crate) fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to 1, which is left out.
    #[inline]
    pub(crate) fn unit(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper() {
        let random = Random::seeded(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(expected.map(|_| random.bits()), expected);
    }

    #[test]
    fn a_clone_goes_its_own_way_and_the_same_one_from_the_same_seed() {
        let pair = || {
            let random = Random::seeded(3);
            let clone = random.clone();
            (random.bits(), clone.bits())
        };
        assert_ne!(pair().0, pair().1);
        assert_eq!(pair(), pair());
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let random = Random::seeded(1);
        let mut counts = [0; 7];
        for _ in 0..7_000 {
            counts[random.below(7) as usize] += 1;
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit));
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
