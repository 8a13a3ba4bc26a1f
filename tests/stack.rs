//! Stacks through the public API: what maps requests, responses and errors, what chooses, what builds, and the size of
//! it all.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use mainspring::service::{
    BoxService, Either, Filter, NoRoute, Router, Service, ServiceBuilder, ServiceExt, Status, service_fn,
};
use mainspring::testing;
use mainspring::time::{Instant, sleep};

/// A service that answers with its name, and has a status that can be set.
struct Backend {
    name: &'static str,
    status: Cell<Status>,
}

impl Backend {
    const fn new(name: &'static str) -> Self {
        Self { name, status: Cell::new(Status::Open) }
    }
}

impl<Request> Service<Request> for Backend {
    type Response = &'static str;
    type Error = NoRoute;

    async fn call(&self, _request: Request) -> Result<&'static str, NoRoute> {
        Ok(self.name)
    }

    fn status(&self) -> Status {
        self.status.get()
    }
}

/// Records its name when a request passes.
struct Pass(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl<Request, S: Service<Request>> Filter<Request, S> for Pass {
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        self.1.borrow_mut().push(self.0);
        next.call(request)
    }
}

#[test]
fn requests_responses_and_errors_are_mapped_in_their_places() {
    let half = service_fn(async |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err(n) });
    let service =
        half.map_request(|text: &str| text.len() as u32).map_response(|n| n + 100).map_err(|n| format!("{n} is odd"));
    assert_eq!(block_on(service.call("four")), Ok(102));
    assert_eq!(block_on(service.call("three")), Err("5 is odd".to_string()));
}

#[test]
fn a_response_goes_on_to_a_function_that_waits_and_may_fail() {
    testing::run(async {
        let calls = Cell::new(0);
        let service =
            service_fn(async |n: i32| if n < 0 { Err("negative") } else { Ok(n) }).and_then(async |n: i32| {
                calls.set(calls.get() + 1);
                sleep(Duration::from_secs(1)).await;
                if n == 0 { Err("zero") } else { Ok(f64::from(n)) }
            });
        assert_eq!(service.call(2).await, Ok(2.0));
        assert_eq!(service.call(0).await, Err("zero"));
        assert_eq!(calls.get(), 2);
        assert_eq!(service.call(-1).await, Err("negative"));
        assert_eq!(calls.get(), 2, "a call that fails does not go on");
    });
}

#[test]
fn what_goes_on_takes_the_place_of_the_call_which_is_dropped_first() {
    let held = Rc::new(());
    let seen = Cell::new(0);
    let service = service_fn(async |held: Rc<()>| {
        poll_fn(|_| Poll::Ready(())).await;
        Ok::<_, Infallible>(Rc::downgrade(&held))
    })
    .and_then(async |weak: std::rc::Weak<()>| {
        seen.set(weak.strong_count());
        Ok(())
    });
    assert_eq!(block_on(service.call(held.clone())), Ok(()));
    assert_eq!(seen.get(), 1, "the request is alive in nothing but the test");
}

#[test]
fn either_calls_and_asks_the_one_that_it_is() {
    let (left, right) = (Rc::new(Backend::new("left")), Rc::new(Backend::new("right")));
    right.status.set(Status::Busy);
    for (service, name, status) in
        [(Either::Left(left.clone()), "left", Status::Open), (Either::Right(right.clone()), "right", Status::Busy)]
    {
        assert_eq!(block_on(service.call(())), Ok(name));
        assert_eq!(Service::<()>::status(&service), status);
    }
}

#[test]
fn a_filter_that_is_optional_is_there_or_not_and_two_may_be_chosen_from() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let pass = |name| Pass(name, log.clone());
    let backend = Rc::new(Backend::new("backend"));
    backend.status.set(Status::Busy);
    for filter in [Some(pass("some")), None] {
        let service = ServiceBuilder::new().filter(filter).service::<_, u32>(backend.clone());
        assert_eq!(block_on(service.call(1)), Ok("backend"));
        assert_eq!(Service::<u32>::status(&service), Status::Busy);
    }
    for filter in [Either::Left(pass("left")), Either::Right(pass("right"))] {
        let service = ServiceBuilder::new().filter(filter).service::<_, u32>(backend.clone());
        assert_eq!(block_on(service.call(1)), Ok("backend"));
        assert_eq!(Service::<u32>::status(&service), Status::Busy);
    }
    assert_eq!(*log.borrow(), ["some", "left", "right"]);
}

#[test]
fn a_router_takes_the_service_of_the_key_else_that_of_the_rest_else_fails() {
    let router = Router::new(|n: &u32| n % 10).route(1, Backend::new("one")).route(2, Backend::new("two"));
    assert_eq!(block_on(router.call(11)), Ok("one"));
    assert_eq!(block_on(router.call(2)), Ok("two"));
    assert_eq!(block_on(router.call(3)), Err(NoRoute));
    assert_eq!(io::Error::from(NoRoute).kind(), io::ErrorKind::NotFound);
    let router = router.route(2, Backend::new("second")).otherwise(Backend::new("rest"));
    assert_eq!(block_on(router.call(2)), Ok("second"), "the later one takes the place of the earlier");
    assert_eq!(block_on(router.call(3)), Ok("rest"));
}

