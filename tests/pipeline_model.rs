//! Random calls on pipelined connections against a model of the rules P1 to P10.
//!
//! Each round is one connection: calls are made, polled, dropped and answered at random, writing is blocked and
//! allowed, and some rounds end in a reset, a half-close or a malformed answer. What was written, in which order,
//! is read off the transport; the model says which outcome each call may have. At the end of a round everything
//! that can finish has to, polled only when woken, and no request and no answer may be left in memory.
//!
//! `PIPELINE_OPERATIONS` sets the number of operations, `PIPELINE_SEED` repeats a run.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod mock;
    pub(crate) mod random;
    pub(crate) mod rounds;
    pub(crate) mod task;
}

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

use mainspring::proto::pipeline::{self, Client, Error, ErrorKind};

use util::mock::{Peer, mock};
use util::random::Random;
use util::rounds::{rounds, take};
use util::task::Task;

/// A request, or the answer to the request of the same number.
#[derive(Clone)]
struct Message {
    number: u64,
    /// Counts the messages that exist.
    _alive: Rc<()>,
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// How often each thing happened, to show that the run reached it.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    not_sent: usize,
    lost: usize,
    rejected: usize,
    unencodable: usize,
    withdrawn: usize,
    abandoned: usize,
}

/// One connection, and what the model knows of it.
struct Round<'a> {
    random: &'a mut Random,
    seen: &'a mut Seen,
    alive: Rc<()>,
    peer: Peer<Message, Message>,
    client: Option<Client<Message, Message>>,
    connection: Task<io::Result<()>>,
    ended: bool,
    max_in_flight: usize,
    max_waiting: usize,
    next_number: u64,
    /// Calls that have not been polled.
    new: HashMap<u64, Task<Result<Message, Error>>>,
    /// Calls that joined the queue and have no outcome.
    queued: HashMap<u64, Task<Result<Message, Error>>>,
    /// The order in which calls joined the queue.
    order: Vec<u64>,
    /// Calls that were dropped before they were written.
    withdrawn: HashSet<u64>,
    /// How many of the written requests the peer has answered.
    answers: usize,
}

impl<'a> Round<'a> {
    fn new(random: &'a mut Random, seen: &'a mut Seen) -> Self {
        let (peer, transport) = mock();
        peer.wire_mut().room = 1 + random.below(4);
        let (client, connection) = pipeline::connect(transport);
        let (max_in_flight, max_waiting) = (1 + random.below(8), random.below(8));
        let connection = connection.max_in_flight(max_in_flight).max_waiting(max_waiting);
        Self {
            random,
            seen,
            alive: Rc::new(()),
            peer,
            client: Some(client),
            connection: Task::new(connection),
            ended: false,
            max_in_flight,
            max_waiting,
            next_number: 0,
            new: HashMap::new(),
            queued: HashMap::new(),
            order: Vec::new(),
            withdrawn: HashSet::new(),
            answers: 0,
        }
    }

    /// The numbers of the requests that the transport took, in order.
    fn taken(&self) -> Vec<u64> {
        let wire = self.peer.wire();
        wire.written.iter().chain(&wire.unwritten).map(|message| message.number).collect()
    }

    fn message(&self, number: u64) -> Message {
        Message { number, _alive: self.alive.clone() }
    }

