//! Endpoints that come, go, fail and are avoided: who takes the next call.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use mainspring::channel::mpsc;
use mainspring::service::balance::{Balance, Change, Endpoints};
use mainspring::service::{Class, FailureAccrual, Filtered, Service, ServiceExt, Status};
use mainspring::time::{Instant, sleep};
use mainspring::{spawn, testing, yield_now};

mod util;
use util::random::Random;

const MILLISECOND: Duration = Duration::from_millis(1);

/// What an endpoint is told to do, and what has come of it.
struct Control {
    takes: Cell<Duration>,
    fails: Cell<bool>,
    status: Cell<Status>,
    calls: Cell<u32>,
    in_flight: Cell<u32>,
}

/// An endpoint.
#[derive(Clone)]
struct Backend(u32, Rc<Control>);

struct Leaves<'a>(&'a Cell<u32>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Backend {
    fn new(name: u32) -> Self {
        let control = Control {
            takes: Cell::new(10 * MILLISECOND),
            fails: Cell::new(false),
            status: Cell::new(Status::Open),
            calls: Cell::new(0),
            in_flight: Cell::new(0),
        };
        Self(name, Rc::new(control))
    }

    fn calls(&self) -> u32 {
        self.1.calls.replace(0)
    }
}

impl Service<()> for Backend {
    type Response = u32;
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<u32> {
        self.1.calls.set(self.1.calls.get() + 1);
        self.1.in_flight.set(self.1.in_flight.get() + 1);
        let _leaves = Leaves(&self.1.in_flight);
        sleep(self.1.takes.get()).await;
        if self.1.fails.get() { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(self.0) }
    }

    fn status(&self) -> Status {
        self.1.status.get()
    }
}

fn backends(count: u32) -> (Vec<Backend>, Endpoints<u32, Backend>) {
    let backends: Vec<_> = (0..count).map(Backend::new).collect();
    let endpoints = backends.iter().map(|backend| (backend.0, backend.clone())).collect();
    (backends, endpoints)
}

/// All three kinds, over the same endpoints.
fn all_kinds(endpoints: &Endpoints<u32, Backend>) -> [Balance<u32, Backend>; 3] {
    [Balance::new(endpoints.clone()), Balance::least_loaded(endpoints.clone()), Balance::round_robin(endpoints.clone())]
        .map(|balance| balance.seed(1))
}

#[test]
fn a_set_without_endpoints_fails_at_once_and_one_endpoint_takes_all() {
    testing::run(async {
        let (backends, endpoints) = backends(1);
        for balance in all_kinds(&endpoints) {
            assert_eq!(balance.call(()).await.unwrap(), 0);
            assert_eq!((backends[0].calls(), balance.status()), (1, Status::Open));
        }
        assert!(endpoints.remove(&0) && !endpoints.remove(&0));
        for balance in all_kinds(&endpoints) {
            let error = balance.call(()).await.unwrap_err();
            assert_eq!(error.to_string(), "the call was rejected: there is no endpoint");
            assert_eq!(balance.status(), Status::Busy);
        }
    });
}

#[test]
fn turns_are_taken_by_weight_and_evenly_spread() {
    testing::run(async {
        let (_, endpoints) = backends(0);
        for (name, weight) in [(0, 5.0), (1, 1.0), (2, 1.0)] {
            endpoints.insert_weighted(name, Backend::new(name), weight);
        }
        let balance = Balance::round_robin(endpoints);
        let mut order = Vec::new();
        for _ in 0..14 {
            order.push(balance.call(()).await.unwrap());
        }
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    });
}

#[test]
fn another_weight_is_heeded_and_nothing_else_is_forgotten() {
    testing::run(async {
        let (backends, endpoints) = backends(2);
        let balance = Balance::round_robin(endpoints.clone());
        assert!(endpoints.reweigh(&1, 3.0));
        assert!(!endpoints.reweigh(&2, 3.0), "there is none");
        for _ in 0..40 {
            balance.call(()).await.unwrap();
        }
        // The same services, the second one three times as often.
        assert_eq!((backends[0].calls(), backends[1].calls()), (10, 30));
        assert!(endpoints.reweigh(&1, 1.0));
        for _ in 0..40 {
            balance.call(()).await.unwrap();
        }
        assert_eq!((backends[0].calls(), backends[1].calls()), (20, 20));
    });
}

