//! The answering side of a pipelined connection, over a transport in the hands of the test.
//!
//! A task is polled only when it was woken, so an answer that arrives shows that nothing was lost.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::channel::oneshot;
use mainspring::proto::pipeline::{self, ServeError};
use mainspring::service::Service;

use util::counting_waker::CountingWaker;
use util::in_virtual_time::in_virtual_time;
use util::mock::{Mock, Peer, mock};
use util::task::Task;

type End = Result<(), ServeError<io::Error, io::Error>>;

/// Answers when the test says so.
#[derive(Clone, Default)]
struct Manual(Rc<RefCell<Calls>>);

#[derive(Default)]
struct Calls {
    running: HashMap<u32, oneshot::Sender<io::Result<u32>>>,
    /// The requests of the calls that were started, in order.
    started: Vec<u32>,
}

impl Manual {
    fn answer(&self, request: u32, answer: io::Result<u32>) {
        let call = self.0.borrow_mut().running.remove(&request).expect("the call runs");
        call.send(answer).expect("the call was not dropped");
    }

    fn started(&self) -> Vec<u32> {
        self.0.borrow().started.clone()
    }

    fn is_dropped(&self, request: u32) -> bool {
        self.0.borrow().running[&request].is_canceled()
    }
}

impl Service<u32> for Manual {
    type Response = u32;
    type Error = io::Error;

    async fn call(&self, request: u32) -> io::Result<u32> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut calls = self.0.borrow_mut();
            calls.running.insert(request, sender);
            calls.started.push(request);
        }
        receiver.await.expect("the test answers")
    }
}

/// Answers at once.
struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = io::Error;

    async fn call(&self, request: u32) -> io::Result<u32> {
        Ok(request)
    }
}

fn manual() -> (Peer<u32, u32>, Manual, Task<End>) {
    manual_with(pipeline::Server::new())
}

fn manual_with<D>(server: pipeline::Server<D>) -> (Peer<u32, u32>, Manual, Task<End>)
where
    D: Future<Output = ()> + 'static,
{
    let (peer, transport) = mock();
    let service = Manual::default();
    let served = service.clone();
    (peer, service, Task::new(async move { server.serve(transport, &served).await }))
}

fn echo() -> (Peer<u32, u32>, Task<End>) {
    let (peer, transport) = mock::<u32, u32>();
    (peer, Task::new(async move { pipeline::serve(transport, &Echo).await }))
}

fn kind(end: Option<End>) -> ErrorKind {
    match end {
        Some(Err(ServeError::Transport(error) | ServeError::Service(error))) => error.kind(),
        end => panic!("the connection should have failed: {end:?}"),
    }
}

#[test]
fn an_end_as_the_first_thing_closes_and_drops_the_transport() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        peer.end();
        assert!(matches!(task.run(), Some(Ok(()))));
        assert!(peer.wire().closed && peer.wire().dropped);
    });
}

#[test]
fn a_request_gets_its_answer() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        assert!(task.run().is_none());
        peer.send(1);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1]);
    });
}

#[test]
fn an_answer_that_comes_later_wakes_the_connection() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.send(1);
        assert!(task.run().is_none());
        assert!(peer.wire().written.is_empty());
        let service = std::thread::spawn({
            let call = service.0.borrow_mut().running.remove(&1).unwrap();
            move || call.send(Ok(10)).unwrap()
        });
        service.join().unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [10]);
    });
}

#[test]
fn an_answer_waits_until_the_transport_can_be_written() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        peer.block_writes();
        peer.send(1);
        assert!(task.run().is_none());
        assert!(peer.wire().written.is_empty());
        peer.allow_writes(1);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1]);
    });
}

#[test]
fn answers_are_written_in_the_order_of_the_requests() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        (1..=3).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        assert_eq!(service.started(), [1, 2, 3], "all are in flight");
        for request in [3, 2] {
            service.answer(request, Ok(request * 10));
            assert!(task.run().is_none());
            assert!(peer.wire().written.is_empty() && peer.wire().unwritten.is_empty());
        }
        service.answer(1, Ok(10));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [10, 20, 30]);
    });
}

#[test]
fn requests_are_read_and_started_while_writing_is_blocked() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.block_writes();
        peer.wire_mut().room = 1;
        for request in 1..=4 {
            peer.send(request);
            assert!(task.run().is_none());
            service.answer(request, Ok(request));
            assert!(task.run().is_none());
        }
        assert_eq!(service.started(), [1, 2, 3, 4]);
        peer.allow_writes(usize::MAX);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1, 2, 3, 4]);
    });
}

#[test]
fn a_flush_is_repeated_until_it_is_done() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        peer.block_writes();
        (1..=3).for_each(|request| peer.send(request));
        for written in 0..3 {
            assert!(task.run().is_none());
            assert_eq!(peer.wire().written.len(), written);
            peer.allow_writes(1);
        }
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1, 2, 3]);
        assert_eq!(peer.wire().flushes, 4, "one for all three, and one for each wake");
        assert!(task.run_spuriously().is_none());
        assert_eq!(peer.wire().flushes, 4, "nothing was left to flush");
    });
}

