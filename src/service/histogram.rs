//! Where [`Statistics`](super::Statistics) writes how long calls took.
//!
//! [`Histogram`] is what a program implements that has a library for it; [`LatencyHistogram`] is the one that is here.
//!
//! Guarantees of the latter: recording is a few shifts and additions; any quantile is at most an eighth too large, from
//! a nanosecond to centuries; it takes 4 KiB.
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::buckets::{Buckets, quantile};
use crate::time::nanoseconds;

/// Takes the latencies of calls.
pub trait Histogram {
    /// A call took so long.
    fn record(&self, latency: Duration);

    /// Writes itself as the samples of a Prometheus histogram or summary called `name`, in seconds, with `labels` as
    /// they stand between the braces. By default nothing.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn write_prometheus(&self, name: &str, labels: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        let _ = (name, labels, out);
        Ok(())
    }
}

impl<H: Histogram + ?Sized> Histogram for Rc<H> {
    fn record(&self, latency: Duration) {
        (**self).record(latency);
    }

    fn write_prometheus(&self, name: &str, labels: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        (**self).write_prometheus(name, labels, out)
    }
}

/// The bounds that are written, as powers of two of a nanosecond: from 66 µs to 69 s, each four times the one before.
const BOUNDS: [u32; 11] = [16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36];

/// How many calls took how long, to an eighth.
///
/// ```
/// use mainspring::service::{Histogram, LatencyHistogram};
/// use std::time::Duration;
///
/// let latencies = LatencyHistogram::new();
/// for milliseconds in 1..=100 {
///     latencies.record(Duration::from_millis(milliseconds));
/// }
/// let p99 = latencies.quantile(0.99).unwrap();
/// assert!(p99 >= Duration::from_millis(99) && p99 < Duration::from_millis(112));
/// ```
pub struct LatencyHistogram {
    buckets: RefCell<Buckets>,
}

impl LatencyHistogram {
    /// One that has taken nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: RefCell::new(Buckets::new()) }
    }

    /// How many it has taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.borrow().count()
    }

    /// What the fraction `rank`, from 0 to 1, of the calls took at most; none without calls.
    #[must_use]
    pub fn quantile(&self, rank: f64) -> Option<Duration> {
        quantile(&[&self.buckets.borrow()], rank).map(Duration::from_nanos)
    }

    /// Forgets what it has taken.
    pub fn clear(&self) {
        self.buckets.borrow_mut().clear();
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram for LatencyHistogram {
    #[inline]
    fn record(&self, latency: Duration) {
        self.buckets.borrow_mut().record(nanoseconds(latency));
    }

    fn write_prometheus(&self, name: &str, labels: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        let buckets = self.buckets.borrow();
        let comma = if labels.is_empty() { "" } else { "," };
        for power in BOUNDS {
            let bound = Duration::from_nanos(1 << power).as_secs_f64();
            let below = buckets.below(1 << power);
            writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}")?;
        }
        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {}", buckets.count())?;
        writeln!(out, "{name}_sum{{{labels}}} {}", Duration::from_nanos(buckets.sum()).as_secs_f64())?;
        writeln!(out, "{name}_count{{{labels}}} {}", buckets.count())
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish()
    }
}
