//! Random calls on multiplexed connections against a model of the rules M1 to M10.
//!
//! Each round is one connection: calls are made, polled, dropped and answered at random and in any order, some answers
//! are refusals, some come twice or were never asked for, writing is blocked and allowed, and some rounds end in a
//! reset, a half-close, a farewell or a malformed answer. What was written is read off the transport as the peer would,
//! which holds each id and each cancellation against the requests that it has; the model says which outcome each call
//! may have. At the end of a round everything that can finish has to, polled only when woken, and no message and no
//! waker may be left.
//!
//! `MULTIPLEX_OPERATIONS` sets the number of operations, `MULTIPLEX_SEED` repeats a run.
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

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;

use mainspring::proto::multiplex::{self, Client, Error, ErrorKind, Frame, Role};

use util::mock::{Peer, mock};
use util::random::Random;
use util::rounds::{rounds, take};
use util::task::Task;

/// Ids go from 0 to this.
const LAST_ID: u64 = 7;

/// A request, or the answer to the request of the same number.
#[derive(Clone, Debug)]
struct Message {
    role: Role,
    number: u64,
    /// Counts the messages that exist, but those that the connection has made.
    _alive: Option<Rc<()>>,
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Message {
    fn only(role: Role) -> Option<Self> {
        Some(Self { role, number: u64::MAX, _alive: None })
    }
}

impl Frame for Message {
    const IDS: RangeInclusive<u64> = 0..=LAST_ID;

    fn role(&self) -> Role {
        self.role
    }

    fn set_id(&mut self, id: u64) {
        self.role = Role::Call(id);
    }

    fn cancel(id: u64) -> Option<Self> {
        Self::only(Role::Cancel(id))
    }

    fn pong(number: u64) -> Option<Self> {
        Self::only(Role::Pong(number))
    }
}

/// How often each thing happened, to show that the run reached it.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    late: usize,
    strays: usize,
    refused: usize,
    given_up: usize,
    not_sent: usize,
    lost: usize,
    rejected: usize,
    unencodable: usize,
    withdrawn: usize,
    abandoned: usize,
    cancels: usize,
    pongs: usize,
}

/// What the peer makes of a request that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Answer,
    Refuse,
    GiveUp,
}

type Call = Task<Result<Message, Error>>;

/// One connection, and what the model knows of it.
struct Round<'a> {
    random: &'a mut Random,
    seen: &'a mut Seen,
    alive: Rc<()>,
    peer: Peer<Message, Message>,
    client: Option<Client<Message, Message>>,
    connection: Task<io::Result<()>>,
    ended: bool,
    /// The peer has said good bye, or the client was closed; not yet heard, perhaps.
    no_more: bool,
    max_in_flight: usize,
    max_waiting: usize,
    next_number: u64,
    /// Calls that have not been polled.
    new: BTreeMap<u64, Call>,
    /// Calls that joined the queue and have no outcome.
    queued: BTreeMap<u64, Call>,
    /// The order in which calls joined the queue.
    order: Vec<u64>,
    /// Calls that were dropped, whether they were written or not.
    dropped: BTreeSet<u64>,
    /// How many of the messages that the transport took were looked at.
    looked_at: usize,
    /// Numbers of the requests that the transport took, in order.
    taken: Vec<u64>,
    /// Requests that have no reply, by id.
    open: BTreeMap<u64, u64>,
    /// Requests whose cancellation was taken.
    cancelled: BTreeSet<u64>,
    /// How many messages the peer has sent, and where in their order each reply stands, by the number of its request.
    sent: usize,
    replies: BTreeMap<u64, (usize, Reply)>,
    /// For each id, where the last reply stands.
    last_reply: BTreeMap<u64, usize>,
    /// Where answers stand that nobody has asked for.
    strays: Vec<usize>,
    pings: usize,
    pongs: usize,
}

