//! Requests passed on: a `mainspring::Client` of all servers behind a pipelined connection of a client.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use examples::http::relay::{Answer, Arrived, Back, Forwarded, Front, Passed};
use examples::http::{Lingering, Response, Status as Code, limits};
use mainspring::client::{Error, NotDone};
use mainspring::codec::Framed;
use mainspring::net::TcpStream;
use mainspring::proto::{Deadlines, pipeline};
use mainspring::server::Connection;
use mainspring::service::{Class, Classifier, Filtered, Service, ServiceExt, Statistics, Status};
use mainspring::time::timeout;
use mainspring::{Client, spawn};

use super::backends::Backends;
use super::options::Options;

/// Where the proxy itself answers, with what it has counted on the thread that is asked.
const STATISTICS: &str = "/-/statistics";

/// What writing an answer may take, and waiting for those before it.
const GRACE: Duration = Duration::from_secs(30);

/// How long the wait for the servers may last in all, in attempts.
const ATTEMPTS_IN_TOTAL: u32 = 2;

/// What a server gives for a request.
#[derive(Debug)]
struct Given {
    passed: Passed,
    /// Whether the request may be made again.
    is_repeatable: bool,
}

/// A request that a server has not answered.
#[derive(Debug)]
struct Failed {
    /// The connection's failure; none if it took too long.
    error: Option<pipeline::Error>,
    /// Whether the request may be made again: it was not sent, or does the same however often.
    is_repeatable: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => error.fmt(f),
            None => f.write_str("the server took too long"),
        }
    }
}

impl std::error::Error for Failed {}

/// What a result says of the server, and whether another one may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome;

impl Classifier<Given, Error<Failed>> for Outcome {
    fn classify(&self, result: &Result<Given, Error<Failed>>) -> Class {
        match result {
            Ok(given) => attempt(matches!(given.passed.status, 502..=504), given.is_repeatable),
            Err(Error::Call(failed)) => attempt(true, failed.is_repeatable),
            Err(_) => NotDone.classify(result),
        }
    }
}

/// The same of an attempt that has reached a server.
impl Classifier<Given, Failed> for Outcome {
    fn classify(&self, result: &Result<Given, Failed>) -> Class {
        match result {
            Ok(given) => attempt(matches!(given.passed.status, 502..=504), given.is_repeatable),
            Err(failed) => attempt(true, failed.is_repeatable),
        }
    }
}

const fn attempt(has_failed: bool, is_repeatable: bool) -> Class {
    match (has_failed, is_repeatable) {
        (false, _) => Class::Success,
        (true, true) => Class::Retryable,
        (true, false) => Class::Failure,
    }
}

/// One connection to a server.
#[derive(Debug)]
struct Upstream {
    pipeline: pipeline::Client<Rc<Forwarded>, Passed>,
    /// How long an answer may take.
    limit: Duration,
    /// Set when the server has said that it closes, or has taken too long.
    is_over: Cell<bool>,
}

impl Upstream {
    fn new(stream: TcpStream, limit: Duration) -> Self {
        let (pipeline, work) = pipeline::connect(Framed::new(stream, Back::new()).max_frame(limits::WHOLE_ANSWER));
        spawn(work);
        Self { pipeline, limit, is_over: Cell::new(false) }
    }
}

impl Service<Rc<Forwarded>> for Upstream {
    type Response = Given;
    type Error = Failed;

    async fn call(&self, request: Rc<Forwarded>) -> Result<Given, Failed> {
        let is_idempotent = request.method.is_idempotent();
        // Why not the client's own limit of an attempt: what it says does not tell requests apart.
        let failed = match timeout(self.limit, self.pipeline.call(request)).await {
            Ok(Ok(passed)) => {
                self.is_over.set(passed.is_last);
                return Ok(Given { passed, is_repeatable: is_idempotent });
            }
            Ok(Err(error)) => Failed { is_repeatable: is_idempotent || error.is_retryable(), error: Some(error) },
            Err(_elapsed) => Failed { is_repeatable: is_idempotent, error: None },
        };
        self.is_over.set(true);
        Err(failed)
    }

    fn status(&self) -> Status {
        if self.is_over.get() { Status::Closed } else { self.pipeline.status() }
    }
}

/// All servers, as one.
type Servers = Client<Filtered<Statistics<Outcome>, Upstream>, Outcome>;

/// The proxy, as a service of what arrives; one for each thread.
#[derive(Debug)]
pub(crate) struct Proxy {
    servers: Filtered<Statistics<Outcome>, Servers>,
    backends: Backends<Outcome>,
    /// What clients are held to.
    deadlines: Deadlines,
}

impl Proxy {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let backends = Backends::new(&options.backends, Outcome);
        let (limit, counted) = (options.timeout, backends.counts());
        let total = limit.saturating_mul(ATTEMPTS_IN_TOTAL);
        let servers = Client::builder()
            .classifier(Outcome)
            .connections(options.connections)
            .attempts(options.attempts)
            .attempt_timeout(None)
            .timeout(Some(total))
            .connect_to(&options.backends, async move |stream| {
                let statistics = counted.of(stream.peer_addr()?);
                Ok(Upstream::new(stream, limit).filter(statistics))
            })?;
        let deadlines = Deadlines { request: total.saturating_add(GRACE), ..Deadlines::default() };
        Ok(Self { servers: Filtered::new(backends.all.clone(), servers), backends, deadlines })
    }

    /// Serves a connection of a client.
    pub(crate) async fn serve(self: Rc<Self>, connection: Connection) -> io::Result<()> {
        let front = Front::new(connection.peer.ip());
        let stream = Lingering::new(connection.stream, connection.draining.clone());
        let framed = Framed::new(stream, front).max_frame(limits::REQUEST);
        // One after the other: what is not safe has to be done in its order (RFC 9112, section 9.3.2), and answers that
        // wait for their turn would be kept as a whole.
        let server = pipeline::Server::new().max_in_flight(1).deadlines(self.deadlines).drain(connection.draining);
        server.serve(framed, &*self).await.map_err(io::Error::other)
    }
}

impl Service<Arrived> for Proxy {
    type Response = Answer;
    type Error = Infallible;

    async fn call(&self, arrived: Arrived) -> Result<Answer, Infallible> {
        let request = match arrived {
            Arrived::Request(request) if request.target == STATISTICS => {
                return Ok(Answer::Own(Response::ok("text/plain; version=0.0.4", self.backends.text().into_bytes())));
            }
            Arrived::Request(request) => request,
            Arrived::Continue => return Ok(Answer::Own(Response::of(Code::Continue))),
            Arrived::Refused(code) => return Ok(Answer::Own(Response::of(code))),
        };
        let code = match self.servers.call(Rc::new(request)).await {
            Ok(given) => return Ok(Answer::Passed(given.passed)),
            Err(Error::Elapsed(_) | Error::Call(Failed { error: None, .. })) => Code::GatewayTimeout,
            Err(Error::Call(_)) => Code::BadGateway,
            Err(_) => Code::ServiceUnavailable,
        };
        Ok(Answer::Own(Response::of(code)))
    }
}
