//! The calling side of a pipelined connection, over a transport in the hands of the test.
//!
//! The rules P1 to P10 of pipelining in a row each. Everything is polled only when it was woken, so an outcome
//! that arrives shows that nothing was lost.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use mainspring::proto::pipeline::{self, Client, Connection, Error, ErrorKind as Kind};
use mainspring::service::{ConcurrencyLimit, Service, ServiceExt, Status};

use util::counting_waker::CountingWaker;
use util::in_virtual_time::in_virtual_time;
use util::mock::{Mock, Peer, mock};
use util::task::Task;

type Answer = Result<u32, Error>;

/// A client, its connection and the peer.
struct Fixture {
    peer: Peer<u32, u32>,
    client: Option<Client<u32, u32>>,
    connection: Task<io::Result<()>>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|connection| connection)
    }

    fn with(set: impl FnOnce(Connection<Mock<u32, u32>, u32>) -> Connection<Mock<u32, u32>, u32>) -> Self {
        let (peer, transport) = mock();
        let (client, connection) = pipeline::connect(transport);
        Self { peer, client: Some(client), connection: Task::new(set(connection)) }
    }

    fn client(&self) -> &Client<u32, u32> {
        self.client.as_ref().expect("the client was not dropped")
    }

    /// A call that has joined the queue.
    fn call(&self, request: u32) -> Task<Answer> {
        let mut call = self.new_call(request);
        assert_eq!(call.run(), None, "the call was refused");
        call
    }

    fn new_call(&self, request: u32) -> Task<Answer> {
        Task::new(self.client().call(request))
    }

    fn run(&mut self) -> Option<io::Result<()>> {
        self.connection.run()
    }

    fn written(&self) -> Vec<u32> {
        self.peer.wire().written.clone()
    }
}

fn kind(outcome: Option<Answer>) -> Kind {
    match outcome {
        Some(Err(error)) => error.kind(),
        outcome => panic!("the call should have failed: {outcome:?}"),
    }
}

#[test]
fn a_call_is_written_answered_and_the_end_closes() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let mut call = f.call(1);
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1]);
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(call.run(), Some(Ok(10)));
        f.peer.end();
        assert!(matches!(f.run(), Some(Ok(()))));
        assert!(f.peer.wire().dropped);
    });
}

#[test]
fn answers_go_to_the_calls_in_the_order_of_the_writes() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let mut calls: Vec<_> = (1..=3).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1, 2, 3]);
        (1..=3).for_each(|request| f.peer.send(request * 10));
        assert!(f.run().is_none());
        assert_eq!(calls.iter_mut().map(|call| call.run().unwrap().unwrap()).collect::<Vec<_>>(), [10, 20, 30]);
    });
}

#[test]
fn a_call_that_is_never_polled_sends_nothing() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let _call = f.new_call(1);
        assert!(f.run().is_none());
        assert_eq!((f.client().waiting(), f.written().len()), (0, 0));
    });
}

#[test]
fn a_call_dropped_before_it_was_written_sends_nothing() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let calls: Vec<_> = (1..=4).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!((f.client().in_flight(), f.client().waiting()), (1, 3));
        let mut kept: Vec<_> =
            calls.into_iter().enumerate().filter_map(|(index, call)| (index != 2).then_some(call)).collect();
        assert_eq!(f.client().waiting(), 2);
        f.peer.allow_writes(usize::MAX);
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1, 2, 4]);
        [10, 20, 40].into_iter().for_each(|answer| f.peer.send(answer));
        assert!(f.run().is_none());
        assert_eq!(kept.iter_mut().map(|call| call.run().unwrap().unwrap()).collect::<Vec<_>>(), [10, 20, 40]);
    });
}

