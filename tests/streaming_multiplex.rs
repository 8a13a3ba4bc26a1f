//! Bodies that stream on multiplexed connections, both sides, over a transport in the hands of the test.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod message;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};
use mainspring::proto::multiplex::{self, Client, Role, ServeError, Server};
use mainspring::proto::streaming::{Body, CHUNKS_MAX, Incomplete, Part, Streamed, Streaming};
use mainspring::service::Service;
use mainspring::time::{Clock, Instant, sleep};
use mainspring::{Reactor, spawn};

use util::in_virtual_time::in_virtual_time;
use util::message::Message;
use util::mock::{Mock, Peer, mock};
use util::task::Task;

type Wire = Part<Message, u8>;
type Whole = Streamed<Message, u8>;
type End = Result<(), ServeError<io::Error, io::Error>>;
type Transport = Streaming<Mock<Wire, Wire>, Message, Message, u8>;

const fn head(id: u64, has_body: bool) -> Wire {
    Part::Head(Message::call(id, id as u32), has_body)
}

const fn only(role: Role) -> Wire {
    Part::Head(Message::only(role), false)
}

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

fn serve(server: Server) -> (Peer<Wire, Wire>, Handed, Task<End>) {
    let (peer, transport) = mock();
    let service = Handed::default();
    let served = service.clone();
    let transport: Transport = Streaming::by_id(transport);
    (peer, service, Task::new(async move { server.serve(transport, &served).await }))
}

type Connected = (Peer<Wire, Wire>, Client<Whole, Whole>, Task<io::Result<()>>);

fn connect() -> Connected {
    let (peer, transport) = mock();
    let transport: Transport = Streaming::by_id(transport);
    let (client, connection) = multiplex::connect(transport);
    (peer, client, Task::new(connection))
}

fn send(peer: &Peer<Wire, Wire>, parts: impl IntoIterator<Item = Wire>) {
    parts.into_iter().for_each(|part| peer.send(part));
}

fn written(peer: &Peer<Wire, Wire>) -> Vec<Wire> {
    std::mem::take(&mut peer.wire_mut().written)
}

/// All chunks of a body that are there.
fn chunks(body: &mut Body<u8>) -> Vec<Result<u8, Incomplete>> {
    std::iter::from_fn(|| body.next().now_or_never().flatten()).collect()
}

/// A body whose chunks the test sends.
fn fed() -> (mpsc::UnboundedSender<u8>, Body<u8>) {
    let (sender, chunks) = mpsc::unbounded();
    (sender, Body::from_stream(chunks))
}

#[test]
fn chunks_of_several_requests_go_to_the_body_of_their_id() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        send(&peer, [head(1, true), head(2, true), Part::Chunk(2, 20), Part::Chunk(1, 10), head(3, false)]);
        send(&peer, [Part::Chunk(1, 11), Part::Chunk(2, 21), Part::End(2), Part::Chunk(1, 12), Part::End(1)]);
        assert!(task.run().is_none());
        let mut requests: Vec<_> = service.0.take().into();
        let bodies = requests.iter_mut().map(|(request, _)| chunks(&mut request.body));
        assert_eq!(bodies.collect::<Vec<_>>(), [vec![Ok(10), Ok(11), Ok(12)], vec![Ok(20), Ok(21)], vec![]]);
    });
}

