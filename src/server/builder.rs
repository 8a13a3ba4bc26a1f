//! The settings of a server, all of them finite by default.
//!
//! Made by [`Server::builder`], and turned into a [`Server`] by [`ServerBuilder::bind`]. Setters do nothing but store, in
//! any order; the sockets are made in `bind`, one per thread, so that an address that cannot be had is an error before
//! anything runs.
//!
//! A server that says nothing about limits has them all the same, since limits that have to be asked for are not missed
//! before there is load. Whoever wants none says so with `None`. Zero threads are taken as one and not refused, so that
//! setters need no `Result`.

use std::io;
use std::time::Duration;

use super::{Limits, Server};
use crate::net::{BACKLOG, TcpListener, ToAddresses};

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(300);

/// How long a peer may leave no room to write.
const WRITE: Duration = Duration::from_secs(60);

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
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing before `bind`"]
pub struct ServerBuilder {
    /// Threads, and listeners, at least 1.
    threads: usize,
    /// Connections at one time, all threads together; none for a share of the descriptors.
    connections: Option<usize>,
    /// How long one wait for bytes may last; none for ever.
    idle: Option<Duration>,
    /// How long one wait for room to write may last; none for ever.
    write: Option<Duration>,
    /// How long `run` waits for open connections when it ends.
    drain: Duration,
    /// Connections that the system keeps until they are accepted, per thread.
    backlog: u32,
}

impl ServerBuilder {
    pub(crate) const fn new() -> Self {
        Self { threads: 1, connections: None, idle: Some(IDLE), write: Some(WRITE), drain: DRAIN, backlog: BACKLOG }
    }

    /// How many threads [`Server::run`] serves on, each with a listener of its own: 1 by default, at least 1. More than
    /// one shares the address by `SO_REUSEPORT`, over which Linux and DragonFly spread connections; elsewhere most of
    /// them come to one thread.
    ///
    /// A second process of the same user that also sets more than one gets the same port without an error, and a part of
    /// the connections: `AddrInUse` is reported only where one of the two has one thread.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = if threads == 0 { 1 } else { threads };
        self
    }

    /// How many connections are open at one time, all threads together; further ones wait in the backlog. By default
    /// three quarters of the descriptors that the process may have (`RLIMIT_NOFILE`).
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// How long one wait for bytes from a connection may last (its read timeout): 5 minutes by default. `None` for ever;
    /// zero is taken as the shortest possible.
    pub const fn idle(mut self, limit: Option<Duration>) -> Self {
        self.idle = limit;
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

    /// How many connections the system keeps until they are accepted, per thread: 4,096 by default.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Binds to the first of `addresses` that can be had. From here on the system queues connections. It may be called
    /// before a reactor runs.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `PermissionDenied` and whatever else `bind(2)` reports, with the address in the text.
    pub fn bind(self, addresses: impl ToAddresses) -> io::Result<Server> {
        let options = TcpListener::options().backlog(self.backlog).reuse_port(self.threads > 1);
        let first = options.open(addresses)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        while sockets.len() < self.threads {
            sockets.push(options.open(address)?);
        }
        let connections = match self.connections {
            Some(connections) => connections,
            None => usize::try_from(mainspring_sys::descriptor_limit()? / 4 * 3).unwrap_or(usize::MAX),
        };
        let limits = Limits {
            connections: (connections / self.threads).max(1),
            idle: self.idle,
            write: self.write,
            backlog: self.backlog,
            drain: self.drain,
        };
        Ok(Server::new(sockets, address, limits))
    }
}
