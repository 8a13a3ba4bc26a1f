//! The filter that makes one call of identical ones that are in flight at the same time.
//!
//! Its place is above what costs something, on a client or in front of a handler that computes: a thousand who ask for
//! the same at once, as when a cache entry has expired, cause one call. It keeps no answer after the call has ended: it
//! is no cache.
//!
//! Guarantees: requests that are equal while a call of them is in flight share it, and get clones of its result, also
//! of an error. The call belongs to all of them: whoever is polled goes on with it, so one of them that is dropped or
//! left lying holds up no other, and it is dropped with the last. The [`Deadline`](super::Deadline) of a caller bounds
//! that caller and not the call, in which there is none. If it panics, that is the panic of who polled it, and the
//! others call anew. At most 10,000 different requests are kept, or as many as was set; beyond that calls go through
//! alone. It has no error of its own.
//!
//! The trade-off: each call is boxed, and the service is cloned for it, so that it may outlive who has begun it. The
//! first caller's own future would do without, and would hold up all others whenever its task has something better to
//! do than to poll it. The result is cloned, so errors that cannot be are wrapped first (`map_err(std::rc::Rc::new)`).
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use super::{Filter, Service, deadline};
use crate::locks::Mutex;
use crate::wake::wake;

/// Different requests that are kept by default: each is a clone of the request and some hundred bytes.
const FLIGHTS_MAX: usize = 10_000;

/// Makes one call of identical ones. Clones share what is in flight.
///
/// ```
/// use mainspring::service::{Coalesce, Service, ServiceExt, service_fn};
/// use mainspring::time::sleep;
/// use std::cell::Cell;
/// use std::convert::Infallible;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// mainspring::testing::run(async {
///     let calls = Rc::new(Cell::new(0));
///     let counted = calls.clone();
///     let service = Rc::new(service_fn(async move |n: u32| {
///         counted.set(counted.get() + 1);
///         sleep(Duration::from_secs(1)).await;
///         Ok::<_, Infallible>(n * 2)
///     }));
///     let service = service.filter(Coalesce::new());
///     let results = futures::join!(service.call(1), service.call(2), service.call(1));
///     assert_eq!((results, calls.get()), ((Ok(2), Ok(4), Ok(2)), 2));
/// });
/// ```
pub struct Coalesce<Request, Response, Error> {
    /// What clones share: the calls that are in flight, by their requests.
    flights: Rc<RefCell<Flights<Request, Response, Error>>>,
    /// How many are kept.
    max: usize,
}

type Flights<Request, Response, Error> = HashMap<Rc<Request>, Rc<Flight<Response, Error>>>;

type Call<Response, Error> = Pin<Box<dyn Future<Output = Result<Response, Error>>>>;

/// A call that is in flight.
struct Flight<Response, Error> {
    /// The call; none while it is polled, and when it is over.
    call: Cell<Option<Call<Response, Error>>>,
    /// Its result, when it has ended; none also when it has panicked.
    result: RefCell<Option<Result<Response, Error>>>,
    /// Set when nobody joins it any more.
    is_over: Cell<bool>,
    /// How many share it.
    sharers: Cell<usize>,
    /// Who is woken when it can go on.
    wakers: Arc<Wakers>,
}

/// Those who share a call: all are woken, since any of them may be left lying.
#[derive(Default)]
struct Wakers(Mutex<Slab<Option<Waker>>>);

impl Wakers {
    fn wake_all(&self) {
        let wakers: Vec<_> = self.0.lock().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        wake(wakers);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

impl<Request, Response, Error> Coalesce<Request, Response, Error> {
    /// One that keeps at most 10,000 different requests.
    #[must_use]
    pub fn new() -> Self {
        Self { flights: Rc::default(), max: FLIGHTS_MAX }
    }

    /// Keeps at most so many different requests; zero makes every call alone.
    #[must_use]
    pub const fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// How many different requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.borrow().len()
    }
}

impl<Request, Response, Error> Default for Coalesce<Request, Response, Error> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Request, Response, Error> Clone for Coalesce<Request, Response, Error> {
    fn clone(&self) -> Self {
        Self { flights: self.flights.clone(), max: self.max }
    }
}

impl<Request, S> Filter<Request, S> for Coalesce<Request, S::Response, S::Error>
where
    S: Service<Request> + Clone + 'static,
    Request: Hash + Eq + Clone + 'static,
    S::Response: Clone,
    S::Error: Clone,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let call = move |request| -> Call<S::Response, S::Error> {
            let service = next.clone();
            Box::pin(async move { service.call(request).await })
        };
        Share { coalesce: self, request: Rc::new(request), call, place: None }
    }
}

/// What one caller has of a call.
struct Share<'a, G, Request: Hash + Eq, Response, Error> {
    coalesce: &'a Coalesce<Request, Response, Error>,
    request: Rc<Request>,
    /// Makes the call.
    call: G,
    /// The call, and where its waker stands there; none before the first poll, and at the end.
    place: Option<(Rc<Flight<Response, Error>>, usize)>,
}

