//! Counts by name, and the slope between two of them.
//!
//! Filled by what reads the tools' output. Everything here is counted in two runs that differ in nothing but how much
//! was done, and divided: what starting, connecting and stopping cost is the same in both and cancels out. Taking a
//! baseline of an idle server off was turned down, because an idle server does not connect anybody.

use std::collections::BTreeMap;

/// How often something happened in one run, by name.
#[derive(Clone, Default, Debug)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub(crate) fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.0.entry(name.into()).or_default() += count;
    }

    /// What one unit more costs: the difference to a run with `units` units fewer, divided by them.
    pub(crate) fn slope(&self, fewer: &Self, units: usize) -> Slope {
        let names = self.0.keys().chain(fewer.0.keys());
        let of = |counts: &Self, name| counts.0.get(name).copied().unwrap_or(0) as f64;
        Slope(names.map(|name| (name.clone(), (of(self, name) - of(fewer, name)) / units as f64)).collect())
    }
}

/// Counts per unit, by name.
#[derive(Debug)]
pub(crate) struct Slope(BTreeMap<String, f64>);

impl Slope {
    /// The sum over all names.
    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Of one name, 0 if it never occurred.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// The sum over the names that `chosen` chooses.
    pub(crate) fn sum(&self, chosen: impl Fn(&str) -> bool) -> f64 {
        self.0.iter().filter(|(name, _)| chosen(name)).map(|(_, count)| count).sum()
    }

    /// All of them, the most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(&str, f64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|one, other| other.1.total_cmp(&one.1));
        all
    }
}
