//! A stack that is written from the outside in.
//!
//! Used where a stack is longer than two filters: [`ServiceExt`](super::ServiceExt) names the innermost filter first,
//! and the order in which a request meets the filters is the other way round. Here it is the order on the page.
//!
//! The filters are kept in a list of types and put around the service at the end, so the result is the same nested
//! [`Filtered`] that `ServiceExt` makes, at no cost. A builder can be cloned: then filters with a state (a limit, a
//! budget) are shared by the services that are built, as their own documentation says.
//!
//! The trade-off: what fits together is known when the service is: [`service`](ServiceBuilder::service) has the bounds,
//! and a filter that does not fit is reported there. A builder that checked each filter as it came would have to be
//! told the request first. The order in which the built-in filters belong stands in [the
//! module](super#the-order-of-a-stack).
use std::time::Duration;

use super::{
    AndThen, ConcurrencyLimit, Deadline, Filtered, LoadShed, MapErr, MapRequest, MapResponse, RateLimit, Service,
    ServiceFn, Timeout, service_fn,
};

/// Builds a stack; the filter named first is the outermost.
///
/// ```
/// use mainspring::service::{Service, ServiceBuilder};
/// use std::io;
/// use std::time::Duration;
///
/// let service = ServiceBuilder::new()
///     .map_response(|length: usize| format!("{length} bytes"))
///     .timeout(Duration::from_secs(5))
///     .map_request(str::trim)
///     .service_fn(async |text: &str| io::Result::Ok(text.len()));
/// mainspring::run(async { assert_eq!(service.call(" four ").await.unwrap(), "4 bytes") })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a builder does nothing before `service`"]
pub struct ServiceBuilder<L = ()> {
    /// The filters: a list, the innermost first.
    layers: L,
}

impl ServiceBuilder {
    /// One without filters.
    pub const fn new() -> Self {
        Self { layers: () }
    }
}

impl<L> ServiceBuilder<L> {
    /// Puts `filter` inside of those named before. `None` of an `Option` is no filter.
    pub fn filter<F>(self, filter: F) -> ServiceBuilder<(L, F)> {
        ServiceBuilder { layers: (self.layers, filter) }
    }

    /// [`MapRequest`]: what is inside is called with what `function` makes of the request.
    pub fn map_request<F>(self, function: F) -> ServiceBuilder<(L, MapRequest<F>)> {
        self.filter(MapRequest::new(function))
    }

    /// [`MapResponse`]: responds with what `function` makes of the response.
    pub fn map_response<F>(self, function: F) -> ServiceBuilder<(L, MapResponse<F>)> {
        self.filter(MapResponse::new(function))
    }

    /// [`MapErr`]: fails with what `function` makes of the error.
    pub fn map_err<F>(self, function: F) -> ServiceBuilder<(L, MapErr<F>)> {
        self.filter(MapErr::new(function))
    }

    /// [`AndThen`]: responds with what the asynchronous `function` makes of the response.
    pub fn and_then<F>(self, function: F) -> ServiceBuilder<(L, AndThen<F>)> {
        self.filter(AndThen::new(function))
    }

    /// [`Timeout`]: fails calls that take longer than `duration`.
    pub fn timeout(self, duration: Duration) -> ServiceBuilder<(L, Timeout)> {
        self.filter(Timeout::new(duration))
    }

    /// [`Deadline`]: that of the call around, and at most `duration` from the call on.
    pub fn deadline(self, duration: Duration) -> ServiceBuilder<(L, Deadline)> {
        self.filter(Deadline::within(duration))
    }

    /// [`ConcurrencyLimit`]: at most `max` calls at once.
    pub fn concurrency_limit(self, max: usize) -> ServiceBuilder<(L, ConcurrencyLimit)> {
        self.filter(ConcurrencyLimit::new(max))
    }

    /// [`RateLimit`]: at most `count` calls in a time of `per`.
    ///
    /// # Panics
    ///
    /// When `count` or `per` is zero.
    pub fn rate_limit(self, count: u32, per: Duration) -> ServiceBuilder<(L, RateLimit)> {
        self.filter(RateLimit::new(count, per))
    }

    /// [`LoadShed`]: fails calls at once while what is inside is not open.
    pub fn load_shed(self) -> ServiceBuilder<(L, LoadShed)> {
        self.filter(LoadShed)
    }

    /// Puts the filters around `service`.
    pub fn service<S, Request>(self, service: S) -> L::Service
    where
        L: Layers<S>,
        L::Service: Service<Request>,
    {
        self.layers.around(service)
    }

    /// Puts the filters around a closure, as [`service_fn()`] makes a service of it.
    pub fn service_fn<F, Request, Inner, Response, Error>(self, function: F) -> L::Service
    where
        F: AsyncFn(Inner) -> Result<Response, Error>,
        L: Layers<ServiceFn<F>>,
        L::Service: Service<Request>,
    {
        self.layers.around(service_fn(function))
    }
}

/// A list of filters, to be put around an `S`: `()`, or a pair of such a list and the filter inside of it.
pub trait Layers<S> {
    /// The stack.
    type Service;

    /// Puts all of them around `service`.
    fn around(self, service: S) -> Self::Service;
}

impl<S> Layers<S> for () {
    type Service = S;

    fn around(self, service: S) -> S {
        service
    }
}

impl<L: Layers<Filtered<F, S>>, F, S> Layers<S> for (L, F) {
    type Service = L::Service;

    fn around(self, service: S) -> L::Service {
        self.0.around(Filtered::new(self.1, service))
    }
}
