//! Random calls with and without bodies, client against server, pipelined and multiplexed.
//!
//! Each round is one connection: calls are made and dropped, bodies are fed, ended, cut, read and dropped at random,
//! parts are carried from one end to the other, and writing is blocked and allowed. A body has the chunks that were fed
//! to it, in their order, and the end that it was given, or is incomplete if it was cut, its call was dropped or the
//! connection has ended. At the end of a round everything that can finish has to, polled only when woken, and no chunk
//! may be left in memory.
//!
//! `STREAMING_OPERATIONS` sets the number of operations, `STREAMING_SEED` repeats a run.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod message;
    pub(crate) mod mock;
    pub(crate) mod random;
    pub(crate) mod rounds;
    pub(crate) mod task;
}

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};
use mainspring::proto::multiplex::{self, Error, ErrorKind, ServeError};
use mainspring::proto::pipeline;
use mainspring::proto::streaming::{Body, Incomplete, Part, Streamed, Streaming};
use mainspring::service::Service;

use util::message::Message;
use util::mock::{Mock, Peer, mock};
use util::random::Random;
use util::rounds::{rounds, take};
use util::task::Task;

/// Calls that run at once.
const CALLS_MAX: usize = 20;

/// A part of a body, by the number of that and its place.
#[derive(Clone, Debug)]
struct Chunk {
    body: u32,
    place: u32,
    /// Counts the chunks that exist.
    _alive: Rc<()>,
}

impl PartialEq for Chunk {
    fn eq(&self, other: &Self) -> bool {
        (self.body, self.place) == (other.body, other.place)
    }
}

type Wire = Part<Message, Chunk>;
type Whole = Streamed<Message, Chunk>;
type Transport = Streaming<Mock<Wire, Wire>, Message, Message, Chunk>;

/// A request, and where its answer goes.
type Asked = (Whole, oneshot::Sender<Whole>);

/// Hands requests to the test, and answers with what the test sends.
#[derive(Clone, Default)]
struct Handed(Rc<RefCell<VecDeque<Asked>>>);

impl Service<Whole> for Handed {
    type Response = Whole;
    type Error = io::Error;

    async fn call(&self, request: Whole) -> io::Result<Whole> {
        let (sender, answer) = oneshot::channel();
        self.0.borrow_mut().push_back((request, sender));
        answer.await.map_err(io::Error::other)
    }
}

/// Either kind of client.
#[derive(Clone)]
enum Client {
    Pipeline(pipeline::Client<Whole, Whole>),
    Multiplex(multiplex::Client<Whole, Whole>),
}

impl Client {
    fn call(&self, request: Whole) -> Task<Result<Whole, Error>> {
        match self.clone() {
            Self::Pipeline(client) => Task::new(async move { client.call(request).await }),
            Self::Multiplex(client) => Task::new(async move { client.call(request).await }),
        }
    }
}

/// A body that is sent.
struct Fed {
    /// None once it has ended.
    sender: Option<mpsc::UnboundedSender<Result<Chunk, Incomplete>>>,
    chunks: u32,
    is_cut: bool,
}

/// A body that arrives.
struct Read {
    number: u32,
    body: Body<Chunk>,
    chunks: u32,
}

/// How often each thing happened, to show that the run reached it.
#[derive(Debug, Default)]
struct Seen {
    whole: usize,
    cut: usize,
    unread: usize,
    dropped: usize,
    refused: usize,
    lost: usize,
}

struct Round<'a> {
    random: &'a mut Random,
    seen: &'a mut Seen,
    alive: Rc<()>,
    client: Option<Client>,
    /// The ends of the client and of the server.
    peers: [Peer<Wire, Wire>; 2],
    connection: Task<io::Result<()>>,
    server: Task<Result<(), ServeError<io::Error, io::Error>>>,
    handed: Handed,
    /// Set by what ends the connection.
    is_lost: bool,
    calls: BTreeMap<u32, Task<Result<Whole, Error>>>,
    /// Calls that were dropped or refused.
    dropped: HashSet<u32>,
    fed: BTreeMap<u32, Fed>,
    /// Requests that are worked on.
    requests: Vec<(u32, oneshot::Sender<Whole>)>,
    reads: Vec<Read>,
    /// Requests have even numbers, their answers the next ones.
    next_number: u32,
}

