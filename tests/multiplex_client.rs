//! The calling side of a multiplexed connection, over a transport in the hands of the test.
//!
//! The rules M1 to M10 of multiplexing in a row each. Everything is polled only when it was woken, so an outcome
//! that arrives shows that nothing was lost.
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
use std::io::{self, ErrorKind};
use std::rc::Rc;

use mainspring::proto::Transport;
use mainspring::proto::multiplex::{self, Client, Connection, Error, ErrorKind as Kind, Frame, Role};
use mainspring::service::{Service, Status};

use util::in_virtual_time::in_virtual_time;
use util::message::Message;
use util::mock::{Mock, Peer, mock};
use util::task::Task;

/// Three ids, 0 to 2.
type Few = Message<2>;
/// Requests and answers, and nothing else.
type Plain = Message<1_000, false>;

type Answer<M> = Result<M, Error>;
type Ours<M> = Connection<Mock<M, M>, M>;

/// A client, its connection and the peer.
struct Fixture<M: Frame + PartialEq = Message> {
    peer: Peer<M, M>,
    client: Option<Client<M, M>>,
    connection: Task<io::Result<()>>,
}

impl<const LAST: u64, const RICH: bool> Fixture<Message<LAST, RICH>> {
    fn new() -> Self {
        Self::with(|connection| connection)
    }

    fn with(set: impl FnOnce(Ours<Message<LAST, RICH>>) -> Ours<Message<LAST, RICH>>) -> Self {
        let (peer, transport) = mock();
        let (client, connection) = multiplex::connect(transport);
        Self { peer, client: Some(client), connection: Task::new(set(connection)) }
    }

    fn client(&self) -> &Client<Message<LAST, RICH>, Message<LAST, RICH>> {
        self.client.as_ref().expect("the client was not dropped")
    }

    /// A call that has joined the queue.
    fn call(&self, body: u32) -> Task<Answer<Message<LAST, RICH>>> {
        let mut call = self.new_call(body);
        assert_eq!(call.run(), None, "the call was refused");
        call
    }

    fn new_call(&self, body: u32) -> Task<Answer<Message<LAST, RICH>>> {
        Task::new(self.client().call(Message::request(body)))
    }

    fn run(&mut self) -> Option<io::Result<()>> {
        self.connection.run()
    }

    /// Runs the connection, which goes on.
    fn go_on(&mut self) {
        let end = self.run();
        assert!(end.is_none(), "{end:?}");
    }

    /// What was written since.
    fn written(&self) -> Vec<Message<LAST, RICH>> {
        std::mem::take(&mut self.peer.wire_mut().written)
    }
}

fn kind<M: std::fmt::Debug>(outcome: Option<Answer<M>>) -> Kind {
    match outcome {
        Some(Err(error)) => error.kind(),
        outcome => panic!("the call should have failed: {outcome:?}"),
    }
}

fn only<const LAST: u64>(role: Role) -> Message<LAST> {
    Message::only(role)
}

#[test]
fn answers_go_to_their_calls_in_whatever_order_they_come() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let mut calls: Vec<_> = (0..3).map(|body| f.call(body)).collect();
        f.go_on();
        assert_eq!(f.written(), [Message::call(0, 0), Message::call(1, 1), Message::call(2, 2)]);
        for id in [2, 0, 1] {
            f.peer.send(Message::call(id, 10 + id as u32));
            f.go_on();
            assert_eq!(calls[id as usize].run(), Some(Ok(Message::call(id, 10 + id as u32))));
        }
        assert_eq!((f.client().in_flight(), f.client().strays()), (0, 0));
        f.peer.end();
        assert!(matches!(f.run(), Some(Ok(()))));
    });
}