#[test]
fn a_call_dropped_after_it_was_written_keeps_its_place() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let (first, mut second) = (f.call(1), f.call(2));
        assert!(f.run().is_none());
        drop(first);
        assert_eq!(f.client().in_flight(), 2);
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(second.run(), None, "the first answer is not its own");
        f.peer.send(20);
        assert!(f.run().is_none());
        assert_eq!(second.run(), Some(Ok(20)));
    });
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let mut call = f.new_call(1);
        f.peer.send(10);
        assert_eq!(f.run().unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(kind(call.run()), Kind::NotSent);
    });
}

#[test]
fn an_answer_that_overtakes_the_flush_of_its_request_is_taken() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.block_writes();
        let mut call = f.call(1);
        assert!(f.run().is_none());
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(call.run(), Some(Ok(10)));
    });
}

#[test]
fn a_lost_connection_tells_written_calls_from_those_that_were_not() {
    in_virtual_time(|| {
        for ending in ["end", "reset", "malformed", "break", "drop"] {
            let mut f = Fixture::with(|connection| connection.max_in_flight(2));
            let mut calls: Vec<_> = (1..=3).map(|request| f.call(request)).collect();
            assert!(f.run().is_none());
            match ending {
                "end" => f.peer.end(),
                "reset" => f.peer.reset(),
                "malformed" => f.peer.malformed(),
                "break" => {
                    // The answer makes room for the third call, and writing it meets the failure.
                    f.peer.send(10);
                    f.peer.wire_mut().broken = Some(ErrorKind::BrokenPipe);
                    f.peer.send(20);
                }
                _ => f.connection.future = None,
            }
            let end = f.run();
            match ending {
                "drop" => assert!(end.is_none()),
                "end" => assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::UnexpectedEof),
                _ => assert!(end.unwrap().is_err(), "{ending}"),
            }
            let outcomes: Vec<_> = calls.iter_mut().map(|call| call.run().unwrap()).collect();
            match ending {
                "break" => assert_eq!((&outcomes[0], &outcomes[1]), (&Ok(10), &Ok(20))),
                _ => {
                    assert_eq!(outcomes[0].as_ref().unwrap_err().kind(), Kind::ConnectionLost, "{ending}");
                    assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), Kind::ConnectionLost, "{ending}");
                    assert!(!outcomes[1].as_ref().unwrap_err().is_retryable());
                }
            }
            let last = outcomes[2].as_ref().unwrap_err();
            assert_eq!((last.kind(), last.is_retryable()), (Kind::NotSent, true), "{ending}");
            assert_eq!(Service::status(f.client()), Status::Closed);
            assert_eq!(kind(f.new_call(4).run()), Kind::NotSent, "a call on a closed connection fails at once");
            assert_eq!((f.client().in_flight(), f.client().waiting()), (0, 0));
        }
    });
}

#[test]
fn a_call_that_joins_while_the_connection_ends_fails_like_the_others() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.end();
        let mut call = f.call(1);
        assert!(f.run().is_some());
        assert_eq!(kind(call.run()), Kind::NotSent);
    });
}

#[test]
fn calls_beyond_the_bound_wait_in_order_and_then_are_rejected() {
    in_virtual_time(|| {
        let mut f = Fixture::with(|connection| connection.max_in_flight(2).max_waiting(2));
        assert_eq!(Service::status(f.client()), Status::Open);
        let mut first: Vec<_> = (1..=2).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!(Service::status(f.client()), Status::Busy);
        let mut second: Vec<_> = (3..=4).map(|request| f.call(request)).collect();
        let rejected = f.new_call(5).run().unwrap().unwrap_err();
        assert_eq!((rejected.kind(), rejected.is_retryable()), (Kind::Rejected, true));
        assert_eq!(rejected.to_string(), "the call was rejected: 2 calls wait already");
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1, 2]);
        for answers in [[10, 20], [30, 40]] {
            answers.into_iter().for_each(|answer| f.peer.send(answer));
            assert!(f.run().is_none());
            assert_eq!(f.written(), [1, 2, 3, 4]);
        }
        for (call, answer) in first.iter_mut().chain(&mut second).zip([10, 20, 30, 40]) {
            assert_eq!(call.run(), Some(Ok(answer)));
        }
    });
}

