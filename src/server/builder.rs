//! The settings of a server, all of them finite by default.
//!
//! Made by [`Server::builder`], and turned into a [`Server`] by [`ServerBuilder::bind`] or
//! [`ServerBuilder::bind_unix`]. Setters do nothing but store, in any order; the sockets are made at the end, so that an
//! address that cannot be had is an error before anything runs. What concerns the threads is that of
//! [`Workers`](crate::Workers), and not repeated here.
//!
//! A server that says nothing about limits has them all the same, since limits that have to be asked for are not missed
//! before there is load. Whoever wants none says so with `None`. Zero threads are taken as one and not refused, so that
//! setters need no `Result`.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{self, Path};
use std::time::Duration;

use mainspring_sys::Socket;

use super::bound::Bound;
use super::socket_file::SocketFile;
use super::{Limits, Server, Sharing};
use crate::attempted::in_words;
use crate::inside::Inside;
use crate::net::{BACKLOG, StreamSocket, TcpListener, ToAddresses, UnixListener, UnixStream};
use crate::proto::Deadlines;
use crate::sentence::sentence;
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
    /// listener that is given `Exclusive`; of the path of a Unix socket `HandOff`.
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
        let mut sockets = vec![Bound::without_file(first)];
        while is_reused && sockets.len() < threads {
            sockets.push(Bound::without_file(options.open(address)?));
        }
        this.server(sockets, sharing)
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
        self.given(listener.into())
    }

    /// Makes the file of a path and listens there, for connections that are [`UnixStream`]s. Whoever may write to the
    /// file may connect: its mode is what the umask of the process leaves, and
    /// [`peer_credentials`](UnixStream::peer_credentials) tells who did.
    ///
    /// The file is removed when the server begins to drain, and with a server that is dropped or whose reactor ends, if
    /// the path is still this socket. Only the process that has bound it does so, and only if it may do so then: whoever
    /// forks, or changes its user after the bind, binds with `std` and serves by [`unix_listener`](Self::unix_listener).
    /// What a server leaves behind that was killed, the next bind finds: where nobody else may be serving at the path,
    /// remove it before.
    ///
    /// Unix sockets have no `SO_REUSEPORT`: several threads share the one listener, by [`Sharing::HandOff`] unless it
    /// is said to be [`Exclusive`](Sharing::Exclusive).
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the path exists, whoever made it, and whatever else [`UnixListener::bind`] reports.
    /// `InvalidInput` for [`Sharing::ReusePort`].
    ///
    /// ```
    /// use mainspring::{Server, net::UnixStream, server::Connection};
    /// use std::{io, time::Duration};
    ///
    /// async fn greet(connection: Connection<UnixStream>) -> io::Result<()> {
    ///     let user = connection.stream.peer_credentials()?.user;
    ///     connection.stream.write_all(format!("hello, {user}").as_bytes()).await
    /// }
    ///
    /// # let folder = std::env::temp_dir().join(format!("mainspring-server-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("socket");
    /// mainspring::run(async {
    ///     let serving = Server::builder().bind_unix(&path)?.serve(greet)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     assert!(client.read(&mut [0; 64]).await? > 7);
    ///     serving.drain(Duration::from_secs(1)).await;
    ///     assert!(!path.exists());
    ///     io::Result::Ok(())
    /// })??;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # io::Result::Ok(())
    /// ```
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server<UnixStream>> {
        let (path, sharing) = (path.as_ref(), self.sharing.unwrap_or(Sharing::HandOff));
        one_for_all(sharing)?;
        let from_root =
            path::absolute(path).map_err(|error| in_words(format!("cannot listen on {}", path.display()), error))?;
        let options = UnixListener::options().backlog(self.backlog);
        let (socket, file) = options.open_path(path, || SocketFile::new(from_root))?;
        self.server(vec![Bound::with_file(socket, file)], sharing)
    }

    /// As [`listener`](Self::listener), of a Unix listener that is given: inherited, or bound to an
    /// [abstract name](crate::net::abstract_address) by `std`. The file of its path, if it has one, stays.
    ///
    /// # Errors
    ///
    /// As `listener`.
    pub fn unix_listener(self, listener: StdUnixListener) -> io::Result<Server<UnixStream>> {
        self.given(listener.into())
    }

    fn given<S: StreamSocket>(self, listener: OwnedFd) -> io::Result<Server<S>> {
        let sharing = self.sharing.unwrap_or(Sharing::Exclusive);
        one_for_all(sharing)?;
        self.server(vec![Bound::without_file(Socket::inherited_listener(listener)?)], sharing)
    }

    fn server<S: StreamSocket>(self, sockets: Vec<Bound<Socket>>, sharing: Sharing) -> io::Result<Server<S>> {
        let address = S::listens_at(&sockets[0], Inside)?;
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
        let workers = self.workers.threads(threads);
        Ok(Server { sockets, address, limits, connections, sharing, workers })
    }
}

/// An error for a sharing that needs a listener for each thread, where there is one.
fn one_for_all(sharing: Sharing) -> io::Result<()> {
    if sharing == Sharing::ReusePort {
        let message = "cannot share by ReusePort: each thread needs a listener of its own, and there is one";
        return Err(sentence(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}
