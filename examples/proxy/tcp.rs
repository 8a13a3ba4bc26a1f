//! Connections passed on, whatever they carry: on Linux the bytes stay in the kernel.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mainspring::net::{TcpStream, splice_bidirectional};
use mainspring::server::Connection;
use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{
    Backoff, Class, Classifier, FailureAccrual, Filtered, Idempotent, Rejected, Retry, Service, ServiceBuilder,
    Statistics, Status, Timeout,
};

use super::backends::Backends;
use super::options::Options;

/// How long a server is left alone that could not be reached, at first and at most.
const LEFT_ALONE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// After how long without a byte a peer is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a connection was not passed on to its end.
#[derive(Debug)]
enum Failed {
    /// No server was reached, and nothing of it was read.
    Connect(io::Error),
    /// It broke on the way.
    Broken(io::Error),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Connect(error) | Self::Broken(error)) = self;
        error.fmt(f)
    }
}

impl std::error::Error for Failed {}

impl From<Rejected> for Failed {
    fn from(rejected: Rejected) -> Self {
        Self::Connect(rejected.into())
    }
}

/// What has not reached a server may reach another. That it broke later may be the doing of either side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome;

impl<T> Classifier<T, Failed> for Outcome {
    fn classify(&self, result: &Result<T, Failed>) -> Class {
        match result {
            Ok(_) => Class::Success,
            Err(Failed::Connect(_)) => Class::Retryable,
            Err(Failed::Broken(_)) => Class::Ignored,
        }
    }
}

/// Connects to one server.
struct Connect(SocketAddr);

impl Service<()> for Connect {
    type Response = TcpStream;
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }
}

/// One server, as a service of connections that lasts as long as they do: so the balancer knows how many there are.
struct Endpoint {
    /// Why around this and not around the whole: whether a server is there is known long before a connection ends.
    connect: Filtered<FailureAccrual<Idempotent>, Filtered<Timeout, Connect>>,
}

impl Endpoint {
    fn new(address: SocketAddr, limit: Duration) -> Self {
        let accrual = FailureAccrual::new().classifier(Idempotent).consecutive(1);
        let accrual = accrual.backoff(Backoff::new(LEFT_ALONE.0, LEFT_ALONE.1));
        let stack = ServiceBuilder::new().filter(accrual).filter(Timeout::new(limit));
        Self { connect: stack.service(Connect(address)) }
    }
}

impl Service<Rc<TcpStream>> for Endpoint {
    type Response = ();
    type Error = Failed;

    async fn call(&self, client: Rc<TcpStream>) -> Result<(), Failed> {
        let server = self.connect.call(()).await.map_err(Failed::Connect)?;
        // Who has gone without a word is found so, however long both may be silent.
        for side in [&*client, &server] {
            side.set_keepalive(Some(SILENCE)).map_err(Failed::Broken)?;
        }
        splice_bidirectional(&*client, &server).await.map_err(Failed::Broken)?;
        Ok(())
    }

    fn status(&self) -> Status {
        self.connect.status()
    }
}

/// All servers, as one.
type Servers = Filtered<
    Statistics<Outcome>,
    Filtered<Retry<Outcome>, Balance<SocketAddr, Filtered<Statistics<Outcome>, Endpoint>, Outcome>>,
>;

/// The proxy; one for each thread.
pub(crate) struct Proxy {
    servers: Servers,
    /// Says what was counted when the proxy is dropped.
    _backends: Backends<Outcome>,
}

impl Proxy {
    pub(crate) fn new(options: &Options) -> Self {
        let backends = Backends::new(&options.backends, Outcome);
        let endpoint =
            |&address| (address, Filtered::new(backends.counts().of(address), Endpoint::new(address, options.timeout)));
        let endpoints: Endpoints<_, _> = options.backends.iter().map(endpoint).collect();
        let balance = Balance::least_loaded(endpoints).classifier(Outcome);
        let retry = Retry::new().classifier(Outcome).attempts(options.attempts);
        let servers = Filtered::new(backends.all.clone(), Filtered::new(retry, balance));
        Self { servers, _backends: backends }
    }

    /// Serves a connection of a client.
    pub(crate) async fn serve(self: Rc<Self>, connection: Connection) -> io::Result<()> {
        self.servers.call(Rc::new(connection.stream)).await.map_err(io::Error::other)
    }
}