#[test]
fn bodies_of_several_answers_take_turns_and_answers_come_between() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        send(&peer, [head(1, false), head(2, false), head(3, false)]);
        assert!(task.run().is_none());
        let mut answers = service.0.take().into_iter().map(|(_, answer)| answer);
        let mut answer = |body| answers.next().unwrap().send(Streamed { head: Message::request(9), body }).unwrap();
        answer(Body::from_stream(futures::stream::iter([10, 11, 12])));
        answer(Body::from_stream(futures::stream::iter([20, 21])));
        assert!(task.run().is_none());
        let all = written(&peer);
        let of = |id| {
            all.iter().filter(move |part| match part {
                Part::Head(message, _) => message.role == Role::Call(id),
                Part::Chunk(of, _) | Part::End(of) | Part::Cut(of) => *of == id,
            })
        };
        let first = [Part::Head(Message::call(1, 9), true), Part::Chunk(1, 10), Part::Chunk(1, 11), Part::Chunk(1, 12)];
        assert_eq!(of(1).cloned().collect::<Vec<_>>(), [&first[..], &[Part::End(1)]].concat());
        let second = [Part::Head(Message::call(2, 9), true), Part::Chunk(2, 20), Part::Chunk(2, 21), Part::End(2)];
        assert_eq!(of(2).cloned().collect::<Vec<_>>(), second);
        let at = |part| all.iter().position(|written| *written == part).unwrap();
        assert!(at(Part::Chunk(2, 20)) < at(Part::Chunk(1, 12)), "they take turns: {all:?}");
        // One that goes on holds no answer up.
        let (more, body) = fed();
        send(&peer, [head(4, false)]);
        assert!(task.run().is_none());
        let (_, last) = service.0.borrow_mut().pop_front().unwrap();
        answer(body);
        more.unbounded_send(30).unwrap();
        last.send(Streamed::from(Message::request(8))).unwrap();
        assert!(task.run().is_none());
        assert!(written(&peer).contains(&Part::Head(Message::call(4, 8), false)));
    });
}

#[test]
fn a_body_that_is_full_holds_the_connection_up_until_it_is_read_or_dropped() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        send(
            &peer,
            [head(1, true)].into_iter().chain((0..20).map(|chunk| Part::Chunk(1, chunk))).chain([head(2, false)]),
        );
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 1 + CHUNKS_MAX);
        let (request, _answer) = service.0.borrow_mut().pop_front().unwrap();
        drop(request);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 22);
        assert_eq!(service.0.borrow().len(), 1);
    });
}

#[test]
fn a_request_that_is_cancelled_takes_its_bodies_with_it_and_late_chunks_are_ignored() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        // Its own body is on the way.
        send(&peer, [head(1, true), Part::Chunk(1, 1)]);
        assert!(task.run().is_none());
        let (mut request, answer) = service.0.borrow_mut().pop_front().unwrap();
        send(&peer, [only(Role::Cancel(1)), Part::Chunk(1, 2), Part::End(1), head(1, true), Part::Chunk(1, 3)]);
        assert!(task.run().is_none());
        assert!(answer.is_canceled());
        assert_eq!(chunks(&mut request.body), [Ok(1), Err(Incomplete)]);
        let (mut again, answer) = service.0.borrow_mut().pop_front().unwrap();
        assert_eq!(chunks(&mut again.body), [Ok(3)]);
        assert_eq!(written(&peer), [only(Role::Cancel(1))]);
        // The body of its answer is.
        let (more, body) = fed();
        answer.send(Streamed { head: Message::request(9), body }).unwrap();
        more.unbounded_send(1).unwrap();
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::Head(Message::call(1, 9), true), Part::Chunk(1, 1)]);
        send(&peer, [only(Role::Cancel(1))]);
        assert!(task.run().is_none());
        assert!(more.unbounded_send(2).is_err(), "nobody asks for more of it");
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [], "answered is not cancelled");
    });
}

#[test]
fn a_failure_within_bodies_leaves_all_of_them_incomplete() {
    for ends in [Peer::reset, Peer::malformed, Peer::end] {
        in_virtual_time(|| {
            let (peer, service, mut task) = serve(Server::new());
            send(&peer, [head(1, true), head(2, true), Part::Chunk(2, 1)]);
            assert!(task.run().is_none());
            let mut requests: Vec<_> = service.0.take().into();
            ends(&peer);
            task.run();
            assert_eq!(chunks(&mut requests[0].0.body), [Err(Incomplete)]);
            assert_eq!(chunks(&mut requests[1].0.body), [Ok(1), Err(Incomplete)]);
        });
    }
}

