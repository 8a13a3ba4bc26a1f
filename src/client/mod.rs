//! The client: one service of all servers behind a name, with the filters that belong around it.
//!
//! A [`Client`] is what [`Client::builder`] makes of a name, its limits and a closure that turns a stream into a
//! service, so any protocol fits. From the outside in, in [Finagle's order](crate::service#the-order-of-a-stack):
//!
//! | | |
//! |---|---|
//! | [`Deadline`] | of the whole, waits and attempts together |
//! | [`Retry`] | of what was not done for certain, within a budget |
//! | [`Balance`] | over the addresses of the name, which is looked up again, or of a [resolver](ClientBuilder::follow) |
//! | [`ConcurrencyLimit`](crate::service::ConcurrencyLimit) | for each endpoint: as many calls as its connections serve, the others wait in order |
//! | [`FailureAccrual`](crate::service::FailureAccrual) | for each endpoint, which leaves alone what fails; what finds no place above is no failure |
//! | [`Timeout`](crate::service::Timeout) | of the attempt |
//! | pool | of connections, for a call each or for several, which end by idleness, by age and when they are Closed |
//! | [`FailFast`](crate::service::FailFast) | around connecting, if there is more than one endpoint |
//! | connecting | with its timeout; a lost connection is made anew by the next call |
//!
//! Filters of one's own, [`Statistics`](crate::service::Statistics) among them, go around the client or around what the
//! closure makes.
//!
//! A call is dropped with its future: it gives its place and its connection back, and leaves nothing running.
mod attempt;
mod builder;
mod connect;
mod connect_unix;
mod connector;
mod error;
mod making;
mod members;
mod not_done;
mod not_full;
mod pool;
mod shelf;

pub use builder::ClientBuilder;
pub use error::Error;
pub use not_done::NotDone;

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::service::balance::Balance;
use crate::service::{Classifier, Deadline, Filtered, Retry, Service, Status};
use crate::task::AbortHandle;
use attempt::Attempt;
use not_full::NotFull;

/// The whole.
type Stack<S, C> = Filtered<Option<Deadline>, Filtered<Retry<C>, Balance<Key, Attempt<S, C>, NotFull<C>>>>;

/// An endpoint is known by its address; none for a path, which is the only endpoint of its client.
type Key = Option<SocketAddr>;

/// Calls servers over connections, each of which is an `S`. Clones are the same client; when the last one is dropped,
/// so are the connections.
///
/// ```
/// use mainspring::{Client, Server};
/// use mainspring::service::{Service, service_fn};
///
/// mainspring::run(async {
///     let server = Server::bind("127.0.0.1:0")?;
///     let address = server.local_addr();
///     let _serving = server.serve(async |connection| {
///         let mut byte = [0];
///         while connection.stream.read(&mut byte).await? > 0 {
///             connection.stream.write_all(&[byte[0] + 1]).await?;
///         }
///         Ok(())
///     })?;
///
///     // One byte to and one fro; the next call has the same connection.
///     let client = Client::builder().connect(address, async |stream| {
///         Ok(service_fn(async move |byte: u8| {
///             stream.write_all(&[byte]).await?;
///             let mut answer = [0];
///             mainspring::io::read_exact(&mut &stream, &mut answer).await?;
///             std::io::Result::Ok(answer[0])
///         }))
///     });
///     let client = client.await?;
///     assert_eq!(client.call(1).await?, 2);
///     assert_eq!(client.call(2).await?, 3);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Client<S = (), C = NotDone> {
    /// What clones share.
    shared: Rc<Shared<S, C>>,
}

struct Shared<S, C> {
    stack: Stack<S, C>,
    /// The task that follows the addresses.
    follows: Option<AbortHandle>,
}

impl Client {
    /// Settings, and then a client.
    pub const fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }
}

impl<S, C> Client<S, C> {
    fn new(stack: Stack<S, C>, follows: Option<AbortHandle>) -> Self {
        Self { shared: Rc::new(Shared { stack, follows }) }
    }
}

impl<S, C, Request> Service<Request> for Client<S, C>
where
    S: Service<Request> + 'static,
    C: Classifier<S::Response, Error<S::Error>>,
    Request: Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;

    fn call(&self, request: Request) -> impl Future<Output = Result<S::Response, Error<S::Error>>> {
        self.shared.stack.call(request)
    }

    /// The best of all endpoints: Busy if all connections are in use, or all endpoints have failed lately.
    fn status(&self) -> Status {
        self.shared.stack.status()
    }
}

impl<S, C> Drop for Shared<S, C> {
    fn drop(&mut self) {
        if let Some(task) = &self.follows {
            task.abort();
        }
    }
}

impl<S, C> Clone for Client<S, C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S, C> fmt::Debug for Client<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
