//! Services and filters through the public API: composition, status, errors, clones and the size of futures.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::join;
use mainspring::service::{BoxService, Filter, Filtered, NewService, Service, ServiceExt, Status, service_fn};

/// Records its name before and after the call inside.
struct Trace {
    name: &'static str,
    log: Rc<RefCell<Vec<String>>>,
}

impl<Request, S: Service<Request>> Filter<Request, S> for Trace {
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    async fn apply(&self, request: Request, next: &S) -> Result<S::Response, S::Error> {
        self.log.borrow_mut().push(format!("{} in", self.name));
        let result = next.call(request).await;
        self.log.borrow_mut().push(format!("{} out", self.name));
        result
    }
}

/// A service with a status that can be set.
struct Switch {
    status: Cell<Status>,
}

impl Service<u32> for Switch {
    type Response = u32;
    type Error = Infallible;

    async fn call(&self, request: u32) -> Result<u32, Infallible> {
        Ok(request)
    }

    fn status(&self) -> Status {
        self.status.get()
    }
}

#[test]
fn the_filter_applied_last_runs_first_and_ends_last() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let trace = |name| Trace { name, log: Rc::clone(&log) };
    let service = service_fn(async |n: u32| Ok::<_, Infallible>(n + 1)).filter(trace("inner")).filter(trace("outer"));
    assert_eq!(block_on(service.call(1)), Ok(2));
    assert_eq!(*log.borrow(), ["outer in", "inner in", "inner out", "outer out"]);
}

#[test]
fn a_filter_may_change_the_types_of_request_and_response() {
    struct Parse;

    impl<'a, S: Service<u32, Response = u32, Error = Infallible>> Filter<&'a str, S> for Parse {
        type Inner = u32;
        type Response = String;
        type Error = std::num::ParseIntError;

        async fn apply(&self, request: &'a str, next: &S) -> Result<String, Self::Error> {
            let Ok(number) = next.call(request.parse()?).await;
            Ok(number.to_string())
        }
    }

    let service = service_fn(async |n: u32| Ok::<_, Infallible>(n * 2)).filter(Parse);
    assert_eq!(block_on(service.call("21")), Ok("42".to_string()));
    assert!(block_on(service.call("x")).is_err());
}

#[test]
fn a_filter_may_borrow_its_request_and_itself_and_call_next_twice_at_once() {
    struct Twice {
        separator: String,
    }

    impl<'a, S: Service<&'a str, Response = String>> Filter<&'a str, S> for Twice {
        type Inner = &'a str;
        type Response = String;
        type Error = S::Error;

        async fn apply(&self, request: &'a str, next: &S) -> Result<String, S::Error> {
            let separator: &str = &self.separator;
            let (first, second) = join(next.call(request), next.call(request)).await;
            Ok(first? + separator + &second?)
        }
    }

    let text = String::from("tick");
    let service = service_fn(async |text: &str| Ok::<_, Infallible>(text.to_uppercase()));
    let twice = Twice { separator: "-".to_string() };
    let filtered = (&service).filter(&twice);
    assert_eq!(block_on(filtered.call(&text)), Ok("TICK-TICK".to_string()));
}

#[test]
fn a_filter_that_fails_converts_its_error_by_from() {
    #[derive(Debug, PartialEq)]
    struct Refused;

    #[derive(Debug, PartialEq)]
    enum Failure {
        Refused,
    }

    impl From<Refused> for Failure {
        fn from(_: Refused) -> Self {
            Self::Refused
        }
    }

    struct Limit(u32);

    impl<S: Service<u32>> Filter<u32, S> for Limit
    where
        S::Error: From<Refused>,
    {
        type Inner = u32;
        type Response = S::Response;
        type Error = S::Error;

        async fn apply(&self, request: u32, next: &S) -> Result<S::Response, S::Error> {
            if request > self.0 {
                return Err(Refused.into());
            }
            next.call(request).await
        }
    }

    let service = service_fn(async |n: u32| Ok::<_, Failure>(n)).filter(Limit(9));
    assert_eq!(block_on(service.call(9)), Ok(9));
    assert_eq!(block_on(service.call(10)), Err(Failure::Refused));
}

#[test]
fn filters_pointers_and_boxes_report_the_status_of_the_service_inside() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let switch = Rc::new(Switch { status: Cell::new(Status::Open) });
    let filtered = Rc::clone(&switch).filter(Trace { name: "a", log });
    let stack = Box::new(&filtered);
    let boxed: BoxService<u32, u32, Infallible> = Rc::clone(&switch).boxed();
    for status in [Status::Busy, Status::Closed, Status::Open] {
        switch.status.set(status);
        assert_eq!(Service::<u32>::status(&stack), status);
        assert_eq!(boxed.status(), status);
    }
}

