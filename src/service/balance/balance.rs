//! The service that sends each call to one of several endpoints.
//!
//! See [the module](super) for where it belongs. A call chooses its endpoint at its first poll, is counted as its load
//! until it ends or is dropped, and leaves there what it took. A call that failed counts as slow, five seconds or what
//! was set and for so long, since what fails fast would otherwise look best; one that was dropped counts for as long as
//! it has taken.
//!
//! Guarantees: an endpoint that is not open is not called while one of four pairs at random has one that is; then the
//! least bad that was seen is called, so no call fails for bad endpoints alone, and few that are left are not run over
//! by the load of all. One whose priority makes it a reserve is called only if none is open of those that come before.
//! Its own error is [`Rejected::NoEndpoint`], when the set is empty. Choosing takes the same time for any number of
//! endpoints, but in turns, and before a reserve is called, which looks at all.
//!
//! The trade-off: the future holds its endpoint, and with it the request twice, before and after the choice, as an
//! `async` block does. A pointer into a set that changes cannot be had without.
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::super::observed::{Hears, Observed, Observer};
use super::super::{Cautious, Classifier, Rejected, Service, Status};
use super::Endpoints;
use super::endpoint::Endpoint;
use super::endpoints::Tier;
use crate::random::Random;
use crate::time::{Instant, nanoseconds};

/// In what time what is known of latencies is forgotten, by default; as in Finagle.
const DECAY: Duration = Duration::from_secs(10);

/// How slow a failure counts, by default.
const PENALTY: Duration = Duration::from_secs(5);

/// How many pairs are looked at for an endpoint that is open: if half of them are not, one choice in 256 is bad.
const PAIRS: u32 = 4;

/// How often a second one is drawn that is not the first, when weights differ; then it is the next one.
const DRAWS: u32 = 8;

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The better of two by latency and calls in flight: what is known is forgotten in such a time, in nanoseconds.
    Peak(u64),
    /// The better of two by calls in flight.
    InFlight,
    /// One after the other.
    Turns,
}

/// A service of many endpoints. Clones choose among the same endpoints, each by numbers of its own.
///
/// ```
/// use mainspring::service::balance::{Balance, Endpoints};
/// use mainspring::service::{BoxService, Rejected, Service, ServiceExt, Status, service_fn};
///
/// mainspring::run(async {
///     let endpoint = |n: u32| service_fn(async move |()| Ok::<_, Rejected>(n));
///     let endpoints: Endpoints<u32, _> = (0..10).map(|n| (n, endpoint(n))).collect();
///     let balance = Balance::new(endpoints.clone());
///     assert!(balance.call(()).await.unwrap() < 10);
///     for n in 1..10 {
///         endpoints.remove(&n);
///     }
///     assert_eq!(balance.call(()).await, Ok(0));
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct Balance<K, S, C = Cautious> {
    /// Among which it chooses.
    endpoints: Endpoints<K, S>,
    /// How.
    by: By,
    /// How slow a failure counts, in nanoseconds.
    penalty: u64,
    /// What is a failure.
    classifier: C,
    /// For the choice.
    random: Random,
    /// How often none that was looked at was open.
    panics: Rc<Cell<u64>>,
}

impl<K, S> Balance<K, S> {
    /// The better of two at random, by the peak of the latency, forgotten in 10 s, times the calls in flight.
    pub fn new(endpoints: Endpoints<K, S>) -> Self {
        Self::by(endpoints, By::Peak(nanoseconds(DECAY)))
    }

    /// The better of two at random, by the calls in flight: for calls whose latency says nothing of the endpoint, as
    /// when they wait for something to happen.
    pub fn least_loaded(endpoints: Endpoints<K, S>) -> Self {
        Self::by(endpoints, By::InFlight)
    }

    /// One after the other, each as often as it weighs and as evenly spread as can be.
    pub fn round_robin(endpoints: Endpoints<K, S>) -> Self {
        Self::by(endpoints, By::Turns)
    }

    fn by(endpoints: Endpoints<K, S>, by: By) -> Self {
        Self {
            endpoints,
            by,
            penalty: nanoseconds(PENALTY),
            classifier: Cautious,
            random: Random::from_entropy(),
            panics: Rc::default(),
        }
    }
}

