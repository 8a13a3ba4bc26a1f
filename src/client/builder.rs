//! The settings of a client, all of them finite by default.
//!
//! Made by [`Client::builder`], and turned into a [`Client`] by [`ClientBuilder::connect`], or by
//! [`ClientBuilder::follow`] if somebody else resolves. Setters do nothing but store, in any order; the name is looked
//! up in `connect`, so that one that is not known is an error before anything is called.
//!
//! A client that says nothing about limits has them all the same. Whoever wants none says so with `None`. Failure
//! accrual and fail-fast are always there, with the values of [`FailureAccrual`] and
//! [`FailFast`](crate::service::FailFast) unless told otherwise, since they fail no call that could succeed elsewhere.
use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_core::Stream;

use super::attempt::Attempt;
use super::connector::{Connector, Make, Target};
use super::members::Members;
use super::not_full::NotFull;
use super::pool::Pool;
use super::{Client, Key, NotDone};
use crate::core::Core;
use crate::net::{Addresses, ConnectOptions, TcpStream, ToAddresses};
use crate::service::balance::{Balance, Change, Endpoints, next};
use crate::service::{
    Backoff, ConcurrencyLimit, Deadline, FailFast, FailureAccrual, Filtered, Retry, RetryBudget, Timeout,
};
use crate::spawn::spawn;
use crate::task::AbortHandle;
use crate::time::timeout;

/// How long a call may take with all its attempts and waits: as long as a user waits for anything.
const TOTAL: Duration = Duration::from_secs(30);

/// How long one attempt may take: so that there is time for another.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long connecting may take, as in Finagle: a few round trips around the world.
const CONNECT: Duration = Duration::from_secs(1);

/// Connections to one endpoint, in items: a server of 10,000 connections has room for 150 such clients.
const CONNECTIONS: usize = 64;

/// Calls that wait for one of them, in items: as of a [`ConcurrencyLimit`].
const WAITERS: usize = 10_000;

/// How long a connection may be idle: less than servers have, which are to see the client close and not the other way
/// round.
const IDLE: Duration = Duration::from_secs(60);

/// How old a connection may be: so that what has changed in the network is found within the hour.
const AGE: Duration = Duration::from_secs(3600);

/// How often a name is looked up.
const LOOKUP: Duration = Duration::from_secs(30);

/// Settings of a [`Client`].
///
/// ```
/// use mainspring::Client;
/// use std::time::Duration;
///
/// let settings = Client::builder()
///     .connections(8)
///     .attempt_timeout(Some(Duration::from_secs(2)))
///     .age(None);
/// # drop(settings);
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing before `connect`"]
pub struct ClientBuilder<C = NotDone> {
    /// What may be made again, and what is a failure.
    classifier: C,
    /// How long a call may take; none for ever.
    timeout: Option<Duration>,
    /// How long one attempt may take; none for ever.
    attempt_timeout: Option<Duration>,
    /// How long connecting may take; none for as long as the system tries.
    connect_timeout: Option<Duration>,
    /// What is set before connecting.
    connect_options: ConnectOptions,
    /// How many attempts there are in all.
    attempts: u32,
    /// What they add at most; none for one of the client's own.
    budget: Option<RetryBudget>,
    /// When an endpoint is left alone, each of which has one like it; none as it is by default.
    accrual: Option<FailureAccrual>,
    pool: PoolSettings,
    /// How often a name is looked up; none for once.
    lookup: Option<Duration>,
}

/// Those of the pool of each endpoint.
#[derive(Clone, Copy, Debug)]
struct PoolSettings {
    /// Connections at most.
    connections: usize,
    /// Calls on each at one time.
    calls: usize,
    /// Idle connections that are kept.
    keep: usize,
    /// Calls that wait at most.
    waiters: usize,
    /// How long a connection may be idle; none for ever.
    idle: Option<Duration>,
    /// How old it may be; none for ever.
    age: Option<Duration>,
    /// Whether it is used on after a call that failed.
    reuses_failed: bool,
    /// How long nobody connects after one could not; none as of a `FailFast`.
    backoff: Option<Backoff>,
}