#[test]
fn an_id_is_not_used_again_before_its_answer_has_come() {
    in_virtual_time(|| {
        let mut f = Fixture::<Few>::new();
        let (mut zero, one, two) = (f.call(0), f.call(1), f.call(2));
        let mut waiting = f.call(3);
        f.go_on();
        drop(one);
        f.go_on();
        assert_eq!(f.written()[3..], [only(Role::Cancel(1))]);
        assert_eq!(f.client().waiting(), 1, "the id of the dropped call is taken");
        assert_eq!(Service::status(f.client()), Status::Busy);
        f.peer.send(Message::call(0, 10));
        f.go_on();
        assert_eq!(zero.run(), Some(Ok(Message::call(0, 10))));
        assert_eq!(f.written(), [Message::call(0, 3)]);
        f.peer.send(Message::call(1, 11));
        f.peer.send(Message::call(0, 13));
        f.go_on();
        assert_eq!(waiting.run(), Some(Ok(Message::call(0, 13))));
        assert_eq!((f.client().in_flight(), f.client().strays()), (1, 0));
        drop(two);
    });
}

#[test]
fn ids_are_used_in_turn_and_those_in_flight_are_passed_over() {
    in_virtual_time(|| {
        let mut f = Fixture::<Few>::new();
        let _slow = f.call(0);
        f.go_on();
        for id in [1, 2, 1, 2] {
            let mut call = f.call(9);
            f.go_on();
            f.peer.send(Message::call(id, 10));
            f.go_on();
            assert_eq!(call.run(), Some(Ok(Message::call(id, 10))));
        }
    });
}

#[test]
fn more_in_flight_than_there_are_ids_cannot_be_set() {
    in_virtual_time(|| {
        let mut f = Fixture::<Few>::with(|connection| connection.max_in_flight(100).max_waiting(3));
        let _calls: Vec<_> = (0..3).map(|body| f.call(body)).collect();
        f.go_on();
        let _waiting: Vec<_> = (3..6).map(|body| f.call(body)).collect();
        f.go_on();
        assert_eq!((f.client().in_flight(), f.client().waiting()), (3, 3));
        assert_eq!(kind(f.new_call(6).run()), Kind::Rejected);
    });
}

#[test]
fn a_call_dropped_before_it_was_written_sends_nothing_and_no_cancellation() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let (_first, second, _third) = (f.call(1), f.call(2), f.call(3));
        f.go_on();
        drop(second);
        f.peer.allow_writes(usize::MAX);
        f.go_on();
        assert_eq!(f.written(), [Message::call(0, 1), Message::call(1, 3)]);
    });
}

#[test]
fn a_call_dropped_when_it_is_written_or_about_to_be_is_cancelled_behind_its_request() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let (first, _second) = (f.call(1), f.call(2));
        f.go_on();
        drop(first);
        f.go_on();
        f.peer.allow_writes(usize::MAX);
        f.go_on();
        assert_eq!(f.written(), [Message::call(0, 1), only(Role::Cancel(0)), Message::call(1, 2)]);
    });
}

#[test]
fn a_cancellation_that_is_not_written_when_the_answer_comes_is_not_sent() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message<0>>::new();
        let first = f.call(1);
        f.go_on();
        f.peer.block_writes();
        f.peer.wire_mut().room = 0;
        drop(first);
        let mut second = f.call(2);
        f.go_on();
        f.peer.send(Message::call(0, 11));
        f.go_on();
        f.peer.wire_mut().room = 4;
        f.peer.allow_writes(usize::MAX);
        f.go_on();
        // The same id: a cancellation now would be for the second call.
        assert_eq!(f.written(), [Message::call(0, 1), Message::call(0, 2)]);
        f.peer.send(Message::call(0, 12));
        f.go_on();
        assert_eq!(second.run(), Some(Ok(Message::call(0, 12))));
    });
}