#[test]
fn a_message_within_the_body_of_its_own_id_ends_the_connection() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        send(&peer, [head(1, true), head(1, true)]);
        assert!(task.run().is_none(), "the first is in flight");
        let (_request, answer) = service.0.borrow_mut().pop_front().unwrap();
        answer.send(Streamed::from(Message::request(9))).unwrap();
        let Some(Err(ServeError::Transport(error))) = task.run() else { panic!("the connection should have failed") };
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(written(&peer), [Part::Head(Message::call(1, 9), false)]);
    });
}

#[test]
fn a_call_that_is_dropped_while_its_body_is_sent_sends_no_chunk_after_the_cancellation() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let (more, body) = fed();
        let mut call = Task::new(client.call(Streamed { head: Message::request(1), body }));
        assert!(call.run().is_none());
        more.unbounded_send(1).unwrap();
        assert!(connection.run().is_none());
        let sent = written(&peer);
        let Part::Head(Message { role: Role::Call(id), .. }, true) = sent[0] else { panic!("no request: {sent:?}") };
        assert_eq!(sent[1..], [Part::Chunk(id, 1)]);
        drop(call);
        let _late = more.unbounded_send(2);
        assert!(connection.run().is_none());
        let rest = written(&peer);
        assert_eq!(rest.last(), Some(&only(Role::Cancel(id))), "{rest:?}");
        assert!(more.unbounded_send(3).is_err(), "the body was dropped");
        assert!(connection.run().is_none());
        assert_eq!(written(&peer), []);
    });
}

#[test]
fn an_answer_streams_beside_others_also_when_the_client_is_gone() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let mut calls = [1, 2].map(|body| Task::new(client.call(Streamed::from(Message::request(body)))));
        calls.iter_mut().for_each(|call| assert!(call.run().is_none()));
        assert!(connection.run().is_none());
        let ids: Vec<_> = written(&peer)
            .iter()
            .filter_map(|part| match part {
                Part::Head(Message { role: Role::Call(id), .. }, false) => Some(*id),
                _ => None,
            })
            .collect();
        send(&peer, [head(ids[0], true), head(ids[1], true), Part::Chunk(ids[1], 2), Part::Chunk(ids[0], 1)]);
        assert!(connection.run().is_none());
        let mut answers = calls.each_mut().map(|call| call.run().unwrap().unwrap());
        drop((calls, client));
        assert!(connection.run().is_none(), "bodies outlive whoever asked for them");
        send(&peer, [Part::End(ids[1]), Part::Chunk(ids[0], 3), Part::End(ids[0])]);
        assert!(matches!(connection.run(), Some(Ok(()))));
        assert_eq!(answers.each_mut().map(|answer| chunks(&mut answer.body)), [vec![Ok(1), Ok(3)], vec![Ok(2)]]);
    });
}

#[test]
fn a_refused_request_takes_its_body_with_it() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let (more, body) = fed();
        let mut call = Task::new(client.call(Streamed { head: Message::request(1), body }));
        assert!(call.run().is_none() && connection.run().is_none());
        let Part::Head(Message { role: Role::Call(id), .. }, true) = written(&peer)[0] else { panic!("no request") };
        send(&peer, [only(Role::Refuse(id))]);
        assert!(connection.run().is_none());
        assert!(call.run().unwrap().unwrap_err().is_retryable());
        assert!(more.unbounded_send(1).is_err());
        assert!(connection.run().is_none());
        assert_eq!(written(&peer), []);
    });
}

#[test]
fn draining_says_good_bye_and_finishes_bodies_that_are_on_the_way() {
    in_virtual_time(|| {
        let (peer, transport) = mock();
        let (service, (stop, stopped)) = (Handed::default(), oneshot::channel::<()>());
        let served = service.clone();
        let server = Server::new().drain(stopped.map(|_| ()));
        let transport: Transport = Streaming::by_id(transport);
        let mut task: Task<End> = Task::new(async move { server.serve(transport, &served).await });
        send(&peer, [head(1, true), Part::Chunk(1, 1)]);
        assert!(task.run().is_none());
        stop.send(()).unwrap();
        send(&peer, [Part::Chunk(1, 2), head(2, true), Part::End(1)]);
        assert!(task.run().is_none());
        let (mut request, answer) = service.0.borrow_mut().pop_front().unwrap();
        assert_eq!(chunks(&mut request.body), [Ok(1), Ok(2)]);
        assert_eq!(written(&peer), [only(Role::GoAway), only(Role::Refuse(2))]);
        let body = Body::from_stream(futures::stream::iter([7]));
        answer.send(Streamed { head: Message::request(9), body }).unwrap();
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(written(&peer), [Part::Head(Message::call(1, 9), true), Part::Chunk(1, 7), Part::End(1)]);
    });
}