impl ClientBuilder {
    pub(super) const fn new() -> Self {
        let pool = PoolSettings {
            connections: CONNECTIONS,
            calls: 1,
            keep: 0,
            waiters: WAITERS,
            idle: Some(IDLE),
            age: Some(AGE),
            reuses_failed: false,
            backoff: None,
        };
        Self {
            classifier: NotDone,
            timeout: Some(TOTAL),
            attempt_timeout: Some(ATTEMPT),
            connect_timeout: Some(CONNECT),
            connect_options: TcpStream::options().or_nodelay(),
            attempts: 3,
            budget: None,
            accrual: None,
            pool,
            lookup: Some(LOOKUP),
        }
    }
}

impl<C> ClientBuilder<C> {
    /// How long a call may take, with all its attempts and waits: 30 s by default. `None` for ever.
    pub fn timeout(mut self, limit: Option<Duration>) -> Self {
        self.timeout = limit;
        self
    }

    /// How long one attempt may take, connecting included and the wait for a place left out: 10 s by default. `None`
    /// for ever.
    pub fn attempt_timeout(mut self, limit: Option<Duration>) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// How long connecting may take, with what the closure of [`connect`](Self::connect) does: 1 s by default. `None`
    /// for as long as the system tries, which is minutes.
    pub fn connect_timeout(mut self, limit: Option<Duration>) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// What is set on the connections before they are made: the address of this machine that they come from, the sizes
    /// of their buffers. `TCP_NODELAY` stays on unless the options say otherwise.
    ///
    /// Servers of the other family than the local address are left out. One that a resolver of one's own
    /// [inserts](Self::follow) is an endpoint like any other, to which no connection can be made.
    ///
    /// ```
    /// use mainspring::Client;
    /// use mainspring::net::TcpStream;
    /// use std::time::Duration;
    ///
    /// let local = "192.0.2.7:0".parse().expect("an address");
    /// let options = TcpStream::options().local_addr(local).keepalive(Some(Duration::from_secs(60)));
    /// let settings = Client::builder().connect_options(options);
    /// # drop(settings);
    /// ```
    pub fn connect_options(mut self, options: ConnectOptions) -> Self {
        self.connect_options = options.or_nodelay();
        self
    }

    /// How many attempts a call has, the first among them: 3 by default; zero and one make none again.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// What attempts may add to the load: by default a fifth of the calls, and ten a second, of this client alone.
    /// Clients that call the same service can share one.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What may be made again, and what is a failure of an endpoint: [`NotDone`] by default, which makes only such
    /// calls again as were not sent; [`Idempotent`](crate::service::Idempotent) makes all again that have failed.
    pub fn classifier<D>(self, classifier: D) -> ClientBuilder<D> {
        ClientBuilder {
            classifier,
            timeout: self.timeout,
            attempt_timeout: self.attempt_timeout,
            connect_timeout: self.connect_timeout,
            connect_options: self.connect_options,
            attempts: self.attempts,
            budget: self.budget,
            accrual: self.accrual,
            pool: self.pool,
            lookup: self.lookup,
        }
    }

    /// When an endpoint is taken for dead and left alone, and for how long: as a [`FailureAccrual`] has it by default.
    /// Each endpoint has one of its own with these settings, and what is a failure is up to the
    /// [classifier](Self::classifier) of the client.
    ///
    /// ```
    /// use mainspring::Client;
    /// use mainspring::service::{Backoff, FailureAccrual};
    /// use std::time::Duration;
    ///
    /// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    /// let settings = Client::builder().accrual(FailureAccrual::new().consecutive(3).backoff(backoff)).connect_backoff(backoff);
    /// # drop(settings);
    /// ```
    pub fn accrual(mut self, accrual: FailureAccrual) -> Self {
        self.accrual = Some(accrual);
        self
    }

    /// How long nobody tries to connect to an endpoint after one could not, the first time and the following ones: half
    /// to the whole of 1 s by default, then of 2 s, up to 32 s, as of a [`FailFast`](crate::service::FailFast). Where
    /// there is one endpoint alone, every call tries.
    pub fn connect_backoff(mut self, backoff: Backoff) -> Self {
        self.pool.backoff = Some(backoff);
        self
    }

