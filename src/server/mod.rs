//! The server: the accept loop, its limits, and how it ends.
//!
//! A [`Server`] is an address that is bound, of TCP or the path of a Unix socket; [`Server::run`] serves it on as many
//! threads as it was built for, and [`Server::serve`] on the reactor that is running already. What it does with a
//! connection is a closure that makes a future. Each thread is one of [`Workers`](crate::Workers) and has a reactor of
//! its own; how connections come to it is [`Sharing`]. On the path of a request threads share nothing; what they share
//! is the number of connections.
//!
//! In the guide: [all processors](crate::guide::cores), [an orderly end](crate::guide::stopping).

mod bound;
mod builder;
mod connection;
mod entrance;
mod handoff;
mod load;
mod retiring;
mod serving;
mod sharing;
mod socket_file;

pub use crate::latch::Draining;
pub use builder::ServerBuilder;
pub use connection::Connection;
pub use retiring::Retiring;
pub use serving::{Drained, Serving};
pub use sharing::Sharing;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mainspring_sys::Socket;

use crate::core::Core;
use crate::locks::Mutex;
use crate::net::{StreamSocket, TcpStream, ToAddresses};
use crate::proto::Deadlines;
use crate::workers::{Worker, WorkersBuilder};
use bound::Bound;
use entrance::Entrance;
use load::Load;

/// An address that is bound, and how it is to be served: of TCP, or a `Server<UnixStream>` at the path of a Unix socket
/// ([`ServerBuilder::bind_unix`]).
///
/// ```
/// use mainspring::{Server, net::TcpStream};
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let server = Server::bind("127.0.0.1:0")?;
///     let address = server.local_addr();
///     let serving = server.serve(|connection| async move {
///         connection.stream.write_all(b"hello").await
///     })?;
///
///     let client = TcpStream::connect(address).await?;
///     let mut buffer = [0; 16];
///     assert_eq!(client.read(&mut buffer).await?, 5);
///
///     let drained = serving.drain(Duration::from_secs(1)).await;
///     assert_eq!(drained.aborted, 0);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Server<S: StreamSocket = TcpStream> {
    /// The listening socket, or with `SO_REUSEPORT` one for each thread.
    sockets: Vec<Bound<Socket>>,
    /// Where they listen.
    address: S::Address,
    /// How connections are treated.
    limits: Limits,
    /// How many connections there may be, all threads together.
    connections: usize,
    /// How they come to several threads.
    sharing: Sharing,
    /// The threads.
    workers: WorkersBuilder,
}

/// What a server holds its connections to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long each phase of a connection may last.
    pub(crate) deadlines: Deadlines,
    /// How old a connection becomes before it retires, about; none for no age.
    pub(crate) age: Option<Duration>,
    /// Requests in flight on one thread that are let in.
    pub(crate) in_flight: usize,
    /// How long one wait for room to write may last.
    pub(crate) write: Option<Duration>,
    /// Connections that the system keeps until they are accepted, per listener.
    pub(crate) backlog: u32,
    /// How long `run` drains.
    pub(crate) drain: Duration,
}

impl Server {
    /// Settings, and then a server.
    pub const fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Binds with the defaults of [`ServerBuilder`]: one thread, and all limits on.
    ///
    /// # Errors
    ///
    /// As [`ServerBuilder::bind`].
    pub fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        Self::builder().bind(addresses)
    }
}

impl<S: StreamSocket> Server<S> {
    /// The address that it listens on. Connections are queued from `bind` on.
    pub fn local_addr(&self) -> S::Address {
        self.address.clone()
    }

    /// Serves on the reactor that is running on this thread: `handle` makes a future of each connection, which runs as
    /// a task of its own. An error that it returns is counted, and ends that connection alone.
    ///
    /// # Errors
    ///
    /// When no reactor is running on this thread, or the listener cannot be registered.
    pub fn serve<H, F>(self, handle: H) -> io::Result<Serving>
    where
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let core = Core::running("a Server")?;
        let (load, file) = (Arc::new(Load::new(self.connections, 1)), self.sockets[0].file());
        let mut doors = Vec::new();
        for entrance in Entrance::all(self.sockets, self.sharing, 1, &load)? {
            doors.extend(entrance.open(&core)?);
        }
        Ok(Serving::start::<S, _, _>(0, doors, self.limits, load, file, handle))
    }

    /// Serves on as many threads as it was built for, this one among them, each with a reactor of its own, until `stop`
    /// is ready, whatever it returns; then drains for as long as it was built for. `make` is called once on each
    /// thread, for what handles the connections there, so nothing but `make` need be `Send`.
    ///
    /// # Errors
    ///
    /// When a reactor is running on this thread, and when a reactor or a thread cannot be had, as of
    /// [`WorkersBuilder::start`](crate::workers::WorkersBuilder::start): then `make` has been called on none. When a
    /// thread fails while it serves, since its reactor was stopped by a panic
    /// ([`Builder::on_panic`](crate::Builder::on_panic)) or its selector has failed, the others drain, and the error
    /// says which it was. When a listener accepts no more, since it was shut down for one, all drain, and the error is
    /// the listener's.
    ///
    /// ```
    /// use mainspring::{Server, time::sleep};
    /// use std::time::Duration;
    ///
    /// let server = Server::builder().threads(2).bind("127.0.0.1:0")?;
    /// let drained = server.run(
    ///     || |connection: mainspring::server::Connection| async move { connection.stream.write_all(b"hello").await },
    ///     async { sleep(Duration::from_millis(10)).await },
    /// )?;
    /// println!("{} finished, {} aborted", drained.finished, drained.aborted);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run<M, H, F>(self, make: M, stop: impl Future) -> io::Result<Drained>
    where
        M: Fn() -> H + Send + Clone + 'static,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let (limits, file) = (self.limits, self.sockets[0].file());
        let threads = self.workers.count();
        let load = Arc::new(Load::new(self.connections, threads));
        let entrances = Entrance::all(self.sockets, self.sharing, threads, &load)?;
        // Each worker takes its own, once.
        let entrances: Arc<[_]> = entrances.into_iter().map(|entrance| Mutex::new(Some(entrance))).collect();
        let work = move |worker: Worker| {
            let (make, load, file) = (make.clone(), load.clone(), file.clone());
            let entrance = entrances.get(worker.index()).and_then(|entrance| entrance.lock().take());
            async move {
                let core = Core::running("a Server")?;
                let doors = entrance.map_or(Ok(Vec::new()), |entrance| entrance.open(&core))?;
                let serving = Serving::start::<S, _, _>(worker.index(), doors, limits, load, file, make());
                let failed = worker.stopping().until_cancelled(serving.failed()).await;
                if failed.is_some() {
                    // So that the others drain meanwhile.
                    worker.stopping().cancel();
                }
                let drained = serving.drain(limits.drain).await;
                failed.map_or(Ok(drained), Err)
            }
        };
        let mut drained = Drained::default();
        for ended in self.workers.run(work, stop)? {
            drained += ended?;
        }
        Ok(drained)
    }
}

impl<S: StreamSocket> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("threads", &self.workers.count())
            .field("sharing", &self.sharing)
            .field("connections", &self.connections)
            .field("limits", &self.limits)
            .finish()
    }
}
