//! The answering side of a multiplexed connection, over a transport in the hands of the test.
//!
//! The rules S2 to S8 and the two of ids and cancellations. A task is polled only when it was woken, so an answer that
//! arrives shows that nothing was lost.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod manual;
    pub(crate) mod message;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use futures::channel::{mpsc, oneshot};
use mainspring::proto::multiplex::{self, Frame, Role, ServeError, Server};
use mainspring::service::{Service, service_fn};

use util::counting_waker::CountingWaker;
use util::in_virtual_time::in_virtual_time;
use util::manual::Manual;
use util::message::Message;
use util::mock::{Peer, mock};
use util::task::Task;

type End = Result<(), ServeError<io::Error, io::Error>>;
type Plain = Message<1_000, false>;

/// A served connection, its service and the peer.
struct Fixture<M: Frame + PartialEq = Message> {
    peer: Peer<M, M>,
    service: Manual<M>,
    task: Task<End>,
}

impl<const LAST: u64, const RICH: bool> Fixture<Message<LAST, RICH>> {
    fn new() -> Self {
        Self::with(Server::new())
    }

    fn with<D: Future<Output = ()> + 'static>(server: Server<D>) -> Self {
        let (peer, transport) = mock();
        let service = Manual::new();
        let served = service.clone();
        Self { peer, service, task: Task::new(async move { server.serve(transport, &served).await }) }
    }

    /// Requests arrive with these ids, and the same as bodies.
    fn request(&self, ids: impl IntoIterator<Item = u32>) {
        ids.into_iter().for_each(|id| self.peer.send(Message::call(id.into(), id)));
    }

    /// Runs the connection, which goes on.
    fn go_on(&mut self) {
        let end = self.task.run();
        assert!(end.is_none(), "{end:?}");
    }

    /// What was written since.
    fn written(&self) -> Vec<Message<LAST, RICH>> {
        std::mem::take(&mut self.peer.wire_mut().written)
    }
}

fn kind(end: Option<End>) -> ErrorKind {
    match end {
        Some(Err(ServeError::Transport(error) | ServeError::Service(error))) => error.kind(),
        end => panic!("the connection should have failed: {end:?}"),
    }
}

fn answer<const RICH: bool>(id: u64) -> Message<1_000, RICH> {
    Message::call(id, id as u32 + 10)
}

fn only<const RICH: bool>(role: Role) -> Message<1_000, RICH> {
    Message::only(role)
}

/// Echoes with the id of the request left to the dispatcher.
fn echo() -> impl Service<Message, Response = Message, Error = io::Error> {
    service_fn(async |request: Message| Ok(Message::request(request.body)))
}

#[test]
fn each_answer_is_written_when_it_is_there_with_the_id_of_its_request() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1, 2, 3]);
        f.go_on();
        for id in [3, 1, 2] {
            f.service.answer(id);
            f.go_on();
            assert_eq!(f.written(), [answer(id.into())]);
        }
    });
}

#[test]
fn only_the_call_that_was_woken_is_polled() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request(0..100);
        f.go_on();
        assert_eq!(f.service.0.borrow().polls, 100, "each once");
        f.service.answer(50);
        f.go_on();
        assert_eq!((f.service.0.borrow().polls, f.written()), (101, vec![answer(50)]));
        assert!(f.task.run_spuriously().is_none());
        assert_eq!(f.service.0.borrow().polls, 101);
    });
}

#[test]
fn an_answer_from_another_thread_wakes_the_connection() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1]);
        f.go_on();
        let call = f.service.0.borrow_mut().running.remove(&1).unwrap();
        std::thread::spawn(move || call.send(Ok(Message::request(11))).unwrap()).join().unwrap();
        f.go_on();
        assert_eq!(f.written(), [answer(1)]);
    });
}

#[test]
fn a_call_that_wakes_itself_while_it_is_polled_is_polled_again() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<Message, Message>();
        let service = service_fn(async |request: Message| {
            for _ in 0..3 {
                mainspring::yield_now().await;
            }
            io::Result::Ok(request)
        });
        let mut task = Task::new(async move { multiplex::serve(transport, &service).await });
        peer.send(Message::call(1, 1));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Message::call(1, 1)]);
    });
}

#[test]
fn a_request_with_the_id_of_one_in_flight_closes_after_the_others_are_answered() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1, 2, 1, 3]);
        f.go_on();
        assert_eq!(f.service.started(), [1, 2], "nothing is read after it");
        f.service.answer(1);
        f.go_on();
        f.service.answer(2);
        assert_eq!(kind(f.task.run()), ErrorKind::InvalidData);
        assert_eq!(f.written(), [answer(1), answer(2)]);
    });
}

