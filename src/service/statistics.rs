//! The filter that counts calls and how they ended, and measures how long they took.
//!
//! Its place is outside of what rejects and times out, so that both are counted; a second one below the retries counts
//! attempts, which are more. Applied by `filter`, and a clone is kept to be read.
//!
//! Guarantees: each call that has begun ends in exactly one count: success, failure (retryable or not), ignored, or
//! dropped, which is what a caller who hangs up leaves and otherwise nobody sees. It counts on one reactor with no
//! atomic operation; what is read of it are totals, to be added up over reactors. It has no bound, since it keeps
//! nothing but numbers, and no error of its own.
//!
//! The time of a call counts from when it is made.
//!
//! The trade-off: two clock readings for each call, of which a [`Deadline`](super::Deadline) inside shares the first.
//! The text for Prometheus is written by hand (exposition format 0.0.4), since it is a few lines; where it is served is
//! the program's affair.
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;

use super::called::Calling;
use super::observed::{Hears, Observed, Observer};
use super::{Cautious, Class, Classifier, Filter, Histogram, LatencyHistogram, Service};
use crate::time::Instant;

/// Counts calls. Clones share the counts.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, Statistics, service_fn};
/// use std::io;
///
/// mainspring::testing::run(async {
///     let statistics = Statistics::new();
///     let parse = service_fn(async |text: &str| text.parse::<u32>().map_err(io::Error::other));
///     let service = parse.filter(statistics.clone());
///     service.call("7").await.unwrap();
///     service.call("seven").await.unwrap_err();
///     assert_eq!((statistics.success(), statistics.failure(), statistics.in_flight()), (1, 1, 0));
///
///     let mut text = String::new();
///     Statistics::write_prometheus(&mut text, "rpc", &[(&[("method", "parse")], &statistics)]).unwrap();
///     assert!(text.contains("rpc_calls_total{method=\"parse\",outcome=\"failure\"} 1\n"));
/// });
/// ```
pub struct Statistics<C = Cautious, H = LatencyHistogram> {
    /// What clones share.
    counts: Rc<Counts<C, H>>,
}

struct Counts<C, H> {
    /// Which count a result belongs to.
    classifier: C,
    success: Cell<u64>,
    retryable: Cell<u64>,
    failure: Cell<u64>,
    ignored: Cell<u64>,
    dropped: Cell<u64>,
    in_flight: Cell<u64>,
    /// How long calls took that have ended, whatever they came to.
    latencies: H,
}

impl Statistics {
    /// Counts by [`Cautious`], and has a [`LatencyHistogram`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(Cautious, LatencyHistogram::new())
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, H> Statistics<C, H> {
    /// Counts by `classifier`, and records into `latencies`.
    #[must_use]
    pub fn with(classifier: C, latencies: H) -> Self {
        let counts = Counts {
            classifier,
            success: Cell::default(),
            retryable: Cell::default(),
            failure: Cell::default(),
            ignored: Cell::default(),
            dropped: Cell::default(),
            in_flight: Cell::default(),
            latencies,
        };
        Self { counts: Rc::new(counts) }
    }

    /// Calls that ended as they should.
    #[must_use]
    pub fn success(&self) -> u64 {
        self.counts.success.get()
    }

    /// Calls that failed and may be made again, those that were rejected among them.
    #[must_use]
    pub fn retryable(&self) -> u64 {
        self.counts.retryable.get()
    }

    /// Calls that failed and may not be made again.
    #[must_use]
    pub fn failure(&self) -> u64 {
        self.counts.failure.get()
    }

    /// Calls whose result says nothing.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.counts.ignored.get()
    }

    /// Calls that were dropped before they had ended.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.get()
    }

    /// Calls that have begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.counts.in_flight.get()
    }

    /// How long calls took that have ended, whatever they came to.
    #[must_use]
    pub fn latencies(&self) -> &H {
        &self.counts.latencies
    }
}