/// Polls once, although it may not have been woken: whether it has woken itself.
fn wakes_itself(task: &mut Task<End>) -> bool {
    let before = task.waker.woken();
    assert!(task.waker.poll(task.future.as_mut().unwrap()).is_pending());
    task.waker.woken() > before
}

/// Answers what was asked with bodies that have no chunk yet.
fn answer_slowly(service: &Handed) -> Vec<mpsc::UnboundedSender<u8>> {
    let asked = service.0.take().into_iter();
    asked
        .map(|(_, answer)| {
            let (more, body) = fed();
            answer.send(Streamed { head: Message::request(9), body }).unwrap();
            more
        })
        .collect()
}

#[test]
fn many_bodies_without_a_chunk_do_not_keep_the_connection_awake() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new().max_in_flight(200));
        send(&peer, (0..200).map(|id| head(id, false)));
        while wakes_itself(&mut task) {}
        let mut bodies = answer_slowly(&service);
        assert_eq!(bodies.len(), 200);
        let polls = (0..20).take_while(|_| wakes_itself(&mut task)).count();
        assert!(polls < 20, "it wakes itself again and again");
        assert_eq!(written(&peer).len(), 200);
        // Any of them is heard, and sends more than others have to wait for.
        for chunk in 0..200 {
            bodies[150].unbounded_send(chunk).unwrap();
        }
        drop(bodies.remove(3));
        assert!(task.run().is_none());
        let all = written(&peer);
        assert_eq!(all.len(), 201, "{all:?}");
        assert!(all.contains(&Part::End(3)) && all.contains(&Part::Chunk(150, 199)));
    });
}

#[test]
fn bodies_on_the_way_to_a_peer_are_bounded() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new().max_in_flight(1_100));
        send(&peer, (0..1_100).map(|id| head(id, false)));
        assert!(task.run().is_none());
        let mut bodies = answer_slowly(&service);
        assert!(task.run().is_none());
        assert_eq!((bodies.len(), written(&peer).len()), (1_100, 1_024));
        drop(bodies.remove(3));
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::End(3), Part::Head(Message::call(1_024, 9), true)]);
        send(&peer, [only(Role::Cancel(5))]);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::Head(Message::call(1_025, 9), true)]);
    });
}

#[test]
fn bodies_that_a_peer_begins_and_does_not_end_are_bounded() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        for id in 0..1_024 {
            send(&peer, [head(id, true)]);
            assert!(task.run().is_none());
            let (_, answer) = service.0.borrow_mut().pop_front().unwrap();
            answer.send(Streamed::from(Message::request(9))).unwrap();
            assert!(task.run().is_none());
        }
        assert_eq!(written(&peer).len(), 1_024);
        send(&peer, [Part::End(7), head(1_024, true)]);
        assert!(task.run().is_none(), "one has ended");
        let (_, answer) = service.0.borrow_mut().pop_front().unwrap();
        answer.send(Streamed::from(Message::request(9))).unwrap();
        send(&peer, [head(1_025, true)]);
        let Some(Err(ServeError::Transport(error))) = task.run() else { panic!("the connection should have failed") };
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn only_requests_and_pushes_have_bodies() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        let pings = [Role::Ping(5), Role::Pong(6), Role::Cancel(7)].map(|role| Part::Head(Message::only(role), true));
        send(&peer, pings.into_iter().chain([Part::Chunk(0, 1), head(0, true), head(7, true), Part::Chunk(0, 2)]));
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [only(Role::Pong(5))]);
        let mut requests: Vec<_> = service.0.take().into();
        let bodies = requests.iter_mut().map(|(request, _)| chunks(&mut request.body));
        assert_eq!(bodies.collect::<Vec<_>>(), [vec![Ok(2)], vec![]]);
    });
}

