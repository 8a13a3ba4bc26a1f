//! tower's own layers and services in a stack of Mainspring, and a stack inside tower's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::tower::{FromTower, IntoTower};
use mainspring::service::{ConcurrencyLimit, Rejected, Service, ServiceBuilder, ServiceExt, service_fn};
use mainspring::testing;
use mainspring::time::{Elapsed, Instant, sleep};
use tower::ServiceExt as _;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
enum Failure {
    Rejected,
    Elapsed,
}

impl From<Rejected> for Failure {
    fn from(_: Rejected) -> Self {
        Self::Rejected
    }
}

impl From<Elapsed> for Failure {
    fn from(_: Elapsed) -> Self {
        Self::Elapsed
    }
}

#[test]
fn a_stack_stands_inside_layers_of_tower_and_those_inside_a_stack() {
    testing::run(async {
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        let inner = ServiceBuilder::new().filter(ConcurrencyLimit::new(1)).service_fn(async move |n: u64| {
            counted.set(counted.get() + 1);
            sleep(n as u32 * SECOND).await;
            Ok::<_, Failure>(n)
        });
        let middle = tower::ServiceBuilder::new()
            .map_request(|text: &str| text.len() as u64)
            .map_response(|n: u64| n + 1)
            .service(IntoTower::new(inner));
        let outer = FromTower::new(middle).timeout(5 * SECOND);
        let start = Instant::now();
        let (first, second) = futures::join!(outer.call("two"), outer.call(""));
        assert_eq!((first, second), (Ok(4), Ok(1)));
        assert_eq!(start.elapsed().as_secs(), 3, "one at a time, in the limit of the inner stack");
        assert_eq!(outer.call("too long").await, Err(Failure::Elapsed));
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn clients_of_tower_are_called_once_each_is_ready() {
    testing::run(async {
        let client = tower::service_fn(async |n: u32| Ok::<_, Failure>(n * 2));
        let service = ServiceBuilder::new().filter(ConcurrencyLimit::new(2)).service(FromTower::new(client));
        assert_eq!(service.call(21).await, Ok(42));
        let back = IntoTower::new(service_fn(async |n: u32| Ok::<_, Failure>(n + 1)));
        assert_eq!(back.oneshot(1).await, Ok(2));
    });
}
