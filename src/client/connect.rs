//! From the settings of a client to the client: over addresses of TCP.
//!
//! The ends of a [`ClientBuilder`]: a name or addresses that are looked up first, so that one that is not known is an
//! error before anything is called; addresses that are known; or what a resolver of one's own finds. Each makes
//! [`Members`], which makes an endpoint of each address, and puts the same stack above and below them, which is
//! what `connect_unix.rs` calls too.
//!
//! A client that looks up or follows has a task that does so for as long as the client lives, and makes no connection
//! before the first call. To resolve at each call was turned down: a call would wait for the resolver.
use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_core::Stream;

use super::attempt::Attempt;
use super::builder::PoolSettings;
use super::connector::{Connector, Make, Target};
use super::members::Members;
use super::not_full::NotFull;
use super::pool::Pool;
use super::{Client, ClientBuilder, Key};
use crate::core::Core;
use crate::net::{Addresses, TcpStream, ToAddresses};
use crate::service::balance::{Balance, Change, Endpoints, next};
use crate::service::{ConcurrencyLimit, Deadline, FailFast, FailureAccrual, Filtered, Retry, Timeout};
use crate::spawn::spawn;
use crate::task::AbortHandle;
use crate::time::timeout;

impl<C> ClientBuilder<C> {
    /// A client of the servers at `addresses`, each of which is an endpoint of its own. `make` makes a service of each
    /// connection, which is called by one call at a time unless [told otherwise](Self::calls_per_connection). No
    /// connection is made before the first call.
    ///
    /// Dropping the service has to close the connection, and its status has to be Closed when it cannot be used any
    /// more.
    ///
    /// # Errors
    ///
    /// That of the lookup, `NotFound` if it finds no address, `InvalidInput` if none is of the family of the
    /// [local one](Self::connect_options), and when no reactor is running on this thread.
    ///
    /// # Cancel safety
    ///
    /// A lookup that is under way goes on to its end, unheard. It has no limit but the system's:
    /// [`timeout`](crate::time::timeout()) around this is one.
    pub async fn connect<S, F>(self, addresses: impl ToAddresses, make: F) -> io::Result<Client<S, C>>
    where
        F: AsyncFn(TcpStream) -> io::Result<S> + 'static,
        S: 'static,
        C: Clone + 'static,
    {
        let addresses = addresses.to_addresses()?;
        let found = self.connect_options.reachable(addresses.clone().resolve().await?)?;
        if found.is_empty() {
            return Err(no_address(&addresses));
        }
        let mut members = self.members(make);
        members.update(found);
        let endpoints = members.endpoints();
        let is_name = matches!(addresses, Addresses::Lookup(..));
        let follows = self.lookup.filter(|_| is_name).map(|every| {
            let options = self.connect_options.clone();
            let lookup = async move || options.reachable(addresses.clone().resolve().await?);
            spawn(members.follow(every, lookup)).abort_handle()
        });
        Ok(self.client(endpoints, follows))
    }

