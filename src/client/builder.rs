//! The settings of a client, all of them finite by default.
//!
//! Made by [`Client::builder`](super::Client::builder), and turned into a client by what stands in `connect.rs` and
//! `connect_unix.rs`. Setters do nothing but store, in any order.
//!
//! A client that says nothing about limits has them all the same. Whoever wants none says so with `None`. Failure
//! accrual and fail-fast are always there, with the values of [`FailureAccrual`] and
//! [`FailFast`](crate::service::FailFast) unless told otherwise, since they fail no call that could succeed elsewhere.
use std::fmt;
use std::time::Duration;

use super::NotDone;
use crate::net::{ConnectOptions, TcpStream};
use crate::service::{Backoff, FailureAccrual, RetryBudget};

/// How long a call may take with all its attempts and waits: as long as a user waits for anything.
const TOTAL: Duration = Duration::from_secs(30);

/// How long one attempt may take: so that there is time for another.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long connecting may take, as in Finagle: a few round trips around the world.
const CONNECT: Duration = Duration::from_secs(1);

/// Connections to one endpoint, in items: a server of 10,000 connections has room for 150 such clients.
const CONNECTIONS: usize = 64;

/// Calls that wait for one of them, in items: as of a [`ConcurrencyLimit`](crate::service::ConcurrencyLimit).
const WAITERS: usize = 10_000;

/// How long a connection may be idle: less than servers have, which are to see the client close and not the other way
/// round.
const IDLE: Duration = Duration::from_secs(60);

/// How old a connection may be: so that what has changed in the network is found within the hour.
const AGE: Duration = Duration::from_secs(3600);

/// How often a name is looked up.
const LOOKUP: Duration = Duration::from_secs(30);

/// Settings of a [`Client`](super::Client).
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
    pub(super) classifier: C,
    /// How long a call may take; none for ever.
    pub(super) timeout: Option<Duration>,
    /// How long one attempt may take; none for ever.
    pub(super) attempt_timeout: Option<Duration>,
    /// How long connecting may take; none for as long as the system tries.
    pub(super) connect_timeout: Option<Duration>,
    /// What is set before connecting.
    pub(super) connect_options: ConnectOptions,
    /// How many attempts there are in all.
    pub(super) attempts: u32,
    /// What they add at most; none for one of the client's own.
    pub(super) budget: Option<RetryBudget>,
    /// When an endpoint is left alone, each of which has one like it; none as it is by default.
    pub(super) accrual: Option<FailureAccrual>,
    pub(super) pool: PoolSettings,
    /// How often a name is looked up; none for once.
    pub(super) lookup: Option<Duration>,
}

/// Those of the pool of each endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolSettings {
    /// Connections at most.
    pub(super) connections: usize,
    /// Calls on each at one time.
    pub(super) calls: usize,
    /// Idle connections that are kept.
    pub(super) keep: usize,
    /// Calls that wait at most.
    pub(super) waiters: usize,
    /// How long a connection may be idle; none for ever.
    pub(super) idle: Option<Duration>,
    /// How old it may be; none for ever.
    pub(super) age: Option<Duration>,
    /// Whether it is used on after a call that failed.
    pub(super) reuses_failed: bool,
    /// How long nobody connects after one could not; none as of a `FailFast`.
    pub(super) backoff: Option<Backoff>,
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
