//! What a tracer is told of calls.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::{Idempotent, Retry, Service, ServiceBuilder, ServiceExt, Trace, Tracer, service_fn};
use mainspring::testing;
use mainspring::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Numbers the calls, and writes down what it is told.
#[derive(Default)]
struct Log {
    calls: Cell<u32>,
    lines: RefCell<Vec<String>>,
}

impl Log {
    fn write(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }
}

impl Tracer<u64, u64, io::Error> for Log {
    type Span = u32;

    fn begins(&self, request: &u64) -> u32 {
        self.calls.set(self.calls.get() + 1);
        self.write(format!("{}: {request}", self.calls.get()));
        self.calls.get()
    }

    fn ends(&self, call: u32, took: Duration, result: &io::Result<u64>) {
        let result = result.as_ref().map_err(io::Error::kind);
        self.write(format!("{call}: {result:?} after {:.1}", took.as_secs_f64()));
    }

    fn is_dropped(&self, call: u32, took: Duration) {
        self.write(format!("{call}: dropped after {:.1}", took.as_secs_f64()));
    }
}

/// Takes as many seconds; 1 fails.
async fn wait(seconds: u64) -> io::Result<u64> {
    sleep(seconds as u32 * SECOND).await;
    if seconds == 1 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(seconds) }
}

#[test]
fn each_call_begins_and_then_ends_or_is_dropped_in_its_own_time() {
    testing::run(async {
        let log = Rc::new(Log::default());
        let service = service_fn(wait).filter(Trace::new(log.clone()));
        let calls = futures::join!(service.call(2), service.call(1), timeout(SECOND / 2, service.call(9)));
        assert!(calls.0.is_ok() && calls.1.is_err() && calls.2.is_err());
        drop(service.call(7));
        let expected = [
            "1: 2",
            "2: 1",
            "3: 9",
            "3: dropped after 0.5",
            "2: Err(ConnectionReset) after 1.0",
            "1: Ok(2) after 2.0",
            "4: 7",
            "4: dropped after 0.0",
        ];
        assert_eq!(*log.lines.borrow(), expected);
    });
}

#[test]
fn above_the_retries_it_is_told_of_calls_and_below_of_attempts() {
    testing::run(async {
        let (calls, attempts) = (Rc::new(Log::default()), Rc::new(Log::default()));
        let service = ServiceBuilder::new()
            .filter(Trace::new(calls.clone()))
            .filter(Retry::new().classifier(Idempotent).attempts(3))
            .filter(Trace::new(attempts.clone()))
            .service_fn(wait);
        service.call(1).await.unwrap_err();
        assert_eq!((calls.calls.get(), calls.lines.borrow().len()), (1, 2));
        assert_eq!((attempts.calls.get(), attempts.lines.borrow().len()), (3, 6));
    });
}

#[test]
fn a_call_whose_making_panics_is_told_as_one_that_was_dropped() {
    testing::run(async {
        let log = Rc::new(Log::default());
        let panics = service_fn(|seconds: u64| {
            assert!(seconds > 0, "there is no such call");
            wait(seconds)
        });
        let service = panics.filter(Trace::new(log.clone()));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(0)))).is_err());
        assert_eq!(*log.lines.borrow(), ["1: 0", "1: dropped after 0.0"]);
    });
}
