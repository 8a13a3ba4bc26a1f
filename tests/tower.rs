//! Services of tower in stacks of this crate, and the other way round.
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mainspring::service::tower::{FromTower, IntoTower};
use mainspring::service::{Service, ServiceBuilder, ServiceExt, service_fn};
use mainspring::testing;
use mainspring::time::sleep;
use tower_service::Service as TowerService;

/// Is ready when told, and insists on being asked before each call.
#[derive(Default)]
struct Strict {
    gate: Rc<Cell<bool>>,
    called: Rc<Cell<u32>>,
    is_ready: bool,
}

impl Clone for Strict {
    /// A clone has reserved nothing, as is usual there.
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), called: self.called.clone(), is_ready: false }
    }
}

impl TowerService<u32> for Strict {
    type Response = u32;
    type Error = io::Error;
    type Future = Ready<io::Result<u32>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gate.get() {
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(if self.called.get() > 2 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) })
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been asked");
        self.called.set(self.called.get() + 1);
        ready(Ok(request * 2))
    }
}

#[test]
fn each_call_waits_until_its_clone_is_ready_and_several_go_at_once() {
    let strict = Strict::default();
    let (gate, called) = (strict.gate.clone(), strict.called.clone());
    let service = FromTower::new(strict);
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut second, dropped) = (pin!(service.call(1)), pin!(service.call(2)), service.call(3));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    drop(dropped);
    assert_eq!(called.get(), 0);
    gate.set(true);
    assert!(matches!(second.poll(&mut cx), Poll::Ready(Ok(4))));
    assert!(matches!(first.poll(&mut cx), Poll::Ready(Ok(2))));
    assert_eq!(called.get(), 2);
}

#[test]
fn a_service_that_will_not_be_ready_fails_the_call() {
    let strict = Strict::default();
    strict.gate.set(true);
    strict.called.set(3);
    let error = futures::executor::block_on(FromTower::new(strict).call(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_stack_goes_into_tower_and_back_with_its_timers() {
    testing::run(async {
        let stack = ServiceBuilder::new().timeout(Duration::from_secs(2)).service_fn(async |seconds: u64| {
            sleep(Duration::from_secs(seconds)).await;
            io::Result::Ok(seconds)
        });
        let mut tower = IntoTower::new(stack);
        let clone = tower.clone();
        let call = tower.call(1);
        drop(tower);
        assert_eq!(call.await.unwrap(), 1, "the call keeps the service alive");
        let back = FromTower::new(clone).map_response(|seconds| seconds + 1);
        assert_eq!(back.call(1).await.unwrap(), 2);
        assert_eq!(back.call(3).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn nothing_happens_before_a_call_is_polled() {
    let count = Rc::new(Cell::new(0));
    let inside = count.clone();
    let mut service = IntoTower::new(service_fn(async move |()| {
        inside.set(inside.get() + 1);
        Ok::<_, Infallible>(())
    }));
    let call = service.call(());
    assert_eq!(count.get(), 0);
    assert_eq!(futures::executor::block_on(call), Ok(()));
    assert_eq!(count.get(), 1);
}
