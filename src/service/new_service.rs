//! A service per connection.
//!
//! Implemented by what a server is given, whose target is the accepted connection's peer, and by what a client connects
//! with, whose target is the address and whose service is the session.
//!
//! Every closure `Fn() -> S` is one that ignores the target and cannot fail. So a server takes `|| Handler::default()`
//! for a service of its own per connection, and `move || service.clone()` for one that all share.
//!
//! The trade-off: the method is asynchronous and may fail, which only clients need; it is the price of one trait for
//! both. Services that can be cloned are no `NewService` by themselves: a blanket implementation for them would overlap
//! with that for closures, and `move || service.clone()` says which of the two is meant.
use std::convert::Infallible;
use std::future::{Future, Ready, ready};

/// Makes the service that serves one connection, or one session.
///
/// ```
/// use mainspring::service::{NewService, Service, service_fn};
/// use std::convert::Infallible;
///
/// let new_service = || service_fn(async |n: u32| Ok::<_, Infallible>(n + 1));
/// futures::executor::block_on(async {
///     let service = new_service.new_service("127.0.0.1:80").await.unwrap();
///     assert_eq!(service.call(1).await, Ok(2));
/// });
/// ```
pub trait NewService<Target> {
    /// The service of one connection.
    type Service;

    /// Why there is none.
    type Error;

    /// Makes the service for `target`.
    ///
    /// # Errors
    ///
    /// If the connection is to be refused, or the session could not be made. A server closes the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the attempt and what it had acquired.
    fn new_service(&self, target: Target) -> impl Future<Output = Result<Self::Service, Self::Error>>;
}

impl<F: Fn() -> S, S, Target> NewService<Target> for F {
    type Service = S;
    type Error = Infallible;

    fn new_service(&self, _target: Target) -> impl Future<Output = Result<S, Infallible>> {
        let made: Ready<Result<S, Infallible>> = ready(Ok(self()));
        made
    }
}