#[test]
fn an_error_of_the_service_closes_after_the_earlier_answers() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        (1..=3).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        service.answer(2, Err(io::Error::other("no disk")));
        assert!(task.run().is_none(), "the first request has no answer yet");
        service.answer(1, Ok(10));
        assert!(matches!(task.run(), Some(Err(ServeError::Service(_)))));
        assert_eq!(peer.wire().written, [10]);
        assert!(peer.wire().closed && service.is_dropped(3));
    });
}

#[test]
fn an_error_in_the_response_type_is_an_answer_like_any_other() {
    in_virtual_time(|| {
        struct Half;
        impl Service<u32> for Half {
            type Response = Result<u32, String>;
            type Error = io::Error;
            async fn call(&self, request: u32) -> io::Result<Result<u32, String>> {
                Ok(if request % 2 == 0 { Ok(request / 2) } else { Err("odd".to_owned()) })
            }
        }
        let (peer, transport) = mock();
        let mut task = Task::new(async move { pipeline::serve(transport, &Half).await });
        (1..=2).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Err("odd".to_owned()), Ok(1)]);
    });
}

#[test]
fn a_malformed_request_closes_after_the_earlier_answers() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.send(1);
        peer.malformed();
        peer.send(2);
        assert!(task.run().is_none());
        service.answer(1, Ok(10));
        assert_eq!(kind(task.run()), ErrorKind::InvalidData);
        assert_eq!(service.started(), [1], "nothing is read after it");
        assert_eq!(peer.wire().written, [10]);
        assert!(peer.wire().closed && peer.wire().dropped);
    });
}

#[test]
fn a_peer_that_is_gone_drops_the_calls() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.send(1);
        assert!(task.run().is_none());
        peer.reset();
        assert_eq!(kind(task.run()), ErrorKind::ConnectionReset);
        assert!(service.is_dropped(1) && peer.wire().dropped);
    });
}

#[test]
fn a_write_that_fails_drops_the_calls() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        (1..=2).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        peer.wire_mut().broken = Some(ErrorKind::BrokenPipe);
        service.answer(1, Ok(10));
        assert_eq!(kind(task.run()), ErrorKind::BrokenPipe);
        assert!(service.is_dropped(2));
    });
}

#[test]
fn a_33rd_request_is_not_read_until_the_oldest_is_answered() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        (0..40).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        assert_eq!((service.started().len(), peer.wire().received), (32, 32));
        service.answer(5, Ok(5));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 32, "the answer to a later request frees no place");
        service.answer(0, Ok(0));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 33);
    });
}

#[test]
fn one_request_in_flight_is_one_after_the_other() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual_with(pipeline::Server::new().max_in_flight(1));
        (1..=3).for_each(|request| peer.send(request));
        for request in 1..=3 {
            assert!(task.run().is_none());
            assert_eq!(service.started().len(), request as usize);
            service.answer(request, Ok(request));
        }
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1, 2, 3]);
    });
}

#[test]
#[should_panic(expected = "33 requests in flight on one connection, 1 to 32 are possible")]
fn more_than_32_in_flight_cannot_be_set() {
    in_virtual_time(|| {
        let _server = pipeline::Server::new().max_in_flight(33);
    });
}

#[test]
fn after_the_last_request_the_rest_is_answered_and_then_the_writing_side_closed() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        (1..=2).for_each(|request| peer.send(request));
        peer.end();
        assert!(task.run().is_none());
        service.answer(1, Ok(10));
        assert!(task.run().is_none());
        assert!(!peer.wire().closed);
        peer.block_writes();
        service.answer(2, Ok(20));
        assert!(task.run().is_none());
        assert!(!peer.wire().closed, "an answer is not written");
        peer.allow_writes(1);
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written, [10, 20]);
        assert!(peer.wire().closed);
    });
}

#[test]
fn a_peer_that_does_not_read_is_bounded_by_the_slots_and_the_write_buffer() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        peer.block_writes();
        (0..1_000).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        let wire = peer.wire();
        assert_eq!((wire.unwritten.len(), wire.received), (wire.room, wire.room + 32));
    });
}

#[test]
fn a_peer_that_never_stops_sending_lets_the_others_run() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<u32, u32>();
        (0..1_000).for_each(|request| peer.send(request));
        let mut connection = pin!(pipeline::serve(transport, &Echo));
        let waker = CountingWaker::new();
        for poll in 1..=3 {
            assert!(waker.poll(&mut connection.as_mut()).is_pending());
            assert_eq!((peer.wire().received, waker.woken()), (poll * 64, poll), "64 requests, then it wakes itself");
        }
    });
}