#[test]
fn a_service_behind_an_arc_is_called_and_asked_through_it() {
    struct Closing;

    impl Service<u32> for Closing {
        type Response = u32;
        type Error = Infallible;

        async fn call(&self, request: u32) -> Result<u32, Infallible> {
            Ok(request)
        }

        fn status(&self) -> Status {
            Status::Closed
        }
    }

    let service = Arc::new(Closing);
    assert_eq!(Service::<u32>::status(&service), Status::Closed);
    assert_eq!(block_on(service.call(1)), Ok(1));
}

#[test]
fn a_filter_may_report_a_status_worse_than_that_of_the_service_inside() {
    struct Full;

    impl<S: Service<u32>> Filter<u32, S> for Full {
        type Inner = u32;
        type Response = S::Response;
        type Error = S::Error;

        async fn apply(&self, request: u32, next: &S) -> Result<S::Response, S::Error> {
            next.call(request).await
        }

        fn status(&self, next: &S) -> Status {
            next.status().worst(Status::Busy)
        }
    }

    let service = Switch { status: Cell::new(Status::Open) }.filter(&Full);
    assert_eq!(service.status(), Status::Busy);
    let service = Switch { status: Cell::new(Status::Closed) }.filter(Full);
    assert_eq!(service.status(), Status::Closed);
}

#[test]
fn the_worst_and_the_best_of_two_statuses_are_in_order() {
    let all = [Status::Open, Status::Busy, Status::Closed];
    for (i, &a) in all.iter().enumerate() {
        for (j, &b) in all.iter().enumerate() {
            assert_eq!(a.worst(b), all[i.max(j)]);
            assert_eq!(a.best(b), all[i.min(j)]);
        }
    }
}

#[test]
fn clones_of_a_boxed_service_share_one_service() {
    let count = Rc::new(Cell::new(0));
    let inside = Rc::clone(&count);
    let service: BoxService<u32, u32, Infallible> = service_fn(async move |step: u32| {
        inside.set(inside.get() + step);
        Ok(inside.get())
    })
    .boxed();
    let clone = service.clone();
    assert_eq!(block_on(service.call(1)), Ok(1));
    drop(service);
    assert_eq!(block_on(clone.call(1)), Ok(2));
    assert_eq!(Rc::strong_count(&count), 2);
    drop(clone);
    assert_eq!(Rc::strong_count(&count), 1);
}

#[test]
fn a_boxed_service_takes_requests_that_borrow() {
    fn length<'a>(service: &BoxService<&'a str, usize, Infallible>, text: &'a str) -> Result<usize, Infallible> {
        block_on(service.call(text))
    }

    let text = String::from("four");
    let service = service_fn(async |text: &str| Ok(text.len())).boxed();
    assert_eq!(length(&service, &text), Ok(4));
}

#[test]
fn dropping_a_call_drops_what_it_holds() {
    let permit = Rc::new(());
    let service = {
        let permit = Rc::clone(&permit);
        service_fn(async move |_: u32| {
            let _held = Rc::clone(&permit);
            pending::<Result<(), Infallible>>().await
        })
    };
    let boxed = service.boxed();
    let mut call = Box::pin(boxed.call(1));
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(Rc::strong_count(&permit), 3);
    drop(call);
    assert_eq!(Rc::strong_count(&permit), 2);
}

#[test]
fn every_closure_makes_services_of_its_own_or_clones_of_one() {
    fn serve<N>(new_service: &N) -> u32
    where
        N: NewService<&'static str, Error: fmt::Debug>,
        N::Service: Service<u32, Response = u32, Error = Infallible>,
    {
        block_on(async {
            let service = new_service.new_service("peer").await.unwrap();
            let Ok(answer) = service.call(1).await;
            answer
        })
    }

    let made = Cell::new(0);
    let own = || {
        made.set(made.get() + 1);
        let count = Cell::new(0);
        service_fn(async move |n: u32| {
            count.set(count.get() + n);
            Ok::<_, Infallible>(count.get())
        })
    };
    assert_eq!((serve(&own), serve(&own), made.get()), (1, 1, 2));

    let total = Rc::new(Cell::new(0));
    let one = {
        let total = Rc::clone(&total);
        service_fn(async move |n: u32| {
            total.set(total.get() + n);
            Ok::<_, Infallible>(total.get())
        })
        .boxed()
    };
    let shared = move || one.clone();
    assert_eq!((serve(&shared), serve(&shared)), (1, 2));
}

#[test]
fn pointers_and_filtered_add_nothing_to_the_future_of_a_call() {
    /// Hands the call on without a future of its own.
    struct Pass;

    impl<S: Service<[u8; 512]>> Filter<[u8; 512], S> for Pass {
        type Inner = [u8; 512];
        type Response = S::Response;
        type Error = S::Error;

        fn apply(&self, request: [u8; 512], next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
            next.call(request)
        }
    }

    let leaf = service_fn(async |request: [u8; 512]| {
        pending::<()>().await;
        Ok::<_, Infallible>(request[0])
    });
    let size = size_of_val(&leaf.call([0; 512]));
    let stack = Rc::new(Filtered::new(Pass, Filtered::new(Pass, Filtered::new(Pass, &leaf))));
    assert_eq!(size_of_val(&stack.call([0; 512])), size);
}