#[test]
fn a_dropped_call_holds_its_place_in_flight_until_its_answer() {
    in_virtual_time(|| {
        let mut f = Fixture::with(|connection| connection.max_in_flight(1));
        let (first, _second) = (f.call(1), f.call(2));
        assert!(f.run().is_none());
        drop(first);
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1]);
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1, 2]);
    });
}

#[test]
fn withdrawn_calls_leave_nothing_in_the_queue() {
    in_virtual_time(|| {
        let mut f = Fixture::with(|connection| connection.max_waiting(10));
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let _in_flight = f.call(0);
        assert!(f.run().is_none());
        for _ in 0..10_000 {
            let calls: Vec<_> = (1..=10).map(|request| f.call(request)).collect();
            assert_eq!(f.client().waiting(), 10);
            drop(calls);
            assert_eq!(f.client().waiting(), 0);
        }
    });
}

#[test]
fn answers_are_read_while_writing_is_blocked() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let mut first = f.call(1);
        assert!(f.run().is_none());
        f.peer.block_writes();
        f.peer.wire_mut().room = 1;
        let _blocked: Vec<_> = (2..=4).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(first.run(), Some(Ok(10)));
    });
}

#[test]
fn many_calls_are_flushed_together() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let _calls: Vec<_> = (1..=10).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!((f.written().len(), f.peer.wire().flushes), (10, 1));
    });
}

#[test]
fn nothing_is_left_unflushed_when_the_bound_stops_the_writing() {
    in_virtual_time(|| {
        let mut f = Fixture::with(|connection| connection.max_in_flight(1));
        let _calls: Vec<_> = (1..=2).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1]);
    });
}

#[test]
fn a_connection_that_never_runs_dry_lets_the_others_run() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.wire_mut().room = usize::MAX;
        let _calls: Vec<_> = (0..300).map(|request| f.call(request)).collect();
        let future = f.connection.future.as_mut().unwrap();
        for written in [128, 256, 300] {
            assert!(f.connection.waker.poll(future).is_pending());
            assert_eq!(f.client.as_ref().unwrap().in_flight(), written);
        }
        assert!(f.connection.waker.woken() >= 2, "it wakes itself while there is more");
    });
}

#[test]
fn many_answers_at_once_all_arrive() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.wire_mut().room = usize::MAX;
        let mut calls: Vec<_> = (0..300).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        (0..300).for_each(|answer| f.peer.send(answer));
        assert!(f.run().is_none());
        assert!(calls.iter_mut().zip(0..300).all(|(call, answer)| call.run() == Some(Ok(answer))));
    });
}

#[test]
fn answers_that_have_arrived_when_a_write_fails_are_delivered() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.wire_mut().room = usize::MAX;
        let mut calls: Vec<_> = (0..200).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        let mut last = f.call(200);
        (0..200).for_each(|answer| f.peer.send(answer));
        f.peer.break_writing();
        assert_eq!(f.run().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(calls.iter_mut().zip(0..200).all(|(call, answer)| call.run() == Some(Ok(answer))));
        assert_eq!(kind(last.run()), Kind::NotSent);
    });
}

#[test]
fn a_transport_that_makes_room_only_when_flushed_is_not_waited_for_in_vain() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.wire_mut().lazy = true;
        f.peer.wire_mut().room = 2;
        let _calls: Vec<_> = (0..5).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!(f.written(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn clones_share_the_connection_and_keep_it_open() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let clone = f.client().clone();
        f.client = None;
        assert!(f.run().is_none());
        let mut call = Task::new(async move { Service::call(&clone, 1).await });
        assert!(call.run().is_none() && f.run().is_none());
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(call.run(), Some(Ok(10)));
        drop(call);
        assert!(matches!(f.run(), Some(Ok(()))));
    });
}