impl<'a> Round<'a> {
    fn new(random: &'a mut Random, seen: &'a mut Seen) -> Self {
        let (peer, transport) = mock();
        peer.wire_mut().room = 1 + random.below(4);
        let (client, connection) = multiplex::connect(transport);
        let (max_in_flight, max_waiting) = (1 + random.below(10), random.below(8));
        let connection = connection.max_in_flight(max_in_flight).max_waiting(max_waiting);
        Self {
            random,
            seen,
            alive: Rc::new(()),
            peer,
            client: Some(client),
            connection: Task::new(connection),
            ended: false,
            no_more: false,
            max_in_flight: max_in_flight.min(LAST_ID as usize + 1),
            max_waiting,
            next_number: 0,
            new: BTreeMap::new(),
            queued: BTreeMap::new(),
            order: Vec::new(),
            dropped: BTreeSet::new(),
            looked_at: 0,
            taken: Vec::new(),
            open: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            sent: 0,
            replies: BTreeMap::new(),
            last_reply: BTreeMap::new(),
            strays: Vec::new(),
            pings: 0,
            pongs: 0,
        }
    }

    fn message(&self, role: Role, number: u64) -> Message {
        Message { role, number, _alive: Some(self.alive.clone()) }
    }

    fn pick<T: Copy>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let from: Vec<_> = from.into_iter().collect();
        (!from.is_empty()).then(|| from[self.random.below(from.len())])
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..25 => self.make_call(),
            25..30 => {
                let new: Vec<_> = self.new.keys().copied().collect();
                if let Some(number) = self.pick(new) {
                    self.join(number);
                }
            }
            30..49 => self.run_connection(),
            49..54 => self.poll_spuriously(),
            54..62 => self.drop_call(),
            62..76 => self.reply(),
            76..79 => self.send_stray(),
            79..81 => self.ping(),
            81..90 => {
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
        self.new.insert(number, Task::new(client.call(self.message(Role::Push, number))));
        if self.random.below(20) == 0 {
            self.peer.wire_mut().unencodable = Some(self.message(Role::Push, number));
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
                let kind = outcome.expect_err("no call has an answer at once").kind();
                match kind {
                    ErrorKind::Rejected => assert!(full || self.client.is_none(), "call {number} had a place to wait"),
                    ErrorKind::NotSent => assert!(self.ended || self.no_more, "call {number} could have been sent"),
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
        let queued: Vec<_> = self.queued.keys().copied().collect();
        if self.random.below(2) == 0 {
            self.ended |= self.connection.run_spuriously().is_some();
        } else if let Some(number) = self.pick(queued) {
            let outcome = self.queued.get_mut(&number).and_then(Task::run_spuriously);
            self.settle(number, outcome);
        }
    }

    fn run_calls(&mut self) {
        for number in self.queued.keys().copied().collect::<Vec<_>>() {
            let outcome = self.queued.get_mut(&number).and_then(Task::run);
            self.settle(number, outcome);
        }
    }

    /// A call was polled: its outcome has to be one that the model allows.
    fn settle(&mut self, number: u64, outcome: Option<Result<Message, Error>>) {
        let Some(outcome) = outcome else { return };
        self.look();
        self.queued.remove(&number);
        let is_taken = self.taken.contains(&number);
        // Why received: a reply that is under way is none yet.
        let received = self.peer.wire().received;
        let reply = self.replies.get(&number).filter(|(position, _)| *position < received).map(|(_, reply)| *reply);
        match outcome.map_err(|error| error.kind()) {
            Ok(answer) => {
                assert_eq!((answer.number, reply), (number, Some(Reply::Answer)), "a call has the answer of another");
                self.seen.answered += 1;
            }
            Err(ErrorKind::Rejected) => {
                assert_eq!(reply, Some(Reply::Refuse), "call {number} was not refused");
                self.seen.refused += 1;
            }
            Err(ErrorKind::Cancelled) => {
                assert_eq!(reply, Some(Reply::GiveUp), "call {number} was not given up");
                self.seen.given_up += 1;
            }
            Err(ErrorKind::ConnectionLost) => {
                assert!(self.ended && is_taken && reply.is_none(), "call {number} was not lost: {reply:?}");
                self.seen.lost += 1;
            }
            Err(ErrorKind::NotSent) => {
                assert!((self.ended || self.no_more) && !is_taken, "call {number} was sent");
                self.seen.not_sent += 1;
            }
            Err(ErrorKind::Unencodable) => {
                assert!(!is_taken, "call {number} was sent");
                self.seen.unencodable += 1;
            }
            Err(kind) => panic!("call {number} failed after it had joined: {kind:?}"),
        }
    }

    fn drop_call(&mut self) {
        let keys: Vec<_> = self.new.keys().chain(self.queued.keys()).copied().collect();
        let Some(number) = self.pick(keys) else { return };
        self.look();
        if self.taken.contains(&number) {
            self.seen.abandoned += 1;
        } else {
            self.seen.withdrawn += 1;
        }
        self.new.remove(&number);
        self.queued.remove(&number);
        self.dropped.insert(number);
    }

    /// Reads what the transport has taken, as the peer does, and holds it against the rules.
    fn look(&mut self) {
        let wire = self.peer.wire();
        let received = wire.received;
        for message in wire.written.iter().chain(&wire.unwritten).skip(self.looked_at) {
            self.looked_at += 1;
            match message.role {
                Role::Call(id) => {
                    assert!(id <= LAST_ID, "{id} is no id");
                    let before = self.open.insert(id, message.number);
                    assert_eq!(before, None, "id {id} was used again before its answer was sent");
                    let is_received = self.last_reply.get(&id).is_none_or(|position| *position < received);
                    assert!(is_received, "id {id} was used again before its answer had come");
                    self.taken.push(message.number);
                }
                Role::Cancel(id) => {
                    // Without one, the answer has crossed the cancellation.
                    if let Some(number) = self.open.get(&id) {
                        assert!(self.dropped.contains(number), "call {number} was cancelled and not dropped");
                        assert!(self.cancelled.insert(*number), "call {number} was cancelled twice");
                    }
                    self.seen.cancels += 1;
                }
                Role::Pong(_) => self.pongs += 1,
                role => panic!("the client has sent {role:?}"),
            }
        }
    }

    fn send(&mut self, message: Message) -> usize {
        self.peer.send(message);
        self.sent += 1;
        self.sent - 1
    }

    /// Replies to some of the requests that have arrived, in any order.
    fn reply(&mut self) {
        self.look();
        for _ in 0..=self.random.below(3) {
            // What the peer has; what is taken and not written, it has not.
            let written: BTreeSet<_> = self.peer.wire().written.iter().map(|message| message.number).collect();
            let open: Vec<_> = self.open.iter().map(|(id, number)| (*id, *number)).collect();
            let Some((id, number)) = self.pick(open.into_iter().filter(|(_, number)| written.contains(number))) else {
                return;
            };
            self.open.remove(&id);
            let reply = match self.random.below(10) {
                0 => Reply::Refuse,
                1 => Reply::GiveUp,
                _ => Reply::Answer,
            };
            let position = match reply {
                Reply::Answer => self.send(self.message(Role::Call(id), number)),
                Reply::Refuse => self.send(self.message(Role::Refuse(id), number)),
                Reply::GiveUp => self.send(self.message(Role::Cancel(id), number)),
            };
            self.replies.insert(number, (position, reply));
            self.last_reply.insert(id, position);
            self.seen.late += usize::from(self.dropped.contains(&number));
        }
    }

    /// Sends an answer again, or one that was never asked for: of an id that is not in flight when it arrives.
    fn send_stray(&mut self) {
        self.look();
        let free: Vec<_> = (0..=LAST_ID + 2).filter(|id| !self.open.contains_key(id)).collect();
        let Some(id) = self.pick(free) else { return };
        let stray = self.message(Role::Call(id), u64::MAX);
        let position = self.send(stray);
        self.strays.push(position);
        self.seen.strays += 1;
    }

    fn ping(&mut self) {
        let role = if self.random.below(2) == 0 { Role::Ping(self.pings as u64) } else { Role::Push };
        // Few enough that they are no flood while writing is blocked.
        if role == Role::Push || self.pings - self.pongs < 30 {
            self.pings += usize::from(role != Role::Push);
            let message = self.message(role, u64::MAX);
            self.send(message);
        }
    }

    /// Rare events, most of which end the connection.
    fn disturb(&mut self) {
        match self.random.below(10) {
            0 => self.peer.reset(),
            1 => self.peer.end(),
            2 => self.peer.malformed(),
            3 => self.peer.break_writing(),
            4 => {
                self.connection.future = None;
                self.ended = true;
            }
            5 => {
                self.no_more = true;
                let message = self.message(Role::GoAway, u64::MAX);
                self.send(message);
            }
            6 => {
                if let Some(client) = &self.client {
                    self.no_more = true;
                    client.close();
                }
            }
            _ => self.client = None,
        }
    }

    fn check(&mut self) {
        self.look();
        let mut order = self.order.iter();
        let taken = &self.taken;
        assert!(taken.iter().all(|number| order.any(|joined| joined == number)), "the order is broken: {taken:?}");
        if let Some(client) = &self.client {
            assert!(client.waiting() <= self.max_waiting, "{} calls wait", client.waiting());
            assert!(client.in_flight() <= self.max_in_flight, "{} calls are in flight", client.in_flight());
            let received = self.peer.wire().received;
            let replied = self.replies.values().filter(|(position, _)| *position < received).count();
            assert_eq!(client.in_flight(), if self.ended { 0 } else { taken.len() - replied });
            assert_eq!(client.strays() as usize, self.strays.iter().filter(|&&position| position < received).count());
        }
    }

    /// Everything that can finish does, polled only when it was woken.
    fn finish(mut self) {
        self.peer.allow_writes(usize::MAX);
        loop {
            let progress = |this: &Self| (this.queued.len(), this.sent, this.looked_at, this.peer.wire().received);
            let before = progress(&self);
            self.run_connection();
            self.run_calls();
            self.check();
            self.reply();
            if before == progress(&self) {
                break;
            }
        }
        let stuck: Vec<_> = self.queued.keys().collect();
        assert!(stuck.is_empty(), "calls without an outcome, connection ended {}: {stuck:?}", self.ended);
        if !self.ended {
            assert_eq!(self.pongs, self.pings, "pings without an answer");
            assert!(self.open.is_empty(), "requests without a reply: {:?}", self.open);
            let uncancelled = self.dropped.iter().filter(|number| self.taken.contains(number)).count();
            assert!(self.cancelled.len() <= uncancelled);
        }
        self.seen.pongs += self.pongs;

        self.new.clear();
        self.client = None;
        self.run_connection();
        assert!(self.ended, "the connection outlives its clients and calls");
        drop(self.peer);
        self.connection.future = None;
        assert_eq!(self.connection.waker.kept(), 0, "a waker of the connection is left");
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
    rounds("MULTIPLEX", 100_000, round, |seen| {
        let Seen {
            answered,
            late,
            strays,
            refused,
            given_up,
            not_sent,
            lost,
            rejected,
            unencodable,
            withdrawn,
            abandoned,
            cancels,
            pongs,
            ..
        } = *seen;
        vec![
            answered,
            late,
            strays,
            refused,
            given_up,
            not_sent,
            lost,
            rejected,
            unencodable,
            withdrawn,
            abandoned,
            cancels,
            pongs,
        ]
    });
}
