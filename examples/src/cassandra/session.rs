//! A connection to one node: requests side by side, statements that are prepared once, and what the node tells.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::rc::Rc;

use mainspring::channel::mpsc;
use mainspring::codec::Framed;
use mainspring::net::TcpStream;
use mainspring::proto::multiplex;
use mainspring::service::{Coalesce, Filtered, Service, ServiceExt, Status};
use mainspring::spawn;

use super::frame::{Codec, Incoming, Outgoing, WHOLE};
use super::request::{Consistency, Request};
use super::response::{Event, Failure, Response, Rows};
use super::value::{Type, Value};

/// Events that wait to be taken; when there are so many, further ones are dropped and counted.
const EVENTS: usize = 64;

/// Statements that are kept prepared; when there are so many, all are forgotten and prepared again as they are used.
const STATEMENTS: usize = 1_000;

/// Why a request has failed.
#[derive(Clone, Debug)]
pub enum Error {
    /// The server says so.
    Failed(Failure),
    /// The connection; says whether the request may be made again.
    Connection(multiplex::Error),
    /// What was said is no answer to what was asked.
    Unexpected(&'static str),
    /// As many values were given as stand first, and the statement wants as many as stand second.
    Values(usize, usize),
}

impl Error {
    /// Whether it was not begun.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.is_retryable(),
            Self::Connection(error) => error.is_retryable(),
            Self::Unexpected(_) | Self::Values(..) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Unexpected(what) => write!(f, "the server answers what is no answer to {what}"),
            Self::Values(given, wanted) => write!(f, "{given} values are given, and {wanted} wanted"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// A statement that the server knows.
#[derive(Clone, Debug)]
pub struct Prepared {
    statement: Rc<str>,
    /// By which it is executed.
    id: Rc<[u8]>,
    /// Of what types its values are.
    values: Rc<[Type]>,
}

/// Requests to one node. Clones share the connection.
#[derive(Clone)]
pub struct Session {
    node: Node,
    /// Prepares a statement once, however many ask for it at once.
    prepare: Filtered<Coalesce<Rc<str>, Prepared, Error>, Node>,
    prepared: Rc<RefCell<HashMap<Rc<str>, Prepared>>>,
    missed: Rc<Cell<u64>>,
}

/// The connection.
#[derive(Clone)]
struct Node(multiplex::Client<Outgoing, Incoming>);

impl Node {
    async fn ask(&self, request: Request) -> Result<Response, Error> {
        match self.0.call(Outgoing::new(request)).await.map_err(Error::Connection)?.response {
            Response::Error(failure) => Err(Error::Failed(failure)),
            response => Ok(response),
        }
    }
}

impl Service<Rc<str>> for Node {
    type Response = Prepared;
    type Error = Error;

    async fn call(&self, statement: Rc<str>) -> Result<Prepared, Error> {
        match self.ask(Request::Prepare(statement.clone())).await? {
            Response::Prepared(id, values) => Ok(Prepared { statement, id, values: values.into() }),
            _ => Err(Error::Unexpected("PREPARE")),
        }
    }
}

impl Session {
    /// Begins a session over a connection: with a name and a password, if the server asks for them, and with its
    /// events.
    ///
    /// # Errors
    ///
    /// What the server says; `PermissionDenied` if it asks for a name and there is none.
    pub async fn start(
        stream: TcpStream,
        credentials: Option<(String, String)>,
    ) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let (sender, events) = mpsc::bounded(EVENTS);
        let missed = Rc::new(Cell::new(0));
        let (client, connection) = multiplex::connect(Framed::new(stream, Codec::default()).max_frame(WHOLE));
        let counted = missed.clone();
        spawn(connection.on_push(move |message: Incoming| {
            if let Response::Event(event) = message.response {
                if sender.try_send(event).is_err() {
                    counted.set(counted.get() + 1);
                }
            }
        }));
        let node = Node(client);
        let mut said = node.ask(Request::Startup).await?;
        if let Response::Authenticate(class) = said {
            let Some((user, password)) = credentials else {
                let message = format!("the server asks for a name and a password, by {class}");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
            };
            said = node.ask(Request::Authenticate { user, password }).await?;
        }
        if !matches!(said, Response::Ready | Response::Authenticated) {
            return Err(Error::Unexpected("STARTUP").into());
        }
        match node.ask(Request::Register).await? {
            Response::Ready => {}
            _ => return Err(Error::Unexpected("REGISTER").into()),
        }
        let prepare = node.clone().filter(Coalesce::new());
        Ok((Self { node, prepare, prepared: Rc::default(), missed }, events))
    }

    /// Carries out a statement.
    ///
    /// # Errors
    ///
    /// What the server says, and those of the connection.
    ///
    /// # Cancel safety
    ///
    /// The protocol knows no cancelling: what was sent is carried out, and its answer thrown away.
    pub async fn query(&self, statement: &str, consistency: Consistency) -> Result<Rows, Error> {
        rows(self.node.ask(Request::Query(statement.into(), consistency)).await?)
    }

    /// Carries out a statement with `?` for these values, which is prepared the first time, and again by a server that
    /// has forgotten it.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`Error::Values`] if there are more or fewer than the statement wants.
    ///
    /// # Cancel safety
    ///
    /// As `query`.
    pub async fn execute(&self, statement: &str, values: &[Value], consistency: Consistency) -> Result<Rows, Error> {
        let known = self.prepared.borrow().get(statement).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => self.prepare(statement.into()).await?,
        };
        match self.execute_prepared(&prepared, values, consistency).await {
            Err(Error::Failed(failure)) if failure.code == Failure::UNPREPARED => {
                let prepared = self.prepare(prepared.statement).await?;
                self.execute_prepared(&prepared, values, consistency).await
            }
            result => result,
        }
    }

    async fn prepare(&self, statement: Rc<str>) -> Result<Prepared, Error> {
        let prepared = self.prepare.call(statement.clone()).await?;
        let mut known = self.prepared.borrow_mut();
        if known.len() >= STATEMENTS {
            known.clear();
        }
        known.insert(statement, prepared.clone());
        Ok(prepared)
    }

    async fn execute_prepared(
        &self,
        prepared: &Prepared,
        values: &[Value],
        consistency: Consistency,
    ) -> Result<Rows, Error> {
        if values.len() != prepared.values.len() {
            return Err(Error::Values(values.len(), prepared.values.len()));
        }
        rows(self.node.ask(Request::Execute(prepared.id.clone(), values.into(), consistency)).await?)
    }

    /// Whether the connection can be used, for a pool or a balancer.
    pub fn status(&self) -> Status {
        Service::<Outgoing>::status(&self.node.0)
    }

    /// How many requests are sent and not answered.
    pub fn in_flight(&self) -> usize {
        self.node.0.in_flight()
    }

    /// How many events were dropped, since nobody took those before.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

/// The rows of an answer; what has none has none.
fn rows(response: Response) -> Result<Rows, Error> {
    match response {
        Response::Rows(rows) => Ok(rows),
        Response::Void | Response::Keyspace(_) | Response::Changed => Ok(Rows::default()),
        _ => Err(Error::Unexpected("a statement")),
    }
}