#[test]
fn a_panic_of_a_call_ends_one_connection_and_no_other() {
    in_virtual_time(|| {
        struct Fragile(Cell<bool>);
        impl Service<u32> for Fragile {
            type Response = u32;
            type Error = io::Error;
            async fn call(&self, request: u32) -> io::Result<u32> {
                assert!(request != 13, "unlucky");
                self.0.set(true);
                Ok(request)
            }
        }
        let service = Fragile(Cell::new(false));
        let serve = |request: u32| {
            let (peer, transport) = mock::<u32, u32>();
            peer.send(request);
            let mut connection = Box::pin(pipeline::serve(transport, &service));
            let mut cx = Context::from_waker(Waker::noop());
            let poll = std::panic::AssertUnwindSafe(|| connection.as_mut().poll(&mut cx).is_pending());
            (std::panic::catch_unwind(poll).is_ok(), peer.wire().written.clone())
        };
        assert_eq!(serve(13), (false, vec![]));
        assert_eq!(serve(7), (true, vec![7]));
    });
}

#[test]
fn draining_closes_an_idle_connection_at_once() {
    in_virtual_time(|| {
        let (stop, stopped) = oneshot::channel::<()>();
        let drain = async move { stopped.await.expect("the test says when") };
        let (peer, _service, mut task) = manual_with(pipeline::Server::new().drain(drain));
        assert!(task.run().is_none());
        stop.send(()).unwrap();
        assert!(matches!(task.run(), Some(Ok(()))));
        assert!(peer.wire().closed);
    });
}

#[test]
fn draining_answers_what_has_arrived_and_reads_no_more() {
    in_virtual_time(|| {
        let (stop, stopped) = oneshot::channel::<()>();
        let drain = async move { stopped.await.expect("the test says when") };
        let (peer, service, mut task) = manual_with(pipeline::Server::new().max_in_flight(2).drain(drain));
        (1..=2).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        peer.buffer(3);
        peer.send(4);
        stop.send(()).unwrap();
        assert!(task.run().is_none());
        for request in 1..=4 {
            service.answer(request, Ok(request));
            let end = task.run();
            assert_eq!(end.is_some(), request == 4);
            if request == 3 {
                peer.send(5);
            }
        }
        assert_eq!(service.started(), [1, 2, 3, 4]);
        assert_eq!(peer.wire().written, [1, 2, 3, 4]);
        assert_eq!(peer.wire().before_last, Some(3));
        assert!(peer.wire().closed);
    });
}

#[test]
fn draining_ends_although_the_peer_never_stops_sending() {
    in_virtual_time(|| {
        let (peer, transport) = mock::<u32, u32>();
        let server = pipeline::Server::new().drain(std::future::ready(()));
        (0..5_000).for_each(|request| peer.send(request));
        let mut task = Task::new(async move { server.serve(transport, &Echo).await });
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written.len(), 1_024);
        assert_eq!(peer.wire().before_last, Some(1_023));
    });
}

#[test]
fn the_last_answer_of_a_connection_closes_it() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.wire_mut().last = Some(20);
        (1..=3).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        service.answer(1, Ok(10));
        assert!(task.run().is_none());
        service.answer(2, Ok(20));
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written, [10, 20]);
        assert!(peer.wire().closed && service.is_dropped(3));
    });
}

#[test]
fn an_answer_without_an_encoding_closes_after_the_earlier_ones() {
    in_virtual_time(|| {
        let (peer, mut task) = echo();
        peer.wire_mut().unencodable = Some(2);
        (1..=3).for_each(|request| peer.send(request));
        assert_eq!(kind(task.run()), ErrorKind::InvalidInput);
        assert_eq!(peer.wire().written, [1]);
        assert!(peer.wire().closed);
    });
}

#[test]
fn dropping_the_connection_drops_the_calls_and_the_transport() {
    in_virtual_time(|| {
        let (peer, service, mut task) = manual();
        peer.send(1);
        assert!(task.run().is_none());
        drop(task);
        assert!(service.is_dropped(1) && peer.wire().dropped);
    });
}

#[test]
fn calls_that_wait_for_each_other_run_side_by_side() {
    in_virtual_time(|| {
        struct Pair(RefCell<Vec<Waker>>, Cell<u32>);
        impl Service<u32> for Pair {
            type Response = u32;
            type Error = io::Error;
            async fn call(&self, request: u32) -> io::Result<u32> {
                self.1.set(self.1.get() + 1);
                self.0.borrow_mut().drain(..).for_each(Waker::wake);
                poll_fn(|cx| {
                    if self.1.get() < 2 {
                        self.0.borrow_mut().push(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(request))
                })
                .await
            }
        }
        let (peer, transport): (_, Mock<u32, u32>) = mock();
        let mut task =
            Task::new(async move { pipeline::serve(transport, &Pair(RefCell::default(), Cell::new(0))).await });
        (1..=2).for_each(|request| peer.send(request));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [1, 2]);
    });
}