#[test]
fn an_id_may_be_used_again_once_it_is_answered() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        for _ in 0..3 {
            f.request([1]);
            f.go_on();
            f.service.answer(1);
            f.go_on();
            assert_eq!(f.written(), [answer(1)]);
        }
    });
}

#[test]
fn a_cancelled_call_is_dropped_and_confirmed() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1, 2]);
        f.go_on();
        f.peer.send(only(Role::Cancel(1)));
        f.go_on();
        assert!(f.service.is_dropped(1) && !f.service.is_dropped(2));
        assert_eq!(f.written(), [only(Role::Cancel(1))]);
        f.request([1]);
        f.go_on();
        f.service.answer(1);
        f.service.answer(2);
        f.go_on();
        assert_eq!(f.written(), [answer(1), answer(2)], "its id was free again");
    });
}

#[test]
fn without_a_message_for_it_a_cancelled_call_is_dropped_in_silence() {
    in_virtual_time(|| {
        let mut f = Fixture::<Plain>::new();
        f.request([1]);
        f.go_on();
        f.peer.send(only(Role::Cancel(1)));
        f.peer.end();
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert!(f.service.is_dropped(1) && f.written().is_empty());
    });
}

#[test]
fn an_answer_that_waits_to_be_written_is_dropped_when_its_call_is_cancelled() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().room = 0;
        f.request([1, 2]);
        f.go_on();
        f.service.answer(1);
        f.service.answer(2);
        f.go_on();
        f.peer.send(only(Role::Cancel(1)));
        f.go_on();
        f.peer.wire_mut().room = 16;
        f.peer.allow_writes(usize::MAX);
        f.go_on();
        assert_eq!(f.written(), [only(Role::Cancel(1)), answer(2)]);
    });
}

#[test]
fn a_cancellation_of_what_is_not_in_flight_says_nothing() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1]);
        f.go_on();
        f.service.answer(1);
        f.go_on();
        f.peer.send(only(Role::Cancel(1)));
        f.peer.send(only(Role::Cancel(99)));
        f.go_on();
        assert_eq!(f.written(), [answer(1)]);
    });
}

#[test]
fn reading_stops_while_the_slots_are_full_and_any_answer_makes_room() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(Server::new().max_in_flight(2));
        f.request(0..4);
        f.go_on();
        assert_eq!((f.service.started(), f.peer.wire().received), (vec![0, 1], 2));
        f.service.answer(1);
        f.go_on();
        assert_eq!(f.service.started(), [0, 1, 2]);
    });
}

#[test]
fn by_default_128_requests_are_in_flight() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request(0..200);
        f.go_on();
        assert_eq!(f.service.started().len(), 128);
    });
}

#[test]
fn a_peer_that_does_not_read_is_bounded_whatever_it_sends() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<Message, Message>();
        peer.block_writes();
        (0..1_000).for_each(|id| peer.send(Message::call(id, 0)));
        let mut task = Task::new(async move { multiplex::serve(transport, &echo()).await });
        assert!(task.run().is_none());
        let room = peer.wire().room;
        assert_eq!((peer.wire().unwritten.len(), peer.wire().received), (room, room + 128));

        let mut f = Fixture::<Message>::new();
        f.peer.block_writes();
        (0..1_000).for_each(|number| f.peer.send(only(Role::Ping(number))));
        f.go_on();
        assert_eq!(f.peer.wire().received, room + 64, "pings");
    });
}

#[test]
fn a_peer_that_never_stops_sending_lets_the_others_run() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<Message, Message>();
        (0..1_000).for_each(|id| peer.send(Message::call(id, 0)));
        let service = echo();
        let mut connection = pin!(multiplex::serve(transport, &service));
        let waker = CountingWaker::new();
        for poll in 1..=3 {
            assert!(waker.poll(&mut connection.as_mut()).is_pending());
            assert_eq!((peer.wire().received, waker.woken()), (poll * 64, poll), "64 messages, then it wakes itself");
        }
    });
}

#[test]
fn pings_are_answered_before_answers() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().room = 0;
        f.request([1]);
        f.go_on();
        f.service.answer(1);
        f.peer.send(only(Role::Ping(7)));
        f.go_on();
        f.peer.wire_mut().room = 1;
        f.peer.allow_writes(usize::MAX);
        f.go_on();
        assert_eq!(f.written(), [only(Role::Pong(7)), answer(1)]);
    });
}

