//! A transport whose ids nobody can guess, and which takes no answer but to a question that was asked.
//!
//! The ids that `multiplex` gives out are in turn, and an answer is assigned by its id alone: that is right where the
//! peer is known, and wrong where anyone can send a datagram in its name (RFC 5452). So each question gets another id
//! on the wire, at random, and an answer counts if both its id and its question are those of one that is open. What
//! does not is thrown away, and the true answer still waited for.
//!
//! That an answer is not wanted any more is not said on the wire. It is heard here, which frees the id: the answer of a
//! datagram that was lost never comes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::task::{Context, Poll, ready};

use mainspring::proto::Transport;

use super::message::{Answer, Query, Question};

/// Questions that are open at once: one id in 65 is taken at most, so that a free one is found at once.
pub(super) const IN_FLIGHT_MAX: usize = 1_000;

/// A transport of questions and answers around another one.
#[derive(Debug)]
pub struct Checked<T> {
    transport: T,
    /// What was asked, and the id that the caller knows it by, by the id that the server does.
    open: HashMap<u16, (u16, Question)>,
    /// The system's, by which ids are drawn: a keyed hash of a count cannot be foretold by who does not have the key.
    key: RandomState,
    drawn: u64,
}

impl<T> Checked<T> {
    /// Checks what comes from `transport`. It has at most 1,000 questions open at once, and refuses further ones.
    pub fn new(transport: T) -> Self {
        Self { transport, open: HashMap::new(), key: RandomState::new(), drawn: 0 }
    }

    /// An id that is free becomes that of a question.
    fn enter(&mut self, id: u16, question: &Question) -> u16 {
        loop {
            self.drawn += 1;
            let drawn = self.key.hash_one(self.drawn) as u16;
            if let Entry::Vacant(free) = self.open.entry(drawn) {
                free.insert((id, question.clone()));
                return drawn;
            }
        }
    }
}

impl<T> Transport<Query> for Checked<T>
where
    T: Transport<Query, Incoming = Answer, Error = io::Error>,
{
    type Incoming = Answer;
    type Error = io::Error;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Answer>>> {
        loop {
            match ready!(self.transport.poll_receive(cx)) {
                Some(Ok(mut answer)) => {
                    if let Entry::Occupied(open) = self.open.entry(answer.id) {
                        if open.get().1 == answer.question {
                            (answer.id, _) = open.remove();
                            return Poll::Ready(Some(Ok(answer)));
                        }
                    }
                }
                end => return Poll::Ready(end),
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_ready(cx)
    }

    fn send(&mut self, query: Query) -> io::Result<()> {
        match query {
            Query::Ask(id, question) => {
                if self.open.len() >= IN_FLIGHT_MAX {
                    return Err(io::Error::other(format!("{IN_FLIGHT_MAX} questions are open already")));
                }
                let drawn = self.enter(id, &question);
                self.transport.send(Query::Ask(drawn, question)).inspect_err(|_| drop(self.open.remove(&drawn)))
            }
            Query::Forget(id) => {
                self.open.retain(|_, (known, _)| *known != id);
                Ok(())
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_close(cx)
    }
}
