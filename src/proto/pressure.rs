//! How near a server is to its limits, and what it does about it before it gets there.
//!
//! One for each thread of a [`Server`](crate::Server), which tells it of connections; the filter [`Admit`] tells it of
//! requests. The dispatchers of this module ask it how long a peer that does nothing may go on so.
//!
//! It guarantees that below 85 % nothing is different; that from there the deadlines of peers that owe something
//! shrink, to 2 s at 95 %, also those that run already; that from 85 % of the requests a growing share is rejected, and
//! beyond all of them each.
//!
//! The deadlines follow Envoy's scaled timers. Rejecting a share, and not all from a mark on, keeps a queue behind the
//! filter from swinging between full and empty. The share is counted out and not drawn, so that it is exact.
use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::latch::{Draining, Latch};
use crate::pin::{Later, OneOf, Projected, Step};
use crate::service::{Filter, Rejected, Service, Status};

/// From here on something is done. Envoy's, as the next two.
const LOW: f64 = 0.85;

/// From here on deadlines are as short as they get.
const HIGH: f64 = 0.95;

/// The shortest that a deadline becomes: the time of a few round trips of a slow network.
const SHORTEST: Duration = Duration::from_secs(2);

/// By how many hundredths the pressure falls before a rise is told again, so that one connection that comes and goes
/// does not wake all the others each time.
const HYSTERESIS: u32 = 2;

/// How near to its limits a thread of a server is. Clones are the same one.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Pressure;
/// use std::time::Duration;
///
/// let pressure = Pressure::new(100); // requests
/// assert_eq!(pressure.level(), 0.0);
/// pressure.set_connections(920, 1000);
/// assert_eq!(pressure.level(), 0.92);
/// assert_eq!(pressure.shorten(Duration::from_secs(600)).as_millis(), 181_400);
/// ```
#[derive(Clone)]
pub struct Pressure(Rc<Inner>);

struct Inner {
    /// How many of the connections there may be there are, from 0 to 1. Written by `set_connections`.
    connections: Cell<f64>,
    /// Requests that were let in and have not ended.
    in_flight: Cell<usize>,
    /// How many may be.
    bound: usize,
    /// What has been rejected too little so far, of a request. Below 1.
    owed: Cell<f64>,
    /// The hundredths above `LOW` that connections have heard of.
    told: Cell<u32>,
    /// Woken when there are more.
    risen: Rc<Latch>,
}

impl Pressure {
    /// None yet; `in_flight` requests are its limit, and zero of them reject all.
    #[must_use]
    pub fn new(in_flight: usize) -> Self {
        Self(Rc::new(Inner {
            connections: Cell::new(0.0),
            in_flight: Cell::new(0),
            bound: in_flight,
            owed: Cell::new(0.0),
            told: Cell::new(0),
            risen: Rc::default(),
        }))
    }

    /// From 0 to 1: how much is used of what is used most, connections or requests.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.0.connections.get().max(self.requests())
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.get()
    }

    /// Tells that there are so many connections of so many that may be. A [`Server`](crate::Server) does.
    pub fn set_connections(&self, open: usize, limit: usize) {
        self.0.connections.set(share(open, limit));
        self.tell();
    }

    /// How long a wait may last that may last `limit` without pressure: less from 85 % on, and 2 s from 95 % on.
    /// `Duration::MAX` is no limit, and stays so.
    #[must_use]
    pub fn shorten(&self, limit: Duration) -> Duration {
        let level = self.level();
        if level <= LOW || limit <= SHORTEST || limit == Duration::MAX {
            return limit;
        }
        let left = ((HIGH - level) / (HIGH - LOW)).clamp(0.0, 1.0);
        SHORTEST + (limit - SHORTEST).mul_f64(left)
    }

    /// The filter that counts requests, and rejects what is too much.
    #[must_use]
    pub fn admission(&self) -> Admit {
        Admit(self.clone())
    }

    fn requests(&self) -> f64 {
        share(self.0.in_flight.get(), self.0.bound)
    }

    /// Lets a request in, or not.
    fn enter(&self) -> Option<Entered> {
        let inner = &self.0;
        if inner.in_flight.get() >= inner.bound {
            return None;
        }
        let rejected = (self.requests() - LOW) / (1.0 - LOW);
        if rejected > 0.0 {
            let owed = inner.owed.get() + rejected;
            if owed >= 1.0 {
                inner.owed.set(owed - 1.0);
                return None;
            }
            inner.owed.set(owed);
        }
        inner.in_flight.set(inner.in_flight.get() + 1);
        self.tell();
        Some(Entered(self.clone()))
    }

    /// Wakes the connections if there is more pressure than they know of.
    fn tell(&self) {
        let inner = &self.0;
        let now = ((self.level().min(HIGH) - LOW) * 100.0).max(0.0).ceil() as u32;
        let told = inner.told.get();
        if now > told {
            inner.told.set(now);
            inner.risen.wake();
        } else if now == 0 || now + HYSTERESIS <= told {
            inner.told.set(now);
        }
    }
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pressure").field("level", &self.level()).field("in_flight", &self.in_flight()).finish()
    }
}