#[test]
fn a_message_that_belongs_to_no_call_is_carried_out_and_not_answered() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(Server::new().max_in_flight(1));
        f.peer.send(Message::new(Role::Push, 1));
        f.request([2]);
        f.go_on();
        assert_eq!(f.service.started(), [1], "it takes a place");
        f.service.answer(1);
        f.go_on();
        f.service.answer(2);
        f.go_on();
        assert_eq!(f.written(), [answer(2)]);
    });
}

#[test]
fn pushes_are_sent_as_they_come_behind_answers_and_as_fast_as_the_peer_reads() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<Message, Message>();
        let (mut sender, receiver) = mpsc::channel(0);
        let served = async move { Server::new().serve_and_push(transport, &echo(), receiver).await };
        let mut task = Task::new(served);
        assert!(task.run().is_none());
        peer.block_writes();
        peer.wire_mut().room = 1;
        sender.try_send(Message::new(Role::Push, 5)).unwrap();
        assert!(task.run().is_none());
        sender.try_send(Message::new(Role::Push, 6)).unwrap();
        assert!(task.run().is_none());
        assert!(sender.try_send(Message::new(Role::Push, 7)).is_err(), "the peer does not read");
        peer.send(Message::call(1, 1));
        assert!(task.run().is_none());
        peer.allow_writes(usize::MAX);
        assert!(task.run().is_none());
        let pushed = |body| Message::new(Role::Push, body);
        assert_eq!(peer.wire().written, [pushed(5), Message::call(1, 1), pushed(6)]);
        drop(sender);
        peer.send(Message::call(2, 2));
        assert!(task.run().is_none(), "the end of the pushes is not that of the connection");
        peer.end();
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written[3..], [Message::call(2, 2)]);
    });
}

#[test]
fn pushes_that_never_end_let_the_others_run_and_do_not_keep_the_connection() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<Message, Message>();
        peer.wire_mut().room = usize::MAX;
        let pushes = futures::stream::repeat_with(|| Message::new(Role::Push, 0));
        let service = echo();
        let mut connection = pin!(Server::new().serve_and_push(transport, &service, pushes));
        let waker = CountingWaker::new();
        for poll in 1..=3 {
            assert!(waker.poll(&mut connection.as_mut()).is_pending());
            assert_eq!((peer.wire().written.len(), waker.woken()), (poll * 64, poll));
        }
        peer.end();
        assert!(waker.poll(&mut connection.as_mut()).is_ready());
        assert_eq!(peer.wire().written.len(), 3 * 64, "none behind the last answer");
    });
}

#[test]
fn after_the_last_request_the_rest_is_answered_and_then_the_writing_side_closed() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1, 2]);
        f.peer.end();
        f.go_on();
        f.service.answer(2);
        f.go_on();
        assert!(!f.peer.wire().closed);
        f.peer.block_writes();
        f.service.answer(1);
        f.go_on();
        assert!(!f.peer.wire().closed, "an answer is not written");
        f.peer.allow_writes(1);
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!(f.written(), [answer(2), answer(1)]);
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn a_peer_that_is_gone_drops_the_calls() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1]);
        f.go_on();
        f.peer.reset();
        assert_eq!(kind(f.task.run()), ErrorKind::ConnectionReset);
        assert!(f.service.is_dropped(1) && f.peer.wire().dropped);
    });
}

#[test]
fn a_malformed_message_closes_after_the_requests_before_it_are_answered() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1]);
        f.peer.malformed();
        f.request([2]);
        f.go_on();
        f.service.answer(1);
        assert_eq!(kind(f.task.run()), ErrorKind::InvalidData);
        assert_eq!((f.service.started(), f.written()), (vec![1], vec![answer(1)]));
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn an_error_of_the_service_closes_and_drops_the_other_calls() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1, 2, 3]);
        f.go_on();
        f.service.answer(3);
        f.go_on();
        f.service.end(2, Err(io::Error::other("no disk")));
        assert!(matches!(f.task.run(), Some(Err(ServeError::Service(_)))));
        assert!(f.service.is_dropped(1) && f.peer.wire().closed);
        assert_eq!(f.written(), [answer(3)]);
    });
}

#[test]
fn an_answer_without_an_encoding_closes() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().unencodable = Some(answer(2));
        f.request([1, 2]);
        f.go_on();
        f.service.answer(2);
        assert_eq!(kind(f.task.run()), ErrorKind::InvalidInput);
        assert!(f.service.is_dropped(1) && f.peer.wire().closed);
    });
}

