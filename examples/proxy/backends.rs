//! What is counted of all calls, and of the attempts at each server; said on stderr when a thread ends.

use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;

use mainspring::service::{LatencyHistogram, Statistics};

/// The counts of one thread, which are said when they are dropped.
#[derive(Debug)]
pub(crate) struct Backends<C> {
    /// Of what clients have asked for.
    pub(crate) all: Statistics<C>,
    each: Counts<C>,
}

/// Those of attempts, by the server. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Counts<C>(Rc<[(SocketAddr, Statistics<C>)]>);

impl<C> Counts<C> {
    /// Those of the server there.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn of(&self, address: SocketAddr) -> Statistics<C> {
        let known = self.0.iter().find(|(known, _)| *known == address);
        known.map(|(_, statistics)| statistics.clone()).unwrap_or_else(|| panic!("no server is at {address}"))
    }
}

impl<C: Copy> Backends<C> {
    /// Of these servers; what is a failure is what it is to `classifier`.
    pub(crate) fn new(addresses: &[SocketAddr], classifier: C) -> Self {
        let count = || Statistics::with(classifier, LatencyHistogram::new());
        Self { all: count(), each: Counts(addresses.iter().map(|&address| (address, count())).collect()) }
    }

    /// Those of attempts.
    pub(crate) fn counts(&self) -> Counts<C> {
        self.each.clone()
    }

    /// The text for Prometheus.
    pub(crate) fn text(&self) -> String {
        let names: Vec<_> = self.each.0.iter().map(|(address, _)| address.to_string()).collect();
        let labels: Vec<_> = names.iter().map(|name| [("backend", &**name)]).collect();
        let each: Vec<_> =
            labels.iter().zip(&*self.each.0).map(|(labels, (_, counts))| (&labels[..], counts)).collect();
        let mut text = String::new();
        // Why ignored: a string takes all that is written.
        let _ = Statistics::write_prometheus(&mut text, "proxy", &[(&[], &self.all)]);
        let _ = Statistics::write_prometheus(&mut text, "backend", &each);
        text
    }
}

/// Says what was counted.
impl<C> Drop for Backends<C> {
    fn drop(&mut self) {
        let mut text = line("all", &self.all);
        self.each.0.iter().for_each(|(address, counts)| text.push_str(&line(&address.to_string(), counts)));
        eprint!("{text}");
    }
}

fn line<C>(name: &str, counts: &Statistics<C>) -> String {
    let mut text = format!("{name}: {} good, {} failed", counts.success(), counts.failure());
    let (repeatable, dropped) = (counts.retryable(), counts.dropped());
    // Why ignored: as above.
    let _ = write!(text, ", {repeatable} failed that may be tried again, {dropped} given up by who asked");
    if let Some(time) = counts.latencies().quantile(0.99) {
        let _ = write!(text, "; 99 of 100 within {time:?}");
    }
    text.push('\n');
    text
}