impl<K, S, C> Balance<K, S, C> {
    /// In what time what is known of latencies is forgotten, for the balance by latency; at least a nanosecond.
    #[must_use]
    pub fn decay(mut self, decay: Duration) -> Self {
        if let By::Peak(nanoseconds_of_decay) = &mut self.by {
            *nanoseconds_of_decay = nanoseconds(decay).max(1);
        }
        self
    }

    /// How slow a call counts that has failed, if it was faster, and for how long from then on: what is left of that
    /// time is what the endpoint costs. Zero takes failures for what they took.
    #[must_use]
    pub fn penalty(mut self, penalty: Duration) -> Self {
        self.penalty = nanoseconds(penalty);
        self
    }

    /// What is a failure: [`Class::Failure`](super::super::Class::Failure) and
    /// [`Class::Retryable`](super::super::Class::Retryable) of `classifier`. One for endpoints that have a limit of
    /// their own may say [`Class::Ignored`](super::super::Class::Ignored) of [`Rejected::Full`]: it is no failure of
    /// what is behind it, and who is full is Busy anyway.
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> Balance<K, S, D> {
        let Self { endpoints, by, penalty, random, panics, .. } = self;
        Balance { endpoints, by, penalty, classifier, random, panics }
    }

    /// Seeds the choice, for a run that repeats.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = Random::seeded(seed);
        self
    }

    /// How often none of the endpoints that were looked at was open, and one that is not was called.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// The endpoint of a call that begins now; none if there is none.
    fn choose<Request>(&self, now: Option<Instant>) -> Option<Rc<Endpoint<K, S>>>
    where
        S: Service<Request>,
    {
        let set = self.endpoints.now();
        let mut best: Option<(&Rc<Endpoint<K, S>>, Status)> = None;
        for tier in set.tiers() {
            let found = match (tier.endpoints, self.by) {
                ([only], _) => (only, only.status()),
                (_, By::Turns) => next_in_turn(tier.endpoints),
                _ => self.better_of_two(&tier, now.map_or(0, Instant::nanoseconds)),
            };
            if best.is_none_or(|(_, status)| found.1 < status) {
                best = Some(found);
            }
            if found.1 == Status::Open {
                break;
            }
        }
        let (chosen, status) = best?;
        if status != Status::Open {
            self.panics.set(self.panics.get() + 1);
        }
        Some(chosen.clone())
    }

    /// The better of two, of which one at least is open, or the best of several pairs, or of all where there is a
    /// reserve. There are two at least.
    fn better_of_two<'s, Request>(&self, tier: &Tier<'s, K, S>, now: u64) -> (&'s Rc<Endpoint<K, S>>, Status)
    where
        S: Service<Request>,
    {
        let rank = |index: usize| {
            let endpoint = &tier.endpoints[index];
            let in_flight = endpoint.in_flight.get();
            let load = match self.by {
                By::Peak(decay) => endpoint.ewma.get().load(now, in_flight, decay),
                By::InFlight | By::Turns => in_flight as f64,
            };
            (endpoint.status(), load / endpoint.weight.get(), index)
        };
        let better = |one: Rank, other: Rank| if is_better(&other, &one) { other } else { one };
        let pair = || {
            let (first, second) = self.draw(tier);
            better(rank(first), rank(second))
        };
        let mut best = pair();
        for _ in 1..PAIRS {
            if best.0 == Status::Open {
                break;
            }
            best = better(best, pair());
        }
        if best.0 != Status::Open && !tier.is_last {
            best = (0..tier.endpoints.len()).map(rank).fold(best, better);
        }
        (&tier.endpoints[best.2], best.0)
    }

    /// Two different ones at random, each as often as it weighs. There are two at least.
    fn draw(&self, tier: &Tier<'_, K, S>) -> (usize, usize) {
        let count = tier.endpoints.len();
        let Some(sum) = tier.sums.last() else {
            let first = self.random.below(count as u64) as usize;
            let second = self.random.below(count as u64 - 1) as usize;
            return (first, if second >= first { second + 1 } else { second });
        };
        let one = || {
            let drawn = self.random.unit() * sum;
            tier.sums.partition_point(|&upto| upto <= drawn).min(count - 1)
        };
        let first = one();
        let second = (0..DRAWS).map(|_| one()).find(|&second| second != first);
        (first, second.unwrap_or((first + 1) % count))
    }
}

