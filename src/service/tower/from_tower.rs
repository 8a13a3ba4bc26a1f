//! A service of tower as one of this crate.
//!
//! Used at the inner end of a stack, around a client of that ecosystem, or in its middle, around a layer of it.
//!
//! Guarantees: each call has a clone of the service to itself, which is asked until it is ready and called once, as the
//! contract of tower demands; a call that is dropped before that gives its clone back and has reserved nothing. The
//! future is that of the service, or the clone and the request that wait, in the same memory.
//!
//! The trade-off: a clone for each call. One service in a cell would be polled by several calls at once, of which its
//! contract knows nothing.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tower_service::Service as TowerService;

use super::super::Service;
use crate::pin::{Loose, OneOf, Projected, Step};

/// A [`tower_service::Service`] that can be cloned, as a [`Service`].
///
/// ```
/// use mainspring::service::{Service, ServiceExt, tower::FromTower};
/// use std::future::{Ready, ready};
/// use std::io;
/// use std::task::{Context, Poll};
/// use std::time::Duration;
///
/// #[derive(Clone)]
/// struct Double;
///
/// impl tower_service::Service<u32> for Double {
///     type Response = u32;
///     type Error = io::Error;
///     type Future = Ready<io::Result<u32>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, n: u32) -> Self::Future {
///         ready(Ok(n * 2))
///     }
/// }
///
/// let service = FromTower::new(Double).timeout(Duration::from_secs(1));
/// mainspring::run(async { assert_eq!(service.call(21).await.unwrap(), 42) })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FromTower<S> {
    /// What is cloned for each call.
    service: S,
}

impl<S> FromTower<S> {
    /// Makes a service of `service`, a clone of which is called each time.
    pub const fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S, Request> Service<Request> for FromTower<S>
where
    S: TowerService<Request> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        let waiting = Waiting { service: self.service.clone(), request: Some(request) };
        Projected::new(OneOf::Second(Loose(waiting)), Oneshot)
    }
}

/// A call whose service may not be ready yet.
struct Waiting<S, Request> {
    /// The clone of this call.
    service: S,
    /// What it is called with; none after that.
    request: Option<Request>,
}

/// Waits, then calls.
struct Oneshot;

impl<S: TowerService<Request>, Request> Step<OneOf<S::Future, Loose<Waiting<S, Request>>>> for Oneshot {
    type Output = Result<S::Response, S::Error>;

    fn step(
        &mut self,
        mut running: Pin<&mut OneOf<S::Future, Loose<Waiting<S, Request>>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::Output> {
        if let OneOf::Second(mut waiting) = running.as_mut().project() {
            let Waiting { service, request } = &mut waiting.0;
            ready!(service.poll_ready(cx))?;
            let request = request.take().unwrap_or_else(|| panic!("a call was polled after it was ready"));
            let call = service.call(request);
            running.set(OneOf::First(call));
        }
        match running.project() {
            OneOf::First(call) => call.poll(cx),
            OneOf::Second(_) => unreachable!("it has just been called"),
        }
    }
}
