//! Services: functions from a request to a response that arrives later, and the filters around them.
//!
//! A [`Service`] is what a client calls and what a server answers with; the trait is the same on both sides and knows
//! no protocol. A filter is a service around a service: written once, it works on clients and servers of every
//! protocol. The layers above (`proto`, `server`, `client`) take and return services.
//!
//! | to get | use |
//! |---|---|
//! | a service from a closure | [`service_fn()`] |
//! | a filter of one's own | [`Filter`], and [`ServiceExt::filter`] to apply it |
//! | a stack of filters, from the outside in | [`ServiceBuilder`] |
//! | other requests, responses or errors | [`MapRequest`], [`MapResponse`], [`MapErr`], [`AndThen`] |
//! | one service of several | [`Router`] by a key, [`Either`] |
//! | a bound in time | [`Timeout`], of an attempt or of all; [`Deadline`], which what is inside can see |
//! | a bound in number | [`ConcurrencyLimit`], [`AdaptiveLimit`], [`RateLimit`], [`LoadShed`] |
//! | to try again | [`Retry`] within a [`RetryBudget`]; [`Hedge`] |
//! | to leave alone what is down | [`FailureAccrual`], [`FailFast`] |
//! | one of many endpoints | [`balance`] |
//! | one call for many, or for nobody any more | [`Coalesce`], [`Shield`] |
//! | numbers | [`Statistics`] |
//! | to be told of each call | [`Trace`] |
//!
//! # The order of a stack
//!
//! What is counted, tried again or bounded is what is inside, so the order is not a matter of taste. From the outside
//! in, as [`ServiceBuilder`] is read, and as Finagle has it:
//!
//! | client | server |
//! |---|---|
//! | [`Trace`], as the statistics below | [`Trace`] |
//! | [`Statistics`] of what was asked for | [`Statistics`], which sees what is rejected and late |
//! | [`Deadline`] or [`Timeout`] of the whole | [`Deadline`], inherited from the client and at most so long, waits included |
//! | [`Coalesce`] | [`Shield`], if callers that go are to be ignored; above the limit, so that what goes on holds its place |
//! | [`Retry`], then [`Hedge`], with one budget | [`LoadShed`], if nothing is to wait |
//! | [`Balance`](balance::Balance): a second attempt goes elsewhere | [`ConcurrencyLimit`], [`AdaptiveLimit`] or [`RateLimit`] |
//! | for each endpoint: [`Statistics`] of attempts | [`Timeout`] of the handler, waits left out |
//! | [`ConcurrencyLimit`] of the endpoint, above the accrual: its rejections are no failures of the endpoint | [`Coalesce`] |
//! | [`FailureAccrual`], which sees what is below | the handler |
//! | [`Timeout`] of the attempt | |
//! | [`FailFast`] around what connects | |
//!
//! [`Client`](crate::Client) is such a stack, put together, with its connections.
//!
//! Filters with a state (limits, budgets, what is thought of a service, statistics) share it among their clones, on one
//! reactor: what belongs to one endpoint is made anew for each. No state takes a lock or an atomic operation, but that
//! which a [`Coalesce`]d call is woken by.
//!
//! The trade-off: `call` takes `&self` and has no readiness to ask for first. Capacity is taken inside the call, where
//! a permit lives in the future and goes back when that is dropped; [`Status`] is advice for balancers and reserves
//! nothing. A `poll_ready` before each call lets a caller wait without a request, and makes every layer keep a permit
//! in a `&mut self`, which leaks when the call does not follow.
//!
//! In the guide: [timeouts, retries, limits, balancing](crate::guide::services).
mod accrual;
mod adaptive_limit;
mod aimd;
mod and_then;
mod backoff;
pub mod balance;
mod boxed;
mod bucket;
mod buckets;
mod budget;
mod builder;
mod called;
mod class;
mod coalesce;
mod concurrency_limit;
mod deadline;
mod either;
mod ext;
mod fail_fast;
mod failure_accrual;
mod filter;
mod hedge;
mod histogram;
mod load_shed;
mod map_err;
mod map_request;
mod map_response;
mod new_service;
mod observed;
mod rate_limit;
mod recent;
mod rejected;
mod retry;
mod retry_budget;
mod router;
#[expect(clippy::module_inception, reason = "the file is named after the noun that it holds")]
mod service;
mod service_fn;
mod shield;
mod statistics;
mod status;
mod timeout;
#[cfg(feature = "tower-service")]
pub mod tower;
mod trace;
mod waiter;

pub use adaptive_limit::AdaptiveLimit;
pub use and_then::AndThen;
pub use backoff::Backoff;
pub use boxed::BoxService;
pub use builder::{Layers, ServiceBuilder};
pub use class::{Cautious, Class, Classifier, Idempotent};
pub use coalesce::Coalesce;
pub use concurrency_limit::ConcurrencyLimit;
pub use deadline::Deadline;
pub use either::Either;
pub use ext::ServiceExt;
pub use fail_fast::FailFast;
pub use failure_accrual::FailureAccrual;
pub use filter::{Filter, Filtered};
pub use hedge::Hedge;
pub use histogram::{Histogram, LatencyHistogram};
pub use load_shed::LoadShed;
pub use map_err::MapErr;
pub use map_request::MapRequest;
pub use map_response::MapResponse;
pub use new_service::NewService;
pub use rate_limit::RateLimit;
pub use rejected::Rejected;
pub use retry::{IsIdempotent, Retry};
pub use retry_budget::RetryBudget;
pub use router::{NoRoute, Router};
pub use service::Service;
pub use service_fn::{ServiceFn, service_fn};
pub use shield::Shield;
pub use statistics::Statistics;
pub use status::Status;
pub use timeout::Timeout;
pub use trace::{Trace, Tracer};