#[test]
fn a_protocol_that_does_not_answer_cancelled_requests_frees_their_ids_at_once() {
    #[derive(PartialEq, Debug)]
    struct Unconfirmed(Message<1>);
    impl Frame for Unconfirmed {
        const IDS: std::ops::RangeInclusive<u64> = 0..=1;
        const ANSWERS_CANCELLED: bool = false;
        fn role(&self) -> Role {
            self.0.role
        }
        fn set_id(&mut self, id: u64) {
            self.0.set_id(id);
        }
        fn cancel(id: u64) -> Option<Self> {
            Message::cancel(id).map(Self)
        }
    }
    in_virtual_time(|| {
        let (peer, transport) = mock::<Unconfirmed, Unconfirmed>();
        let (client, connection) = multiplex::connect(transport);
        let mut connection = Task::new(connection);
        for id in [0, 1, 0, 1] {
            let mut call = Task::new(client.call(Unconfirmed(Message::request(7))));
            assert!(call.run().is_none() && connection.run().is_none());
            drop(call);
            assert!(connection.run().is_none());
            let written: Vec<_> = peer.wire_mut().written.drain(..).map(|message| message.0).collect();
            assert_eq!(written, [Message::call(id, 7), only(Role::Cancel(id))]);
            assert_eq!(client.in_flight(), 0);
        }
        peer.send(Unconfirmed(Message::call(1, 17)));
        assert!(connection.run().is_none());
        assert_eq!(client.strays(), 1, "the answer has crossed the cancellation");
    });
}

#[test]
fn without_a_message_for_it_a_dropped_call_waits_for_its_answer_in_silence() {
    in_virtual_time(|| {
        let mut f = Fixture::<Plain>::new();
        let call = f.call(1);
        f.go_on();
        drop(call);
        f.go_on();
        assert_eq!((f.written().len(), f.client().in_flight()), (1, 1));
        f.peer.send(Message::call(0, 11));
        f.go_on();
        assert_eq!((f.client().in_flight(), f.client().strays()), (0, 0));
    });
}

#[test]
fn answers_that_were_not_asked_for_are_thrown_away_and_counted() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let (mut first, mut second) = (f.call(1), f.call(2));
        f.go_on();
        f.peer.send(Message::call(0, 11));
        f.peer.send(Message::call(0, 99));
        f.peer.send(Message::call(77, 99));
        f.peer.send(only(Role::Cancel(78)));
        f.peer.send(Message::call(1, 12));
        f.go_on();
        assert_eq!(first.run(), Some(Ok(Message::call(0, 11))));
        assert_eq!(second.run(), Some(Ok(Message::call(1, 12))));
        assert_eq!(f.client().strays(), 3);
    });
}

#[test]
fn a_strict_connection_ends_with_an_answer_that_was_not_asked_for() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(|connection| connection.strict(true));
        let mut call = f.call(1);
        f.go_on();
        f.peer.send(Message::call(5, 99));
        let error = f.run().unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidData, "the peer answered request 5, which is not in flight".to_owned())
        );
        assert_eq!(kind(call.run()), Kind::ConnectionLost);
    });
}

#[test]
fn a_refused_call_may_be_made_again_and_one_that_the_peer_gave_up_may_not() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let (mut first, mut second) = (f.call(1), f.call(2));
        f.go_on();
        f.peer.send(only(Role::Refuse(0)));
        f.peer.send(only(Role::Cancel(1)));
        f.go_on();
        let (first, second) = (first.run().unwrap().unwrap_err(), second.run().unwrap().unwrap_err());
        assert_eq!((first.kind(), first.is_retryable()), (Kind::Rejected, true));
        assert_eq!((second.kind(), second.is_retryable()), (Kind::Cancelled, false));
        assert_eq!(second.to_string(), "the peer gave the request up: it said so");
    });
}

#[test]
fn messages_that_belong_to_no_call_are_handed_on() {
    in_virtual_time(|| {
        let events = Rc::new(RefCell::new(Vec::new()));
        let heard = events.clone();
        let push = move |message: Message| heard.borrow_mut().push(message.body);
        let mut f = Fixture::<Message>::with(|connection| connection.on_push(push));
        let mut call = f.call(1);
        f.go_on();
        for body in [5, 6] {
            f.peer.send(Message::new(Role::Push, body));
        }
        f.go_on();
        assert_eq!((events.borrow().clone(), call.run()), (vec![5, 6], None));
    });
}

#[test]
fn pings_are_answered_before_requests_are_written() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let _call = f.call(1);
        f.peer.send(only(Role::Ping(5)));
        f.go_on();
        assert_eq!(f.written(), [only(Role::Pong(5)), Message::call(0, 1)]);
    });
}

#[test]
fn a_burst_of_pings_is_answered_to_a_peer_that_reads() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        (0..1_000).for_each(|number| f.peer.send(only(Role::Ping(number))));
        f.go_on();
        assert_eq!(f.written(), (0..1_000).map(|number| only(Role::Pong(number))).collect::<Vec<_>>());
    });
}

