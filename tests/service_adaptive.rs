//! A limit that finds itself, against a backend of known capacity.
#![cfg(feature = "service")]
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use mainspring::service::{
    AdaptiveLimit, ConcurrencyLimit, Rejected, Service, ServiceBuilder, ServiceExt, Status, service_fn,
};
use mainspring::task::JoinSet;
use mainspring::testing;
use mainspring::time::{Instant, interval, sleep, timeout};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A backend that does `capacity` calls of 100 ms at once, and lets the others wait.
fn backend(capacity: usize) -> impl Service<(), Response = (), Error = io::Error> {
    ServiceBuilder::new().concurrency_limit(capacity).service_fn(async |()| {
        sleep(100 * MILLISECOND).await;
        Ok(())
    })
}

/// Offers a call each millisecond for a while: ten times what a backend of ten does. Returns how many of the last half
/// succeeded, and the longest that one of them took.
async fn overload(
    service: impl Service<(), Response = (), Error = io::Error> + 'static,
    seconds: u32,
) -> (u32, Duration) {
    let (service, calls) = (Rc::new(service), seconds * 1_000);
    let mut ticks = interval(MILLISECOND);
    let mut set = JoinSet::new();
    for nth in 0..calls {
        ticks.tick().await;
        let service = service.clone();
        set.spawn(async move {
            let start = Instant::now();
            let result = service.call(()).await;
            (nth >= calls / 2 && result.is_ok()).then(|| start.elapsed())
        });
    }
    let (mut done, mut longest) = (0, Duration::ZERO);
    while let Some(ended) = set.join_next().await {
        if let Some(took) = ended.unwrap() {
            done += 1;
            longest = longest.max(took);
        }
    }
    (done, longest)
}

#[test]
fn the_limit_finds_the_capacity_of_a_backend_and_keeps_it_busy_without_a_line() {
    testing::Test::new().limit(Duration::from_secs(60)).run(async {
        let limit = AdaptiveLimit::new().slow(150 * MILLISECOND);
        let (done, longest) = overload(backend(10).filter(limit.clone()), 20).await;
        println!("{done} of 1,000 in 10 s, the longest {longest:?}, limit {}", limit.limit());
        assert!((950..=1_010).contains(&done), "ten at once of 100 ms are a thousand in ten seconds");
        assert!(longest < 250 * MILLISECOND);
        assert!((8..=16).contains(&limit.limit()));
        // Without it everybody waits.
        let (_, longest) = overload(backend(10), 4).await;
        assert!(longest > Duration::from_secs(10), "{longest:?}");
    });
}

#[test]
fn a_call_above_the_limit_fails_at_once_and_the_status_says_so() {
    testing::run(async {
        let limit = AdaptiveLimit::new().limits(2, 1, 10);
        let service = backend(10).filter(limit.clone());
        let mut calls = [Box::pin(service.call(())), Box::pin(service.call(()))];
        for call in &mut calls {
            assert_eq!(service.status(), Status::Open);
            assert!(poll!(call).is_pending());
        }
        assert_eq!((service.status(), limit.in_flight()), (Status::Busy, 2));
        assert_eq!(service.call(()).await.unwrap_err().kind(), io::Error::from(Rejected::Full).kind());
        drop(calls);
        assert_eq!((service.status(), limit.in_flight()), (Status::Open, 0));
    });
}

#[test]
fn failures_and_calls_that_were_given_up_late_lower_it_once_a_round() {
    testing::run(async {
        let fails = Cell::new(true);
        let service = service_fn(async |()| {
            sleep(10 * MILLISECOND).await;
            if fails.get() { Err(io::Error::from(io::ErrorKind::ConnectionReset)) } else { Ok(()) }
        });
        let limit = AdaptiveLimit::new().slow(5 * MILLISECOND);
        let service = service.filter(limit.clone());
        join_all([(); 20].map(|()| service.call(()))).await;
        assert_eq!(limit.limit(), 18, "one round, nine tenths");
        let limit = AdaptiveLimit::new().slow(20 * MILLISECOND);
        let service = service_fn(async |()| {
            sleep(Duration::from_secs(9)).await;
            io::Result::Ok(())
        });
        let service = service.filter(limit.clone());
        assert!(timeout(10 * MILLISECOND, service.call(())).await.is_err());
        assert_eq!(limit.limit(), 20, "one that was given up early says nothing");
        assert!(timeout(30 * MILLISECOND, service.call(())).await.is_err());
        assert_eq!(limit.limit(), 18);
        drop(service.call(()));
        assert_eq!(limit.in_flight(), 0);
    });
}

#[test]
fn an_idle_time_does_not_raise_the_limit() {
    testing::run(async {
        let limit = AdaptiveLimit::new();
        let service = backend(10).filter(limit.clone());
        for _ in 0..1_000 {
            service.call(()).await.unwrap();
        }
        assert_eq!(limit.limit(), 20);
        let bounded = backend(100).filter(ConcurrencyLimit::new(20)).filter(limit.clone());
        for _ in 0..30 {
            join_all([(); 20].map(|()| bounded.call(()))).await;
        }
        assert!(limit.limit() > 20);
    });
}

#[test]
fn a_place_is_six_words_beside_the_call() {
    let leaf = service_fn(async |request: [u8; 512]| {
        std::future::pending::<()>().await;
        Ok::<_, Rejected>(request)
    });
    let inner = size_of_val(&leaf.call([0; 512]));
    let service = (&leaf).filter(AdaptiveLimit::new());
    let whole = size_of_val(&service.call([0; 512]));
    println!("{inner} inside, {whole} in all");
    assert!(whole <= inner + 6 * size_of::<usize>());
}
