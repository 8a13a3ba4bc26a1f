//! Second calls for those that are late: when, how many, and who wins.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use futures::future::join_all;
use mainspring::service::{Hedge, RetryBudget, Service, ServiceExt};
use mainspring::testing;
use mainspring::time::{Instant, sleep};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A service whose next calls take and come to what was scripted, and after that 10 ms and a success.
#[derive(Default)]
struct Scripted {
    script: RefCell<Vec<(Duration, bool)>>,
    calls: Cell<u32>,
    /// Calls that were dropped before they had ended.
    dropped: Cell<u32>,
}

struct Unless<'a>(&'a Scripted, bool);

impl Drop for Unless<'_> {
    fn drop(&mut self) {
        self.0.dropped.set(self.0.dropped.get() + u32::from(!self.1));
    }
}

impl Service<u32> for Scripted {
    type Response = (u32, u32);
    type Error = io::Error;

    /// The number of the call, and the request.
    async fn call(&self, request: u32) -> io::Result<(u32, u32)> {
        self.calls.set(self.calls.get() + 1);
        let nth = self.calls.get();
        let (takes, succeeds) = {
            let mut script = self.script.borrow_mut();
            if script.is_empty() { (10 * MILLISECOND, true) } else { script.remove(0) }
        };
        let mut unless = Unless(self, false);
        sleep(takes).await;
        unless.1 = true;
        if succeeds { Ok((nth, request)) } else { Err(io::Error::other(nth.to_string())) }
    }
}

impl Scripted {
    /// Makes enough calls for latencies to be known, and two seconds pass.
    async fn known(&self, service: &impl Service<u32, Response = (u32, u32), Error = io::Error>) {
        for _ in 0..200 {
            service.call(0).await.unwrap();
        }
        self.calls.set(0);
        sleep(Duration::from_secs(2)).await;
    }

    fn set<const N: usize>(&self, script: [(u64, bool); N]) {
        *self.script.borrow_mut() = script.map(|(ms, succeeds)| (Duration::from_millis(ms), succeeds)).into();
    }
}

#[test]
fn the_first_success_wins_and_the_other_is_dropped() {
    testing::run(async {
        let scripted = Scripted::default();
        let service = (&scripted).filter(Hedge::new());
        scripted.known(&service).await;
        // Of the first call, of the second, the winner, and when.
        for (first, second, winner, took) in [
            ((1_000, true), (10, true), 2, 20),
            ((25, true), (1_000, true), 1, 25),
            ((15, false), (20, true), 2, 30),
            ((50, true), (10, false), 1, 50),
        ] {
            scripted.set([first, second]);
            scripted.calls.set(0);
            scripted.dropped.set(0);
            let start = Instant::now();
            assert_eq!(service.call(7).await.unwrap(), (winner, 7));
            let elapsed = start.elapsed();
            assert!((took..=took + 2).contains(&(elapsed.as_millis() as u64)), "{elapsed:?} in place of {took} ms");
            assert_eq!(scripted.calls.get(), 2);
            let loser_goes_on = first.1 && second.1;
            assert_eq!(scripted.dropped.get(), u32::from(loser_goes_on));
        }
    });
}

#[test]
fn a_failure_before_the_second_call_and_the_later_of_two_are_returned() {
    testing::run(async {
        let scripted = Scripted::default();
        let service = (&scripted).filter(Hedge::new());
        scripted.known(&service).await;
        scripted.set([(5, false)]);
        assert_eq!(service.call(1).await.unwrap_err().to_string(), "1");
        assert_eq!(scripted.calls.get(), 1);
        scripted.set([(100, false), (5, false)]);
        assert_eq!(service.call(1).await.unwrap_err().to_string(), "2");
        scripted.set([(15, false), (50, false)]);
        assert_eq!(service.call(1).await.unwrap_err().to_string(), "5");
    });
}

#[test]
fn nothing_is_late_before_a_hundred_calls_are_known() {
    testing::run(async {
        let scripted = Scripted::default();
        let service = (&scripted).filter(Hedge::new());
        for _ in 0..50 {
            service.call(0).await.unwrap();
        }
        sleep(Duration::from_secs(2)).await;
        scripted.set([(5_000, true)]);
        service.call(0).await.unwrap();
        assert_eq!(scripted.calls.get(), 51);
    });
}

#[test]
fn when_everything_is_late_the_budget_bounds_what_is_added() {
    testing::run(async {
        let scripted = Scripted::default();
        let service = (&scripted).filter(Hedge::new());
        scripted.known(&service).await;
        let slow = vec![(Duration::from_millis(500), true); 2_000];
        *scripted.script.borrow_mut() = slow;
        join_all((0..1_000).map(|n| service.call(n))).await;
        let extra = scripted.calls.get() - 1_000;
        println!("{extra} second calls for 1,200");
        assert!((55..=60).contains(&extra), "a twentieth");
    });
}

#[test]
fn second_calls_are_taken_out_of_the_budget_of_the_retries_and_zero_makes_none() {
    testing::run(async {
        for (hedge, second) in [
            (Hedge::new(), true),
            (Hedge::new().budget(RetryBudget::new(0.0, 1)), true),
            (Hedge::new().budget(RetryBudget::new(0.0, 0)), false),
            (Hedge::new().extra(0.0), false),
        ] {
            let scripted = Scripted::default();
            let service = (&scripted).filter(hedge);
            scripted.known(&service).await;
            scripted.set([(200, true)]);
            service.call(0).await.unwrap();
            assert_eq!(scripted.calls.get(), 1 + u32::from(second));
        }
    });
}