fn share(used: usize, limit: usize) -> f64 {
    if limit == 0 { 1.0 } else { (used as f64 / limit as f64).min(1.0) }
}

/// A request that was let in, until it is dropped.
struct Entered(Pressure);

impl Drop for Entered {
    fn drop(&mut self) {
        let in_flight = &self.0.0.in_flight;
        in_flight.set(in_flight.get() - 1);
        self.0.tell();
    }
}

/// Pressure as a connection hears of it.
pub(super) struct Heard {
    pressure: Pressure,
    /// Until it has risen.
    risen: Draining,
}

impl Heard {
    pub(super) fn new(pressure: Pressure) -> Self {
        let risen = Draining::new(pressure.0.risen.clone());
        Self { pressure, risen }
    }

    /// As [`Pressure::shorten`]. The task of `cx` is woken when it is less.
    #[inline]
    pub(super) fn shorten(&mut self, cx: &mut Context<'_>, limit: Duration) -> Duration {
        // Why ignored: this latch is never set, and only ever wakes.
        let _ = Pin::new(&mut self.risen).poll(cx);
        self.pressure.shorten(limit)
    }
}

/// Lets requests in as long as there are not too many. Made by [`Pressure::admission`].
///
/// On a server its place is above all that queues. Of requests that would be more than 85 % of the limit a share is
/// rejected with [`Rejected::Shed`], which grows to all of them at the limit. A request counts from its first poll
/// until its future is dropped or ready.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Pressure;
/// use mainspring::service::{Rejected, Service, ServiceExt, service_fn};
///
/// let service = service_fn(async |()| Ok::<_, Rejected>(())).filter(Pressure::new(0).admission());
/// assert_eq!(futures::executor::block_on(service.call(())), Err(Rejected::Shed));
/// ```
#[derive(Clone, Debug)]
pub struct Admit(Pressure);

impl<Request, S> Filter<Request, S> for Admit
where
    S: Service<Request>,
    S::Error: From<Rejected>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(Later::new(move || next.call(request)), Entry { pressure: &self.0, entered: None })
    }

    /// Busy at the limit.
    fn status(&self, next: &S) -> Status {
        let full = self.0.in_flight() >= self.0.0.bound;
        next.status().worst(if full { Status::Busy } else { Status::Open })
    }
}

/// Enters at the first poll.
struct Entry<'a> {
    pressure: &'a Pressure,
    /// None before that.
    entered: Option<Entered>,
}

impl<F, G, Response, Error> Step<Later<F, G>> for Entry<'_>
where
    F: Future<Output = Result<Response, Error>>,
    G: FnOnce() -> F,
    Error: From<Rejected>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, mut call: Pin<&mut Later<F, G>>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let OneOf::Second(_) = call.as_mut().project() {
            self.entered = self.pressure.enter();
            if self.entered.is_none() {
                return Poll::Ready(Err(Rejected::Shed.into()));
            }
        }
        let answer = call.begun().poll(cx);
        if answer.is_ready() {
            self.entered = None;
        }
        answer
    }
}
