//! Calls that are made again: which, how often, after how long, and how many in all.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::{
    Backoff, Class, Classifier, Deadline, Idempotent, Rejected, Retry, RetryBudget, Service, ServiceBuilder,
    ServiceExt, service_fn,
};
use mainspring::testing;
use mainspring::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Fails so often with such an error, then answers; writes down when it was called.
struct Flaky {
    failures: Cell<u32>,
    error: fn() -> io::Error,
    calls: RefCell<Vec<Instant>>,
}

impl Flaky {
    fn new(failures: u32, error: fn() -> io::Error) -> Self {
        Self { failures: Cell::new(failures), error, calls: RefCell::default() }
    }

    fn calls(&self) -> usize {
        self.calls.borrow().len()
    }
}

impl Service<&'static str> for Flaky {
    type Response = &'static str;
    type Error = io::Error;

    async fn call(&self, request: &'static str) -> io::Result<&'static str> {
        self.calls.borrow_mut().push(Instant::now());
        let left = self.failures.get();
        self.failures.set(left.saturating_sub(1));
        if left > 0 { Err((self.error)()) } else { Ok(request) }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn rejected() -> io::Error {
    Rejected::Full.into()
}

#[test]
fn by_default_what_was_rejected_is_made_again_and_nothing_else() {
    testing::run(async {
        let flaky = Flaky::new(2, rejected);
        let service = (&flaky).filter(Retry::new());
        assert_eq!(service.call("again").await.unwrap(), "again");
        assert_eq!(flaky.calls(), 3);
        let flaky = Flaky::new(1, reset);
        let service = (&flaky).filter(Retry::new());
        assert_eq!(service.call("once").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(flaky.calls(), 1);
    });
}

#[test]
fn attempts_are_bounded_and_the_last_result_is_returned() {
    testing::run(async {
        for (attempts, made) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
            let flaky = Flaky::new(100, reset);
            let service = (&flaky).filter(Retry::new().classifier(Idempotent).attempts(attempts));
            assert_eq!(service.call("x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(flaky.calls(), made);
        }
    });
}

#[test]
fn a_response_may_be_made_again_too_if_the_classifier_says_so() {
    testing::run(async {
        let count = Cell::new(0);
        let by_code = |result: &Result<u32, io::Error>| match result {
            Ok(503) => Class::Retryable,
            _ => Class::Success,
        };
        assert_eq!(by_code.classify(&Ok(200)), Class::Success);
        let service = service_fn(async |()| {
            count.set(count.get() + 1);
            Ok(if count.get() < 3 { 503 } else { 200 })
        });
        let service = service.filter(Retry::new().classifier(by_code));
        assert_eq!(service.call(()).await.unwrap(), 200);
    });
}

#[test]
fn waits_double_with_half_of_each_at_random_and_a_seed_repeats_them() {
    let run = |seed| {
        testing::run(async move {
            let flaky = Flaky::new(5, reset);
            let backoff = Backoff::new(SECOND, 4 * SECOND);
            let retry = Retry::new().classifier(Idempotent).attempts(6).backoff(backoff).seed(seed);
            (&flaky).filter(retry).call("x").await.unwrap();
            let calls = flaky.calls.borrow();
            calls.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
        })
    };
    let waits = run(1);
    for (wait, whole) in waits.iter().zip([1, 2, 4, 4, 4]) {
        // A timer is late by at most a tick of its wheel.
        let whole = whole * SECOND;
        assert!((whole / 2..=whole + Duration::from_micros(33)).contains(wait), "{wait:?} in place of {whole:?}");
    }
    assert_eq!(waits, run(1));
    assert_ne!(waits, run(2));
}

#[test]
fn an_outage_adds_a_fifth_to_the_load_and_ten_a_second() {
    testing::run(async {
        let flaky = Flaky::new(u32::MAX, reset);
        let retry = Retry::new().classifier(Idempotent).backoff(Backoff::new(Duration::ZERO, Duration::ZERO));
        let service = (&flaky).filter(retry);
        // 30 s at 1,000 a second.
        for _ in 0..30_000 {
            service.call("x").await.unwrap_err();
            sleep(Duration::from_millis(1)).await;
        }
        let extra = flaky.calls() - 30_000;
        println!("{extra} calls were made again");
        assert!((6_000..=6_000 + 10 * 40).contains(&extra), "{extra}");
    });
}

#[test]
fn filters_that_share_a_budget_share_the_bound() {
    testing::run(async {
        let budget = RetryBudget::new(0.0, 1); // ten in ten seconds
        let flaky = Flaky::new(u32::MAX, reset);
        let backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        let retry = || Retry::new().classifier(Idempotent).backoff(backoff).budget(budget.clone());
        let (first, second) = ((&flaky).filter(retry()), (&flaky).filter(retry()));
        for _ in 0..10 {
            first.call("x").await.unwrap_err();
            second.call("x").await.unwrap_err();
        }
        assert_eq!((flaky.calls(), budget.balance()), (30, 0));
        sleep(11 * SECOND).await;
        assert_eq!(budget.balance(), 10);
    });
}

#[test]
fn nothing_is_made_again_that_could_not_begin_before_the_deadline() {
    testing::run(async {
        let flaky = Flaky::new(u32::MAX, reset);
        let backoff = Backoff::new(4 * SECOND, 4 * SECOND);
        let service = ServiceBuilder::new()
            .filter(Deadline::within(5 * SECOND))
            .filter(Retry::new().classifier(Idempotent).attempts(100).backoff(backoff))
            .service(&flaky);
        let start = Instant::now();
        let error = service.call("x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "the last result, at once, and not the deadline");
        assert!(start.elapsed() < 5 * SECOND && flaky.calls() >= 2);
    });
}

#[test]
fn a_timeout_below_bounds_the_attempt_and_one_above_the_whole() {
    testing::run(async {
        let attempts = Cell::new(0);
        let service = ServiceBuilder::new()
            .timeout(10 * SECOND)
            .filter(Retry::new().classifier(Idempotent).attempts(100))
            .timeout(3 * SECOND)
            .service_fn(async |()| {
                attempts.set(attempts.get() + 1);
                sleep(60 * SECOND).await;
                io::Result::Ok(())
            });
        let start = Instant::now();
        assert_eq!(service.call(()).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!((start.elapsed().as_secs(), attempts.get()), (10, 4));
    });
}

#[test]
fn the_last_attempt_clones_no_request_and_a_dropped_call_holds_none() {
    testing::run(async {
        let request = Rc::new(());
        let seen = RefCell::new(Vec::new());
        let service = service_fn(async |request: Rc<()>| {
            seen.borrow_mut().push(Rc::strong_count(&request));
            Err::<(), _>(reset())
        });
        let service = service.filter(Retry::new().classifier(Idempotent).attempts(3));
        service.call(request.clone()).await.unwrap_err();
        assert_eq!(*seen.borrow(), [3, 3, 2]);
        assert_eq!(Rc::strong_count(&request), 1);
        drop(service.call(request.clone()));
        assert_eq!(Rc::strong_count(&request), 1);
    });
}

#[test]
fn a_request_that_is_idempotent_is_made_again_after_any_failure_and_others_as_before() {
    testing::run(async {
        let retry = || Retry::new().idempotent(|request: &&str| *request == "get");
        // The request, the error, and how often it is called.
        let cases = [("get", reset as fn() -> io::Error, 3), ("post", reset, 1), ("post", rejected, 3)];
        for (request, error, expected) in cases {
            let flaky = Flaky::new(9, error);
            (&flaky).filter(retry()).call(request).await.unwrap_err();
            assert_eq!(flaky.calls(), expected, "{request}, {}", error());
        }
        // What is no failure to the classifier is none, whatever the request.
        let flaky = Flaky::new(9, reset);
        let ignored = |_: &io::Result<&str>| Class::Ignored;
        (&flaky).filter(retry().classifier(ignored)).call("get").await.unwrap_err();
        assert_eq!(flaky.calls(), 1);
    });
}