/// Runs a test whose time goes on as soon as all wait for it.
fn while_time_flies(test: impl Future<Output = ()>) {
    Reactor::builder().clock(Clock::auto()).build().unwrap().block_on(test).unwrap();
}

#[test]
fn ends_of_bodies_that_there_are_not_prolong_nothing() {
    while_time_flies(async {
        let (peer, transport) = mock();
        let transport: Transport = Streaming::by_id(transport);
        let service = Handed::default();
        let start = Instant::now();
        let task = spawn(async move { Server::new().serve(transport, &service).await });
        send(&peer, [head(1, false)]);
        for _ in 0..2 {
            sleep(Duration::from_secs(40)).await;
            send(&peer, [Part::End(99), Part::Cut(98)]);
        }
        let end: End = task.await.unwrap();
        assert!(matches!(end, Err(ServeError::Transport(ref error)) if error.kind() == ErrorKind::TimedOut), "{end:?}");
        assert!(start.elapsed() < Duration::from_secs(90), "{:?}", start.elapsed());
    });
}

#[test]
fn the_last_answer_of_a_connection_has_the_time_of_a_request_for_each_chunk() {
    while_time_flies(async {
        let (peer, transport) = mock();
        let transport: Transport = Streaming::by_id(transport);
        let service = Handed::default();
        let served = service.clone();
        let task = spawn(async move { Server::new().serve(transport, &served).await });
        send(&peer, [head(1, false)]);
        peer.end();
        sleep(Duration::from_secs(1)).await;
        let bodies = answer_slowly(&service);
        for chunk in 0..3 {
            sleep(Duration::from_secs(50)).await;
            bodies[0].unbounded_send(chunk).unwrap();
        }
        drop(bodies);
        let end: End = task.await.unwrap();
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(written(&peer).len(), 5);
    });
}

#[test]
fn the_last_answer_of_a_connection_may_be_made_of_the_body_of_its_request() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        peer.wire_mut().last = Some(Part::Head(Message::call(1, 8), true));
        send(&peer, [head(1, true), Part::Chunk(1, 1)]);
        assert!(task.run().is_none());
        let (request, answer) = service.0.borrow_mut().pop_front().unwrap();
        answer.send(Streamed { head: Message::request(8), body: request.body }).unwrap();
        assert!(task.run().is_none());
        // What else comes is not heard, and holds nothing up.
        send(&peer, [only(Role::Ping(4)), head(2, true), Part::Chunk(2, 7), Part::Chunk(1, 2), head(3, false)]);
        assert!(task.run().is_none());
        let head = Part::Head(Message::call(1, 8), true);
        assert_eq!(written(&peer), [head, Part::Chunk(1, 1), Part::Chunk(1, 2)]);
        send(&peer, [Part::End(1)]);
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(written(&peer), [Part::End(1)]);
        assert!(service.0.borrow().is_empty());
    });
}

/// A message of a protocol that has requests and answers alone.
type Plain = Message<1_000, false>;
type PlainWire = Part<Plain, u8>;

