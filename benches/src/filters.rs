//! What each filter adds to a call that answers at once, and what a stack of six does.
//!
//! A service that does nothing is called many times, with and without filters around it. Nothing waits, so what is
//! timed is the way through the filters alone: taking a permit, counting, a look at the clock. Each call has a poll of
//! its task to itself, as requests that come one by one have, since some filters read the clock once in each; what that
//! costs stands in the row of nothing, and is left out of the last column. The clock is the system's; what a reading
//! costs stands below the table.
//!
//! The stack is held to 100 ns by the design. It is shown and not asserted, as all times are; that nothing is allocated
//! is asserted by `tests/service_cost.rs`.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{
    AdaptiveLimit, ConcurrencyLimit, Deadline, FailFast, FailureAccrual, LoadShed, RateLimit, Retry, Service,
    ServiceBuilder, Statistics, service_fn,
};
use mainspring::time::Clock;
use mainspring::{Reactor, yield_now};

use crate::report::Report;
use crate::stopwatch::Times;
use crate::table::Table;

/// How much is run.
pub(crate) struct Size {
    /// Calls in a round.
    calls: usize,
    rounds: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { calls: 100_000, rounds: 31 };

/// For whoever wants to see that it runs.
pub(crate) const QUICK: Size = Size { calls: 10_000, rounds: 5 };

/// A rate that is never reached.
const RATE: u32 = 1_000_000_000;

/// Prints the table.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    let leaf = service_fn(async |n: u64| io::Result::Ok(n + 1));
    let builder = ServiceBuilder::new;
    let long = Duration::from_secs(30);
    let mut table = Table::new(["around a service that answers at once", "ns, best", "ns, median", "added, best"]);
    let nothing = time(&size, leaf)?;
    let mut row = |name: &str, times: Times| {
        let added = times.best - nothing.best;
        table.row([
            name.to_owned(),
            format!("{:.1}", times.best),
            format!("{:.1}", times.median),
            format!("{added:.1}"),
        ]);
        report.count("Filters: ns added to a call, best", name, "call", added);
    };
    row("nothing", nothing);
    row("map_request, map_response, map_err", {
        time(&size, builder().map_request(|n| n).map_response(|n| n).map_err(|error: io::Error| error).service(leaf))?
    });
    row("Timeout", time(&size, builder().timeout(long).service(leaf))?);
    row("Deadline", time(&size, builder().deadline(long).service(leaf))?);
    row("ConcurrencyLimit", time(&size, builder().concurrency_limit(100).service(leaf))?);
    row("AdaptiveLimit", time(&size, builder().filter(AdaptiveLimit::new()).service(leaf))?);
    row("RateLimit", time(&size, builder().filter(RateLimit::new(RATE, Duration::from_secs(1))).service(leaf))?);
    row("LoadShed", time(&size, builder().load_shed().service(leaf))?);
    row("Retry", time(&size, builder().filter(Retry::new()).service(leaf))?);
    row("FailureAccrual", time(&size, builder().filter(FailureAccrual::new()).service(leaf))?);
    row("FailFast", time(&size, builder().filter(FailFast::new()).service(leaf))?);
    row("Statistics", time(&size, builder().filter(Statistics::new()).service(leaf))?);
    let endpoints = || (0..10).map(|n| (n, leaf)).collect::<Endpoints<u32, _>>();
    row("Balance over 10, by latency", time(&size, Balance::new(endpoints()))?);
    row("Balance over 10, by calls in flight", time(&size, Balance::least_loaded(endpoints()))?);
    let server = builder()
        .filter(Statistics::new())
        .filter(Deadline::within(long))
        .filter(LoadShed)
        .filter(ConcurrencyLimit::new(100))
        .map_request(|n: u64| n)
        .map_response(|n: u64| n)
        .service(leaf);
    row("six of a server: Statistics, Deadline, LoadShed, ConcurrencyLimit, two maps", time(&size, server)?);
    let client = builder()
        .timeout(long)
        .filter(Retry::new())
        .filter(ConcurrencyLimit::new(100))
        .filter(FailureAccrual::new())
        .timeout(long)
        .map_err(|error: io::Error| error)
        .service(leaf);
    row("six of a client: Timeout, Retry, ConcurrencyLimit, FailureAccrual, Timeout, map_err", time(&size, client)?);
    let clock = clock(&size)?;
    println!("What filters add to a call\n\n{table}");
    println!("\nA reading of the clock: {:.1} ns at best, {:.1} at the median", clock.best, clock.median);
    Ok(())
}

/// Calls `service`, on a reactor with the system's clock.
fn time(size: &Size, service: impl Service<u64, Response = u64, Error = io::Error>) -> io::Result<Times> {
    Reactor::new()?.block_on(async {
        let mut times = Vec::with_capacity(size.rounds);
        for _ in 0..size.rounds {
            times.push(calls(size.calls, &service).await?);
        }
        let mut times = times.into_iter();
        Times::of(size.rounds, size.calls, |_| Ok(times.next().unwrap_or_default()))
    })?
}

/// How long so many calls take, one after the other.
async fn calls(count: usize, service: &impl Service<u64, Response = u64, Error = io::Error>) -> io::Result<Duration> {
    let start = Instant::now();
    let mut answer = 0;
    for _ in 0..count {
        yield_now().await;
        answer = service.call(black_box(answer)).await?;
    }
    black_box(answer);
    Ok(start.elapsed())
}

fn clock(size: &Size) -> io::Result<Times> {
    let clock = Clock::os();
    Times::of(size.rounds, size.calls, |readings| {
        let start = Instant::now();
        for _ in 0..readings {
            black_box(clock.now());
        }
        Ok(start.elapsed())
    })
}
