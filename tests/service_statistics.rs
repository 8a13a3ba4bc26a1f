//! What is counted of calls, and how it is written for Prometheus.
#![cfg(feature = "service")]
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::poll;
use mainspring::service::{
    Cautious, Class, Deadline, Histogram, LatencyHistogram, Rejected, Service, ServiceExt, Statistics, service_fn,
};
use mainspring::testing;
use mainspring::time::{Clock, Instant, sleep, timeout};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Succeeds with 0, is rejected with 1, else fails; after as many milliseconds.
fn service() -> impl Service<u32, Response = u32, Error = io::Error> {
    service_fn(async |n: u32| {
        sleep(n * MILLISECOND).await;
        match n {
            0 => Ok(0),
            1 => Err(Rejected::Full.into()),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
        }
    })
}

#[test]
fn each_call_ends_in_exactly_one_count() {
    testing::run(async {
        let statistics = Statistics::new();
        let service = service().filter(statistics.clone());
        for n in [0, 0, 0, 1, 1, 2] {
            let _ = service.call(n).await;
        }
        assert!(timeout(MILLISECOND, service.call(9)).await.is_err());
        drop(service.call(0));
        let mut running = Box::pin(service.call(9));
        assert!(poll!(&mut running).is_pending());
        let counts = [statistics.success(), statistics.retryable(), statistics.failure(), statistics.dropped()];
        assert_eq!((counts, statistics.in_flight()), ([3, 2, 1, 1], 1));
        assert_eq!(statistics.latencies().count(), 6, "the latency of one that was dropped is not known");
        let _ = running.await;
        assert_eq!((statistics.failure(), statistics.in_flight(), statistics.ignored()), (2, 0, 0));
    });
}

#[test]
fn a_classifier_and_a_histogram_of_ones_own_are_told() {
    struct List(RefCell<Vec<u128>>);
    impl Histogram for List {
        fn record(&self, latency: Duration) {
            self.0.borrow_mut().push(latency.as_millis());
        }
    }
    testing::run(async {
        let list = Rc::new(List(RefCell::default()));
        let ignore = |_: &Result<u32, io::Error>| Class::Ignored;
        let statistics = Statistics::with(ignore, list.clone());
        let service = service().filter(statistics.clone());
        for n in [0, 5, 30] {
            let _ = service.call(n).await;
        }
        assert_eq!((statistics.ignored(), &*list.0.borrow()), (3, &vec![0, 5, 30]));
        let mut text = String::new();
        Statistics::write_prometheus(&mut text, "own", &[(&[], &statistics)]).unwrap();
        assert!(text.ends_with("# TYPE own_latency_seconds histogram\n"), "{text}");
    });
}

#[test]
fn quantiles_are_an_eighth_too_large_at_most() {
    let latencies = LatencyHistogram::new();
    assert_eq!(latencies.quantile(0.5), None);
    for nth in 1..=1_000 {
        latencies.record(nth * MILLISECOND);
    }
    for (rank, exact) in [(0.5, 500), (0.9, 900), (0.999, 999), (1.0, 1_000)] {
        let found = latencies.quantile(rank).unwrap();
        assert!(found >= exact * MILLISECOND && found <= exact * MILLISECOND * 9 / 8, "{found:?}");
    }
    latencies.record(Duration::MAX);
    assert!(latencies.quantile(1.0).unwrap() > Duration::from_secs(1_000_000));
    latencies.clear();
    assert_eq!(latencies.count(), 0);
}

#[test]
fn the_text_for_prometheus_has_each_type_once_and_buckets_that_add_up() {
    testing::run(async {
        let (first, second) = (Statistics::new(), Statistics::new());
        let service = service().filter(first.clone());
        for n in [0, 1, 2, 300] {
            let _ = service.call(n).await;
        }
        let mut text = String::new();
        let labels: (&[_], &[_]) = (&[("to", "a"), ("path", "/\"x\\y\"\n")], &[]);
        Statistics::write_prometheus(&mut text, "rpc", &[(labels.0, &first), (labels.1, &second)]).unwrap();
        println!("{text}");
        let types: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        let expected =
            ["# TYPE rpc_calls_total counter", "# TYPE rpc_in_flight gauge", "# TYPE rpc_latency_seconds histogram"];
        assert_eq!(types, expected);
        let escaped = r#"to="a",path="/\"x\\y\"\n""#;
        for line in [
            format!("rpc_calls_total{{{escaped},outcome=\"success\"}} 1"),
            format!("rpc_calls_total{{{escaped},outcome=\"retryable\"}} 1"),
            format!("rpc_calls_total{{{escaped},outcome=\"failure\"}} 2"),
            "rpc_calls_total{outcome=\"success\"} 0".to_string(),
            format!("rpc_in_flight{{{escaped}}} 0"),
            "rpc_in_flight{} 0".to_string(),
            format!("rpc_latency_seconds_bucket{{{escaped},le=\"0.000065536\"}} 1"),
            format!("rpc_latency_seconds_bucket{{{escaped},le=\"0.004194304\"}} 3"),
            format!("rpc_latency_seconds_bucket{{{escaped},le=\"+Inf\"}} 4"),
            format!("rpc_latency_seconds_count{{{escaped}}} 4"),
            "rpc_latency_seconds_bucket{le=\"+Inf\"} 0".to_string(),
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line}");
        }
        let sum = text.lines().find(|line| line.starts_with("rpc_latency_seconds_sum{to")).unwrap();
        let sum: f64 = sum.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((0.303..0.304).contains(&sum), "{sum}");
    });
}

#[test]
#[should_panic(expected = "the name \"1st\" is not of letters")]
fn a_name_that_prometheus_does_not_take_is_a_mistake() {
    let statistics = Statistics::with(Cautious, LatencyHistogram::new());
    let _ = Statistics::write_prometheus(&mut String::new(), "1st", &[(&[], &statistics)]);
}

#[test]
#[should_panic(expected = "the label \"le\" is taken")]
fn a_label_that_is_taken_is_a_mistake() {
    let statistics = Statistics::new();
    let _ = Statistics::write_prometheus(&mut String::new(), "rpc", &[(&[("le", "x")], &statistics)]);
}

#[test]
fn what_a_call_computes_before_it_calls_on_is_not_taken_from_the_deadline_of_that() {
    let clock = Clock::manual();
    let inside = clock.clone();
    testing::Test::new().clock(clock).run(async move {
        let second = Duration::from_secs(1);
        let deadline = service_fn(async |()| io::Result::Ok(Deadline::current()));
        let deadline = deadline.filter(Deadline::within(second));
        let statistics = Statistics::new();
        let service = service_fn(async |()| {
            inside.advance(2 * second)?;
            deadline.call(()).await
        });
        let start = Instant::now();
        let found = service.filter(statistics.clone()).call(()).await.unwrap().unwrap();
        assert_eq!(found - start, 3 * second);
        assert!(statistics.latencies().quantile(1.0).unwrap() >= 2 * second);
    });
}
