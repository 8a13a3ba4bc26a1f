//! Endpoints that are a reserve: called while none of the first choice is open.
#![cfg(feature = "service")]
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::balance::{Balance, Change, Endpoints};
use mainspring::service::{FailureAccrual, Idempotent, Retry, Service, ServiceBuilder, Status};
use mainspring::testing;
use mainspring::time::sleep;

mod util;
use util::random::Random;

/// An endpoint with a status, which answers with its number.
#[derive(Clone)]
struct Backend(u32, Rc<Cell<Status>>);

impl Service<()> for Backend {
    type Response = u32;
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<u32> {
        Ok(self.0)
    }

    fn status(&self) -> Status {
        self.1.get()
    }
}

fn backends(priorities: &[u16]) -> (Vec<Backend>, Endpoints<u32, Backend>) {
    let backends: Vec<_> = (0..).map(|number| Backend(number, Rc::default())).take(priorities.len()).collect();
    let endpoints = Endpoints::new();
    for (backend, &priority) in backends.iter().zip(priorities) {
        let (key, service) = (backend.0, backend.clone());
        endpoints.apply(Change::Insert { key, service, weight: f64::from(1 + key % 3), priority });
    }
    (backends, endpoints)
}

#[test]
fn whatever_is_open_the_call_goes_to_the_lowest_priority_that_has_an_open_endpoint() {
    testing::run(async {
        for seed in 0..100 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let count = 1 + random.below(20);
            let mut priorities: Vec<u16> = (0..count).map(|_| random.below(4) as u16).collect();
            let (backends, endpoints) = backends(&priorities);
            let balances = [Balance::new, Balance::least_loaded, Balance::round_robin];
            let balances = balances.map(|balance| balance(endpoints.clone()).seed(seed));
            for _ in 0..100 {
                let nth = random.below(count);
                match random.below(8) {
                    0 => {
                        priorities[nth] = random.below(4) as u16;
                        assert!(endpoints.prioritise(&(nth as u32), priorities[nth]));
                    }
                    // One of many that is open is found, before a reserve is called.
                    1 => backends.iter().for_each(|backend| backend.1.set(Status::Busy)),
                    _ => backends[nth].1.set([Status::Open, Status::Busy, Status::Closed][random.below(3)]),
                }
                for balance in &balances {
                    let chosen = balance.call(()).await.unwrap() as usize;
                    let of = |number: usize| (backends[number].1.get(), priorities[number]);
                    let best = (0..count).map(of).min().unwrap();
                    let is_last = priorities.iter().all(|priority| *priority <= best.1);
                    // In the last tier four pairs are looked at, as where there is one.
                    let is_found = of(chosen) == best || is_last && of(chosen).0 > best.0;
                    assert!(is_found, "{:?} in place of {best:?}", of(chosen));
                }
            }
            assert!(!endpoints.prioritise(&99, 1));
        }
    });
}

#[test]
fn a_reserve_takes_over_while_the_first_choice_is_down_and_gives_back_when_it_is_up() {
    testing::run(async {
        let is_down = Rc::new(Cell::new(false));
        let endpoints = Endpoints::new();
        for (key, priority) in [(1, 10), (2, 10), (3, 20)] {
            let is_down = is_down.clone();
            let service =
                ServiceBuilder::new().filter(FailureAccrual::new().seed(key)).service_fn(async move |()| match key {
                    1 | 2 if is_down.get() => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                    _ => Ok(key),
                });
            endpoints.apply(Change::Insert { key, service, weight: 1.0, priority });
        }
        let balance = Balance::new(endpoints).seed(1);
        let client = ServiceBuilder::new().filter(Retry::new().classifier(Idempotent).attempts(12).seed(1));
        let client = client.service(balance);
        // For each second of a minute: how many of ten calls went to the reserve.
        let mut reserve = Vec::new();
        for second in 0..60 {
            is_down.set((10..30).contains(&second));
            let mut count = 0;
            for _ in 0..10 {
                sleep(Duration::from_millis(100)).await;
                count += u32::from(client.call(()).await.unwrap() == 3);
            }
            reserve.push(count);
        }
        println!("{reserve:?}");
        assert_eq!(reserve[..10], [0; 10]);
        assert_eq!(reserve[12..30], [10; 18]);
        // By then each has been tried again.
        assert_eq!(reserve[50..], [0; 10]);
    });
}
