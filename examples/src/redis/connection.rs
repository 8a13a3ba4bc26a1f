//! One connection to a server, as a service of batches, and what its results mean to the client around it.
//!
//! The commands of a batch join the queue of the pipeline together, so they share one write and, when they are short,
//! one read. A batch is shared and not copied when it is made again.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use mainspring::client::{Error, NotDone};
use mainspring::codec::Framed;
use mainspring::net::TcpStream;
use mainspring::proto::pipeline;
use mainspring::service::{Class, Classifier, Service, Status};

use super::error::Lost;
use super::{Command, Replies, Value, limits};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pipeline: pipeline::Client<Part, Value>,
}

/// A command of a batch.
#[derive(Debug)]
pub(super) struct Part {
    batch: Rc<[Command]>,
    index: usize,
}

impl AsRef<Command> for Part {
    fn as_ref(&self) -> &Command {
        &self.batch[self.index]
    }
}

impl Connection {
    /// Of a stream that has just been connected: to the database of this number, 0 being the one that all begin with.
    /// So many `commands` may wait on it, all that its batches can have, so that none is sent in part.
    pub(super) async fn open(stream: TcpStream, database: u32, commands: usize) -> io::Result<Self> {
        let framed = Framed::new(stream, Replies::new()).max_frame(limits::FRAME);
        let (pipeline, work) = pipeline::connect(framed);
        mainspring::spawn(work.max_waiting(commands));
        let this = Self { pipeline };
        if database > 0 {
            let select = Command::new("SELECT").arg(database.to_string());
            let answers = this.call([select].into()).await.map_err(io::Error::other)?;
            if answers != [Value::ok()] {
                return Err(io::Error::other(format!("there is no database {database}: {answers:?}")));
            }
        }
        Ok(this)
    }
}

impl Service<Rc<[Command]>> for Connection {
    type Response = Vec<Value>;
    type Error = Lost;

    async fn call(&self, batch: Rc<[Command]>) -> Result<Vec<Value>, Lost> {
        let part = |index| self.pipeline.call(Part { batch: batch.clone(), index });
        let mut calls: Vec<_> = (0..batch.len()).map(part).collect();
        let mut outcomes: Vec<_> = calls.iter().map(|_| None).collect();
        let (mut answered, mut are_queued) = (0, false);
        poll_fn(|cx| {
            for (call, outcome) in calls.iter_mut().zip(&mut outcomes).skip(answered) {
                if outcome.is_none() {
                    match Pin::new(call).poll(cx) {
                        Poll::Ready(answer) => *outcome = Some(answer),
                        // Answers come in order: those behind this one have none either.
                        Poll::Pending if are_queued => break,
                        Poll::Pending => {}
                    }
                }
            }
            are_queued = true;
            answered += outcomes.iter().skip(answered).take_while(|outcome| outcome.is_some()).count();
            if answered == outcomes.len() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let mut values = Vec::with_capacity(batch.len());
        for outcome in outcomes.into_iter().flatten() {
            match outcome {
                Ok(value) => values.push(value),
                Err(error) => {
                    // Why not the error alone: those before it may have been carried out.
                    let was_not_sent = values.is_empty() && error.is_retryable();
                    return Err(Lost { error, is_repeatable: was_not_sent || batch.iter().all(Command::is_read) });
                }
            }
        }
        Ok(values)
    }

    fn status(&self) -> Status {
        self.pipeline.status()
    }
}

/// Makes again what can be made again: what was not sent, what only reads, and what a server refuses that has just
/// started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Careful;

impl Classifier<Vec<Value>, Error<Lost>> for Careful {
    fn classify(&self, result: &Result<Vec<Value>, Error<Lost>>) -> Class {
        match result {
            // All of them: the server may have begun to work in between, and have carried out the rest.
            Ok(values) if !values.is_empty() && values.iter().all(is_loading) => Class::Retryable,
            Ok(_) => Class::Success,
            Err(Error::Call(lost)) if lost.is_repeatable => Class::Retryable,
            Err(_) => NotDone.classify(result),
        }
    }
}

/// Whether a server says that it has just started, and has not done what was asked.
fn is_loading(value: &Value) -> bool {
    matches!(value, Value::Error(words) if words.starts_with("LOADING "))
}
