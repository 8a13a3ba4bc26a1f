//! The server: the accept loop, its limits, and how it ends.
//!
//! A [`Server`] is an address that is bound; [`Server::run`] serves it on as many threads as it was built for, and
//! [`Server::serve`] on the reactor that is running already. What it does with a connection is a closure that makes a
//! future. Each thread has a reactor and a listener of its own (`SO_REUSEPORT`), so they share nothing.

mod builder;
mod latch;
mod serving;

pub use builder::ServerBuilder;
pub use latch::Draining;
pub use serving::{Connection, Drained, Serving};

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use mainspring_sys::Socket;

use crate::channel::oneshot;
use crate::core::Core;
use crate::net::{TcpListener, ToAddresses};
use crate::reactor::Reactor;

/// An address that is bound, and how it is to be served.
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
pub struct Server {
    /// One listening socket for each thread.
    sockets: Vec<Socket>,
    /// Where they listen.
    address: SocketAddr,
    /// How connections are treated.
    limits: Limits,
}

/// What a server holds its connections to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at one time, per thread.
    pub(crate) connections: usize,
    /// How long one wait for bytes may last.
    pub(crate) idle: Option<Duration>,
    /// How long one wait for room to write may last.
    pub(crate) write: Option<Duration>,
    /// Connections that the system keeps until they are accepted, per thread.
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

    pub(crate) const fn new(sockets: Vec<Socket>, address: SocketAddr, limits: Limits) -> Self {
        Self { sockets, address, limits }
    }

    /// The address that it listens on. Connections are queued from `bind` on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves on the reactor that is running on this thread: `handle` makes a future of each connection, which runs as a
    /// task of its own. An error that it returns is counted, and ends that connection alone.
    ///
    /// # Errors
    ///
    /// When no reactor is running on this thread, or the listener cannot be registered.
    pub fn serve<H, F>(self, handle: H) -> io::Result<Serving>
    where
        H: Fn(Connection) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let core = Core::running("a Server")?;
        let listeners: io::Result<Vec<_>> =
            self.sockets.into_iter().map(|socket| TcpListener::register(&core, socket)).collect();
        Ok(Serving::start(listeners?, self.limits, handle))
    }

    /// Serves on as many threads as it was built for, this one among them, each with a reactor of its own, until `stop`
    /// is ready; then drains for as long as it was built for. `make` is called once on each thread, for what handles the
    /// connections there, so nothing but `make` need be `Send`.
    ///
    /// # Errors
    ///
    /// When a reactor is running on this thread, and when a reactor or a thread cannot be had.
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
        H: Fn(Connection) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let limits = self.limits;
        let mut sockets = self.sockets.into_iter();
        let first = sockets.next().ok_or(io::ErrorKind::InvalidInput)?;
        let reactor = Reactor::new()?;
        let mut stops = Vec::new();
        let mut threads = Vec::new();
        let mut ends = Vec::new();
        for (position, socket) in sockets.enumerate() {
            let (stop, stopped) = oneshot::channel::<()>();
            let (ended, end) = oneshot::channel::<()>();
            let make = make.clone();
            let thread = thread::Builder::new().name(format!("mainspring-{}", position + 1)).spawn(move || {
                let _ended = ended;
                // The sender is dropped, and never sends.
                Reactor::new()?.block_on(serve_until(socket, limits, make(), stopped))?
            })?;
            stops.push(stop);
            threads.push(thread);
            ends.push(end);
        }
        let stop_all = async {
            stop.await;
            drop(stops);
        };
        let mut drained = reactor.block_on(async {
            let drained = serve_until(first, limits, make(), stop_all).await;
            // Why not in `join` below: what the caller has spawned here, to hear signals for one, runs on meanwhile.
            for end in ends {
                let _ = end.await;
            }
            drained
        })??;
        for thread in threads {
            drained += thread.join().map_err(|_| io::Error::other("a thread of the server panicked"))??;
        }
        Ok(drained)
    }
}

/// The life of one thread of a server.
async fn serve_until<H, F>(socket: Socket, limits: Limits, handle: H, stop: impl Future) -> io::Result<Drained>
where
    H: Fn(Connection) -> F + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let listener = TcpListener::register(&*Core::running("a Server")?, socket)?;
    let serving = Serving::start(vec![listener], limits, handle);
    stop.await;
    Ok(serving.drain(limits.drain).await)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("threads", &self.sockets.len())
            .field("limits", &self.limits)
            .finish()
    }
}
