//! The filter that lets a call end although its caller has gone.
//!
//! Its place is right above what must not be left half done: a write to two places, a handler with side effects whose
//! client may hang up. Without it a call that is dropped is abandoned where it stands.
//!
//! Guarantees: a call that has begun and is dropped goes on as a task of its reactor, until it ends; its result is
//! thrown away. At most 1,000 are left behind at once, or as many as was set: a call that is dropped beyond that is
//! abandoned as without this filter. One that was never polled does nothing. A reactor that ends drops what was left
//! behind; a server that drains has to wait until [`left_behind`](Shield::left_behind) is zero. It has no error of its
//! own.
//!
//! The trade-off: each call is boxed, so that it can move to a task, and the service is cloned, so that it may outlive
//! what was dropped. A task for every call from its beginning would cost more, and hide the caller's deadline from it.
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Filter, Service, Status};
use crate::spawn::spawn;

/// Calls that are left behind at once, by default, in items: what clients that hang up in a second leave.
const LEFT_BEHIND_MAX: usize = 1_000;

/// Lets calls end that are dropped. Clones share the bound.
///
/// ```
/// use mainspring::service::{Service, Shield, ServiceExt, service_fn};
/// use mainspring::time::{sleep, timeout};
/// use std::cell::Cell;
/// use std::convert::Infallible;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let done = Rc::new(Cell::new(false));
///     let inside = done.clone();
///     let write = Rc::new(service_fn(async move |()| {
///         sleep(Duration::from_secs(2)).await;
///         Ok::<_, Infallible>(inside.set(true))
///     }));
///     let service = write.filter(Shield::new());
///     assert!(timeout(Duration::from_secs(1), service.call(())).await.is_err());
///     sleep(Duration::from_secs(2)).await;
///     assert!(done.get());
/// });
/// ```
#[derive(Clone)]
pub struct Shield {
    /// How many calls have been left behind and have not ended.
    left_behind: Rc<Cell<usize>>,
    /// How many may be.
    max: usize,
}

impl Shield {
    /// One that lets at most 1,000 calls go on at once.
    #[must_use]
    pub fn new() -> Self {
        Self { left_behind: Rc::default(), max: LEFT_BEHIND_MAX }
    }

    /// At most so many calls go on at once; with zero none does.
    #[must_use]
    pub const fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// How many calls go on whose callers have gone.
    #[must_use]
    pub fn left_behind(&self) -> usize {
        self.left_behind.get()
    }
}

impl Default for Shield {
    fn default() -> Self {
        Self::new()
    }
}

impl<Request, S> Filter<Request, S> for Shield
where
    S: Service<Request> + Clone + 'static,
    Request: 'static,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let service = next.clone();
        let call = Box::pin(async move { service.call(request).await });
        Shielded { call: Some(call), has_begun: false, shield: self }
    }

    fn status(&self, next: &S) -> Status {
        next.status()
    }
}

/// A call, until it has ended or goes on without its caller.
struct Shielded<'a, F: Future + 'static> {
    /// None once it has ended.
    call: Option<Pin<Box<F>>>,
    /// Set at the first poll.
    has_begun: bool,
    shield: &'a Shield,
}

impl<F: Future + 'static> Future for Shielded<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.has_begun = true;
        // Taken out while it is polled, since one that panics does not go on.
        let mut call = self.call.take().unwrap_or_else(|| panic!("a call was polled after it was ready"));
        let polled = call.as_mut().poll(cx);
        if polled.is_pending() {
            self.call = Some(call);
        }
        polled
    }
}

impl<F: Future + 'static> Drop for Shielded<'_, F> {
    fn drop(&mut self) {
        let Shield { left_behind, max } = self.shield;
        let Some(call) = self.call.take().filter(|_| self.has_begun && left_behind.get() < *max) else { return };
        left_behind.set(left_behind.get() + 1);
        let left = Left(left_behind.clone());
        drop(spawn(async move {
            let _left = left;
            drop(call.await);
        }));
    }
}

/// One that is left behind, until it has ended or is dropped.
struct Left(Rc<Cell<usize>>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl fmt::Debug for Shield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("left_behind", &self.left_behind).field("max", &self.max).finish()
    }
}