#[test]
fn two_at_random_share_calls_by_weight() {
    testing::run(async {
        let backends: Vec<_> = (0..4).map(Backend::new).collect();
        let endpoints = Endpoints::new();
        for (backend, weight) in backends.iter().zip([1.0, 2.0, 3.0, 4.0]) {
            endpoints.insert_weighted(backend.0, backend.clone(), weight);
        }
        for balance in &all_kinds(&endpoints)[..2] {
            // Forty at a time, in waves.
            for _ in 0..100 {
                join_all((0..40).map(|_| balance.call(()))).await;
            }
            let calls: Vec<_> = backends.iter().map(Backend::calls).collect();
            println!("{calls:?}");
            for (calls, weight) in calls.iter().zip(1..) {
                let fair = 400 * weight;
                assert!((fair * 8 / 10..=fair * 12 / 10).contains(calls), "{calls} in place of {fair}");
            }
        }
    });
}

#[test]
fn calls_in_flight_are_nearly_the_same_everywhere() {
    testing::run(async {
        let (backends, endpoints) = backends(10);
        let balance = Balance::least_loaded(endpoints).seed(7);
        let mut calls: Vec<_> = (0..1_000).map(|_| Box::pin(balance.call(()))).collect();
        for call in &mut calls {
            assert!(poll!(call).is_pending());
        }
        let in_flight: Vec<_> = backends.iter().map(|backend| backend.1.in_flight.get()).collect();
        println!("{in_flight:?}");
        assert!(in_flight.iter().all(|count| (97..=103).contains(count)));
        drop(calls);
        for backend in &backends {
            assert_eq!(backend.1.in_flight.get(), 0);
        }
        let mut again: Vec<_> = (0..10).map(|_| Box::pin(balance.call(()))).collect();
        for call in &mut again {
            assert!(poll!(call).is_pending());
        }
        let most = backends.iter().map(|backend| backend.1.in_flight.get()).max();
        assert!(most <= Some(2), "what was dropped is no load any more");
    });
}

#[test]
fn an_endpoint_that_is_slow_or_fails_fast_is_avoided_and_tried_again_later() {
    testing::run(async {
        let (backends, endpoints) = backends(4);
        let balance = Balance::new(endpoints).seed(3);
        for (takes, fails) in [(1_000 * MILLISECOND, false), (MILLISECOND, true)] {
            for _ in 0..100 {
                balance.call(()).await.unwrap();
            }
            backends[0].1.takes.set(takes);
            backends[0].1.fails.set(fails);
            backends[0].calls();
            for _ in 0..1_000 {
                let _ = balance.call(()).await;
            }
            assert!((1..=3).contains(&backends[0].calls()), "it was found out at the first call");
            backends[0].1.takes.set(10 * MILLISECOND);
            backends[0].1.fails.set(false);
            sleep(Duration::from_secs(100)).await;
            for _ in 0..100 {
                balance.call(()).await.unwrap();
            }
            assert!(backends[0].calls() > 10, "it is back");
        }
    });
}

#[test]
fn a_failure_counts_as_slow_for_without_a_penalty_what_fails_fast_looks_best() {
    testing::run(async {
        let by_result = |result: &io::Result<u32>| if result.is_ok() { Class::Success } else { Class::Failure };
        for (penalty, fewest, most) in [(Duration::ZERO, 300, 1_000), (Duration::from_secs(5), 1, 3)] {
            let (backends, endpoints) = backends(4);
            backends[0].1.takes.set(MILLISECOND);
            backends[0].1.fails.set(true);
            let balance = Balance::new(endpoints).seed(1).classifier(by_result).penalty(penalty);
            for _ in 0..1_000 {
                let _ = balance.call(()).await;
            }
            let calls = backends[0].calls();
            println!("{calls} of 1,000 with a penalty of {penalty:?}");
            assert!((fewest..=most).contains(&calls));
        }
    });
}

