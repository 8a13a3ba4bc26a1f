//! The settings of a server, all of them finite by default.
//!
//! Made by [`Server::builder`], and turned into a [`Server`] by [`ServerBuilder::bind`]. Setters do nothing but store,
//! in any order; the sockets are made in `bind`, so that an address that cannot be had is an error before anything
//! runs. What concerns the threads is that of [`Workers`](crate::Workers), and not repeated here.
//!
//! A server that says nothing about limits has them all the same, since limits that have to be asked for are not missed
//! before there is load. Whoever wants none says so with `None`. Zero threads are taken as one and not refused, so that
//! setters need no `Result`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mainspring_sys::Socket;

use super::{Limits, Server, Sharing};
use crate::net::{BACKLOG, TcpListener, ToAddresses};
use crate::proto::Deadlines;
use crate::workers::WorkersBuilder;

/// How long a peer may leave no room to write.
const WRITE: Duration = Duration::from_secs(60);

/// How old a connection becomes, a tenth more or less, before it is to end once it has nothing to do: nginx's, so that
/// clients find servers that were added, and what leaks in a connection leaks for an hour.
const AGE: Duration = Duration::from_secs(60 * 60);

/// Requests in flight on one thread. A hundred of them with a connection's usual share of 1 MiB are few; this many with
/// small ones are some megabytes, and seconds of work: a longer queue only makes all of them late.
const IN_FLIGHT: usize = 10_000;

/// How long a server that was asked to end waits for its connections.
const DRAIN: Duration = Duration::from_secs(10);

/// Settings of a [`Server`].
///
/// ```
/// use mainspring::Server;
/// use std::time::Duration;
///
/// let server = Server::builder()
///     .threads(2)
///     .connections(1000)
///     .idle(Some(Duration::from_secs(30)))
///     .bind("127.0.0.1:0")?;
/// println!("listening on {}", server.local_addr());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `bind`"]
pub struct ServerBuilder {
    /// The threads.
    workers: WorkersBuilder,
    /// How connections come to several of them; none for what is usual.
    sharing: Option<Sharing>,
    /// Connections at one time, all threads together; none for a share of the descriptors.
    connections: Option<usize>,
    /// How long each phase of a connection may last.
    deadlines: Deadlines,
    /// How old a connection becomes before it retires; none for no age.
    age: Option<Duration>,
    /// Requests in flight on one thread that are let in.
    in_flight: usize,
    /// How long one wait for room to write may last; none for ever.
    write: Option<Duration>,
    /// How long `run` waits for open connections when it ends.
    drain: Duration,
    /// Connections that the system keeps until they are accepted, per listener.
    backlog: u32,
}