impl<'a> Round<'a> {
    fn new(random: &'a mut Random, seen: &'a mut Seen) -> Self {
        let ((near, client), (far, server)) = (mock(), mock());
        let handed = Handed::default();
        let served = handed.clone();
        let limit = 1 + random.below(8);
        let (client, connection, server) = match random.below(2) {
            0 => {
                let bounded = |transport| -> Transport { Streaming::in_order(transport).max_unread(3, |_| 1) };
                let transports = [client, server].map(bounded);
                let [client, server] = transports;
                let (client, connection) = pipeline::connect(client);
                let serving = pipeline::Server::new().max_in_flight(limit);
                let server = Task::new(async move { serving.serve(server, &served).await });
                (Client::Pipeline(client), Task::new(connection), server)
            }
            _ => {
                let transports: [Transport; 2] = [client, server].map(Streaming::by_id);
                let [client, server] = transports;
                let (client, connection) = multiplex::connect(client);
                let serving = multiplex::Server::new().max_in_flight(limit);
                let server = Task::new(async move { serving.serve(server, &served).await });
                (Client::Multiplex(client), Task::new(connection), server)
            }
        };
        Self {
            random,
            seen,
            alive: Rc::new(()),
            client: Some(client),
            peers: [near, far],
            connection,
            server,
            handed,
            is_lost: false,
            calls: BTreeMap::new(),
            dropped: HashSet::new(),
            fed: BTreeMap::new(),
            requests: Vec::new(),
            reads: Vec::new(),
            next_number: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..15 => self.call(),
            15..35 => self.feed(),
            35..50 => self.run(),
            50..62 => self.carry(),
            62..70 => self.answer(),
            70..82 if !self.reads.is_empty() => {
                let read = self.random.below(self.reads.len());
                self.read(read);
            }
            82..85 if !self.reads.is_empty() => {
                let read = self.random.below(self.reads.len());
                drop(self.reads.swap_remove(read));
                self.seen.unread += 1;
            }
            85..89 => self.drop_call(),
            89..92 => self.peers[self.random.below(2)].block_writes(),
            92..99 => {
                let count = 1 + self.random.below(10);
                self.peers[self.random.below(2)].allow_writes(count);
            }
            _ if self.random.below(4) == 0 => self.disturb(),
            _ => {}
        }
    }

    /// A body or none, of which chunks are fed.
    fn body(&mut self, number: u32) -> Body<Chunk> {
        if self.random.below(3) == 0 {
            return Body::empty();
        }
        let (sender, chunks) = mpsc::unbounded();
        self.fed.insert(number, Fed { sender: Some(sender), chunks: 0, is_cut: false });
        Body::try_from_stream(chunks)
    }

    fn call(&mut self) {
        let Some(client) = self.client.clone().filter(|_| self.calls.len() < CALLS_MAX) else { return };
        let number = self.next_number;
        self.next_number += 2;
        let body = self.body(number);
        let mut call = client.call(Streamed { head: Message::request(number), body });
        if let Some(outcome) = call.run() {
            return self.settle(number, outcome);
        }
        self.calls.insert(number, call);
    }

    fn feed(&mut self) {
        let numbers: Vec<_> =
            self.fed.iter().filter(|(_, fed)| fed.sender.is_some()).map(|(number, _)| *number).collect();
        if numbers.is_empty() {
            return;
        }
        let body = numbers[self.random.below(numbers.len())];
        let fed = self.fed.get_mut(&body).expect("it is fed");
        for _ in 0..=self.random.below(12) {
            let chunk = Chunk { body, place: fed.chunks, _alive: self.alive.clone() };
            // Refused once nobody sends it any more.
            let _ = fed.sender.as_ref().expect("it is fed").unbounded_send(Ok(chunk));
            fed.chunks += 1;
        }
        match self.random.below(8) {
            0 | 1 => fed.sender = None,
            2 => {
                fed.is_cut = true;
                let _ = fed.sender.take().expect("it is fed").unbounded_send(Err(Incomplete));
            }
            _ => {}
        }
    }

    fn run(&mut self) {
        let ended = self.connection.run().is_some() | self.server.run().is_some();
        self.is_lost |= ended;
        while let Some((request, answer)) = self.handed.0.borrow_mut().pop_front() {
            let number = request.head.body;
            self.reads.push(Read { number, body: request.body, chunks: 0 });
            self.requests.push((number, answer));
        }
        let mut outcomes = Vec::new();
        for (number, call) in &mut self.calls {
            outcomes.extend(call.run().map(|outcome| (*number, outcome)));
        }
        for (number, outcome) in outcomes {
            self.calls.remove(&number);
            self.settle(number, outcome);
        }
    }

    fn settle(&mut self, number: u32, outcome: Result<Whole, Error>) {
        match outcome {
            Ok(answer) => {
                assert_eq!(answer.head.body, number + 1, "a call has the answer of another");
                self.reads.push(Read { number: number + 1, body: answer.body, chunks: 0 });
            }
            Err(error) if error.kind() == ErrorKind::Rejected && matches!(self.client, Some(Client::Multiplex(_))) => {
                self.dropped.insert(number);
                self.seen.refused += 1;
            }
            Err(error) => {
                assert!(self.is_lost, "call {number} failed: {error}");
                self.seen.lost += 1;
            }
        }
    }

