//! One connection for all calls at once, made when it is needed and anew when it is closed: what a multiplexed protocol
//! wants in place of a pool.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use mainspring::service::{Coalesce, Filtered, Service, ServiceExt, Status};

/// Makes a connection.
type Make<C> = dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<C>>>>;

/// A service whose response is a connection.
struct Connect<C>(Rc<Make<C>>);

impl<C> Clone for Connect<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Service<()> for Connect<C> {
    type Response = C;
    /// Shared by those who wait for the same connection.
    type Error = Rc<io::Error>;

    async fn call(&self, (): ()) -> Result<C, Rc<io::Error>> {
        (self.0)().await.map_err(Rc::new)
    }
}

/// A connection that is shared by all calls. `C` is cheap to clone, as the clients of `multiplex` are.
pub struct Shared<C> {
    connect: Filtered<Coalesce<(), C, Rc<io::Error>>, Connect<C>>,
    /// The connection of now, and how many calls it still has; none before the first.
    current: RefCell<Option<(C, u64)>>,
    /// How many calls a connection has.
    calls_max: u64,
}

impl<C: Clone + 'static> Shared<C> {
    /// One that `make` makes. What it does is dropped with the last call that waits for it.
    pub fn new<F, Fut>(make: F) -> Self
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = io::Result<C>> + 'static,
    {
        let connect = Connect(Rc::new(move || Box::pin(make()) as Pin<Box<_>>));
        Self { connect: connect.filter(Coalesce::new()), current: RefCell::new(None), calls_max: u64::MAX }
    }

    /// Makes another one after so many calls; those that the one before has in flight end there.
    #[must_use]
    pub fn calls_max(self, calls: u64) -> Self {
        Self { calls_max: calls, ..self }
    }

    /// The one for the next call.
    async fn connection<Request>(&self) -> io::Result<C>
    where
        C: Service<Request>,
    {
        if let Some((connection, calls_left @ 1..)) = &mut *self.current.borrow_mut() {
            if connection.status() != Status::Closed {
                *calls_left -= 1;
                return Ok(connection.clone());
            }
        }
        let made = self.connect.call(()).await;
        // An error cannot be cloned; its code is kept.
        let made = made.map_err(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })?;
        let before = self.current.replace(Some((made.clone(), self.calls_max.saturating_sub(1))));
        drop(before);
        Ok(made)
    }
}

impl<C, Request> Service<Request> for Shared<C>
where
    C: Service<Request> + Clone + 'static,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = C::Response;
    type Error = io::Error;

    async fn call(&self, request: Request) -> io::Result<C::Response> {
        let connection = self.connection().await?;
        connection.call(request).await.map_err(io::Error::other)
    }

    /// That of the connection; one that is closed, or not made yet, can be made.
    fn status(&self) -> Status {
        match &*self.current.borrow() {
            Some((connection, _)) if connection.status() == Status::Busy => Status::Busy,
            _ => Status::Open,
        }
    }
}

impl<C> fmt::Debug for Shared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("calls_max", &self.calls_max).finish_non_exhaustive()
    }
}
