//! Services that are taken for dead: by failure accrual, which lets calls through, and by fail-fast, which does not.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use futures::poll;
use mainspring::service::{
    Backoff, Class, FailFast, FailureAccrual, Filter, Rejected, Service, ServiceExt, Status, service_fn,
};
use mainspring::testing;
use mainspring::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Fails while it is told to, after a while.
struct Backend {
    fails: Cell<bool>,
    takes: Cell<Duration>,
    calls: Cell<u32>,
}

impl Backend {
    const fn new(fails: bool) -> Self {
        Self { fails: Cell::new(fails), takes: Cell::new(Duration::ZERO), calls: Cell::new(0) }
    }
}

impl Service<()> for Backend {
    type Response = ();
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        sleep(self.takes.get()).await;
        if self.fails.get() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

#[test]
fn five_failures_in_a_row_are_death_and_fewer_are_not() {
    testing::run(async {
        let backend = Backend::new(true);
        // Successes keep the rate above 80 %.
        let service = (&backend).filter(FailureAccrual::new());
        for _ in 0..3 {
            backend.fails.set(false);
            for _ in 0..40 {
                service.call(()).await.unwrap();
            }
            backend.fails.set(true);
            for _ in 0..4 {
                service.call(()).await.unwrap_err();
                assert_eq!(service.status(), Status::Open);
            }
        }
        service.call(()).await.unwrap_err();
        assert_eq!(service.status(), Status::Busy);
        service.call(()).await.unwrap_err();
        assert_eq!(backend.calls.get(), 134, "a call goes through all the same");
    });
}

#[test]
fn fewer_than_four_of_five_is_death_without_five_in_a_row() {
    testing::run(async {
        let backend = Backend::new(false);
        let service = (&backend).filter(FailureAccrual::new());
        for (nth, fails) in [false, true, false, true, false].into_iter().enumerate() {
            assert_eq!(service.status(), Status::Open, "after {nth} calls");
            backend.fails.set(fails);
            let _ = service.call(()).await;
        }
        assert_eq!(service.status(), Status::Open, "judged when a call fails");
        backend.fails.set(true);
        let _ = service.call(()).await;
        assert_eq!(service.status(), Status::Busy);
    });
}

#[test]
fn failures_of_long_ago_are_forgotten() {
    testing::run(async {
        let backend = Backend::new(true);
        let accrual = FailureAccrual::new().consecutive(0).success_rate(0.5, 30 * SECOND, 4);
        let service = (&backend).filter(accrual);
        for _ in 0..20 {
            let _ = service.call(()).await;
            sleep(11 * SECOND).await;
        }
        assert_eq!(service.status(), Status::Open, "never four in thirty seconds");
    });
}

#[test]
fn the_probe_is_one_call_and_decides() {
    testing::run(async {
        let backend = Backend::new(true);
        let backoff = Backoff::new(8 * SECOND, 60 * SECOND);
        let accrual = FailureAccrual::new().consecutive(1).backoff(backoff).seed(1);
        let service = (&backend).filter(accrual);
        service.call(()).await.unwrap_err();
        let mut dead_for = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            while service.status() != Status::Open {
                sleep(SECOND / 10).await;
            }
            dead_for.push(start.elapsed().as_secs_f64());
            backend.takes.set(SECOND);
            let mut probe = Box::pin(service.call(()));
            assert!(poll!(&mut probe).is_pending());
            assert_eq!(service.status(), Status::Busy, "one probe at a time");
            probe.await.unwrap_err();
            assert_eq!(service.status(), Status::Busy);
        }
        println!("dead for {dead_for:?}");
        for (seconds, whole) in dead_for.iter().zip([8.0, 16.0, 32.0, 60.0, 60.0]) {
            assert!((whole / 2.0 - 0.1..=whole + 0.2).contains(seconds), "{seconds} of {whole}");
        }
        sleep(60 * SECOND).await;
        backend.fails.set(false);
        service.call(()).await.unwrap();
        assert_eq!(service.status(), Status::Open);
        service.call(()).await.unwrap();
    });
}