    /// Some parts, from each end to the other.
    fn carry(&mut self) {
        for from in 0..2 {
            let count = self.random.below(12);
            self.carry_at_most(from, count);
        }
    }

    fn carry_at_most(&mut self, from: usize, count: usize) -> usize {
        let parts: Vec<_> = {
            let mut wire = self.peers[from].wire_mut();
            let count = count.min(wire.written.len());
            wire.written.drain(..count).collect()
        };
        let carried = parts.len();
        parts.into_iter().for_each(|part| self.peers[1 - from].send(part));
        carried
    }

    fn answer(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let request = self.random.below(self.requests.len());
        let (number, answer) = self.requests.swap_remove(request);
        let body = self.body(number + 1);
        // Refused once its call was cancelled, or the connection is lost.
        if answer.send(Streamed { head: Message::request(number + 1), body }).is_err() {
            self.fed.remove(&(number + 1));
        }
    }

    /// Reads what there is. True if it went on.
    fn read(&mut self, index: usize) -> bool {
        let read = &mut self.reads[index];
        let Some(next) = read.body.next().now_or_never() else { return false };
        let fed = self.fed.get(&read.number);
        match next {
            Some(Ok(chunk)) => {
                assert_eq!((chunk.body, chunk.place), (read.number, read.chunks));
                read.chunks += 1;
            }
            Some(Err(Incomplete)) => {
                let is_cut = fed.is_some_and(|fed| fed.is_cut) || self.dropped.contains(&(read.number & !1));
                assert!(is_cut || self.is_lost, "body {} is incomplete", read.number);
                self.seen.cut += 1;
                drop(self.reads.swap_remove(index));
            }
            None => {
                if let Some(fed) = fed {
                    assert!(fed.sender.is_none() && !fed.is_cut, "body {} has ended by itself", read.number);
                    assert_eq!(read.chunks, fed.chunks);
                    self.seen.whole += 1;
                }
                assert!(fed.is_some() || read.chunks == 0);
                drop(self.reads.swap_remove(index));
            }
        }
        true
    }

    fn drop_call(&mut self) {
        let numbers: Vec<_> = self.calls.keys().copied().collect();
        if !numbers.is_empty() {
            let number = numbers[self.random.below(numbers.len())];
            self.dropped.insert(number);
            self.calls.remove(&number);
            self.seen.dropped += 1;
        }
    }

    /// Rare events that end the connection.
    fn disturb(&mut self) {
        self.is_lost = true;
        match self.random.below(4) {
            0 => self.peers[0].reset(),
            1 => self.peers[1].reset(),
            2 => self.server.future = None,
            _ => self.connection.future = None,
        }
    }

    /// Everything that can finish does, polled only when it was woken.
    fn finish(mut self) {
        self.peers.iter().for_each(|peer| peer.allow_writes(usize::MAX));
        loop {
            self.fed.values_mut().for_each(|fed| fed.sender = None);
            self.run();
            let mut is_busy = !self.requests.is_empty();
            while !self.requests.is_empty() {
                self.answer();
            }
            for from in 0..2 {
                is_busy |= self.carry_at_most(from, usize::MAX) > 0;
            }
            for index in (0..self.reads.len()).rev() {
                is_busy |= self.read(index);
            }
            for (from, to) in [(0, 1), (1, 0)] {
                let is_over = self.peers[from].wire().closed || self.peers[from].wire().dropped;
                if is_over && !self.peers[to].wire().ended {
                    self.is_lost = true;
                    self.peers[to].end();
                    is_busy = true;
                }
            }
            // While the connection lives, and once more when nobody calls any more.
            if !is_busy {
                let stuck: Vec<_> = self.calls.keys().collect();
                assert!(stuck.is_empty(), "calls without an outcome: {stuck:?}");
                let stuck: Vec<_> = self.reads.iter().map(|read| read.number).collect();
                assert!(stuck.is_empty(), "bodies without an end: {stuck:?}");
                if self.client.take().is_none() {
                    break;
                }
            }
        }
        assert!(self.connection.future.is_none(), "the connection outlives its clients and calls");
        assert!(self.server.future.is_none(), "the server outlives its connection");
        drop((self.peers, self.connection, self.server, self.handed, self.fed));
        assert_eq!(Rc::strong_count(&self.alive), 1, "chunks are left");
    }
}

#[test]
fn every_body_has_its_chunks_and_its_end_and_nothing_is_left() {
    let round = |random: &mut Random, seen: &mut Seen, steps| {
        let mut round = Round::new(random, seen);
        let taken = take(steps, || {
            round.step();
            round.is_lost
        });
        round.finish();
        taken
    };
    rounds("STREAMING", 20_000, round, |seen| {
        let Seen { whole, cut, unread, dropped, refused, lost } = *seen;
        vec![whole, cut, unread, dropped, refused, lost]
    });
}