    /// As [`connect`](Self::connect), of servers whose addresses are known: nothing is looked up, so there is nothing
    /// to wait for. For where a client is made outside of a future, as for each thread of a [`Server`](crate::Server).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no address, `InvalidInput` if none is of the family of the
    /// [local one](Self::connect_options).
    ///
    /// ```
    /// use mainspring::service::{Service, service_fn};
    /// use mainspring::{Client, Server};
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let client = Client::builder().connect_to(&[server.local_addr()], async |stream| {
    ///     Ok(service_fn(async move |bytes: &'static [u8]| stream.write_all(bytes).await))
    /// })?;
    /// mainspring::run(async {
    ///     let _serving = server.serve(async |_connection| Ok(()))?;
    ///     client.call(b"hello").await.map_err(std::io::Error::from)
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connect_to<S, F>(self, addresses: &[SocketAddr], make: F) -> io::Result<Client<S, C>>
    where
        F: AsyncFn(TcpStream) -> io::Result<S> + 'static,
        S: 'static,
        C: Clone + 'static,
    {
        if addresses.is_empty() {
            return Err(no_address(&addresses));
        }
        let mut members = self.members(make);
        members.update(self.connect_options.reachable(addresses.to_vec())?);
        let endpoints = members.endpoints();
        Ok(self.client(endpoints, None))
    }

    /// A client of the servers that a resolver of one's own finds: a registry, SRV records, a file. It says what has
    /// changed; its services are `()`, since the client makes an endpoint of each address. An address that is inserted
    /// again keeps its connections and has another weight or priority. When the stream ends, the endpoints stay as they
    /// are.
    ///
    /// What a resolver removes has no further call, and those in flight end. Nothing else removes an endpoint: one that
    /// fails is avoided, as one of [`connect`](Self::connect). A resolver that fails says nothing, and the last
    /// endpoints go on.
    ///
    /// # Errors
    ///
    /// `NotFound` if the stream ends and there was no endpoint, `TimedOut` if there is none within the
    /// [timeout](Self::timeout) of a call. When no reactor is running on this thread.
    ///
    /// # Panics
    ///
    /// When a weight is not finite, or not more than zero: here, or in the task that follows the changes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream.
    ///
    /// ```
    /// use mainspring::channel::mpsc;
    /// use mainspring::service::balance::Change;
    /// use mainspring::service::{Service, service_fn};
    /// use mainspring::{Client, Server};
    ///
    /// mainspring::run(async {
    ///     let server = Server::bind("127.0.0.1:0")?;
    ///     let address = server.local_addr();
    ///     let _serving = server.serve(async |connection| connection.stream.write_all(b"!").await)?;
    ///
    ///     let (resolver, changes) = mpsc::bounded(16);
    ///     resolver.try_send(Change::insert(address, ())).expect("room");
    ///     let client = Client::builder().follow(changes, async |stream| {
    ///         Ok(service_fn(async move |()| {
    ///             let mut byte = [0];
    ///             stream.read(&mut byte).await?;
    ///             std::io::Result::Ok(byte[0])
    ///         }))
    ///     });
    ///     assert_eq!(client.await?.call(()).await?, b'!');
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn follow<S, F>(
        self,
        changes: impl Stream<Item = Change<SocketAddr, ()>> + 'static,
        make: F,
    ) -> io::Result<Client<S, C>>
    where
        F: AsyncFn(TcpStream) -> io::Result<S> + 'static,
        S: 'static,
        C: Clone + 'static,
    {
        let _reactor = Core::running("a client that follows a resolver")?;
        let (mut members, mut changes) = (self.members(make), Box::pin(changes));
        let first = async {
            while members.is_empty() {
                let Some(change) = next(&mut changes).await else {
                    let message = "no address to connect to: the resolver has ended without one";
                    return Err(io::Error::new(io::ErrorKind::NotFound, message));
                };
                members.apply(change);
            }
            Ok(())
        };
        match self.timeout {
            Some(limit) => timeout(limit, first).await??,
            None => first.await?,
        }
        let endpoints = members.endpoints();
        let follows = spawn(members.apply_all(changes)).abort_handle();
        Ok(self.client(endpoints, Some(follows)))
    }

    /// The endpoints, none yet.
    fn members<S, F>(&self, make: F) -> Members<Attempt<S, C>>
    where
        F: AsyncFn(TcpStream) -> io::Result<S> + 'static,
        S: 'static,
        C: Clone + 'static,
    {
        let (make, is_alone): (Rc<dyn Make<TcpStream, S>>, _) = (Rc::new(make), Rc::new(Cell::new(false)));
        let (settings, alone) = (self.clone(), is_alone.clone());
        Members::new(is_alone, move |address| {
            settings.endpoint(Target::Tcp(address, settings.connect_options.clone(), make.clone()), alone.clone())
        })
    }

    /// What stands above the endpoints.
    pub(super) fn client<S>(
        self,
        endpoints: Endpoints<Key, Attempt<S, C>>,
        follows: Option<AbortHandle>,
    ) -> Client<S, C>
    where
        C: Clone,
    {
        let retry = Retry::new().classifier(self.classifier.clone()).attempts(self.attempts);
        let retry = match self.budget {
            Some(budget) => retry.budget(budget),
            None => retry,
        };
        let balance = Balance::new(endpoints).classifier(NotFull(self.classifier));
        let stack = Filtered::new(self.timeout.map(Deadline::within), Filtered::new(retry, balance));
        Client::new(stack, follows)
    }

    /// What belongs to one endpoint.
    pub(super) fn endpoint<S>(&self, target: Target<S>, is_alone: Rc<Cell<bool>>) -> Attempt<S, C>
    where
        C: Clone,
    {
        let PoolSettings { connections, calls, keep, waiters, idle, age, reuses_failed, backoff } = self.pool;
        let connector = Connector { target, timeout: self.connect_timeout };
        let fail_fast = backoff.map_or_else(FailFast::new, |backoff| FailFast::new().backoff(backoff));
        let pool = Pool::new(connector, fail_fast, is_alone, keep, idle);
        let pool = pool.age(age).reuses_failed(reuses_failed).calls(calls);
        let places = connections.saturating_mul(calls);
        let attempt = Filtered::new(self.attempt_timeout.map(Timeout::new), pool);
        let accrual = self.accrual.as_ref().map_or_else(FailureAccrual::new, FailureAccrual::anew);
        let watched = Filtered::new(accrual.classifier(self.classifier.clone()), attempt);
        // Why outside of the accrual: that this client has no place for a call is no failure of the endpoint.
        Attempt(Filtered::new(ConcurrencyLimit::new(places).waiters(waiters), watched))
    }
}

fn no_address(addresses: &dyn fmt::Debug) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no address to connect to: {addresses:?}"))
}
