//! All name servers as one service, with the crate's filters around them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{
    Class, Classifier, ConcurrencyLimit, Deadline, FailureAccrual, Filtered, Retry, Service, ServiceBuilder,
    ServiceExt, Status, Timeout,
};

use super::message::{Answer, Question};
use super::server::Server;

/// Questions to one server at once; others wait. The answers to more, if they all come at once, have no room in the
/// socket's buffer, nor the questions in the server's.
const AT_ONCE: usize = 100;

/// How questions are asked.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often, in all.
    pub attempts: u32,
    /// How long each attempt may take, connecting included.
    pub attempt_timeout: Duration,
    /// How long all of them may take.
    pub timeout: Duration,
    /// Whether datagrams are left out.
    pub tcp_only: bool,
}

impl Default for Settings {
    /// Three attempts of a second each, in five seconds.
    fn default() -> Self {
        let (attempt_timeout, timeout) = (Duration::from_secs(1), Duration::from_secs(5));
        Self { attempts: 3, attempt_timeout, timeout, tcp_only: false }
    }
}

/// What a result means: whatever is no answer may be asked again, since a question changes nothing.
#[derive(Clone, Copy, Debug)]
struct Answered;

impl Classifier<Answer, io::Error> for Answered {
    fn classify(&self, result: &io::Result<Answer>) -> Class {
        match result {
            Ok(answer) if answer.code.is_answer() => Class::Success,
            _ => Class::Retryable,
        }
    }
}

/// What belongs to one server.
type Attempt = Filtered<ConcurrencyLimit, Filtered<FailureAccrual<Answered>, Filtered<Timeout, Server>>>;

type Stack = Filtered<Deadline, Filtered<Retry<Answered>, Balance<SocketAddr, Attempt, Answered>>>;

/// Asks the servers. Clones are the same client.
#[derive(Clone)]
pub struct Client(Rc<Stack>);

impl Client {
    /// One of these servers: each question goes to the better of two of them, and to another one if it is not answered.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>, settings: Settings) -> Self {
        let attempt = |address| {
            let server = Server::new(address, settings.tcp_only).timeout(settings.attempt_timeout);
            let server = server.filter(FailureAccrual::new().classifier(Answered));
            (address, server.filter(ConcurrencyLimit::new(AT_ONCE)))
        };
        let endpoints: Endpoints<_, _> = servers.into_iter().map(attempt).collect();
        let stack = ServiceBuilder::new()
            .deadline(settings.timeout)
            .filter(Retry::new().classifier(Answered).attempts(settings.attempts))
            .service(Balance::new(endpoints).classifier(Answered));
        Self(Rc::new(stack))
    }
}

impl Service<Question> for Client {
    type Response = Answer;
    type Error = io::Error;

    async fn call(&self, question: Question) -> io::Result<Answer> {
        self.0.call(question).await
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
