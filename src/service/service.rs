//! The trait that everything above the codecs is made of.
//!
//! Implemented by users' handlers and clients, by the filters of this module and by the dispatchers of `proto`; called
//! by servers for each request, and by users of a client.
//!
//! Guarantees asked of an implementor: a call does nothing before its future is polled, dropping the future abandons
//! the call and gives back what it held, and calls may run at the same time. Given in return: nothing here needs `Send`
//! or `'static`, so a call may borrow its service and its request.
//!
//! The trade-off: the future is `impl Future` in the trait. Handlers are plain `async fn`, built-in filters return
//! hand-written structs that add only their own state, and the trait is not dyn-compatible; [`BoxService`] is for that.
//! An associated `Future` type would be nameable, and would forbid `async fn call`.
//!
//! [`BoxService`]: super::BoxService
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::Status;

/// A function from a request to a response that arrives later.
///
/// The model is the `Service` of Finagle ("Your Server as a Function", Eriksen 2013).
///
/// ```
/// use mainspring::service::Service;
/// use std::io;
///
/// struct Greeter {
///     greeting: String,
/// }
///
/// impl Service<&str> for Greeter {
///     type Response = String;
///     type Error = io::Error;
///
///     async fn call(&self, name: &str) -> io::Result<String> {
///         Ok(format!("{}, {name}", self.greeting))
///     }
/// }
///
/// let greeter = Greeter { greeting: "hello".to_string() };
/// let answer = futures::executor::block_on(greeter.call("world")).unwrap();
/// assert_eq!(answer, "hello, world");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service of requests `{Request}`",
    note = "in a stack, each filter has to fit what is inside of it: the notes that follow say which one does not"
)]
pub trait Service<Request> {
    /// What a call that succeeds resolves to.
    type Response;

    /// What a call that fails resolves to. Filters that can fail ask for a conversion (`From`) into it.
    type Error;

    /// Starts a call. The future may borrow the service, and does the work when it is polled.
    ///
    /// Any number of calls may be in flight. A service that has to limit them waits, or fails, inside the call.
    ///
    /// # Errors
    ///
    /// Whatever the service defines.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call: what it held is given back. Whether the peer of a client still acts on
    /// the request depends on the protocol.
    fn call(&self, request: Request) -> impl Future<Output = Result<Self::Response, Self::Error>>;

    /// Whether a call is likely to be served well now.
    ///
    /// Cheap and advisory: it reserves nothing and may be out of date when it returns. The default is [`Status::Open`].
    fn status(&self) -> Status {
        Status::Open
    }
}

impl<S: Service<Request>, Request> Service<Request> for &S {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        (**self).call(request)
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}

impl<S: Service<Request>, Request> Service<Request> for Box<S> {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        (**self).call(request)
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}

impl<S: Service<Request>, Request> Service<Request> for Rc<S> {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        (**self).call(request)
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}

impl<S: Service<Request>, Request> Service<Request> for Arc<S> {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, S::Error>> {
        (**self).call(request)
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}