    /// How many connections there are to each endpoint at most: 64 by default, at least 1. Each serves one call at a
    /// time, unless [told otherwise](Self::calls_per_connection).
    pub fn connections(mut self, connections: usize) -> Self {
        self.pool.connections = connections.max(1);
        self
    }

    /// How many calls a connection serves at one time: 1 by default, at least 1. Another connection is made when all
    /// have so many, and calls that come while one is made wait for it.
    ///
    /// For protocols that [pipeline](crate::proto::pipeline) or [multiplex](crate::proto::multiplex): calls of several
    /// tasks share a connection, and what they write at the same time is one write. A connection that is closed for a
    /// call that has failed is closed behind the others that it has, unless [`reuse_failed`](Self::reuse_failed) is
    /// set.
    ///
    /// They are counted in items and not in bytes; how large each is,
    /// [`max_in_flight`](crate::proto::pipeline::Connection::max_in_flight) of one connection says.
    ///
    /// ```
    /// use mainspring::codec::{Framed, Lines};
    /// use mainspring::proto::pipeline;
    /// use mainspring::service::{Service, service_fn};
    /// use mainspring::{Client, Server, spawn};
    ///
    /// mainspring::run(async {
    ///     let server = Server::bind("127.0.0.1:0")?;
    ///     let address = server.local_addr();
    ///     let serving = server.serve(async |connection| {
    ///         let echo = service_fn(async |line: String| std::io::Result::Ok(line));
    ///         let lines = Framed::new(connection.stream, Lines::new());
    ///         pipeline::serve(lines, &echo).await.map_err(std::io::Error::other)
    ///     })?;
    ///     let client = Client::builder().connections(2).calls_per_connection(100).reuse_failed(true);
    ///     let client = client.connect(address, async |stream| {
    ///         let (client, connection) = pipeline::connect(Framed::new(stream, Lines::new()));
    ///         spawn(connection);
    ///         Ok(client)
    ///     });
    ///     let client = client.await?;
    ///     let calls = (0..50).map(|number| client.call(number.to_string()));
    ///     futures::future::try_join_all(calls).await?;
    ///     assert_eq!(serving.connections(), 1);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn calls_per_connection(mut self, calls: usize) -> Self {
        self.pool.calls = calls.max(1);
        self
    }

    /// How many idle connections to each endpoint are kept however long they are idle: none by default. Their age is
    /// still bounded.
    pub fn keep(mut self, connections: usize) -> Self {
        self.pool.keep = connections;
        self
    }

    /// How many calls to each endpoint wait while all connections have as many as they serve: 10,000 by default;
    /// further ones are rejected, and with zero all of them.
    pub fn waiters(mut self, calls: usize) -> Self {
        self.pool.waiters = calls;
        self
    }

    /// How long a connection may be idle until it is closed: 60 s by default. `None` for ever. What the server allows
    /// is to be longer.
    pub fn idle(mut self, limit: Option<Duration>) -> Self {
        self.pool.idle = limit;
        self
    }

    /// How old a connection becomes, from when it was made: between three quarters of an hour and an hour by default,
    /// at random as of any age. It is closed when it is idle then, or after its call. `None` for ever.
    pub fn age(mut self, limit: Option<Duration>) -> Self {
        self.pool.age = limit;
        self
    }

    /// Whether a connection is used on after a call that failed or was dropped: by default it is closed, since an
    /// answer that comes late would be taken for that to the next call.
    ///
    /// For protocols that know which answer belongs to which call, or throw away the late ones as
    /// [`pipeline`](crate::proto::pipeline) does, and report [`Status::Closed`](crate::service::Status::Closed) when
    /// the connection is lost.
    pub fn reuse_failed(mut self, reuse: bool) -> Self {
        self.pool.reuses_failed = reuse;
        self
    }

    /// How often a host name is looked up again: every 30 s by default, at least as long as names are
    /// [kept](crate::Builder::names). `None` for never. Addresses are not looked up.
    pub fn lookup_every(mut self, time: Option<Duration>) -> Self {
        self.lookup = time;
        self
    }

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

impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("connect_options", &self.connect_options)
            .field("attempts", &self.attempts)
            .field("accrual", &self.accrual)
            .field("pool", &self.pool)
            .field("lookup", &self.lookup)
            .finish_non_exhaustive()
    }
}