impl ServerBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            workers: WorkersBuilder::new().threads(1),
            sharing: None,
            connections: None,
            deadlines: Deadlines::DEFAULT,
            age: Some(AGE),
            in_flight: IN_FLIGHT,
            write: Some(WRITE),
            drain: DRAIN,
            backlog: BACKLOG,
        }
    }

    /// How many threads [`Server::run`] serves on: 1 by default, at least 1. As
    /// [`workers`](Self::workers) with that many, and keeps what else was said of them.
    pub fn threads(mut self, threads: usize) -> Self {
        self.workers = self.workers.threads(threads);
        self
    }

    /// The threads that [`Server::run`] serves on: how many, where they run, and what their reactors are like.
    ///
    /// ```
    /// use mainspring::{OnPanic, Server, Workers};
    ///
    /// let threads = Workers::builder() // as many as there are processors
    ///     .pin(true)
    ///     .reactor(|_worker, builder| builder.on_panic(|_panic| OnPanic::Stop));
    /// let server = Server::builder().workers(threads).bind("127.0.0.1:0")?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn workers(mut self, workers: WorkersBuilder) -> Self {
        self.workers = workers;
        self
    }

    /// How connections come to several threads: by default what [`Sharing::default`] is on this system, and of a
    /// listener that is given `Exclusive`.
    ///
    /// A second process of the same user that says `ReusePort` here gets the same port without an error, and a part of
    /// the connections. Where it is not said but the default, a port that somebody has is refused on Linux, unless both
    /// start at the same moment.
    pub const fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// How many connections are open at one time, all threads together; further ones wait in the backlog. By default
    /// three quarters of the descriptors that the process may have (`RLIMIT_NOFILE`).
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// How long each phase of a connection may last: by default 30 s until the first byte, 30 s for a request that has
    /// begun to arrive, 5 minutes between requests, 60 s for each request. [`Deadlines::OFF`] turns all of them off.
    ///
    /// [`Connection::pipeline`](super::Connection::pipeline) and [`multiplex`](super::Connection::multiplex) keep them.
    /// A handler that reads the stream itself has the idle time as the stream's read timeout, and the rest in
    /// [`Connection::deadlines`](super::Connection::deadlines).
    pub const fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// How long one wait for bytes from a connection may last: [`Deadlines::idle`] alone. `None` for ever;
    /// zero is taken as the shortest possible.
    pub const fn idle(mut self, limit: Option<Duration>) -> Self {
        self.deadlines.idle = match limit {
            Some(limit) => limit,
            None => Duration::MAX,
        };
        self
    }

    /// How old a connection of [`Connection::pipeline`](super::Connection::pipeline) or
    /// [`multiplex`](super::Connection::multiplex) becomes: an hour by default, and each a tenth more or less. Then it
    /// takes no further request, answers those that it has, and is closed. `None` for no age; zero lets it end at once.
    pub const fn max_age(mut self, age: Option<Duration>) -> Self {
        self.age = age;
        self
    }

    /// How many requests are in flight on each thread before further ones are rejected: 10,000 by default. Zero rejects
    /// all.
    ///
    /// It is the bound of a filter, [`Connection::pressure`](super::Connection::pressure)`.admission()`, which the
    /// handler puts around its service, as in the example of [`Connection::pipeline`](super::Connection::pipeline).
    /// Without that no request is counted and none rejected, since a protocol does not know which answer says so.
    ///
    /// They are counted in items and not in bytes; how large each is,
    /// [`max_in_flight`](crate::proto::pipeline::Server::max_in_flight) of one connection says.
    pub const fn in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests;
        self
    }

    /// How long one wait for a peer that leaves no room to write may last: 60 s by default, otherwise as `idle`.
    pub const fn write(mut self, limit: Option<Duration>) -> Self {
        self.write = limit;
        self
    }

    /// How long [`Server::run`] waits for open connections when it ends: 10 s by default. Zero aborts them at once.
    pub const fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// How many connections the system keeps until they are accepted, per listener: 4,096 by default.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Binds to the first of `addresses` that can be had. From here on the system queues connections. It may be called
    /// before a reactor runs.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `PermissionDenied` and whatever else `bind(2)` reports, as of
    /// [`ListenOptions::bind`](crate::net::ListenOptions::bind).
    pub fn bind(self, addresses: impl ToAddresses) -> io::Result<Server> {
        let threads = self.workers.count();
        let this = self.threads(threads);
        let sharing = this.sharing.unwrap_or_default();
        let is_reused = sharing == Sharing::ReusePort && threads > 1;
        let options = TcpListener::options().backlog(this.backlog).reuse_port(is_reused);
        // Nobody has asked for a port that is shared with other processes.
        let is_alone = is_reused && this.sharing.is_none();
        let first = if is_alone { options.clone().first().open(addresses)? } else { options.open(addresses)? };
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        while is_reused && sockets.len() < threads {
            sockets.push(options.open(address)?);
        }
        this.server(sockets, address, sharing)
    }

    /// Serves on a listener that is given: inherited from another process, or made with options of its own. It becomes
    /// non-blocking, and close-on-exec.
    ///
    /// Whoever else has the same listener, a predecessor that has not ended for one, gets a part of the connections
    /// until it closes it; none is lost in between. Whether a listener of IPv6 takes IPv4 connections, the backlog and
    /// the options that connections inherit, `TCP_NODELAY` among them, are as they were set on it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for [`Sharing::ReusePort`], which needs a listener for each thread, and for a socket that does
    /// not listen.
    ///
    /// ```
    /// use mainspring::Server;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let server = Server::builder().threads(2).listener(listener)?;
    /// println!("two threads take from one queue at {}", server.local_addr());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn listener(self, listener: std::net::TcpListener) -> io::Result<Server> {
        let sharing = self.sharing.unwrap_or(Sharing::Exclusive);
        if sharing == Sharing::ReusePort {
            let message = "cannot share a listener that is given by ReusePort: each thread needs one of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let socket = Socket::inherited_listener(listener.into())?;
        let address = socket.local_addr()?;
        self.server(vec![socket], address, sharing)
    }

    fn server(self, sockets: Vec<Socket>, address: SocketAddr, sharing: Sharing) -> io::Result<Server> {
        let connections = match self.connections {
            Some(connections) => connections,
            None => usize::try_from(mainspring_sys::descriptor_limit()? / 4 * 3).unwrap_or(usize::MAX),
        };
        let limits = Limits {
            deadlines: self.deadlines,
            age: self.age,
            in_flight: self.in_flight,
            write: self.write,
            backlog: self.backlog,
            drain: self.drain,
        };
        // From now on, whatever processors there are later.
        let threads = self.workers.count();
        Ok(Server { sockets, address, limits, connections, sharing, workers: self.workers.threads(threads) })
    }
}
