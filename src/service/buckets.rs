//! How many calls took how long.
//!
//! The core of [`LatencyHistogram`](super::LatencyHistogram) and of what [`Hedge`](super::Hedge) knows of latencies.
//! Each power of two is cut into eight, so a bucket is at most an eighth as wide as what it holds, from a nanosecond to
//! centuries, and finding it is a few shifts.
//!
//! The trade-off: 4 KiB whatever is recorded. Bounds that are chosen for each use are fewer, and have to be right
//! before the latencies are known.

/// Into how many a power of two is cut, as a power of two.
const PARTS_LOG: u32 = 3;

/// Buckets: the first eight hold one value each, and each further power of two has eight.
const BUCKETS: usize = ((64 - PARTS_LOG as usize) << PARTS_LOG) + (1 << PARTS_LOG);

/// Counts of values, by their size.
#[derive(Clone)]
pub(super) struct Buckets {
    counts: Box<[u64; BUCKETS]>,
    /// How many were recorded.
    count: u64,
    /// Their sum, which saturates.
    sum: u64,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self { counts: Box::new([0; BUCKETS]), count: 0, sum: 0 }
    }

    #[inline]
    pub(super) fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn sum(&self) -> u64 {
        self.sum
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum) = (0, 0);
    }

    /// How many were below `bound`, which is a power of two: exact for those.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.counts[..bucket(bound)].iter().sum()
    }
}

/// What at most the fraction `rank` of all values in `of` is above: the largest value of the bucket in which it falls.
/// None without values.
pub(super) fn quantile(of: &[&Buckets], rank: f64) -> Option<u64> {
    let count: u64 = of.iter().map(|buckets| buckets.count).sum();
    let wanted = ((count as f64 * rank.clamp(0.0, 1.0)).ceil() as u64).max(1);
    let mut passed = 0;
    (0..BUCKETS).find_map(|index| {
        passed += of.iter().map(|buckets| buckets.counts[index]).sum::<u64>();
        (passed >= wanted).then(|| largest(index))
    })
}

/// The bucket of a value.
#[inline]
const fn bucket(value: u64) -> usize {
    if value < 1 << PARTS_LOG {
        return value as usize;
    }
    let power = 63 - value.leading_zeros();
    let part = (value >> (power - PARTS_LOG)) as usize & ((1 << PARTS_LOG) - 1);
    ((power - PARTS_LOG + 1) as usize) << PARTS_LOG | part
}

/// The largest value of a bucket.
const fn largest(index: usize) -> u64 {
    if index < 1 << PARTS_LOG {
        return index as u64;
    }
    let shift = (index >> PARTS_LOG) as u32 - 1;
    let part = (index as u64 & ((1 << PARTS_LOG) - 1)) | 1 << PARTS_LOG;
    (part << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn each_bucket_ends_where_the_next_begins() {
        for index in 0..BUCKETS {
            let last = largest(index);
            assert_eq!(bucket(last), index);
            if index + 1 < BUCKETS {
                assert_eq!(bucket(last + 1), index + 1);
            } else {
                assert_eq!(last, u64::MAX);
            }
        }
    }

    #[test]
    fn quantiles_agree_with_a_sorted_list_to_an_eighth() {
        for seed in 0..30 {
            println!("seed {seed}");
            let random = Random::seeded(seed);
            let (mut one, mut other, mut sorted) = (Buckets::new(), Buckets::new(), Vec::new());
            for _ in 0..1 + random.below(500) {
                let value = random.bits() >> (random.below(50) + 10);
                if random.below(2) == 0 {
                    one.record(value)
                } else {
                    other.record(value)
                }
                sorted.push(value);
            }
            sorted.sort_unstable();
            for rank in [0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0] {
                let nth = ((sorted.len() as f64 * rank).ceil() as usize).max(1);
                let (exact, found) = (sorted[nth - 1], quantile(&[&one, &other], rank).unwrap());
                assert!(found >= exact && found - exact <= exact / 8, "{found} in place of {exact} at {rank}");
            }
            for bound in (0..64).map(|power| 1 << power) {
                let below = sorted.iter().filter(|&&value| value < bound).count() as u64;
                assert_eq!(one.below(bound) + other.below(bound), below);
            }
            assert_eq!(one.sum() + other.sum(), sorted.iter().sum::<u64>());
            assert_eq!(one.count() + other.count(), sorted.len() as u64);
            one.clear();
            other.clear();
            assert_eq!(quantile(&[&one, &other], 0.5), None);
        }
    }
}
