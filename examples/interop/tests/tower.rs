//! tower's own layers and services in a stack of Mainspring, and a stack inside tower's.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::tower::{FromTower, IntoTower};
use mainspring::service::{ConcurrencyLimit, Rejected, Service, ServiceBuilder, ServiceExt, service_fn};
use mainspring::testing;
use mainspring::time::{Elapsed, Instant, sleep};
use tower::buffer::Buffer;
use tower::filter::{AsyncFilterLayer, FilterLayer};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::retry::{Policy, RetryLayer};
use tower::steer::Steer;
use tower::{BoxError, ServiceExt as _};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq)]
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

/// Takes a second for each call.
fn slow() -> impl tower::Service<u32, Response = u32, Error = BoxError, Future = impl Future> + Clone {
    tower::service_fn(async |n: u32| {
        sleep(SECOND).await;
        Ok::<_, BoxError>(n)
    })
}

#[test]
fn its_limit_of_concurrency_makes_calls_wait_and_a_dropped_one_makes_room() {
    testing::run(async {
        let limited = tower::ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(2)).service(slow());
        let service = FromTower::new(limited);
        let start = Instant::now();
        let answers = futures::future::join_all((0..5).map(|n| service.call(n))).await;
        assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(start.elapsed().as_secs(), 3, "two at a time");
        // Both places are taken and given up, and a third call has one at once.
        let mut dropped = [Box::pin(service.call(0)), Box::pin(service.call(0))];
        for call in &mut dropped {
            assert!(futures::poll!(call).is_pending());
        }
        drop(dropped);
        let start = Instant::now();
        assert_eq!(service.call(7).await.unwrap(), 7);
        assert_eq!(start.elapsed().as_secs(), 1);
    });
}

#[test]
fn its_load_shedding_refuses_what_would_wait() {
    testing::run(async {
        let shed = tower::ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
        let service = FromTower::new(shed.service(slow()));
        let (first, second) = futures::join!(service.call(1), service.call(2));
        assert_eq!(first.unwrap(), 1);
        assert_eq!(second.unwrap_err().to_string(), "service overloaded");
    });
}

#[test]
fn its_filters_refuse_at_once_or_after_asking() {
    testing::run(async {
        let even = |n: u32| if n % 2 == 0 { Ok(n) } else { Err(BoxError::from("odd")) };
        let small = async |n: u32| {
            sleep(SECOND).await;
            if n < 10 { Ok(n) } else { Err(BoxError::from("large")) }
        };
        let layers = tower::ServiceBuilder::new().layer(FilterLayer::new(even)).layer(AsyncFilterLayer::new(small));
        let service = FromTower::new(layers.service(slow()));
        assert_eq!(service.call(4).await.unwrap(), 4);
        assert_eq!(service.call(5).await.unwrap_err().to_string(), "odd");
        assert_eq!(service.call(12).await.unwrap_err().to_string(), "large");
    });
}

#[test]
fn its_steering_picks_a_service_for_each_request() {
    testing::run(async {
        let named = |name: &'static str| {
            let service = service_fn(async move |n: u32| Ok::<_, Failure>(format!("{name} {n}")));
            IntoTower::new(service)
        };
        let steer = Steer::new([named("even"), named("odd")], |n: &u32, _: &[_]| *n as usize % 2);
        let service = FromTower::new(steer);
        assert_eq!(service.call(4).await.unwrap(), "even 4");
        assert_eq!(service.call(5).await.unwrap(), "odd 5");
    });
}

/// Calls again for as many times as it says.
#[derive(Clone)]
struct Times(u32);

impl Policy<u32, u32, BoxError> for Times {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u32, result: &mut Result<u32, BoxError>) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(result.is_err().into())?;
        result.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[test]
fn its_retries_need_no_timer_unless_their_policy_does() {
    testing::run(async {
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        let failing = service_fn(async move |n: u32| {
            counted.set(counted.get() + 1);
            if counted.get() < 3 { Err(BoxError::from("not yet")) } else { Ok(n) }
        });
        let retried = tower::ServiceBuilder::new().layer(RetryLayer::new(Times(5))).service(IntoTower::new(failing));
        assert_eq!(FromTower::new(retried).call(1).await.unwrap(), 1);
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn its_buffer_has_a_worker_that_is_a_task_here() {
    testing::run(async {
        let (buffer, worker) = Buffer::pair(tower::service_fn(|n: u32| ready(Ok::<_, BoxError>(n * 2))), 4);
        mainspring::spawn(worker);
        let service = FromTower::new(buffer);
        let answers = futures::future::join_all((0..20).map(|n| service.call(n))).await;
        assert_eq!(answers.into_iter().map(Result::unwrap).sum::<u32>(), 380);
    });
}

#[test]
fn its_utilities_need_nothing() {
    testing::run(async {
        let service = tower::service_fn(async |n: u32| Ok::<_, BoxError>(n))
            .and_then(async |n| Ok::<_, BoxError>(n + 1))
            .map_future(|future| async { future.await.map(|n: u32| n * 10) })
            .then(async |result: Result<u32, BoxError>| result.map(|n| n + 3))
            .map_err(|error| error.to_string());
        assert_eq!(FromTower::new(service).call(4).await.unwrap(), 53);
        let all = tower::service_fn(|n: u32| ready(Ok::<_, BoxError>(n))).call_all(futures::stream::iter(0..3));
        let all: Vec<_> = futures::StreamExt::collect(all).await;
        assert_eq!(all.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
    });
}