    /// One of the keys, so that the same seed picks the same one.
    fn pick(&mut self, keys: impl Iterator<Item = u64>) -> Option<u64> {
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        (!keys.is_empty()).then(|| keys[self.random.below(keys.len())])
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..25 => self.make_call(),
            25..30 => {
                if let Some(number) = self.pick(self.new.keys().copied().collect::<Vec<_>>().into_iter()) {
                    self.join(number);
                }
            }
            30..50 => self.run_connection(),
            50..55 => self.poll_spuriously(),
            55..63 => self.drop_call(),
            63..80 => self.answer(),
            80..90 => {
                let count = 1 + self.random.below(4);
                self.peer.allow_writes(count);
            }
            90..94 => self.peer.block_writes(),
            94..99 => self.run_calls(),
            _ => self.disturb(),
        }
        self.check();
    }

    fn make_call(&mut self) {
        let Some(client) = &self.client else { return };
        let number = self.next_number;
        self.next_number += 1;
        self.new.insert(number, Task::new(client.call(self.message(number))));
        if self.random.below(20) == 0 {
            self.peer.wire_mut().unencodable = Some(self.message(number));
        }
        if self.random.below(8) > 0 {
            self.join(number);
        }
    }

    /// Polls a call for the first time.
    fn join(&mut self, number: u64) {
        let full = self.client.as_ref().map(Client::waiting) == Some(self.max_waiting);
        let mut call = self.new.remove(&number).expect("the call is new");
        match call.run() {
            None => {
                assert!(!self.ended, "call {number} waits on a connection that has ended");
                self.order.push(number);
                self.queued.insert(number, call);
            }
            Some(outcome) => {
                let kind = outcome.err().expect("no call has an answer at once").kind();
                match kind {
                    ErrorKind::Rejected => assert!(full || self.client.is_none(), "call {number} had a place to wait"),
                    ErrorKind::NotSent => assert!(self.ended, "call {number} could have been sent"),
                    kind => panic!("call {number} failed at once: {kind:?}"),
                }
                self.seen.rejected += usize::from(kind == ErrorKind::Rejected);
            }
        }
    }

    fn run_connection(&mut self) {
        self.ended |= self.connection.run().is_some();
    }

    fn poll_spuriously(&mut self) {
        if self.random.below(2) == 0 {
            self.ended |= self.connection.run_spuriously().is_some();
        } else if let Some(number) = self.pick(self.queued.keys().copied().collect::<Vec<_>>().into_iter()) {
            let outcome = self.queued.get_mut(&number).and_then(Task::run_spuriously);
            self.settle(number, outcome);
        }
    }

    fn run_calls(&mut self) {
        let mut numbers: Vec<_> = self.queued.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let outcome = self.queued.get_mut(&number).and_then(Task::run);
            self.settle(number, outcome);
        }
    }

    /// A call was polled: its outcome has to be one that the model allows.
    fn settle(&mut self, number: u64, outcome: Option<Result<Message, Error>>) {
        let Some(outcome) = outcome else { return };
        self.queued.remove(&number);
        let taken = self.taken();
        let position = taken.iter().position(|&taken| taken == number);
        match outcome.map_err(|error| error.kind()) {
            Ok(answer) => {
                assert_eq!(answer.number, number, "a call has the answer of another");
                assert!(position.is_some_and(|position| position < self.peer.wire().received));
                self.seen.answered += 1;
            }
            Err(ErrorKind::ConnectionLost) => {
                assert!(self.ended && position.is_some(), "call {number} was not lost");
                self.seen.lost += 1;
            }
            Err(ErrorKind::NotSent) => {
                assert!(self.ended && position.is_none(), "call {number} was sent");
                self.seen.not_sent += 1;
            }
            Err(ErrorKind::Unencodable) => {
                assert!(position.is_none(), "call {number} was sent");
                self.seen.unencodable += 1;
            }
            Err(kind) => panic!("call {number} failed after it had joined: {kind:?}"),
        }
    }

    fn drop_call(&mut self) {
        let keys: Vec<_> = self.new.keys().chain(self.queued.keys()).copied().collect();
        let Some(number) = self.pick(keys.into_iter()) else {
            return;
        };
        if self.taken().contains(&number) {
            self.seen.abandoned += 1;
        } else {
            self.withdrawn.insert(number);
            self.seen.withdrawn += 1;
        }
        self.new.remove(&number);
        self.queued.remove(&number);
    }

    fn answer(&mut self) {
        for _ in 0..=self.random.below(3) {
            let request = self.peer.wire().written.get(self.answers).map(|request| request.number);
            let Some(number) = request else { return };
            self.answers += 1;
            self.peer.send(self.message(number));
        }
    }

    /// Rare events, most of which end the connection.
    fn disturb(&mut self) {
        match self.random.below(8) {
            0 => self.peer.reset(),
            1 => self.peer.end(),
            2 => self.peer.malformed(),
            3 => self.peer.break_writing(),
            4 => {
                self.connection.future = None;
                self.ended = true;
            }
            _ => self.client = None,
        }
    }

    fn check(&self) {
        let taken = self.taken();
        let mut order = self.order.iter();
        assert!(taken.iter().all(|number| order.any(|joined| joined == number)), "the order is broken: {taken:?}");
        assert!(taken.iter().all(|number| !self.withdrawn.contains(number)), "a withdrawn call was sent: {taken:?}");
        if let Some(client) = &self.client {
            assert!(client.waiting() <= self.max_waiting, "{} calls wait", client.waiting());
            assert!(client.in_flight() <= self.max_in_flight, "{} calls are in flight", client.in_flight());
            let unanswered = taken.len() - self.peer.wire().received;
            assert_eq!(client.in_flight(), if self.ended { 0 } else { unanswered });
        }
    }

    /// Everything that can finish does, polled only when it was woken.
    fn finish(mut self) {
        self.peer.allow_writes(usize::MAX);
        loop {
            let before = (self.queued.len(), self.answers, self.peer.wire().received);
            self.run_connection();
            self.run_calls();
            self.answer();
            self.check();
            if before == (self.queued.len(), self.answers, self.peer.wire().received) {
                break;
            }
        }
        let stuck: Vec<_> = self.queued.keys().collect();
        assert!(stuck.is_empty(), "calls without an outcome, connection ended {}: {stuck:?}", self.ended);

        self.new.clear();
        self.client = None;
        self.run_connection();
        assert!(self.ended, "the connection outlives its clients and calls");
        drop((self.peer, self.connection));
        assert_eq!(Rc::strong_count(&self.alive), 1, "requests or answers are left");
    }
}

#[test]
fn every_call_has_its_own_outcome_and_nothing_is_left() {
    let round = |random: &mut Random, seen: &mut Seen, steps| {
        let mut round = Round::new(random, seen);
        let taken = take(steps, || {
            round.step();
            round.ended
        });
        round.finish();
        taken
    };
    rounds("PIPELINE", 20_000, round, |seen| {
        let Seen { answered, not_sent, lost, rejected, unencodable, withdrawn, abandoned, .. } = *seen;
        vec![answered, not_sent, lost, rejected, unencodable, withdrawn, abandoned]
    });
}