#[test]
fn dropping_the_last_client_lets_calls_finish_and_then_closes() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let mut call = f.call(1);
        assert!(f.run().is_none());
        f.client = None;
        assert!(f.run().is_none());
        assert!(!f.peer.wire().closed);
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!(call.run(), Some(Ok(10)));
        drop(call);
        assert!(matches!(f.run(), Some(Ok(()))));
        assert!(f.peer.wire().closed && f.peer.wire().dropped);
    });
}

#[test]
fn what_was_sent_for_nobody_still_leaves_before_the_close() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.block_writes();
        let call = f.call(1);
        assert!(f.run().is_none());
        drop(call);
        f.client = None;
        assert!(f.run().is_none());
        f.peer.allow_writes(1);
        assert!(matches!(f.run(), Some(Ok(()))));
        assert_eq!(f.written(), [1]);
        assert!(f.peer.wire().closed);
    });
}

#[test]
fn a_request_without_an_encoding_fails_alone() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        f.peer.wire_mut().unencodable = Some(2);
        let mut calls: Vec<_> = (1..=3).map(|request| f.call(request)).collect();
        assert!(f.run().is_none());
        assert_eq!(f.written(), [1, 3]);
        [10, 30].into_iter().for_each(|answer| f.peer.send(answer));
        assert!(f.run().is_none());
        assert_eq!(calls[0].run(), Some(Ok(10)));
        assert_eq!(kind(calls[1].run()), Kind::Unencodable);
        assert_eq!(calls[2].run(), Some(Ok(30)));
    });
}

#[test]
fn a_call_that_moves_to_another_task_wakes_that_one() {
    in_virtual_time(|| {
        let mut f = Fixture::new();
        let (before, after) = (CountingWaker::new(), CountingWaker::new());
        let mut call = f.client().call(1);
        assert!(before.poll(&mut call).is_pending() && after.poll(&mut call).is_pending());
        assert_eq!(before.kept(), 0);
        assert!(f.run().is_none());
        f.peer.send(10);
        assert!(f.run().is_none());
        assert_eq!((before.woken(), after.woken()), (0, 1));
        assert!(matches!(after.poll(&mut call), Poll::Ready(Ok(10))));
        assert_eq!(after.kept(), 0);
    });
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    in_virtual_time(|| {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("no");
            }
        }
        let mut f = Fixture::new();
        let (mut before, mut between) = (f.call(1), f.client().call(2));
        let waker = Waker::from(Arc::new(Panics));
        assert!(between.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        let mut after = f.call(3);
        let end = AssertUnwindSafe(|| f.connection.future = None);
        assert!(catch_unwind(end).is_err());
        assert_eq!(kind(before.run()), Kind::NotSent);
        assert_eq!(kind(after.run()), Kind::NotSent);
    });
}

#[test]
fn a_request_that_makes_a_call_when_it_is_dropped_finds_the_client_free() {
    in_virtual_time(|| {
        struct Nested(Option<Client<Self, ()>>);
        impl PartialEq for Nested {
            fn eq(&self, _: &Self) -> bool {
                false
            }
        }
        impl Drop for Nested {
            fn drop(&mut self) {
                if let Some(client) = self.0.take() {
                    assert!(client.call(Self(None)).now_or_never().is_none_or(|outcome| outcome.is_err()));
                }
            }
        }
        let (_peer, transport) = mock::<(), Nested>();
        let (client, connection) = pipeline::connect(transport);
        let mut calls: Vec<_> = (0..2).map(|_| client.call(Nested(Some(client.clone())))).collect();
        let waker = CountingWaker::new();
        assert!(calls.iter_mut().all(|call| waker.poll(call).is_pending()));
        drop(calls.pop());
        drop(connection);
        assert!(matches!(waker.poll(&mut calls[0]), Poll::Ready(Err(_))));
    });
}

#[test]
fn what_a_filter_around_a_client_rejects_was_certainly_not_done() {
    let mut fixture = Fixture::new();
    let limited = fixture.client.take().unwrap().filter(ConcurrencyLimit::new(1).waiters(0));
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(limited.call(1));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let error = limited.call(2).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert!(error.is_retryable());
}
