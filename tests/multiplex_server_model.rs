//! Random requests on served multiplexed connections against a model of the rules S2 to S8.
//!
//! Each round is one connection: requests arrive, are answered in any order, cancelled and refused at random, writing
//! is blocked and allowed, and some rounds end in a reset, a half-close, a drain, an error of the service, or an id
//! that comes twice. The model is the peer: it knows which requests have no reply, and each message that it gets has to
//! be one that it may get. At the end of a round every request has its reply, unless the connection has ended, and no
//! call, no message and no waker is left.
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

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use futures::channel::oneshot;
use mainspring::proto::multiplex::{Frame, Role, ServeError, Server};
use mainspring::service::service_fn;

use util::mock::{Peer, mock};
use util::random::Random;
use util::rounds::{rounds, take};
use util::task::Task;

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
    fn role(&self) -> Role {
        self.role
    }

    fn set_id(&mut self, id: u64) {
        self.role = Role::Call(id);
    }

    fn cancel(id: u64) -> Option<Self> {
        Self::only(Role::Cancel(id))
    }

    fn refuse(id: u64) -> Option<Self> {
        Self::only(Role::Refuse(id))
    }

    fn pong(number: u64) -> Option<Self> {
        Self::only(Role::Pong(number))
    }

    fn go_away() -> Option<Self> {
        Self::only(Role::GoAway)
    }
}

/// How often each thing happened, to show that the run reached it.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    confirmed: usize,
    crossed: usize,
    refused: usize,
    carried_out: usize,
    pongs: usize,
    dropped: usize,
    unanswered: usize,
    full: usize,
}

/// The calls that run, by the numbers of their requests.
type Running = Rc<RefCell<BTreeMap<u64, oneshot::Sender<io::Result<Message>>>>>;

/// One connection, and what the model knows of it.
struct Round<'a> {
    random: &'a mut Random,
    seen: &'a mut Seen,
    alive: Rc<()>,
    peer: Peer<Message, Message>,
    task: Task<Result<(), ServeError<io::Error, io::Error>>>,
    stop: Option<oneshot::Sender<()>>,
    running: Running,
    ended: bool,
    /// Set once the connection may end, or requests be lost, of itself.
    disturbed: bool,
    draining: bool,
    max_in_flight: usize,
    next_number: u64,
    /// Requests that have no reply, by id.
    open: BTreeMap<u64, u64>,
    /// Ids that the peer has used twice, and the later requests. If the earlier one is answered by then, it is no
    /// error.
    doubled: BTreeMap<u64, u64>,
    /// Requests that the peer has cancelled.
    cancelled: BTreeSet<u64>,
    /// Requests whose calls have ended with an answer.
    done: BTreeSet<u64>,
    /// How many of the messages that the transport took were looked at.
    looked_at: usize,
    pings: usize,
    pongs: usize,
    farewells: usize,
}

