//! Balancers in good times and bad, compared in virtual time: Finagle's balancer simulation.
//!
//! Ten endpoints, calls that come at random, 45 s; the latency of a call is drawn from a distribution with a long tail.
//! In each of five scenarios one endpoint is told to be different. The table has a row for each algorithm, without and
//! with failure accrual around each endpoint, and the part of the calls that succeeded and the latency that 99 % of
//! them did not exceed.
//!
//! `SIMULATION_CALLS` is the number of calls a second (250 by default, 1,250 in Finagle's) and `SIMULATION_SEED` the
//! seed. It is the same sequence of arrivals and latencies for every algorithm. `SIMULATION_REPORT` names a file, to
//! which the table goes as points that `benches -- charts` draws.
#![cfg(feature = "service")]

use std::cell::RefCell;
use std::fmt::Write;
use std::fs;
use std::io;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{FailureAccrual, Service, ServiceBuilder};
use mainspring::task::JoinSet;
use mainspring::testing::Test;
use mainspring::time::{Instant, sleep, sleep_until};

mod util;
use util::random::Random;

/// Endpoints; number 0 is the one that is different.
const ENDPOINTS: u32 = 10;

/// Seconds of virtual time, as in Finagle's.
const SECONDS: f64 = 45.0;

/// The middle latency, in seconds.
const MEDIAN: f64 = 0.020;

/// How the endpoint that is different behaves after so many seconds.
enum Behaviour {
    /// So many times slower than the others.
    Slower(f64),
    /// It fails, at once.
    Fails,
}

/// What happens to endpoint 0.
#[derive(Clone, Copy)]
enum Scenario {
    /// Nothing.
    Steady,
    /// It begins twenty times slower, and is warm after 20 s.
    ColdStart,
    /// It is twenty times slower from 15 to 30 s.
    SlowMiddle,
    /// It fails from 10 to 25 s.
    TemporaryFailure,
    /// It fails from 10 s on.
    PermanentFailure,
}

use Scenario::{ColdStart, PermanentFailure, SlowMiddle, Steady, TemporaryFailure};

const SCENARIOS: [(&str, Scenario); 5] = [
    ("steady", Steady),
    ("cold start", ColdStart),
    ("slow middle", SlowMiddle),
    ("temporary failure", TemporaryFailure),
    ("permanent failure", PermanentFailure),
];

