//! Calls that several share, and calls that outlive their callers: coalescing and shields.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use mainspring::service::{Coalesce, Deadline, Service, ServiceExt, Shield, service_fn};
use mainspring::testing::{self, settle};
use mainspring::time::{Elapsed, Instant, sleep, timeout};
use mainspring::{OnPanic, yield_now};

mod util;
use util::random::Random;

const SECOND: Duration = Duration::from_secs(1);

/// A service that takes a second to answer with ten times the request, and fails with 2; it counts its calls.
fn tenfold() -> (Rc<Cell<u32>>, impl Service<u32, Response = u32, Error = Rc<io::Error>> + Clone + 'static) {
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let service = service_fn(async move |n: u32| {
        counted.set(counted.get() + 1);
        sleep(SECOND).await;
        if n == 2 { Err(Rc::new(io::Error::other("two"))) } else { Ok(n * 10) }
    });
    (calls, Rc::new(service))
}

#[test]
fn identical_requests_cause_one_call_and_all_get_its_result() {
    testing::run(async {
        let (calls, service) = tenfold();
        let coalesce = Coalesce::new();
        let service = service.filter(coalesce.clone());
        let results = join_all([1, 2, 1, 1, 2, 3].map(|n| service.call(n))).await;
        let texts: Vec<_> = results.iter().map(|result| result.as_ref().map_err(ToString::to_string)).collect();
        let two = || Err("two".to_string());
        assert_eq!(texts, [Ok(&10), two(), Ok(&10), Ok(&10), two(), Ok(&30)]);
        assert_eq!((calls.get(), coalesce.in_flight()), (3, 0));
        service.call(1).await.unwrap();
        assert_eq!(calls.get(), 4, "no answer is kept");
    });
}

#[test]
fn when_the_one_who_began_is_dropped_the_others_go_on_with_the_same_call() {
    testing::run(async {
        let (calls, service) = tenfold();
        let coalesce = Coalesce::new();
        let service = service.filter(coalesce.clone());
        let start = Instant::now();
        let first = timeout(SECOND / 2, service.call(1));
        let (first, others) = futures::join!(first, join_all((0..3).map(|_| service.call(1))));
        assert!(first.is_err());
        assert!(others.iter().all(|result| *result.as_ref().unwrap() == 10));
        assert_eq!((calls.get(), start.elapsed().as_millis()), (1, 1_000));
        assert!(timeout(SECOND / 2, join_all((0..3).map(|_| service.call(1)))).await.is_err());
        assert_eq!(coalesce.in_flight(), 0, "with the last it is dropped");
    });
}

#[test]
fn the_deadline_of_the_one_who_began_is_not_that_of_the_call() {
    testing::run(async {
        let inner = service_fn(async |_: u32| {
            sleep(2 * SECOND).await;
            Ok::<_, Elapsed>(Deadline::current())
        });
        let shared = Rc::new(inner.filter(Deadline::inherited())).filter(Coalesce::new());
        let (hasty, start) = ((&shared).deadline(SECOND), Instant::now());
        let (first, second) = futures::join!(hasty.call(1), shared.call(1));
        assert!(first.is_err());
        assert_eq!((second, start.elapsed().as_secs()), (Ok(None), 2));
    });
}

#[test]
fn one_that_is_left_lying_holds_up_no_other_in_its_task_or_another() {
    testing::run(async {
        let (calls, service) = tenfold();
        let service = Rc::new(service.filter(Coalesce::new()));
        let mut first = Box::pin(service.call(1));
        assert!(poll!(&mut first).is_pending());
        let other = mainspring::spawn({
            let service = service.clone();
            async move { service.call(1).await }
        });
        assert_eq!(timeout(2 * SECOND, service.call(1)).await.unwrap().unwrap(), 10);
        assert_eq!(other.await.unwrap().unwrap(), 10);
        // And when the last that has polled lies, in another task.
        let (began, mut lies) = (Rc::new(Cell::new(false)), Box::pin(service.call(3)));
        let waits = mainspring::spawn({
            let (service, began) = (service.clone(), began.clone());
            async move {
                began.set(true);
                service.call(3).await
            }
        });
        settle().await;
        assert!(began.get() && poll!(&mut lies).is_pending());
        assert_eq!(timeout(2 * SECOND, waits).await.unwrap().unwrap().unwrap(), 30);
        assert_eq!((lies.await.unwrap(), first.await.unwrap(), calls.get()), (30, 10, 2));
    });
}

#[test]
fn a_panic_is_that_of_who_polled_and_the_others_call_anew() {
    testing::Test::new().on_panic(OnPanic::Report).run(async {
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        let service = Rc::new(service_fn(async move |n: u32| {
            counted.set(counted.get() + 1);
            let nth = counted.get();
            sleep(SECOND).await;
            assert!(nth > 1, "as is wanted");
            Ok::<_, Infallible>(n)
        }));
        let coalesce = Coalesce::new();
        let service = Rc::new(service.filter(coalesce.clone()));
        let tasks = [(); 3].map(|()| {
            let service = service.clone();
            mainspring::spawn(async move { service.call(7).await })
        });
        let mut ends = Vec::new();
        for task in tasks {
            ends.push(task.await.map_err(|error| error.is_panic()));
        }
        ends.sort_by_key(Result::is_ok);
        assert_eq!(ends, [Err(true), Ok(Ok(7)), Ok(Ok(7))]);
        assert_eq!((calls.get(), coalesce.in_flight()), (2, 0));
    });
}