/// An endpoint of a tier: its status, its load for its weight, and its place.
type Rank = (Status, f64, usize);

/// Whether one has the better status, or the same and less load.
fn is_better(one: &Rank, other: &Rank) -> bool {
    (one.0, one.1) < (other.0, other.1)
}

/// The one whose turn it is, of those with the best status; in "smooth" turns, as nginx takes them: each gains its
/// weight, and the one that has most pays what all have gained.
fn next_in_turn<Request, K, S: Service<Request>>(tier: &[Rc<Endpoint<K, S>>]) -> (&Rc<Endpoint<K, S>>, Status) {
    let best = tier.iter().map(|endpoint| endpoint.status()).min().unwrap_or_default();
    let mut gained = 0.0;
    let mut next: Option<&Rc<Endpoint<K, S>>> = None;
    for endpoint in tier.iter().filter(|endpoint| endpoint.status() == best) {
        endpoint.turn.set(endpoint.turn.get() + endpoint.weight.get());
        gained += endpoint.weight.get();
        if next.is_none_or(|next| endpoint.turn.get() > next.turn.get()) {
            next = Some(endpoint);
        }
    }
    let next = next.unwrap_or(&tier[0]);
    next.turn.set(next.turn.get() - gained);
    (next, best)
}

impl<K, S, C, Request> Service<Request> for Balance<K, S, C>
where
    S: Service<Request>,
    S::Error: From<Rejected>,
    C: Classifier<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;

    async fn call(&self, request: Request) -> Result<S::Response, S::Error> {
        let since = matches!(self.by, By::Peak(_)).then(Instant::now);
        let Some(endpoint) = self.choose(since) else { return Err(Rejected::NoEndpoint.into()) };
        let endpoint = &*endpoint;
        Observed::new(endpoint.service.call(request), Track { balance: self, endpoint, since }).await
    }

    /// The best of all endpoints; Busy if there is none, since one may come.
    fn status(&self) -> Status {
        let set = self.endpoints.now();
        set.all().iter().map(|endpoint| endpoint.status()).min().unwrap_or(Status::Busy)
    }
}

/// What hears of a call, and knows its endpoint.
struct Track<'a, K, S, C> {
    balance: &'a Balance<K, S, C>,
    endpoint: &'a Endpoint<K, S>,
    /// When it was made; none if nobody asks for latencies.
    since: Option<Instant>,
}

impl<K, S, C> Track<'_, K, S, C> {
    /// It is no longer in flight, and has taken so long; and counts for as long as `penalty` besides.
    #[inline]
    fn leave(&self, penalty: u64) {
        self.endpoint.in_flight.set(self.endpoint.in_flight.get() - 1);
        let By::Peak(decay) = self.balance.by else { return };
        if let Some(since) = self.since {
            let now = Instant::now();
            let mut ewma = self.endpoint.ewma.get();
            ewma.observe(now.nanoseconds(), nanoseconds(now - since), decay);
            if penalty > 0 {
                ewma.penalise(now.nanoseconds(), penalty);
            }
            self.endpoint.ewma.set(ewma);
        }
    }
}

impl<K, S, C> Observer for Track<'_, K, S, C> {
    #[inline]
    fn begins(&mut self) {
        self.endpoint.in_flight.set(self.endpoint.in_flight.get() + 1);
    }

    fn is_dropped(&mut self) {
        self.leave(0);
    }
}

impl<K, S, C: Classifier<Response, Error>, Response, Error> Hears<Response, Error> for Track<'_, K, S, C> {
    #[inline]
    fn ends(&mut self, result: &Result<Response, Error>) {
        let is_failure = self.balance.classifier.classify(result).is_failure();
        self.leave(if is_failure { self.balance.penalty } else { 0 });
    }
}

impl<K: fmt::Debug, S, C> fmt::Debug for Balance<K, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("by", &self.by)
            .field("endpoints", &self.endpoints)
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}