#[test]
fn a_peer_that_floods_with_pings_and_does_not_read_ends_the_connection() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.block_writes();
        let room = f.peer.wire().room as u64;
        for number in 0..64 + room {
            f.peer.send(only(Role::Ping(number)));
            f.go_on();
        }
        f.peer.send(only(Role::Ping(0)));
        assert_eq!(f.run().unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn after_a_farewell_of_the_peer_no_call_is_begun_and_those_in_flight_are_answered() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(|connection| connection.max_in_flight(1));
        let (mut first, mut second) = (f.call(1), f.call(2));
        f.go_on();
        f.peer.send(only(Role::GoAway));
        f.go_on();
        assert_eq!(Service::status(f.client()), Status::Closed);
        for call in [&mut second, &mut f.new_call(3)] {
            let error = call.run().unwrap().unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (Kind::NotSent, true));
        }
        f.peer.send(Message::call(0, 11));
        assert!(matches!(f.run(), Some(Ok(()))), "nothing is left to wait for");
        assert_eq!(first.run(), Some(Ok(Message::call(0, 11))));
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn a_farewell_of_an_idle_peer_closes_at_once_but_what_was_dropped_is_cancelled_first() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let call = f.call(1);
        f.go_on();
        drop(call);
        f.peer.send(only(Role::GoAway));
        assert!(matches!(f.run(), Some(Ok(()))));
        assert_eq!(f.written(), [Message::call(0, 1), only(Role::Cancel(0))]);
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn a_client_that_is_closed_finishes_what_is_in_flight() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::with(|connection| connection.max_in_flight(1));
        let (mut first, mut second) = (f.call(1), f.call(2));
        f.go_on();
        f.client().close();
        assert_eq!(kind(second.run()), Kind::NotSent);
        assert_eq!(kind(f.new_call(3).run()), Kind::NotSent);
        f.go_on();
        f.peer.send(Message::call(0, 11));
        assert!(matches!(f.run(), Some(Ok(()))));
        assert_eq!(first.run(), Some(Ok(Message::call(0, 11))));
    });
}

#[test]
fn a_client_that_is_closed_when_idle_ends_the_connection() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.go_on();
        f.client().close();
        assert!(matches!(f.run(), Some(Ok(()))));
    });
}

#[test]
fn a_lost_connection_tells_written_calls_from_those_that_were_not() {
    in_virtual_time(|| {
        for ending in ["end", "reset", "malformed", "drop"] {
            let mut f = Fixture::<Message>::with(|connection| connection.max_in_flight(1));
            let (mut first, mut second) = (f.call(1), f.call(2));
            f.go_on();
            match ending {
                "end" => f.peer.end(),
                "reset" => f.peer.reset(),
                "malformed" => f.peer.malformed(),
                _ => f.connection.future = None,
            }
            match f.run() {
                Some(Err(error)) => assert_eq!(error.kind() == ErrorKind::UnexpectedEof, ending == "end"),
                end => assert!(end.is_none() && ending == "drop", "{ending}: {end:?}"),
            }
            assert_eq!(kind(first.run()), Kind::ConnectionLost, "{ending}");
            assert_eq!(kind(second.run()), Kind::NotSent, "{ending}");
            assert_eq!(kind(f.new_call(3).run()), Kind::NotSent, "{ending}");
            assert_eq!(Service::status(f.client()), Status::Closed);
            assert_eq!((f.client().in_flight(), f.client().waiting()), (0, 0));
        }
    });
}

#[test]
fn a_call_that_joins_while_the_connection_ends_fails_like_the_others() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.end();
        let mut call = f.call(1);
        assert!(f.run().is_some());
        assert_eq!(kind(call.run()), Kind::NotSent);
    });
}