impl Scenario {
    fn behaviour(self, seconds: f64) -> Behaviour {
        let slower = match self {
            ColdStart => 1.0 + 19.0 * (1.0 - seconds / 20.0).max(0.0),
            SlowMiddle if (15.0..30.0).contains(&seconds) => 20.0,
            TemporaryFailure if (10.0..25.0).contains(&seconds) => return Behaviour::Fails,
            PermanentFailure if seconds >= 10.0 => return Behaviour::Fails,
            _ => 1.0,
        };
        Behaviour::Slower(slower)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Algorithm {
    RoundRobin,
    LeastLoaded,
    PeakEwma,
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("round robin", Algorithm::RoundRobin),
    ("P2C, least loaded", Algorithm::LeastLoaded),
    ("P2C, peak EWMA", Algorithm::PeakEwma),
];

/// What has come of one run.
struct Outcome {
    /// In percent of all calls.
    succeeded: f64,
    /// Of those that succeeded, in milliseconds.
    p99: f64,
}

/// What an endpoint knows: the scenario, its number, and the draws that all share.
struct World {
    scenario: Scenario,
    start: Instant,
    draws: RefCell<Random>,
}

impl World {
    /// A number between 0 and 1.
    fn unit(&self) -> f64 {
        (self.draws.borrow_mut().draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    async fn call(&self, number: u32, drawn: f64) -> io::Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        let slower = match (number, self.scenario.behaviour(seconds)) {
            (0, Behaviour::Fails) => return Err(io::ErrorKind::ConnectionRefused.into()),
            (0, Behaviour::Slower(slower)) => slower,
            _ => 1.0,
        };
        // The logarithm of a logistic distribution: half as long to twice as long for most, one in a thousand ten
        // times.
        let latency = MEDIAN * (drawn / (1.0 - drawn)).powf(1.0 / 3.0).clamp(0.2, 30.0);
        sleep(Duration::from_secs_f64(latency * slower)).await;
        Ok(())
    }
}

/// One run. With accrual or without, the endpoints are of one type.
fn simulate(scenario: Scenario, algorithm: Algorithm, with_accrual: bool, calls_per_second: f64, seed: u64) -> Outcome {
    Test::new().limit(Duration::from_secs(120)).run(async {
        let world = Rc::new(World { scenario, start: Instant::now(), draws: RefCell::new(Random::new(seed)) });
        let endpoint = |number: u32| {
            let world = world.clone();
            let accrual = with_accrual.then(|| FailureAccrual::new().seed(seed + u64::from(number)));
            let service = ServiceBuilder::new()
                .filter(accrual)
                .service_fn(async move |drawn: f64| world.call(number, drawn).await);
            (number, service)
        };
        let endpoints: Endpoints<_, _> = (0..ENDPOINTS).map(endpoint).collect();
        let balance = match algorithm {
            Algorithm::RoundRobin => Balance::round_robin(endpoints),
            Algorithm::LeastLoaded => Balance::least_loaded(endpoints),
            Algorithm::PeakEwma => Balance::new(endpoints),
        };
        let balance = Rc::new(balance.seed(seed));
        let (mut calls, mut at) = (JoinSet::new(), 0.0);
        let mut latencies = Vec::new();
        let mut total = 0_u32;
        let mut note = |ended: Option<Duration>| latencies.extend(ended.map(|latency| latency.as_secs_f64()));
        loop {
            at -= (1.0 - world.unit()).ln() / calls_per_second;
            if at >= SECONDS {
                break;
            }
            sleep_until(world.start + Duration::from_secs_f64(at)).await;
            let (balance, drawn) = (balance.clone(), world.unit());
            calls.spawn(async move {
                let start = Instant::now();
                balance.call(drawn).await.ok().map(|()| start.elapsed())
            });
            total += 1;
            while let Some(ended) = calls.try_join_next() {
                note(ended.unwrap());
            }
        }
        while let Some(ended) = calls.join_next().await {
            note(ended.unwrap());
        }
        latencies.sort_by(f64::total_cmp);
        let succeeded = 100.0 * latencies.len() as f64 / f64::from(total);
        Outcome { succeeded, p99: 1_000.0 * latencies[latencies.len() * 99 / 100] }
    })
}

fn variable<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// An algorithm, and what has come of each scenario.
type Row = (String, [Outcome; SCENARIOS.len()]);

/// The rows as a report, that of the best first, which is drawn in colour.
fn report(rows: &[Row]) -> String {
    let mut points = Vec::new();
    for (nth, (scenario, _)) in SCENARIOS.iter().enumerate() {
        for (series, outcomes) in rows.iter().rev() {
            let mut point = |figure: &str, value: f64| {
                points.push(format!(
                    "{{\"figure\":\"{figure}\",\"series\":\"{series}\",\"at\":\"{scenario}\",\
                     \"low\":{value:.3},\"median\":{value:.3},\"high\":{value:.3}}}"
                ));
            };
            point("Balancing: p99, ms", outcomes[nth].p99);
            point("Balancing: calls that failed, %", 100.0 - outcomes[nth].succeeded);
        }
    }
    format!("{{\"points\":[\n{}\n]}}\n", points.join(",\n"))
}

#[test]
fn two_at_random_by_latency_with_accrual_is_the_best_or_as_good_in_each_scenario() {
    let calls_per_second = variable("SIMULATION_CALLS", 250.0);
    let seed = variable("SIMULATION_SEED", 1);
    let mut table = format!("{:<20}{:<10}", "success %, p99 ms", "accrual");
    for (name, _) in SCENARIOS {
        write!(table, "{name:>20}").unwrap();
    }
    table.push('\n');
    let mut rows: Vec<Row> = Vec::new();
    for (name, algorithm) in ALGORITHMS {
        for with_accrual in [false, true] {
            let run = |(_, scenario)| simulate(scenario, algorithm, with_accrual, calls_per_second, seed);
            let outcomes = SCENARIOS.map(run);
            write!(table, "{name:<20}{:<10}", if with_accrual { "yes" } else { "no" }).unwrap();
            for Outcome { succeeded, p99 } in &outcomes {
                write!(table, "{succeeded:>12.2}{p99:>8.0}").unwrap();
            }
            table.push('\n');
            rows.push((format!("{name}{}", if with_accrual { ", accrual" } else { "" }), outcomes));
        }
    }
    println!("{table}seed {seed}, {calls_per_second} calls a second for {SECONDS} s, {ENDPOINTS} endpoints");
    if let Ok(path) = std::env::var("SIMULATION_REPORT") {
        fs::write(&path, report(&rows)).unwrap_or_else(|error| panic!("could not write {path}: {error}"));
    }
    let ((_, best), others) = rows.split_last().expect("the last row is P2C by latency with accrual");
    for (nth, (name, _)) in SCENARIOS.iter().enumerate() {
        for (other_name, other) in others {
            assert!(best[nth].succeeded >= other[nth].succeeded - 0.05, "{name}: {other_name} succeeds more often");
            assert!(best[nth].p99 <= other[nth].p99 * 1.05, "{name}: {other_name} is faster");
        }
        assert!(best[nth].succeeded >= 99.9, "{name}: {} %", best[nth].succeeded);
    }
    // That the scenarios are bad for those who do not look.
    let (_, naive) = &rows[0];
    assert!(naive[1].p99 > 2.0 * naive[0].p99 && naive[2].p99 > 2.0 * naive[0].p99);
    assert!(naive[3].succeeded < 97.5 && naive[4].succeeded < 93.0);
}