// Nothing in it is pinned: the call is in a box.
impl<G, Request: Hash + Eq, Response, Error> Unpin for Share<'_, G, Request, Response, Error> {}

impl<G, Request, Response, Error> Share<'_, G, Request, Response, Error>
where
    G: Fn(Request) -> Call<Response, Error>,
    Request: Hash + Eq + Clone,
{
    /// Joins the call of such a request, or begins it.
    fn join(&mut self) -> Rc<Flight<Response, Error>> {
        let found = self.coalesce.flights.borrow().get(&self.request).cloned();
        let flight = found.unwrap_or_else(|| {
            let call = (self.call)(Request::clone(&self.request));
            let flight = Rc::new(Flight {
                call: Cell::new(Some(call)),
                result: RefCell::new(None),
                is_over: Cell::new(false),
                sharers: Cell::new(0),
                wakers: Arc::default(),
            });
            let mut flights = self.coalesce.flights.borrow_mut();
            if flights.len() < self.coalesce.max {
                flights.insert(self.request.clone(), flight.clone());
            }
            flight
        });
        flight.sharers.set(flight.sharers.get() + 1);
        let key = flight.wakers.0.lock().insert(None);
        self.place = Some((flight.clone(), key));
        flight
    }
}

impl<G, Request: Hash + Eq, Response, Error> Share<'_, G, Request, Response, Error> {
    /// Gives the place up; the call is dropped with the last.
    fn leave(&mut self) {
        let Some((flight, key)) = self.place.take() else { return };
        let waker = flight.wakers.0.lock().remove(key);
        drop(waker);
        flight.sharers.set(flight.sharers.get() - 1);
        if flight.sharers.get() == 0 {
            // And the call is dropped with this last one.
            land(self.coalesce, &self.request, &flight);
        }
    }
}

/// The call is over: nobody joins it any more, and those who share it look.
fn land<Request: Hash + Eq, Response, Error>(
    coalesce: &Coalesce<Request, Response, Error>,
    request: &Rc<Request>,
    flight: &Rc<Flight<Response, Error>>,
) {
    if flight.is_over.replace(true) {
        return;
    }
    let mut flights = coalesce.flights.borrow_mut();
    // One that is alone is not there, and another may be.
    let is_kept = flights.get(request).is_some_and(|kept| Rc::ptr_eq(kept, flight));
    let removed = if is_kept { flights.remove_entry(request) } else { None };
    drop(flights);
    drop(removed);
    flight.wakers.wake_all();
}

/// The call is polled: if it panics, it is over.
struct Polling<'a, Request: Hash + Eq, Response, Error> {
    coalesce: &'a Coalesce<Request, Response, Error>,
    request: &'a Rc<Request>,
    flight: &'a Rc<Flight<Response, Error>>,
    /// Set when the poll has returned.
    has_returned: bool,
}

impl<Request: Hash + Eq, Response, Error> Drop for Polling<'_, Request, Response, Error> {
    fn drop(&mut self) {
        if !self.has_returned {
            land(self.coalesce, self.request, self.flight);
        }
    }
}

impl<G, Request, Response, Error> Future for Share<'_, G, Request, Response, Error>
where
    G: Fn(Request) -> Call<Response, Error>,
    Request: Hash + Eq + Clone,
    Response: Clone,
    Error: Clone,
{
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let flight = match &self.place {
                Some((flight, _)) => flight.clone(),
                None => self.join(),
            };
            if flight.is_over.get() {
                let is_last = flight.sharers.get() == 1;
                let result = if is_last { flight.result.take() } else { flight.result.borrow().clone() };
                self.leave();
                match result {
                    Some(result) => return Poll::Ready(result),
                    // It has panicked.
                    None => continue,
                }
            }
            if let Some((_, key)) = self.place {
                let waker = Some(cx.waker().clone());
                let before = std::mem::replace(&mut flight.wakers.0.lock()[key], waker);
                drop(before);
            }
            // None while another poll of it is on the stack, which will wake this one.
            let Some(mut call) = flight.call.take() else { return Poll::Pending };
            let Self { coalesce, request, .. } = &*self;
            let mut polling = Polling { coalesce, request, flight: &flight, has_returned: false };
            // Whose deadline passes is dropped, and leaves the call to the others.
            let restore = deadline::none();
            let polled = call.as_mut().poll(&mut Context::from_waker(&Waker::from(flight.wakers.clone())));
            drop(restore);
            polling.has_returned = true;
            match polled {
                Poll::Pending => {
                    flight.call.set(Some(call));
                    return Poll::Pending;
                }
                Poll::Ready(result) => {
                    drop(call);
                    *flight.result.borrow_mut() = Some(result);
                    land(coalesce, request, &flight);
                }
            }
        }
    }
}

impl<G, Request: Hash + Eq, Response, Error> Drop for Share<'_, G, Request, Response, Error> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<Request, Response, Error> fmt::Debug for Coalesce<Request, Response, Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce").field("in_flight", &self.in_flight()).field("max", &self.max).finish()
    }
}
