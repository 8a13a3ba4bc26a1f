//! How long the work takes with each selector, in turns.
//!
//! Ourselves twice, then the peers. Shown and never asserted. The last column says what the ratio to mio is worth
//! beside the noise, the middle half of ourselves beside ourselves: "ahead" if the middle half of mio is above it,
//! "behind" if the median of mio is below it, else "level".
//!
//! Each turn has a new selector and new sources, so that no contender keeps the best place in memory for all rounds,
//! and no more than one has its descriptors open.

use std::io;

use super::PEERS;
use super::mainspring::Mainspring;
use super::mio::Mio;
use super::peer::Peer;
use super::polling::{PollingEdge, PollingOneshot};
use super::work::Work;
use crate::interleaved::{Contender, Interleaved, Spread};
use crate::report::Report;
use crate::table::Table;

/// Descriptors besides those of the work: of the selectors, the standard streams, a tool's.
const RESERVE: usize = 64;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Operations per turn; short ones are done more often, and long ones less.
    pub(crate) operations: usize,
    /// The most sources.
    pub(crate) sources: usize,
}

/// Prints the table.
pub(super) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    let [ours, mio, oneshot, edge] = PEERS;
    let mut table = Table::new(["times", "ours, ns", "ours again", mio, oneshot, edge, "beside mio"]);
    let limit = usize::try_from(mainspring_sys::descriptor_limit()?).unwrap_or(usize::MAX);
    for (work, operations) in rows(size) {
        if work.descriptors() + RESERVE > limit {
            println!("skipped: {}: only {limit} descriptors may be open, see ulimit -n\n", work.title());
            continue;
        }
        eprintln!("selectors: times, {work}");
        let result = race(work, operations, size.rounds)?;
        for (contender, name) in [ours, "ours again", mio, oneshot, edge].into_iter().enumerate() {
            report.point("Selectors: nanoseconds", name, work.title(), result.cost(contender));
            report.point("Selectors: times ours", name, work.title(), result.ratio(contender));
        }
        let ratios = [1, 2, 3, 4].map(|contender| result.ratio(contender));
        let worth = worth(ratios[1], ratios[0]).to_owned();
        let [again, mio, oneshot, edge] = ratios.map(|ratio| ratio.to_string());
        table.row([work.title(), format!("{:.1}", result.cost(0).median), again, mio, oneshot, edge, worth]);
    }
    println!(
        "Times of the selectors: nanoseconds of ours, and how many times as long the others take, of {} rounds the median \
         and the middle half\n\n{table}",
        size.rounds
    );
    Ok(())
}

/// The rows, and how many operations a turn does.
fn rows(Size { operations, sources, .. }: Size) -> [(Work, usize); 13] {
    let some = sources.min(1000);
    [
        (Work::Look, operations * 4),
        (Work::Ready { ready: 1, of: 1 }, operations),
        (Work::Ready { ready: 1, of: 100 }, operations),
        (Work::Ready { ready: 1, of: sources }, operations),
        (Work::Ready { ready: 100, of: 100 }, operations * 2),
        (Work::Ready { ready: sources, of: sources }, sources * 2),
        (Work::Chain { sources: 100, active: 1 }, operations),
        (Work::Chain { sources: some, active: some / 10 }, operations),
        (Work::Chain { sources: some, active: some }, operations),
        (Work::Register, operations),
        (Work::WakePending, operations * 10),
        (Work::WakeAcross, operations / 10),
        (Work::WakeStorm, operations * 50),
    ]
}

fn race(work: Work, operations: usize, rounds: usize) -> io::Result<Interleaved> {
    fn contender<P: Peer>(name: &'static str, work: Work, operations: usize) -> Contender<'static> {
        Contender::new(name, move || Ok(work.run::<P>(operations)?.as_secs_f64() * 1e9 / operations as f64))
    }
    let contenders = &mut [
        contender::<Mainspring>(Mainspring::NAME, work, operations),
        contender::<Mainspring>("ours again", work, operations),
        contender::<Mio>(Mio::NAME, work, operations),
        contender::<PollingOneshot>(PollingOneshot::NAME, work, operations),
        contender::<PollingEdge>(PollingEdge::NAME, work, operations),
    ];
    Interleaved::run(rounds, contenders)
}

/// What the ratio of mio is worth, beside that of ourselves to ourselves. It takes more to be ahead than to be behind.
fn worth(mio: Spread, again: Spread) -> &'static str {
    if mio.low > again.high {
        "ahead"
    } else if mio.median < again.low {
        "behind"
    } else {
        "level"
    }
}