#[test]
fn the_last_answer_of_a_connection_closes_it() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().last = Some(answer(2));
        f.request([1, 2]);
        f.go_on();
        f.service.answer(2);
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert!(f.service.is_dropped(1) && f.peer.wire().closed);
    });
}

#[test]
fn a_panic_of_a_call_ends_one_connection_and_no_other() {
    in_virtual_time(|| {
        let handled = Cell::new(0);
        let service = service_fn(async |request: Message| {
            assert!(request.body != 13, "unlucky");
            handled.set(handled.get() + 1);
            io::Result::Ok(request)
        });
        let serve = |body: u32| {
            let (peer, transport) = mock::<Message, Message>();
            peer.send(Message::call(1, body));
            let mut connection = Box::pin(multiplex::serve(transport, &service));
            let mut cx = Context::from_waker(Waker::noop());
            let poll = AssertUnwindSafe(|| connection.as_mut().poll(&mut cx).is_pending());
            (catch_unwind(poll).is_ok(), peer.wire().written.len())
        };
        assert_eq!((serve(13), serve(7), handled.get()), ((false, 0), (true, 1), 1));
    });
}

/// A drain, and what starts it.
fn drain() -> (oneshot::Sender<()>, impl Future<Output = ()> + 'static) {
    let (stop, stopped) = oneshot::channel();
    (stop, async move { stopped.await.expect("the test says when") })
}

#[test]
fn draining_an_idle_connection_says_good_bye_and_closes() {
    in_virtual_time(|| {
        let (stop, stopped) = drain();
        let mut f = Fixture::<Message>::with(Server::new().drain(stopped));
        f.go_on();
        stop.send(()).unwrap();
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!(f.written(), [only(Role::GoAway)]);
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn draining_refuses_what_arrives_heeds_cancellations_and_finishes_the_rest() {
    in_virtual_time(|| {
        let (stop, stopped) = drain();
        let mut f = Fixture::<Message>::with(Server::new().drain(stopped));
        f.request([1, 2]);
        f.go_on();
        stop.send(()).unwrap();
        f.request([3]);
        f.peer.send(Message::new(Role::Push, 4));
        f.peer.send(only(Role::Cancel(2)));
        f.go_on();
        assert_eq!(f.service.started(), [1, 2]);
        assert!(f.service.is_dropped(2));
        assert_eq!(f.written(), [only(Role::GoAway), only(Role::Refuse(3)), only(Role::Cancel(2))]);
        f.service.answer(1);
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!(f.written(), [answer(1)]);
    });
}

#[test]
fn draining_without_refusals_answers_what_has_arrived_and_reads_no_more() {
    in_virtual_time(|| {
        let (stop, stopped) = drain();
        let mut f = Fixture::<Plain>::with(Server::new().max_in_flight(2).drain(stopped));
        f.request([1]);
        f.go_on();
        f.peer.buffer(Message::call(2, 2));
        f.request([3]);
        stop.send(()).unwrap();
        f.go_on();
        f.service.answer(1);
        f.go_on();
        f.service.answer(2);
        f.go_on();
        f.request([4]);
        f.service.answer(3);
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!((f.service.started(), f.written()), (vec![1, 2, 3], vec![answer(1), answer(2), answer(3)]));
    });
}

#[test]
fn draining_ends_although_the_peer_never_stops_sending() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(Server::new().drain(std::future::ready(())));
        (0..5).for_each(|_| f.request(0..1_000));
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!(f.written().len(), 1 + 1_024, "a farewell, and refusals");
    });
}

#[test]
fn dropping_the_connection_drops_the_calls_and_late_wakes_find_nothing() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.request([1]);
        f.go_on();
        f.task.future = None;
        assert!(f.service.is_dropped(1) && f.peer.wire().dropped);
        let call = f.service.0.borrow_mut().running.remove(&1).unwrap();
        assert!(call.send(Ok(Message::request(1))).is_err());
    });
}

#[test]
fn one_slow_call_among_many_quick_ones_keeps_its_place() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(Server::new().max_in_flight(4));
        f.request([0]);
        f.go_on();
        for id in (1..=3).cycle().take(10_000) {
            f.request([id]);
            f.go_on();
            f.service.answer(id);
            f.go_on();
        }
        f.service.answer(0);
        f.peer.end();
        assert!(matches!(f.task.run(), Some(Ok(()))));
        assert_eq!((f.written().len(), f.peer.wire().received), (10_001, 10_001));
    });
}
