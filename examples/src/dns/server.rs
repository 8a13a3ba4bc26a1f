//! One name server: asked by datagram, and by a connection for what does not fit.

use std::io;
use std::net::SocketAddr;

use mainspring::net::TcpStream;
use mainspring::proto::Transport;
use mainspring::proto::multiplex;
use mainspring::service::Service;
use mainspring::spawn;

use super::checked::{Checked, IN_FLIGHT_MAX};
use super::message::{Answer, Query, Question};
use super::transport::{Datagrams, over_stream};
use crate::shared::Shared;

/// Questions from one port, after which another one is taken: who wants to forge an answer has to guess both.
const QUESTIONS_PER_PORT: u64 = 100;

/// A name server. Questions are in flight side by side, and each answer finds its own.
#[derive(Debug)]
pub struct Server {
    datagrams: Shared<multiplex::Client<Query, Answer>>,
    stream: Shared<multiplex::Client<Query, Answer>>,
    /// Whether only the connection is used.
    tcp_only: bool,
}

impl Server {
    /// The one at `address`. Nothing is sent before the first question.
    pub fn new(address: SocketAddr, tcp_only: bool) -> Self {
        let datagrams = Shared::new(move || async move { Ok(start(Datagrams::new(address).await?)) });
        let stream = Shared::new(move || async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(start(over_stream(stream)))
        });
        Self { datagrams: datagrams.calls_max(QUESTIONS_PER_PORT), stream, tcp_only }
    }
}

/// A client, whose connection is a task that ends with it.
fn start<T>(transport: T) -> multiplex::Client<Query, Answer>
where
    T: Transport<Query, Incoming = Answer, Error = io::Error> + 'static,
{
    let (client, connection) = multiplex::connect(Checked::new(transport));
    // What it reports, its calls report as well.
    spawn(connection.max_in_flight(IN_FLIGHT_MAX));
    client
}

impl Service<Question> for Server {
    type Response = Answer;
    type Error = io::Error;

    async fn call(&self, question: Question) -> io::Result<Answer> {
        if !self.tcp_only {
            let query = Query::Ask(0, question.clone());
            let answer = self.datagrams.call(query).await?;
            if !answer.is_truncated {
                return Ok(answer);
            }
        }
        let answer = self.stream.call(Query::Ask(0, question)).await?;
        if answer.is_truncated {
            // There is nowhere left to ask for the rest, and what is missing must not pass for what is not there.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer was cut off, over a connection too"));
        }
        Ok(answer)
    }
}