#[test]
fn beyond_its_bound_calls_go_through_alone() {
    testing::run(async {
        let (calls, service) = tenfold();
        let coalesce = Coalesce::new().max(1);
        let service = service.filter(coalesce.clone());
        let results = join_all([1, 3, 1, 3].map(|n| service.call(n))).await;
        let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!((results, calls.get(), coalesce.in_flight()), (vec![10, 30, 10, 30], 3, 0));
    });
}

type Pending<'a> = (u8, Pin<Box<dyn Future<Output = Result<u8, Infallible>> + 'a>>);

#[test]
fn random_callers_who_come_and_go_get_what_they_asked_for_and_leave_nothing_behind() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        testing::run(async {
            let (inside, called) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0_u32)));
            struct Leaves(Rc<RefCell<Vec<u8>>>, u8);
            impl Drop for Leaves {
                fn drop(&mut self) {
                    self.0.borrow_mut().retain(|n| *n != self.1);
                }
            }
            let (entered, counted) = (inside.clone(), called.clone());
            let service = Rc::new(service_fn(async move |n: u8| {
                assert!(!entered.borrow().contains(&n), "{n} is in flight already");
                entered.borrow_mut().push(n);
                let _leaves = Leaves(entered.clone(), n);
                counted.set(counted.get() + 1);
                sleep(Duration::from_millis(u64::from(n) * 3)).await;
                Ok(n)
            }));
            let coalesce = Coalesce::new();
            let service = service.filter(coalesce.clone());
            let (mut calls, mut made, mut done): (Vec<Pending<'_>>, u32, u32) = (Vec::new(), 0, 0);
            for _ in 0..300 {
                match random.below(4) {
                    0 | 1 => {
                        let n = random.below(6) as u8;
                        calls.push((n, Box::pin(service.call(n))));
                        made += 1;
                    }
                    2 if !calls.is_empty() => drop(calls.swap_remove(random.below(calls.len()))),
                    _ => sleep(Duration::from_millis(random.below(8) as u64)).await,
                }
                let mut left = Vec::new();
                for (n, mut call) in calls {
                    // Some are left lying for a while.
                    if random.below(3) == 0 {
                        left.push((n, call));
                        continue;
                    }
                    match poll!(&mut call) {
                        Poll::Pending => left.push((n, call)),
                        Poll::Ready(Ok(answer)) => {
                            assert_eq!(answer, n);
                            done += 1;
                        }
                    }
                }
                calls = left;
                assert!(coalesce.in_flight() <= 6);
            }
            assert!(called.get() < made && done > 0);
            for (n, call) in calls {
                assert_eq!(call.await, Ok(n));
            }
            assert_eq!((coalesce.in_flight(), inside.borrow().len()), (0, 0));
        });
    }
}

#[test]
fn a_call_that_is_dropped_goes_on_until_its_end_and_one_that_was_not_polled_does_not() {
    testing::Test::new().all_tasks_end().run(async {
        let done = Rc::new(Cell::new(0));
        let inside = done.clone();
        let service = Rc::new(service_fn(async move |()| {
            sleep(2 * SECOND).await;
            inside.set(inside.get() + 1);
            Ok::<_, Infallible>(())
        }));
        let shield = Shield::new();
        let service = service.filter(shield.clone());
        assert_eq!(service.call(()).await, Ok(()));
        assert_eq!((done.get(), shield.left_behind()), (1, 0));
        assert!(timeout(SECOND, service.call(())).await.is_err());
        drop(service.call(()));
        assert_eq!((done.get(), shield.left_behind()), (1, 1));
        drop(service);
        sleep(2 * SECOND).await;
        assert_eq!((done.get(), shield.left_behind()), (2, 0));
    });
}

#[test]
fn at_most_so_many_calls_are_left_behind() {
    testing::run(async {
        let done = Rc::new(Cell::new(0));
        let inside = done.clone();
        let service = Rc::new(service_fn(async move |()| {
            sleep(2 * SECOND).await;
            inside.set(inside.get() + 1);
            Ok::<_, Infallible>(())
        }));
        let shield = Shield::new().max(3);
        let service = service.filter(shield.clone());
        let calls = join_all((0..10).map(|_| service.call(())));
        assert!(timeout(SECOND, calls).await.is_err());
        assert_eq!(shield.left_behind(), 3);
        sleep(2 * SECOND).await;
        assert_eq!((done.get(), shield.left_behind()), (3, 0));
    });
}

#[test]
fn a_call_that_panics_is_not_left_behind_and_one_that_was_left_may_panic() {
    testing::Test::new().on_panic(OnPanic::Report).run(async {
        let service = Rc::new(service_fn(async |after: u32| -> Result<(), Infallible> {
            sleep(after * SECOND).await;
            panic!("as is wanted")
        }));
        let shield = Shield::new();
        let service = Rc::new(service.filter(shield.clone()));
        let task = mainspring::spawn({
            let service = service.clone();
            async move { service.call(0).await }
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(shield.left_behind(), 0);
        assert!(timeout(SECOND, service.call(2)).await.is_err());
        assert_eq!(shield.left_behind(), 1);
        sleep(2 * SECOND).await;
        yield_now().await;
        assert_eq!(shield.left_behind(), 0);
    });
}

#[test]
fn a_reactor_that_ends_drops_what_was_left_behind() {
    let held = Rc::new(());
    let service = Rc::new(service_fn(async |_held: Rc<()>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(())
    }));
    let shield = Shield::new();
    let service = service.filter(shield.clone());
    testing::run(async {
        assert!(timeout(SECOND, service.call(held.clone())).await.is_err());
        assert_eq!((Rc::strong_count(&held), shield.left_behind()), (2, 1));
    });
    assert_eq!((Rc::strong_count(&held), shield.left_behind()), (1, 0));
}
