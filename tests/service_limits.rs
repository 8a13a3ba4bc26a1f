//! What lets calls in: limits of concurrency and of rate, and shedding.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use mainspring::service::{
    ConcurrencyLimit, LoadShed, RateLimit, Rejected, Service, ServiceBuilder, ServiceExt, Status, service_fn,
};
use mainspring::testing;
use mainspring::time::{Instant, sleep, timeout};

mod util;
use util::random::Random;

const SECOND: Duration = Duration::from_secs(1);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Rejected>> + 'a>>;

/// A service that takes as long as it is asked to, and knows how many calls are inside.
#[derive(Default)]
struct Slow {
    inside: Cell<usize>,
    most: Cell<usize>,
    calls: Cell<usize>,
}

/// Counts one that is inside until it is dropped.
struct Inside<'a>(&'a Slow);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.set(self.0.inside.get() - 1);
    }
}

impl Service<Duration> for Slow {
    type Response = ();
    type Error = Rejected;

    async fn call(&self, duration: Duration) -> Result<(), Rejected> {
        self.calls.set(self.calls.get() + 1);
        self.inside.set(self.inside.get() + 1);
        self.most.set(self.most.get().max(self.inside.get()));
        let _inside = Inside(self);
        sleep(duration).await;
        Ok(())
    }
}

#[test]
fn calls_above_the_limit_wait_in_order_and_those_above_the_waiters_fail() {
    testing::run(async {
        let (slow, order) = (Slow::default(), RefCell::new(Vec::new()));
        let limit = ConcurrencyLimit::new(2).waiters(3);
        let service = ServiceBuilder::new().filter(limit.clone()).service(&slow);
        let calls = (0..7).map(|nth| {
            let (service, order) = (&service, &order);
            async move {
                let result = service.call(SECOND).await;
                order.borrow_mut().push(nth);
                result
            }
        });
        let start = Instant::now();
        let results = join_all(calls).await;
        assert_eq!(results[..5], [Ok(()); 5]);
        assert_eq!(results[5..], [Err(Rejected::Full); 2]);
        assert_eq!(*order.borrow(), [5, 6, 0, 1, 2, 3, 4]);
        assert_eq!((start.elapsed().as_secs(), slow.most.get()), (3, 2));
        assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
    });
}

#[test]
fn a_limit_without_waiters_fails_what_finds_no_place() {
    testing::run(async {
        let slow = Slow::default();
        let service = (&slow).filter(ConcurrencyLimit::new(1).waiters(0));
        let mut first = Box::pin(service.call(SECOND));
        assert!(poll!(&mut first).is_pending());
        assert_eq!(service.status(), Status::Busy);
        assert_eq!(service.call(SECOND).await, Err(Rejected::Full));
        assert_eq!(slow.calls.get(), 1);
        first.await.unwrap();
        assert_eq!(service.status(), Status::Open);
        service.call(SECOND).await.unwrap();
    });
}

#[test]
fn a_call_begins_when_it_has_its_place_so_a_timeout_inside_leaves_the_wait_out() {
    testing::run(async {
        let service = service_fn(async |()| {
            sleep(SECOND).await;
            io::Result::Ok(())
        });
        let inside = (&service).timeout(2 * SECOND).concurrency_limit(1);
        let outside = (&service).concurrency_limit(1).timeout(2 * SECOND);
        let results = join_all([(); 3].map(|()| inside.call(()))).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let results = join_all([(); 3].map(|()| outside.call(()))).await;
        assert!(results[..1].iter().all(Result::is_ok) && results[2].is_err(), "{results:?}");
    });
}

#[test]
fn a_call_that_has_ended_gives_its_place_back_before_it_is_dropped() {
    testing::run(async {
        let slow = Slow::default();
        let limit = ConcurrencyLimit::new(1);
        let service = (&slow).filter(limit.clone());
        let mut call = Box::pin(service.call(Duration::ZERO));
        assert_eq!(call.as_mut().await, Ok(()));
        assert_eq!(limit.in_flight(), 0);
        service.call(Duration::ZERO).await.unwrap();
        drop(call);
        assert_eq!(limit.in_flight(), 0);
    });
}

#[test]
fn a_place_that_was_handed_to_one_who_is_dropped_is_free_also_for_those_who_may_not_wait() {
    testing::run(async {
        let slow = Slow::default();
        let limit = ConcurrencyLimit::new(1);
        let (patient, hasty) = ((&slow).filter(limit.clone()), (&slow).filter(limit.clone().waiters(0)));
        let (mut first, mut second) = (Box::pin(patient.call(SECOND)), Box::pin(patient.call(SECOND)));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        first.await.unwrap();
        assert_eq!((limit.in_flight(), hasty.status()), (1, Status::Busy), "it was handed over");
        assert_eq!(hasty.call(SECOND).await, Err(Rejected::Full));
        drop(second);
        assert_eq!((limit.in_flight(), hasty.status()), (0, Status::Open));
        assert_eq!(hasty.call(SECOND).await, Ok(()));
    });
}

