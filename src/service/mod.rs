//! Services: functions from a request to a response that arrives later, and the filters around them.
//!
//! A [`Service`] is what a client calls and what a server answers with; the trait is the same on both sides and knows no
//! protocol. A filter is a service around a service: written once, it works on clients and servers of every protocol.
//! The layers above (`proto`, `server`, `client`) take and return services.
//!
//! | to get | use |
//! |---|---|
//! | a service from a closure | [`service_fn()`] |
//! | a filter of one's own | [`Filter`], and [`ServiceExt::filter`] to apply it |
//! | a service per connection | [`NewService`], which every `Fn() -> S` is |
//! | one type for many services | [`BoxService`], at the edge |
//!
//! The trade-off: `call` takes `&self` and has no readiness to ask for first. Capacity is taken inside the call, where a
//! permit lives in the future and goes back when that is dropped; [`Status`] is advice for balancers and reserves
//! nothing. A `poll_ready` before each call lets a caller wait without a request, and makes every layer keep a permit in
//! a `&mut self`, which leaks when the call does not follow.
mod boxed;
mod ext;
mod filter;
mod new_service;
#[expect(clippy::module_inception, reason = "the file is named after the noun that it holds")]
mod service;
mod service_fn;
mod status;
mod timeout;

pub use boxed::BoxService;
pub use ext::ServiceExt;
pub use filter::{Filter, Filtered};
pub use new_service::NewService;
pub use service::Service;
pub use service_fn::{ServiceFn, service_fn};
pub use status::Status;
pub use timeout::Timeout;
