//! Calls through filters, dropped at each point of their lives (`util/dropped.rs`).
#![cfg(feature = "service")]
mod util;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{
    AdaptiveLimit, Coalesce, ConcurrencyLimit, Deadline, FailFast, FailureAccrual, Hedge, LoadShed, RateLimit, Retry,
    Service, ServiceExt, Shield, Statistics, Status, Timeout, service_fn,
};
use mainspring::sync::Notify;
use util::dropped::{dropped, once};
use util::runtime::{poll_once, run, stats, with_manual_clock};

const LONG: Duration = Duration::from_secs(60);

/// A service whose calls end when they are told to, one for each signal.
fn told() -> (Notify, impl Service<(), Response = (), Error = io::Error> + Clone + 'static) {
    let notify = Notify::new();
    let inside = notify.clone();
    let service = service_fn(async move |()| {
        inside.notified().await;
        io::Result::Ok(())
    });
    (notify, Rc::new(service))
}

/// Calls of `service`, whose innermost waits for `notify`.
async fn check(name: &str, notify: &Notify, service: impl Service<(), Response = (), Error = io::Error>) {
    dropped(name, &mut &service, |s| Box::pin(s.call(())), once(|| notify.notify_one())).await.unwrap();
    assert_eq!(service.status(), Status::Open, "{name}");
}

#[test]
fn calls_that_wait_for_what_is_inside_of_a_filter() {
    run(async {
        let (notify, leaf) = told();
        let leaf = || leaf.clone();
        check("nothing", &notify, leaf()).await;
        check("Timeout", &notify, leaf().filter(Timeout::new(LONG))).await;
        check("Deadline", &notify, leaf().filter(Deadline::within(LONG))).await;
        check("AndThen", &notify, service_fn(async |()| Ok(())).and_then(async |()| leaf().call(()).await)).await;
        check("LoadShed", &notify, leaf().filter(LoadShed)).await;
        check("AdaptiveLimit", &notify, leaf().filter(AdaptiveLimit::new().limits(1, 1, 1))).await;
        check("ConcurrencyLimit", &notify, leaf().filter(ConcurrencyLimit::new(1).waiters(0))).await;
        check("RateLimit", &notify, leaf().filter(RateLimit::new(1_000_000, LONG / 60))).await;
        check("Retry", &notify, leaf().filter(Retry::new())).await;
        check("Hedge", &notify, leaf().filter(Hedge::new())).await;
        check("FailureAccrual", &notify, leaf().filter(FailureAccrual::new().consecutive(1))).await;
        check("FailFast", &notify, leaf().filter(FailFast::new())).await;
        let statistics = Statistics::new();
        check("Statistics", &notify, leaf().filter(statistics.clone())).await;
        // Three that wait, one that was woken; and the last.
        assert_eq!((statistics.dropped(), statistics.success(), statistics.in_flight()), (4, 1, 0));
        let shared = leaf().map_err(Rc::new).filter(Coalesce::new());
        check("Coalesce", &notify, shared.map_err(|error| Rc::into_inner(error).unwrap())).await;
        let shield = Shield::new().max(0);
        check("Shield", &notify, leaf().filter(shield)).await;
        let endpoints: Endpoints<_, _> = (0..3).map(|n| (n, leaf())).collect();
        check("Balance", &notify, Balance::new(endpoints)).await;
        assert_eq!((stats().timers, stats().waits), (0, 0));
    });
}

#[test]
fn calls_that_wait_for_a_place_or_a_turn() {
    run(async {
        let limit = ConcurrencyLimit::new(1);
        let (_, leaf) = told();
        let occupied = leaf.filter(limit.clone());
        let occupant: Pin<Box<dyn Future<Output = io::Result<()>>>> = Box::pin(async move { occupied.call(()).await });
        let occupant = RefCell::new(Some(occupant));
        assert!(poll_once(occupant.borrow_mut().as_mut().unwrap()).is_pending());
        let service = service_fn(async |()| io::Result::Ok(())).filter(limit.clone());
        let leave = once(|| drop(occupant.take()));
        dropped("ConcurrencyLimit", &mut &service, |s| Box::pin(s.call(())), leave).await.unwrap();
        assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
    });
    // The time is told to move when the last one waits: in the system's own the next call may have come by then.
    with_manual_clock(async |clock| {
        const EACH: Duration = Duration::from_millis(50);
        let limit = RateLimit::new(1, EACH).burst(1);
        let service = service_fn(async |()| io::Result::Ok(())).filter(limit.clone());
        service.call(()).await.unwrap();
        dropped("RateLimit", &mut &service, |s| Box::pin(s.call(())), |_| clock.advance(EACH).unwrap()).await.unwrap();
        assert_eq!(limit.waiting(), 0);
    });
}

#[test]
fn what_is_shared_goes_on_while_one_is_left_and_what_is_shielded_while_none_is() {
    run(async {
        let (notify, leaf) = told();
        let shared = Rc::new(leaf.clone().map_err(Rc::new).filter(Coalesce::new()));
        let other = shared.clone();
        let other = mainspring::spawn(async move { other.call(()).await.is_ok() });
        mainspring::yield_now().await;
        // The call that the other one goes on with: one signal ends it for both.
        let mut first = Box::pin(shared.call(()));
        assert!(poll_once(&mut first).is_pending());
        drop(first);
        notify.notify_one();
        assert!(other.await.unwrap());
        let shield = Shield::new();
        let shielded = leaf.filter(shield.clone());
        assert!(poll_once(Box::pin(shielded.call(()))).is_pending());
        assert_eq!((shield.left_behind(), stats().tasks), (1, 1));
        notify.notify_one();
        while shield.left_behind() > 0 {
            mainspring::yield_now().await;
        }
        assert_eq!(stats().tasks, 0);
    });
}