#[test]
fn answers_are_read_while_writing_is_blocked_and_delivered_when_it_fails() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let (mut first, mut second) = (f.call(1), f.call(2));
        f.go_on();
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let mut blocked: Vec<_> = (3..6).map(|body| f.call(body)).collect();
        f.go_on();
        f.peer.send(Message::call(1, 12));
        f.go_on();
        assert_eq!(second.run(), Some(Ok(Message::call(1, 12))));
        f.peer.send(Message::call(0, 11));
        f.peer.break_writing();
        assert_eq!(f.run().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(first.run(), Some(Ok(Message::call(0, 11))));
        let kinds: Vec<_> = blocked.iter_mut().map(|call| kind(call.run())).collect();
        assert_eq!(kinds, [Kind::ConnectionLost, Kind::NotSent, Kind::NotSent], "the transport had taken one");
    });
}

#[test]
fn a_request_without_an_encoding_fails_alone_and_its_id_is_free() {
    in_virtual_time(|| {
        let mut f = Fixture::<Few>::new();
        f.peer.wire_mut().unencodable = Some(Message::call(0, 1));
        let (mut first, _second, _third, _fourth) = (f.call(1), f.call(2), f.call(3), f.call(4));
        f.go_on();
        assert_eq!(kind(first.run()), Kind::Unencodable);
        assert_eq!(f.written(), [Message::call(1, 2), Message::call(2, 3), Message::call(0, 4)]);
    });
}

#[test]
fn many_messages_are_moved_in_turns_and_flushed_together() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().room = usize::MAX;
        let mut calls: Vec<_> = (0..300).map(|body| f.call(body)).collect();
        let future = f.connection.future.as_mut().unwrap();
        for in_flight in [128, 256, 300] {
            assert!(f.connection.waker.poll(future).is_pending());
            assert_eq!(f.client.as_ref().unwrap().in_flight(), in_flight);
        }
        assert_eq!(f.peer.wire().flushes, 1);
        (0..300).rev().for_each(|id| f.peer.send(Message::call(id, id as u32)));
        f.go_on();
        assert!(calls.iter_mut().enumerate().all(|(id, call)| call.run().unwrap().unwrap().body == id as u32));
    });
}

#[test]
fn a_transport_that_makes_room_only_when_flushed_is_not_waited_for_in_vain() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        f.peer.wire_mut().lazy = true;
        f.peer.wire_mut().room = 2;
        let _calls: Vec<_> = (0..5).map(|body| f.call(body)).collect();
        f.go_on();
        assert_eq!(f.written().len(), 5);
    });
}

#[test]
fn dropping_the_last_client_lets_calls_finish_and_then_closes() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let mut call = f.call(1);
        f.go_on();
        f.client = None;
        f.go_on();
        f.peer.send(Message::call(0, 11));
        f.go_on();
        assert_eq!(call.run(), Some(Ok(Message::call(0, 11))));
        drop(call);
        assert!(matches!(f.run(), Some(Ok(()))));
        assert!(f.peer.wire().closed && f.peer.wire().dropped);
    });
}

#[test]
fn a_last_call_that_is_dropped_is_cancelled_before_the_close() {
    in_virtual_time(|| {
        let mut f = Fixture::<Message>::new();
        let call = f.call(1);
        f.go_on();
        f.client = None;
        f.peer.block_writes();
        f.peer.wire_mut().room = 0;
        drop(call);
        f.go_on();
        assert!(!f.peer.wire().closed, "the cancellation has no room");
        f.peer.wire_mut().room = 1;
        f.peer.allow_writes(1);
        assert!(matches!(f.run(), Some(Ok(()))));
        assert_eq!(f.written(), [Message::call(0, 1), only(Role::Cancel(0))]);
    });
}

#[test]
fn a_client_is_a_service_and_a_mock_is_a_transport() {
    fn is_transport<T: Transport<Message, Incoming = Message>>(transport: T) -> T {
        transport
    }
    in_virtual_time(|| {
        let (peer, transport) = mock();
        let (client, connection) = multiplex::connect(is_transport(transport));
        let mut connection = Task::new(connection);
        let mut call = Task::new(async move { Service::call(&client, Message::request(1)).await });
        assert!(call.run().is_none() && connection.run().is_none());
        peer.send(Message::call(0, 11));
        assert!(connection.run().is_none());
        assert_eq!(call.run(), Some(Ok(Message::call(0, 11))));
    });
}