#[test]
fn a_router_has_the_status_of_its_best_route() {
    let (one, two) = (Rc::new(Backend::new("one")), Rc::new(Backend::new("two")));
    let router = Router::new(|n: &u32| *n).route(1, one.clone()).otherwise(two.clone());
    for (first, second, whole) in [
        (Status::Open, Status::Closed, Status::Open),
        (Status::Closed, Status::Busy, Status::Busy),
        (Status::Closed, Status::Closed, Status::Closed),
    ] {
        one.status.set(first);
        two.status.set(second);
        assert_eq!(router.status(), whole);
    }
    let empty: Router<_, u32, Rc<Backend>> = Router::new(|n: &u32| *n);
    assert_eq!(empty.status(), Status::Closed);
}

#[test]
fn a_builder_is_read_from_the_outside_in() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let pass = |name| Pass(name, log.clone());
    let service = ServiceBuilder::new()
        .filter(pass("first"))
        .map_request(|text: &str| text.len())
        .filter(pass("second"))
        .map_response(|n: usize| n + 1)
        .and_then(async |n: usize| Ok(n * 2))
        .map_err(|_: Infallible| io::ErrorKind::Other)
        .filter(pass("third"))
        .service_fn(async |n: usize| Ok::<_, Infallible>(n * 10));
    assert_eq!(block_on(service.call("four")), Ok(81));
    assert_eq!(*log.borrow(), ["first", "second", "third"]);
}

#[test]
fn a_builder_that_is_cloned_builds_several() {
    let step = Rc::new(1);
    let builder = ServiceBuilder::new().map_request(move |n: u32| n + *step);
    let first = builder.clone().service_fn(async |n: u32| Ok::<_, Infallible>(n));
    let second = builder.service_fn(async |n: u32| Ok::<_, Infallible>(n * 2));
    assert_eq!((block_on(first.call(1)), block_on(second.call(1))), (Ok(2), Ok(4)));
}

#[test]
fn a_timeout_of_a_builder_bounds_what_is_inside_of_it() {
    testing::run(async {
        let service = ServiceBuilder::new().timeout(Duration::from_secs(2)).service_fn(async |seconds: u64| {
            sleep(Duration::from_secs(seconds)).await;
            io::Result::Ok(seconds)
        });
        assert_eq!(service.call(1).await.unwrap(), 1);
        let start = Instant::now();
        assert_eq!(service.call(3).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 2);
    });
}

#[test]
fn a_timeout_counts_from_when_its_call_first_waits() {
    testing::run(async {
        let service = service_fn(async |()| {
            sleep(Duration::from_secs(2)).await;
            io::Result::Ok(())
        });
        let service = service.timeout(Duration::from_secs(3));
        let call = service.call(());
        sleep(Duration::from_secs(60)).await;
        assert!(call.await.is_ok());
    });
}

#[test]
fn the_future_of_six_filters_is_that_of_the_service_and_their_own_state() {
    type Request = [u8; 512];
    let leaf = service_fn(async |request: Request| {
        pending::<()>().await;
        Ok::<_, io::Error>(request[0])
    });
    let inner = size_of_val(&leaf.call([0; 512]));
    let stack = ServiceBuilder::new()
        .map_err(|error: io::Error| error)
        .timeout(Duration::from_secs(10))
        .map_response(|n: u8| n + 1)
        .and_then(async |n: u8| Ok(n))
        .timeout(Duration::from_secs(1))
        .map_request(|request: Request| request)
        .service(&leaf);
    // Three references, and two sleeps of a time, a core and a key.
    let state = 3 * size_of::<usize>() + 2 * size_of_val(&sleep(Duration::ZERO));
    testing::run(async {
        let whole = size_of_val(&stack.call([0; 512]));
        println!("{inner} bytes inside, {state} of state, {whole} in all");
        assert!(whole * 10 <= (inner + state) * 11, "{whole} bytes around {inner} with {state} of state");
    });
}

#[test]
fn a_boxed_stack_drops_what_its_call_holds() {
    let held = Rc::new(());
    let service: BoxService<Rc<()>, (), io::Error> = ServiceBuilder::new()
        .timeout(Duration::MAX)
        .and_then(async |()| Ok(()))
        .service_fn(async |_held: Rc<()>| pending().await)
        .boxed();
    testing::run(async {
        let mut call = Box::pin(service.call(held.clone()));
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(Rc::strong_count(&held), 2);
        drop(call);
        assert_eq!(Rc::strong_count(&held), 1);
    });
}