#[test]
fn an_answer_that_moves_or_is_not_read_is_no_stall_of_dropped_calls() {
    while_time_flies(async {
        let (peer, transport) = mock::<PlainWire, PlainWire>();
        let (client, connection) = multiplex::connect(Streaming::by_id(transport));
        let connection = spawn(connection.max_in_flight(1));
        let call = || client.call(Streamed::from(Plain::request(1)));
        let first = spawn(call());
        sleep(Duration::from_secs(1)).await;
        peer.send(Part::Head(Plain::call(0, 11), true));
        let mut answer = first.await.unwrap().unwrap();
        let mut dropped = Box::pin(call());
        assert!(dropped.as_mut().now_or_never().is_none());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(peer.wire().written.len(), 2);
        drop(dropped);
        let waits = spawn(call());
        for chunk in 0..4 {
            sleep(Duration::from_secs(20)).await;
            peer.send(Part::Chunk(0, chunk));
            assert_eq!(answer.body.next().await, Some(Ok(chunk)), "it moves");
        }
        (0..20).for_each(|chunk| peer.send(Part::Chunk(0, chunk)));
        peer.send(Part::End(0));
        peer.send(Part::Head(Plain::call(1, 12), false));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(chunks(&mut answer.body).len(), CHUNKS_MAX, "it was not read");
        while answer.body.next().await.is_some() {}
        sleep(Duration::from_secs(1)).await;
        peer.send(Part::Head(Plain::call(2, 13), false));
        assert_eq!(waits.await.unwrap().unwrap().head.body, 13);
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn an_answer_that_is_not_read_keeps_the_connection_when_the_client_is_gone() {
    while_time_flies(async {
        let (peer, transport) = mock::<PlainWire, PlainWire>();
        let (client, connection) = multiplex::connect(Streaming::by_id(transport));
        let connection = spawn(connection);
        let call = spawn(client.call(Streamed::from(Plain::request(1))));
        sleep(Duration::from_secs(1)).await;
        peer.send(Part::Head(Plain::call(0, 11), true));
        let answer = call.await.unwrap().unwrap();
        drop(client);
        (0..20).for_each(|chunk| peer.send(Part::Chunk(0, chunk)));
        peer.send(Part::End(0));
        sleep(Duration::from_secs(60)).await;
        let all: Vec<_> = answer.body.collect().await;
        assert_eq!(all, (0..20).map(Ok).collect::<Vec<_>>());
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn requests_are_refused_while_the_bodies_of_those_in_all_slots_come_behind_them() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new().max_in_flight(2));
        send(&peer, [head(1, true), head(2, true), head(3, true), Part::Chunk(3, 30), Part::Chunk(1, 10)]);
        send(&peer, [only(Role::Ping(5)), Part::Head(Message::only(Role::Push), false), head(4, false)]);
        send(&peer, [Part::Chunk(2, 20), Part::Chunk(3, 31), Part::End(3), Part::Chunk(1, 11), Part::End(1)]);
        assert!(task.run().is_none());
        let mut requests: Vec<_> = service.0.take().into();
        let bodies = requests.iter_mut().map(|(request, _)| chunks(&mut request.body));
        assert_eq!(bodies.collect::<Vec<_>>(), [vec![Ok(10), Ok(11)], vec![Ok(20)]]);
        assert_eq!(written(&peer), [only(Role::Refuse(3)), only(Role::Pong(5)), only(Role::Refuse(4))]);
        // A cancellation is heard, and its slot is free.
        send(&peer, [only(Role::Cancel(2)), head(5, false)]);
        assert!(task.run().is_none());
        assert!(requests[1].1.is_canceled());
        assert_eq!(service.0.borrow().len(), 1);
        assert_eq!(written(&peer), [only(Role::Cancel(2))]);
        // No body is waited for any more, and so requests wait for a slot.
        send(&peer, [head(6, false)]);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), []);
        requests.remove(0).1.send(Streamed::from(Message::request(9))).unwrap();
        assert!(task.run().is_none());
        assert_eq!(service.0.borrow().len(), 2);
    });
}

#[test]
fn more_uploads_than_there_are_slots_end_all_the_same() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(Server::new());
        send(&peer, (0..200).map(|id| head(id, true)));
        assert!(task.run().is_none());
        let mut requests: Vec<_> = service.0.take().into();
        assert_eq!(requests.len(), 128);
        assert_eq!(written(&peer), (128..200).map(|id| only(Role::Refuse(id))).collect::<Vec<_>>());
        send(&peer, (0..200).map(|id| Part::Chunk(id, 7)).chain((0..200).map(Part::End)));
        assert!(task.run().is_none());
        assert!(requests.iter_mut().all(|(request, _)| chunks(&mut request.body) == [Ok(7)]));
    });
}
