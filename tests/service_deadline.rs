//! Deadlines of calls: what is inside sees them, and what comes too late fails.
#![cfg(feature = "service")]
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join;
use mainspring::service::{Deadline, Service, ServiceBuilder, ServiceExt, service_fn};
use mainspring::time::{Instant, sleep};
use mainspring::{spawn, testing, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// Says how long there is left, after a while.
fn left() -> impl Service<Duration, Response = Option<Duration>, Error = io::Error> {
    service_fn(async |after: Duration| {
        sleep(after).await;
        Ok(Deadline::current().map(|deadline| deadline - Instant::now()))
    })
}

#[test]
fn what_is_inside_sees_the_earlier_deadline_whichever_stands_outside() {
    testing::run(async {
        for (outer, inner) in [(5, 3), (3, 5)] {
            let service = left().deadline(inner * SECOND).deadline(outer * SECOND);
            let seen = service.call(SECOND).await.unwrap().unwrap();
            assert_eq!(seen.as_secs_f64().round(), 2.0);
        }
        let inherited = ServiceBuilder::new().deadline(3 * SECOND).filter(Deadline::inherited()).service(left());
        assert_eq!(inherited.call(SECOND).await.unwrap().unwrap().as_secs_f64().round(), 2.0);
        let none = left().filter(Deadline::inherited());
        assert_eq!(none.call(SECOND).await.unwrap(), None);
        assert_eq!(Deadline::current(), None);
    });
}

#[test]
fn a_call_that_reaches_its_deadline_fails_and_one_that_comes_after_it_does_nothing() {
    testing::run(async {
        let calls = Cell::new(0);
        let service = service_fn(async |()| {
            calls.set(calls.get() + 1);
            sleep(5 * SECOND).await;
            io::Result::Ok(())
        })
        .filter(Deadline::inherited());
        let (start, at) = (Instant::now(), Instant::now() + 2 * SECOND);
        let error = Deadline::scope(at, async {
            let first = service.call(()).await.unwrap_err();
            assert_eq!((start.elapsed().as_secs(), calls.get()), (2, 1));
            let second = service.call(()).await.unwrap_err();
            assert_eq!(first.kind(), second.kind());
            second
        })
        .await;
        assert_eq!((error.kind(), calls.get()), (io::ErrorKind::TimedOut, 1));
        assert!(service.call(()).await.is_ok(), "outside there is none");
    });
}

#[test]
fn calls_that_take_turns_do_not_see_the_deadlines_of_each_other() {
    testing::run(async {
        let service = service_fn(async |rounds: u32| {
            let mut seen = Vec::new();
            for _ in 0..rounds {
                yield_now().await;
                seen.push(Deadline::current());
            }
            io::Result::Ok(seen)
        });
        let (short, long) = ((&service).deadline(SECOND), (&service).deadline(9 * SECOND));
        let (first, second) = join(short.call(5), long.call(5)).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.iter().all(|at| at == &first[0]) && second.iter().all(|at| at == &second[0]));
        assert_eq!((second[0].unwrap() - first[0].unwrap()).as_secs(), 8);
    });
}

#[test]
fn a_task_does_not_inherit_a_deadline_and_may_be_given_it() {
    testing::run(async {
        let service = service_fn(async |()| {
            let mine = Deadline::current();
            let bare = spawn(async { Deadline::current() }).await.unwrap();
            let given = spawn(Deadline::scope(mine.unwrap(), async { Deadline::current() })).await.unwrap();
            io::Result::Ok((bare, given == mine))
        });
        assert_eq!(service.deadline(SECOND).call(()).await.unwrap(), (None, true));
    });
}

#[test]
fn zero_has_passed_already_and_the_longest_bounds_nothing() {
    testing::run(async {
        let zero = left().deadline(Duration::ZERO);
        assert_eq!(zero.call(Duration::ZERO).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let longest = left().deadline(Duration::MAX);
        assert!(longest.call(1_000_000 * SECOND).await.unwrap().unwrap() > SECOND);
    });
}

#[test]
fn a_panic_inside_leaves_no_deadline_behind() {
    let service = service_fn(async |()| -> io::Result<()> { panic!("as is wanted") }).deadline(SECOND);
    let result = catch_unwind(AssertUnwindSafe(|| block_on(service.call(()))));
    assert!(result.is_err());
    assert_eq!(Deadline::current(), None);
}