#[test]
fn a_probe_that_is_dropped_or_says_nothing_gives_its_turn_back() {
    testing::run(async {
        let backend = Backend::new(true);
        let ignore = Cell::new(false);
        let accrual = FailureAccrual::new().consecutive(1).classifier(|result: &Result<(), io::Error>| match result {
            Err(_) if ignore.get() => Class::Ignored,
            Err(_) => Class::Failure,
            Ok(()) => Class::Success,
        });
        let service = (&backend).filter(accrual);
        service.call(()).await.unwrap_err();
        sleep(10 * SECOND).await;
        backend.takes.set(SECOND);
        let mut probe = Box::pin(service.call(()));
        assert!(poll!(&mut probe).is_pending());
        assert_eq!(service.status(), Status::Busy);
        drop(probe);
        assert_eq!(service.status(), Status::Open);
        drop(service.call(()));
        assert_eq!(service.status(), Status::Open, "one that was not polled never was the probe");
        ignore.set(true);
        service.call(()).await.unwrap_err();
        assert_eq!(service.status(), Status::Open);
        ignore.set(false);
        service.call(()).await.unwrap_err();
        assert_eq!(service.status(), Status::Busy);
    });
}

#[test]
fn a_closed_service_is_closed_whatever_is_thought_of_it() {
    struct Closed;
    impl Service<()> for Closed {
        type Response = ();
        type Error = io::Error;
        async fn call(&self, (): ()) -> io::Result<()> {
            Ok(())
        }
        fn status(&self) -> Status {
            Status::Closed
        }
    }
    assert_eq!(Closed.filter(FailureAccrual::new()).status(), Status::Closed);
    let accrual: &dyn Fn() -> Status = &|| Filter::<(), _>::status(&FailFast::new(), &Closed);
    assert_eq!(accrual(), Status::Closed);
}

#[test]
fn a_peer_that_is_down_is_asked_by_one_caller_after_longer_and_longer() {
    testing::run(async {
        let calls = RefCell::new(Vec::new());
        let start = Instant::now();
        let connect = service_fn(async |()| {
            calls.borrow_mut().push(start.elapsed().as_secs_f64());
            Err::<(), io::Error>(io::ErrorKind::ConnectionRefused.into())
        });
        let connect = connect.filter(FailFast::new());
        let mut rejected = 0;
        for _ in 0..3_000 {
            let error = connect.call(()).await.unwrap_err();
            rejected += u32::from(error.kind() == io::Error::from(Rejected::Down).kind());
            sleep(SECOND / 10).await;
        }
        let calls = calls.borrow();
        println!("asked at {calls:.1?}, {rejected} rejected");
        assert_eq!(rejected as usize + calls.len(), 3_000);
        let waits: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (nth, wait) in waits.iter().enumerate() {
            let whole = f64::from(1 << nth.min(5));
            assert!((whole / 2.0..=whole + 0.2).contains(wait), "{wait} of {whole}");
        }
        assert!((12..=25).contains(&calls.len()));
    });
}

#[test]
fn how_long_a_peer_is_left_alone_can_be_set() {
    testing::run(async {
        let backend = Backend::new(true);
        let service = (&backend).filter(FailFast::new().backoff(Backoff::new(60 * SECOND, 60 * SECOND)));
        service.call(()).await.unwrap_err();
        sleep(29 * SECOND).await;
        assert_eq!(service.status(), Status::Busy);
        sleep(32 * SECOND).await;
        assert_eq!(service.status(), Status::Open);
    });
}

#[test]
fn while_one_tries_again_the_others_are_rejected_and_its_success_lets_all_in() {
    testing::run(async {
        let backend = Backend::new(true);
        let service = (&backend).filter(FailFast::new());
        assert_eq!(service.status(), Status::Open);
        service.call(()).await.unwrap_err();
        assert_eq!(service.status(), Status::Busy);
        sleep(SECOND).await;
        backend.fails.set(false);
        backend.takes.set(SECOND);
        let mut first = Box::pin(service.call(()));
        assert!(poll!(&mut first).is_pending());
        assert_eq!(service.call(()).await.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        let mut second = Box::pin(service.call(()));
        assert!(poll!(&mut second).is_pending(), "one that was dropped gives its turn back");
        second.await.unwrap();
        assert_eq!(service.status(), Status::Open);
        assert_eq!(backend.calls.get(), 3);
    });
}