impl<'a> Round<'a> {
    fn new(random: &'a mut Random, seen: &'a mut Seen) -> Self {
        let (peer, transport) = mock::<Message, Message>();
        peer.wire_mut().room = 1 + random.below(4);
        let max_in_flight = 1 + random.below(10);
        let running = Running::default();
        let (stop, stopped) = oneshot::channel();
        let calls = running.clone();
        let task = Task::new(async move {
            let service = service_fn(async |request: Message| {
                let (sender, receiver) = oneshot::channel();
                assert!(calls.borrow_mut().insert(request.number, sender).is_none(), "a request runs twice");
                receiver.await.expect("the model answers")
            });
            // Dropped with the round, it never drains.
            let drain = async move {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            Server::new().max_in_flight(max_in_flight).drain(drain).serve(transport, &service).await
        });
        Self {
            random,
            seen,
            alive: Rc::new(()),
            peer,
            task,
            stop: Some(stop),
            running,
            ended: false,
            disturbed: false,
            draining: false,
            max_in_flight,
            next_number: 0,
            open: BTreeMap::new(),
            doubled: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            done: BTreeSet::new(),
            looked_at: 0,
            pings: 0,
            pongs: 0,
            farewells: 0,
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
            0..25 => self.request(),
            25..28 => self.send(Role::Push),
            28..50 => self.run(),
            50..53 => self.ended |= self.task.run_spuriously().is_some(),
            53..60 => self.cancel(),
            60..78 => self.answer(),
            78..81 => self.ping(),
            81..92 => {
                let count = 1 + self.random.below(4);
                self.peer.allow_writes(count);
            }
            92..98 => self.peer.block_writes(),
            98 => self.peer.allow_writes(usize::MAX),
            _ => self.disturb(),
        }
        self.check();
    }

    fn run(&mut self) {
        self.ended |= self.task.run().is_some();
    }

    fn send(&mut self, role: Role) {
        let message = self.message(role, self.next_number);
        self.next_number += 1;
        self.peer.send(message);
    }

    /// A request with an id that has no request without a reply.
    fn request(&mut self) {
        let free: Vec<_> = (0..16).filter(|id| !self.open.contains_key(id) && !self.doubled.contains_key(id)).collect();
        let Some(id) = self.pick(free) else { return };
        self.open.insert(id, self.next_number);
        self.send(Role::Call(id));
    }

    fn cancel(&mut self) {
        let id = self.random.below(18) as u64;
        // A peer cancels a request once, and knows which.
        if !self.doubled.contains_key(&id) && self.open.get(&id).is_none_or(|number| self.cancelled.insert(*number)) {
            let message = self.message(Role::Cancel(id), u64::MAX);
            self.peer.send(message);
        }
    }

    fn ping(&mut self) {
        let message = self.message(Role::Ping(self.pings as u64), u64::MAX);
        self.pings += 1;
        self.peer.send(message);
    }

    /// Some call has its answer, if it runs still.
    fn answer(&mut self) {
        let running: Vec<_> = self.running.borrow().keys().copied().collect();
        let Some(number) = self.pick(running) else { return };
        let sender = self.running.borrow_mut().remove(&number).expect("it runs");
        let answer = self.message(Role::Push, number);
        match sender.send(Ok(answer)) {
            Ok(()) => drop(self.done.insert(number)),
            Err(_) => {
                let may_be = self.ended || self.disturbed || self.cancelled.contains(&number);
                assert!(may_be, "call {number} was dropped");
                self.seen.dropped += 1;
            }
        }
    }

    /// Reads what the transport has taken, as the peer does, and holds it against the rules.
    fn look(&mut self) {
        let wire = self.peer.wire();
        for message in wire.written.iter().chain(&wire.unwritten).skip(self.looked_at) {
            self.looked_at += 1;
            match message.role {
                Role::Call(id) if self.doubled.get(&id) == Some(&message.number) => {}
                Role::Refuse(id) if self.doubled.contains_key(&id) => drop(self.open.remove(&id)),
                Role::Call(id) => {
                    let number = self.open.remove(&id).expect("nobody waits for that answer");
                    assert_eq!((message.number, self.done.contains(&number)), (number, true), "an answer went astray");
                    self.seen.answered += 1;
                    self.seen.crossed += usize::from(self.cancelled.contains(&number));
                }
                Role::Cancel(id) => {
                    let number = self.open.remove(&id).expect("a request was given up that has its reply");
                    assert!(self.cancelled.contains(&number), "request {number} was given up and not cancelled");
                    self.seen.confirmed += 1;
                }
                Role::Refuse(id) => {
                    let number = self.open.remove(&id).expect("a request was refused that has its reply");
                    assert!(self.draining && !self.done.contains(&number), "request {number} was refused");
                    assert!(!self.running.borrow().contains_key(&number), "request {number} runs, and was refused");
                    self.seen.refused += 1;
                }
                Role::Pong(_) => self.pongs += 1,
                Role::GoAway => self.farewells += 1,
                role => panic!("the server has sent {role:?}"),
            }
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
                self.task.future = None;
                self.ended = true;
            }
            5 => {
                let running: Vec<_> = self.running.borrow().keys().copied().collect();
                let Some(number) = self.pick(running) else { return };
                let sender = self.running.borrow_mut().remove(&number).expect("it runs");
                // Why ignored: it may have been cancelled.
                let _ = sender.send(Err(io::Error::other("no disk")));
            }
            6 => {
                let Some(&id) = self.open.keys().find(|id| !self.doubled.contains_key(id)) else { return };
                self.doubled.insert(id, self.next_number);
                self.send(Role::Call(id));
            }
            _ => {
                let Some(stop) = self.stop.take() else { return };
                // Why ignored: it may have ended.
                let _ = stop.send(());
                self.draining = true;
            }
        }
        self.disturbed = true;
    }

    fn check(&mut self) {
        self.look();
        assert!(self.farewells <= usize::from(self.draining) && self.pongs <= self.pings);
        let in_flight = self.running.borrow().values().filter(|call| !call.is_canceled()).count();
        assert!(in_flight <= self.max_in_flight, "{in_flight} calls run");
        self.seen.full += usize::from(in_flight == self.max_in_flight);
    }

    /// Everything that can finish does, polled only when it was woken.
    fn finish(mut self) {
        self.peer.allow_writes(usize::MAX);
        loop {
            let progress = |this: &Self| (this.looked_at, this.running.borrow().len(), this.peer.wire().received);
            let before = progress(&self);
            self.run();
            self.check();
            self.answer();
            if before == progress(&self) {
                break;
            }
        }
        if !self.disturbed {
            assert!(!self.ended && self.open.is_empty(), "requests without a reply: {:?}", self.open);
            assert_eq!((self.pongs, self.peer.wire().unwritten.len()), (self.pings, 0));
            self.peer.end();
            assert!(matches!(self.task.run(), Some(Ok(()))), "the connection does not close in good order");
            assert!(self.peer.wire().closed);
        }
        self.seen.pongs += self.pongs;
        self.seen.unanswered += self.open.len();
        self.seen.carried_out += self.done.len();

        // Those that have not ended wait for a peer that says nothing.
        self.task.future = None;
        assert!(self.running.borrow().values().all(oneshot::Sender::is_canceled), "calls are left");
        drop((self.peer, self.running));
        assert_eq!(self.task.waker.kept(), 0, "a waker of the connection is left");
        assert_eq!(Rc::strong_count(&self.alive), 1, "requests or answers are left");
    }
}

#[test]
fn every_request_has_one_reply_and_nothing_is_left() {
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
        let Seen { answered, confirmed, crossed, refused, carried_out, pongs, dropped, unanswered, full, .. } = *seen;
        vec![answered, confirmed, crossed, refused, carried_out, pongs, dropped, unanswered, full]
    });
}