#[test]
fn random_calls_and_drops_never_exceed_a_limit_and_leave_nothing_behind() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        testing::run(async {
            let slow = Slow::default();
            let (max, waiters) = (1 + random.below(4), random.below(5));
            let limit = ConcurrencyLimit::new(max).waiters(waiters);
            let service = (&slow).filter(limit.clone());
            let (mut calls, mut rejected, mut done): (Vec<Boxed<'_, ()>>, u32, u32) = (Vec::new(), 0, 0);
            for _ in 0..200 {
                match random.below(4) {
                    0 | 1 => calls.push(Box::pin(service.call(Duration::from_millis(random.below(30) as u64)))),
                    2 if !calls.is_empty() => drop(calls.swap_remove(random.below(calls.len()))),
                    _ => sleep(Duration::from_millis(random.below(10) as u64)).await,
                }
                let mut left = Vec::new();
                for mut call in calls {
                    let (full, has_room) = (limit.in_flight() == max, limit.waiting() < waiters);
                    match poll!(&mut call) {
                        Poll::Pending => left.push(call),
                        Poll::Ready(Ok(())) => done += 1,
                        Poll::Ready(Err(error)) => {
                            assert_eq!(error, Rejected::Full);
                            assert!(full && !has_room);
                            rejected += 1;
                        }
                    }
                }
                calls = left;
                assert!(slow.inside.get() <= max && limit.waiting() <= waiters);
                assert!(limit.in_flight() >= slow.inside.get());
            }
            assert!(done > 0 && rejected > 0);
            drop(calls);
            assert_eq!((limit.in_flight(), limit.waiting(), slow.inside.get()), (0, 0, 0));
        });
    }
}

#[test]
fn what_is_not_open_is_shed_and_nothing_inside_hears_of_it() {
    testing::run(async {
        let slow = Slow::default();
        let service = (&slow).concurrency_limit(1).load_shed();
        let mut first = Box::pin(service.call(SECOND));
        let second = service.call(SECOND);
        assert!(poll!(&mut first).is_pending());
        assert_eq!(second.await, Err(Rejected::Shed), "the status is read when the call is polled");
        assert_eq!(slow.calls.get(), 1);
        first.await.unwrap();
        service.call(SECOND).await.unwrap();

        struct Closed;
        impl Service<()> for Closed {
            type Response = ();
            type Error = Rejected;
            async fn call(&self, (): ()) -> Result<(), Rejected> {
                Ok(())
            }
            fn status(&self) -> Status {
                Status::Closed
            }
        }
        let closed = ServiceBuilder::new().filter(LoadShed).service(Closed);
        assert_eq!(closed.call(()).await, Err(Rejected::Shed));
        assert_eq!(closed.status(), Status::Closed);
    });
}

#[test]
fn a_rate_is_kept_from_the_first_call_to_the_last_and_the_burst_comes_back() {
    testing::run(async {
        let service = service_fn(async |()| Ok::<_, Rejected>(Instant::now()));
        let service = service.filter(RateLimit::new(100, SECOND).burst(5));
        let start = Instant::now();
        let begun: Vec<_> = join_all((0..25).map(|_| service.call(()))).await;
        let begun: Vec<_> = begun.into_iter().map(|at| (at.unwrap() - start).as_millis()).collect();
        let expected: Vec<_> = (0..25_u128).map(|nth| nth.saturating_sub(4) * 10).collect();
        assert_eq!(begun, expected);
        sleep(SECOND).await;
        let start = Instant::now();
        for waited in [0, 0, 0, 0, 0, 10, 20] {
            assert_eq!((service.call(()).await.unwrap() - start).as_millis(), waited);
        }
    });
}

#[test]
fn a_call_that_is_dropped_while_it_waits_has_used_up_nothing() {
    testing::run(async {
        let limit = RateLimit::new(1, SECOND);
        let service = service_fn(async |()| Ok::<_, Rejected>(())).filter(limit.clone());
        service.call(()).await.unwrap();
        let start = Instant::now();
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(service.call(()))).collect();
        for call in &mut waiting {
            assert!(poll!(call).is_pending());
        }
        assert_eq!((limit.waiting(), service.status()), (10, Status::Busy));
        // The first of them, and all others but the last.
        waiting.drain(..9);
        assert_eq!(limit.waiting(), 1);
        join_all(waiting).await;
        assert_eq!((start.elapsed().as_millis(), limit.waiting()), (1_000, 0));
        assert_eq!(service.status(), Status::Busy, "there is no token");
        sleep(SECOND).await;
        assert_eq!(service.status(), Status::Open);
    });
}

#[test]
fn one_who_waits_is_not_overtaken_although_there_is_a_token() {
    testing::run(async {
        let service = service_fn(async |()| Ok::<_, Rejected>(()));
        let service = service.filter(RateLimit::new(1, SECOND).burst(1));
        service.call(()).await.unwrap();
        let (mut waits, mut comes) = (Box::pin(service.call(())), Box::pin(service.call(())));
        assert!(poll!(&mut waits).is_pending());
        sleep(SECOND + SECOND / 2).await;
        assert!(poll!(&mut comes).is_pending());
        waits.await.unwrap();
        comes.await.unwrap();
    });
}

#[test]
fn calls_too_fast_fail_at_once_if_they_may_not_wait() {
    testing::run(async {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let service = service_fn(async move |()| {
            count.set(count.get() + 1);
            Ok::<_, Rejected>(())
        });
        let service = service.filter(RateLimit::new(10, SECOND).waiters(1).burst(1));
        service.call(()).await.unwrap();
        let mut waits = Box::pin(service.call(()));
        assert!(poll!(&mut waits).is_pending());
        assert_eq!(service.call(()).await, Err(Rejected::TooFast));
        assert!(timeout(SECOND, waits).await.is_ok());
        assert_eq!(calls.get(), 2);
    });
}

#[test]
fn the_burst_by_default_is_a_tenth_of_a_second_and_at_least_one() {
    testing::run(async {
        for (rate, burst) in [(1_000, 100), (100, 10), (5, 1)] {
            let service = service_fn(async |()| Ok::<_, Rejected>(()));
            let service = service.filter(RateLimit::new(rate, SECOND).waiters(0));
            let results = join_all((0..200).map(|_| service.call(()))).await;
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), burst);
        }
    });
}

#[test]
#[should_panic(expected = "a rate of 0 calls in 1s")]
fn a_rate_of_nothing_is_a_mistake() {
    let _ = RateLimit::new(0, SECOND);
}