#[test]
fn busy_and_closed_endpoints_are_avoided_and_never_thrown_out() {
    testing::run(async {
        let (backends, endpoints) = backends(5);
        for balance in all_kinds(&endpoints) {
            for (status, names) in [(Status::Busy, [0, 1]), (Status::Closed, [2, 3])] {
                names.iter().for_each(|&name| backends[name].1.status.set(status));
                for _ in 0..1_000 {
                    balance.call(()).await.unwrap();
                }
                let calls: Vec<_> = backends.iter().map(Backend::calls).collect();
                let avoided: u32 = names.iter().map(|&name| calls[name]).sum();
                // With two of five, all four pairs are bad once in ten thousand.
                assert!(avoided <= 2 + balance.panics() as u32, "{calls:?}");
                names.iter().for_each(|&name| backends[name].1.status.set(Status::Open));
                for _ in 0..1_000 {
                    balance.call(()).await.unwrap();
                }
                assert!(backends.iter().all(|backend| backend.calls() > 50), "they are back");
            }
            assert_eq!(endpoints.len(), 5);
        }
    });
}

#[test]
fn when_all_look_bad_busy_ones_are_called_before_closed_ones_and_no_call_is_refused() {
    testing::run(async {
        let (backends, endpoints) = backends(10);
        for backend in &backends {
            backend.1.status.set(if backend.0 < 5 { Status::Busy } else { Status::Closed });
        }
        for balance in all_kinds(&endpoints) {
            assert_eq!(balance.status(), Status::Busy);
            for _ in 0..500 {
                balance.call(()).await.unwrap();
            }
            assert_eq!(balance.panics(), 500);
            let closed: u32 = backends[5..].iter().map(Backend::calls).sum();
            let busy: u32 = backends[..5].iter().map(Backend::calls).sum();
            println!("{busy} to busy ones, {closed} to closed ones");
            assert!(closed <= 10, "{closed}");
        }
    });
}

#[test]
fn the_few_that_are_left_are_not_run_over_by_the_load_of_all() {
    testing::run(async {
        let (backends, endpoints) = backends(10);
        for backend in &backends[1..] {
            backend.1.status.set(Status::Busy);
        }
        let balance = Balance::new(endpoints).seed(5);
        for _ in 0..1_000 {
            balance.call(()).await.unwrap();
        }
        let only = backends[0].calls();
        println!("{only} of 1,000 to the only one that is open");
        // Four pairs of ten: 1 - 0.8^4.
        assert!((500..=680).contains(&only));
    });
}

#[test]
fn a_call_in_flight_keeps_an_endpoint_that_is_removed_and_the_last_one_drops_it() {
    testing::run(async {
        let (backends, endpoints) = backends(1);
        let balance = Balance::new(endpoints.clone());
        let mut call = Box::pin(balance.call(()));
        assert!(poll!(&mut call).is_pending());
        endpoints.insert(1, Backend::new(1));
        endpoints.remove(&0);
        assert_eq!(Rc::strong_count(&backends[0].1), 2);
        assert_eq!(balance.call(()).await.unwrap(), 1);
        assert_eq!(call.await.unwrap(), 0);
        assert_eq!(Rc::strong_count(&backends[0].1), 1);
    });
}