impl<C, H: Histogram> Statistics<C, H> {
    /// Writes `all`, each with its labels, as `<name>_calls_total`, `<name>_in_flight` and `<name>_latency_seconds`, in
    /// the text format of Prometheus. The value of a label may be any text.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    ///
    /// # Panics
    ///
    /// When `name` or that of a label is not of letters, digits and `_`, or begins with a digit; `outcome` and `le` are
    /// taken.
    pub fn write_prometheus(out: &mut dyn fmt::Write, name: &str, all: &[(&[(&str, &str)], &Self)]) -> fmt::Result {
        check(name);
        let all: Vec<_> = all.iter().map(|(labels, statistics)| (text_of(labels), *statistics)).collect();
        writeln!(out, "# TYPE {name}_calls_total counter")?;
        for (labels, statistics) in &all {
            let comma = if labels.is_empty() { "" } else { "," };
            let outcomes = [
                ("success", statistics.success()),
                ("retryable", statistics.retryable()),
                ("failure", statistics.failure()),
                ("ignored", statistics.ignored()),
                ("dropped", statistics.dropped()),
            ];
            for (outcome, count) in outcomes {
                writeln!(out, "{name}_calls_total{{{labels}{comma}outcome=\"{outcome}\"}} {count}")?;
            }
        }
        writeln!(out, "# TYPE {name}_in_flight gauge")?;
        for (labels, statistics) in &all {
            writeln!(out, "{name}_in_flight{{{labels}}} {}", statistics.in_flight())?;
        }
        writeln!(out, "# TYPE {name}_latency_seconds histogram")?;
        for (labels, statistics) in &all {
            statistics.latencies().write_prometheus(&format!("{name}_latency_seconds"), labels, out)?;
        }
        Ok(())
    }
}

/// Labels as they stand between the braces.
fn text_of(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        check(name);
        assert!(!["outcome", "le"].contains(name), "the label {name:?} is taken");
        if !text.is_empty() {
            text.push(',');
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        text.push_str(&format!("{name}=\"{value}\""));
    }
    text
}

fn check(name: &str) {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_name = name.bytes().enumerate().all(|(nth, byte)| is_letter(byte) || nth > 0 && byte.is_ascii_digit());
    assert!(is_name && !name.is_empty(), "the name {name:?} is not of letters, digits and _");
}

impl<C, H, Request, S> Filter<Request, S> for Statistics<C, H>
where
    C: Classifier<S::Response, S::Error>,
    H: Histogram,
    S: Service<Request>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let calling = Calling::begin();
        Observed::new(next.call(request), Count { counts: &self.counts, since: calling.since })
    }
}

/// What hears of a call.
struct Count<'a, C, H> {
    counts: &'a Counts<C, H>,
    /// When it was made.
    since: Instant,
}

fn add(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl<C, H> Observer for Count<'_, C, H> {
    #[inline]
    fn begins(&mut self) {
        add(&self.counts.in_flight);
    }

    fn is_dropped(&mut self) {
        self.counts.in_flight.set(self.counts.in_flight.get() - 1);
        add(&self.counts.dropped);
    }
}

impl<C, H, Response, Error> Hears<Response, Error> for Count<'_, C, H>
where
    C: Classifier<Response, Error>,
    H: Histogram,
{
    #[inline]
    fn ends(&mut self, result: &Result<Response, Error>) {
        let counts = self.counts;
        counts.in_flight.set(counts.in_flight.get() - 1);
        add(match counts.classifier.classify(result) {
            Class::Success => &counts.success,
            Class::Retryable => &counts.retryable,
            Class::Failure => &counts.failure,
            Class::Ignored => &counts.ignored,
        });
        counts.latencies.record(self.since.elapsed());
    }
}

impl<C, H> Clone for Statistics<C, H> {
    fn clone(&self) -> Self {
        Self { counts: self.counts.clone() }
    }
}

impl<C, H> fmt::Debug for Statistics<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistics")
            .field("success", &self.success())
            .field("retryable", &self.retryable())
            .field("failure", &self.failure())
            .field("ignored", &self.ignored())
            .field("dropped", &self.dropped())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