#[test]
fn a_stream_of_changes_is_followed_and_the_set_stays_when_it_ends() {
    testing::run(async {
        let endpoints = Endpoints::new();
        let (resolver, changes) = mpsc::bounded(1);
        let following = endpoints.clone();
        let task = spawn(async move { following.follow(changes).await });
        let balance = Balance::round_robin(endpoints.clone());
        for name in 0..3 {
            resolver.send(Change::insert(name, Backend::new(name))).await.unwrap();
        }
        resolver.send(Change::Remove(1)).await.unwrap();
        resolver.send(Change::Remove(9)).await.unwrap();
        resolver.send(Change::Insert { key: 2, service: Backend::new(20), weight: 3.0, priority: 0 }).await.unwrap();
        drop(resolver);
        task.await.unwrap();
        assert_eq!(format!("{endpoints:?}"), "{0, 2}");
        let mut counts = BTreeMap::new();
        for _ in 0..8 {
            *counts.entry(balance.call(()).await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([(0, 2), (20, 6)]));
    });
}

#[test]
#[should_panic(expected = "a weight is 0, and must be finite and more than zero")]
fn a_weight_of_nothing_is_a_mistake() {
    Endpoints::new().insert_weighted((), (), 0.0);
}

#[test]
fn an_endpoint_that_is_taken_for_dead_gets_its_probes_alone() {
    testing::run(async {
        let backends: Vec<_> = (0..4).map(Backend::new).collect();
        let around = |backend: &Backend| Filtered::new(FailureAccrual::new().seed(1), backend.clone());
        let endpoints: Endpoints<_, _> = backends.iter().map(|backend| (backend.0, around(backend))).collect();
        let balance = Balance::least_loaded(endpoints).seed(2);
        backends[0].1.fails.set(true);
        let mut failed = 0;
        for _ in 0..6_000 {
            failed += u32::from(balance.call(()).await.is_err());
        }
        println!("{failed} of 6,000 in a minute");
        // Five, and a probe after 5 to 10, 10 to 20 and 20 to 40 s; what is called by chance besides.
        assert!((5..=15).contains(&failed));
    });
}

#[test]
fn an_endpoint_that_is_back_has_calls_once_its_time_is_over_however_fast_the_others_are() {
    testing::run(async {
        let backends: Vec<_> = (0..4).map(Backend::new).collect();
        let around = |backend: &Backend| Filtered::new(FailureAccrual::new().seed(1), backend.clone());
        let endpoints: Endpoints<_, _> = backends.iter().map(|backend| (backend.0, around(backend))).collect();
        let balance = Balance::new(endpoints).seed(2);
        backends.iter().for_each(|backend| backend.1.takes.set(MILLISECOND));
        backends[0].1.fails.set(true);
        while balance.call(()).await.is_ok() {}
        backends[0].1.fails.set(false);
        backends[0].calls();
        let start = Instant::now();
        while backends[0].1.calls.get() == 0 {
            balance.call(()).await.unwrap();
        }
        println!("called again after {:?}", start.elapsed());
        // The five seconds that a failure counts, and not as long as a latency of five seconds would be known.
        assert!((4_000 * MILLISECOND..6_000 * MILLISECOND).contains(&start.elapsed()));
    });
}

#[test]
fn random_changes_and_calls_reach_no_endpoint_that_is_not_there() {
    for seed in 0..20 {
        println!("seed {seed}");
        let random = RefCell::new(Random::new(seed));
        testing::run(async {
            let below = |limit| random.borrow_mut().below(limit);
            let endpoints = Endpoints::new();
            let mut there = BTreeMap::new();
            let balances = all_kinds(&endpoints);
            for generation in 0..300 {
                match below(4) {
                    0 => {
                        let key = below(8) as u32;
                        let backend = Backend::new(generation);
                        backend.1.takes.set(below(20) as u32 * MILLISECOND);
                        backend.1.status.set([Status::Open, Status::Busy, Status::Closed][below(3)]);
                        endpoints.insert_weighted(key, backend, 1.0 + below(3) as f64);
                        there.insert(key, generation);
                    }
                    1 => {
                        let key = below(8) as u32;
                        assert_eq!(endpoints.remove(&key), there.remove(&key).is_some());
                    }
                    _ => {
                        let balance = &balances[below(3)];
                        match balance.call(()).await {
                            Ok(generation) => assert!(there.values().any(|known| *known == generation)),
                            Err(_) => assert!(there.is_empty()),
                        }
                    }
                }
                assert_eq!(endpoints.len(), there.len());
                if below(5) == 0 {
                    yield_now().await;
                }
            }
        });
    }
}

#[test]
fn the_future_of_a_call_is_that_of_the_endpoint_and_the_request_once_more() {
    #[derive(Clone)]
    struct Leaf;
    impl Service<[u8; 512]> for Leaf {
        type Response = u8;
        type Error = io::Error;
        async fn call(&self, request: [u8; 512]) -> io::Result<u8> {
            sleep(MILLISECOND).await;
            Ok(request[0])
        }
    }
    let inner = size_of_val(&Leaf.call([0; 512]));
    let endpoints: Endpoints<u32, _> = [(0, Leaf)].into_iter().collect();
    let balance = Balance::new(endpoints).map_response(|n| n);
    let whole = size_of_val(&balance.call([0; 512]));
    println!("{inner} inside, {whole} in all");
    assert!(whole <= inner + 512 + 12 * size_of::<usize>());
}
