//! Bodies that stream on the pipelined connections of a server, over a transport in the hands of the test.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod mock;
    pub(crate) mod streams;
    pub(crate) mod task;
}

use std::io::{self, ErrorKind};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};
use mainspring::proto::pipeline::{self, ServeError};
use mainspring::proto::streaming::{Body, CHUNKS_MAX, Incomplete, Part, Streamed, Streaming};
use mainspring::service::service_fn;
use mainspring::time::{Clock, Instant, sleep};
use mainspring::{Reactor, spawn};

use util::in_virtual_time::in_virtual_time;
use util::mock::{Peer, mock};
use util::streams::{END, End, Handed, Message, Wire, chunk, fed, now, send, serve};
use util::task::Task;

#[test]
fn a_request_body_streams_and_then_it_is_answered() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(7, true)]);
        assert!(task.run().is_none());
        let (mut request, answer) = service.next().unwrap();
        assert_eq!((request.head, now(&mut request.body)), (7, None), "it has begun without its body");
        for index in 0..20 {
            send(&peer, [chunk(index)]);
            assert!(task.run().is_none());
            assert_eq!(now(&mut request.body), Some(Some(Ok(index))));
        }
        send(&peer, [END]);
        assert!(task.run().is_none());
        assert_eq!([now(&mut request.body), now(&mut request.body)], [Some(None), Some(None)]);
        answer.send(Streamed::from(8)).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(8, false)]);
    });
}

#[test]
fn an_answer_may_be_written_while_the_body_of_its_request_streams() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(7, true), chunk(1)]);
        assert!(task.run().is_none());
        let (mut request, answer) = service.next().unwrap();
        answer.send(Streamed::from(8)).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(8, false)]);
        send(&peer, [chunk(2), END, Part::Head(9, false)]);
        assert!(task.run().is_none());
        let body: Vec<_> = request.body.by_ref().collect::<Vec<_>>().now_or_never().unwrap();
        assert_eq!(body, [Ok(1), Ok(2)]);
        assert_eq!(service.next().unwrap().0.head, 9);
    });
}

#[test]
fn a_body_that_nobody_reads_any_more_is_thrown_away_and_the_next_request_comes() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        let body = (0..90).map(chunk).chain([END, Part::Head(9, false)]);
        send(&peer, [Part::Head(7, true)].into_iter().chain(body));
        assert!(task.run().is_none());
        let (request, answer) = service.next().unwrap();
        assert_eq!(service.next().map(|(next, _)| next.head), None, "the body holds it up");
        drop(request);
        assert!(task.run().is_none());
        let next = service.next().unwrap();
        assert_eq!(next.0.head, 9);
        answer.send(Streamed::from(8)).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(8, false)]);
    });
}

#[test]
fn a_body_that_nobody_reads_and_that_goes_on_and_on_ends_the_connection() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(7, true)]);
        assert!(task.run().is_none());
        let (request, answer) = service.next().unwrap();
        drop(request);
        answer.send(Streamed::from(8)).unwrap();
        send(&peer, (0..100).map(chunk));
        assert!(task.run().is_none(), "100 are within the bound");
        send(&peer, [chunk(100)]);
        let Some(Err(ServeError::Transport(error))) = task.run() else { panic!("the connection should have failed") };
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(peer.wire().written, [Part::Head(8, false)]);
    });
}

#[test]
fn a_body_that_is_not_read_holds_the_peer_up_after_eight_chunks() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(7, true)].into_iter().chain((0..50).map(chunk)));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 1 + CHUNKS_MAX);
        let (mut request, _answer) = service.next().unwrap();
        for index in 0..50 {
            assert_eq!(now(&mut request.body), Some(Some(Ok(index))));
            assert!(task.run().is_none());
            assert!(peer.wire().received <= 2 + CHUNKS_MAX + usize::from(index));
        }
        assert_eq!(peer.wire().received, 51);
    });
}

#[test]
fn with_one_request_in_flight_its_body_still_comes_and_the_next_request_waits() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new().max_in_flight(1));
        send(&peer, [Part::Head(7, true), chunk(1), chunk(2), END, Part::Head(9, true), chunk(3), END]);
        assert!(task.run().is_none());
        let (mut request, answer) = service.next().unwrap();
        assert_eq!(request.body.by_ref().collect::<Vec<_>>().now_or_never().unwrap(), [Ok(1), Ok(2)]);
        assert!(task.run().is_none() && service.next().is_none());
        answer.send(Streamed::from(8)).unwrap();
        assert!(task.run().is_none());
        let (mut request, _answer) = service.next().unwrap();
        assert!(task.run().is_none());
        assert_eq!(request.head, 9);
        assert_eq!(request.body.by_ref().collect::<Vec<_>>().now_or_never().unwrap(), [Ok(3)]);
    });
}

#[test]
fn a_transport_that_is_lent_moves_bodies_as_well() {
    in_virtual_time(|| {
        let (peer, transport) = mock();
        let service = Handed::default();
        let served = service.clone();
        let mut task: Task<End> = Task::new(async move {
            let mut lent = Streaming::in_order(transport);
            pipeline::Server::new().max_in_flight(1).serve(&mut lent, &served).await
        });
        send(&peer, [Part::Head(7, true), chunk(1), END]);
        assert!(task.run().is_none());
        let (mut request, _answer) = service.next().unwrap();
        assert_eq!(request.body.by_ref().collect::<Vec<_>>().now_or_never(), Some(vec![Ok(1)]));
    });
}

#[test]
fn chunks_of_an_answer_are_written_as_there_is_room_and_the_next_answer_behind_its_end() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(1, false), Part::Head(2, false)]);
        assert!(task.run().is_none());
        let ((_, first), (_, second)) = (service.next().unwrap(), service.next().unwrap());
        let (chunks, body) = fed();
        second.send(Streamed::from(22)).unwrap();
        first.send(Streamed { head: 11, body }).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(11, true)], "the head waits for no chunk");
        peer.block_writes();
        chunks.unbounded_send(1).unwrap();
        chunks.unbounded_send(2).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written.len(), 1);
        peer.allow_writes(1);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written[1..], [chunk(1)]);
        drop(chunks);
        peer.allow_writes(100);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written[2..], [chunk(2), END, Part::Head(22, false)]);
    });
}

#[test]
fn an_answer_of_one_chunk_is_head_chunk_and_end() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        send(&peer, [Part::Head(1, false)]);
        peer.end();
        assert!(task.run().is_none());
        let body = Body::from_stream(futures::stream::iter([5]));
        service.next().unwrap().1.send(Streamed { head: 11, body }).unwrap();
        assert!(matches!(task.run(), Some(Ok(()))), "the peer has sent its last request, and has its answer");
        assert_eq!(peer.wire().written, [Part::Head(11, true), chunk(5), END]);
        assert!(peer.wire().closed);
    });
}

#[test]
fn a_body_is_incomplete_if_the_connection_ends_or_fails_within_it() {
    for ends in [Peer::end, Peer::reset, Peer::malformed] {
        in_virtual_time(|| {
            let (peer, service, mut task) = serve(pipeline::Server::new());
            send(&peer, [Part::Head(7, true), chunk(1)]);
            ends(&peer);
            let _end = task.run();
            let (mut request, _answer) = service.next().unwrap();
            assert_eq!(now(&mut request.body), Some(Some(Ok(1))));
            assert_eq!(now(&mut request.body), Some(Some(Err(Incomplete))));
            assert_eq!(now(&mut request.body), Some(None));
        });
    }
}

#[test]
fn chunks_without_a_body_and_heads_within_one_end_the_connection() {
    for parts in [vec![chunk(1)], vec![END], vec![Part::Head(1, true), Part::Head(2, true)]] {
        in_virtual_time(|| {
            let (peer, service, mut task) = serve(pipeline::Server::new());
            send(&peer, parts.clone());
            let mut end = task.run();
            if let Some((_request, answer)) = service.next() {
                answer.send(Streamed::from(9)).unwrap();
                end = task.run();
            }
            let Some(Err(ServeError::Transport(error))) = end else { panic!("{parts:?}: {end:?}") };
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{parts:?}");
        });
    }
}

#[test]
fn each_chunk_of_an_answer_has_the_time_of_a_request_and_no_more() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let test = async {
        let (peer, transport) = mock::<Wire, Wire>();
        let service = service_fn(async |request: Message| {
            let pauses = futures::stream::iter([50, 50, u64::from(request.head)]);
            let chunks = pauses.then(|seconds| async move {
                sleep(Duration::from_secs(seconds)).await;
                seconds as u8
            });
            io::Result::Ok(Streamed { head: 0, body: Body::from_stream(chunks) })
        });
        let start = Instant::now();
        let served = spawn(async move {
            let served: End = pipeline::serve(Streaming::in_order(transport), &service).await;
            served
        });
        send(&peer, [Part::Head(50, false), Part::Head(70, false)]);
        let Ok(Err(ServeError::Transport(error))) = served.await else { panic!("the connection should have failed") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 5 * 50 + 60);
        let first = [Part::Head(0, true), chunk(50), chunk(50), chunk(50), END];
        assert_eq!(peer.wire().written, [&first[..], &[Part::Head(0, true), chunk(50), chunk(50)]].concat());
    };
    reactor.block_on(test).unwrap();
}

#[test]
fn a_body_that_goes_on_behind_the_answer_has_time_as_long_as_it_comes() {
    let test = async {
        let (peer, transport) = mock::<Wire, Wire>();
        let (hand_over, mut handed_over) = mpsc::unbounded();
        let service = service_fn(async |request: Message| {
            hand_over.unbounded_send(request.body).unwrap();
            io::Result::Ok(Streamed::from(8))
        });
        let served = async {
            let served: End = pipeline::serve(Streaming::in_order(transport), &service).await;
            served
        };
        let upload = async {
            send(&peer, [Part::Head(7, true)]);
            let body = spawn(handed_over.next().await.unwrap().collect::<Vec<_>>());
            for index in 0..5 {
                sleep(Duration::from_secs(25)).await;
                send(&peer, [chunk(index)]);
            }
            send(&peer, [END]);
            peer.end();
            body.await.unwrap()
        };
        let (served, body) = futures::join!(served, upload);
        assert!(served.is_ok(), "{served:?}");
        assert_eq!((body, peer.wire().written.len()), ((0..5).map(Ok).collect(), 1));
    };
    Reactor::builder().clock(Clock::auto()).build().unwrap().block_on(test).unwrap();
}

#[test]
fn draining_waits_for_the_bodies_of_what_is_in_flight() {
    in_virtual_time(|| {
        let (peer, transport) = mock();
        let (service, (stop, stopped)) = (Handed::default(), oneshot::channel::<()>());
        let served = service.clone();
        let server = pipeline::Server::new().drain(stopped.map(|_| ()));
        let mut task: Task<End> = Task::new(async move { server.serve(Streaming::in_order(transport), &served).await });
        send(&peer, [Part::Head(7, true), chunk(1)]);
        assert!(task.run().is_none());
        stop.send(()).unwrap();
        assert!(task.run().is_none());
        let (mut request, answer) = service.next().unwrap();
        send(&peer, [chunk(2), END, Part::Head(9, false)]);
        assert!(task.run().is_none());
        assert_eq!(request.body.by_ref().collect::<Vec<_>>().now_or_never().unwrap(), [Ok(1), Ok(2)]);
        let (chunks, body) = fed();
        answer.send(Streamed { head: 8, body }).unwrap();
        assert!(task.run().is_none());
        chunks.unbounded_send(3).unwrap();
        drop(chunks);
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written, [Part::Head(8, true), chunk(3), END]);
        assert_eq!(peer.wire().before_last, Some(0), "it is the head that is told");
        assert!(service.next().is_none(), "no further request is begun");
    });
}

#[test]
fn draining_holds_no_answer_back_for_the_rest_of_the_body_of_its_request() {
    in_virtual_time(|| {
        let (stop, stopped) = oneshot::channel::<()>();
        let (peer, transport) = mock();
        let service = Handed::default();
        let served = service.clone();
        let server = pipeline::Server::new().drain(stopped.map(|_| ()));
        let mut task: Task<End> = Task::new(async move { server.serve(Streaming::in_order(transport), &served).await });
        peer.send_part();
        assert!(task.run().is_none());
        stop.send(()).unwrap();
        assert!(task.run().is_none());
        send(&peer, [Part::Head(7, true), chunk(1)]);
        assert!(task.run().is_none());
        let (request, answer) = service.next().unwrap();
        answer.send(Streamed { head: 8, body: request.body }).unwrap();
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(8, true), chunk(1)]);
        assert_eq!(peer.wire().before_last, None, "there may be a request behind the body");
        send(&peer, [chunk(2), END]);
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written[2..], [chunk(2), END]);
    });
}

/// Runs a test whose time goes on as soon as all wait for it.
fn while_time_flies(test: impl Future<Output = ()>) {
    Reactor::builder().clock(Clock::auto()).build().unwrap().block_on(test).unwrap();
}

#[test]
fn the_last_answer_of_a_connection_has_the_time_of_a_request_for_each_chunk() {
    while_time_flies(async {
        let (peer, transport) = mock::<Wire, Wire>();
        let service = service_fn(async |_: Message| {
            let chunks = futures::stream::iter([1, 2, 3]).then(|chunk| async move {
                sleep(Duration::from_secs(50)).await;
                chunk
            });
            io::Result::Ok(Streamed { head: 8, body: Body::from_stream(chunks) })
        });
        send(&peer, [Part::Head(7, false)]);
        peer.end();
        let start = Instant::now();
        let served: End = pipeline::serve(Streaming::in_order(transport), &service).await;
        assert!(served.is_ok(), "{served:?}");
        assert_eq!(start.elapsed().as_secs(), 150);
        assert_eq!(peer.wire().written, [Part::Head(8, true), chunk(1), chunk(2), chunk(3), END]);
    });
}

#[test]
fn the_last_answer_of_a_connection_may_be_made_of_the_body_of_its_request() {
    in_virtual_time(|| {
        let (peer, service, mut task) = serve(pipeline::Server::new());
        peer.wire_mut().last = Some(Part::Head(8, true));
        send(&peer, [Part::Head(7, true), chunk(1)]);
        assert!(task.run().is_none());
        let (request, answer) = service.next().unwrap();
        answer.send(Streamed { head: 8, body: request.body }).unwrap();
        assert!(task.run().is_none());
        send(&peer, [chunk(2)]);
        assert!(task.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(8, true), chunk(1), chunk(2)]);
        send(&peer, [END]);
        assert!(matches!(task.run(), Some(Ok(()))));
        assert_eq!(peer.wire().written[3..], [END]);
    });
}

#[test]
fn an_answer_that_moves_or_is_not_read_is_no_stall_of_a_dropped_call_behind_it() {
    while_time_flies(async {
        let (peer, transport) = mock::<Wire, Wire>();
        let (client, connection) = pipeline::connect(Streaming::in_order(transport));
        let connection = spawn(connection);
        let [mut first, mut second] = [1, 2].map(|head| Box::pin(client.call(Streamed::from(head))));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(peer.wire().written, [Part::Head(1, false), Part::Head(2, false)]);
        drop(second);
        send(&peer, [Part::Head(11, true)]);
        let mut answer: Message = first.await.unwrap();
        for index in 0..4 {
            sleep(Duration::from_secs(20)).await;
            send(&peer, [chunk(index)]);
            assert_eq!(answer.body.next().await, Some(Ok(index)), "it moves");
        }
        send(&peer, (0..20).map(chunk).chain([END, Part::Head(12, false)]));
        sleep(Duration::from_secs(60)).await;
        drop(client);
        sleep(Duration::from_secs(60)).await;
        let rest: Vec<_> = answer.body.by_ref().collect().await;
        assert_eq!(rest, (0..20).map(Ok).collect::<Vec<_>>(), "it was not read");
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn the_answer_to_a_dropped_call_has_the_time_of_a_stall_behind_the_body_before_it() {
    while_time_flies(async {
        let (peer, transport) = mock::<Wire, Wire>();
        let (client, connection) = pipeline::connect(Streaming::in_order(transport));
        let connection = spawn(connection);
        let [mut first, mut second] = [1, 2].map(|head| Box::pin(client.call(Streamed::from(head))));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        sleep(Duration::from_secs(1)).await;
        drop(second);
        send(&peer, [Part::Head(11, true)]);
        let _answer: Message = first.await.unwrap();
        sleep(Duration::from_secs(20)).await;
        send(&peer, [chunk(1)]);
        let start = Instant::now();
        assert_eq!(connection.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 30);
    });
}

#[test]
fn a_body_that_is_not_read_holds_the_peer_up_by_its_bytes_if_they_are_bounded() {
    in_virtual_time(|| {
        let (peer, transport) = mock();
        let service = Handed::default();
        let served = service.clone();
        let transport: Streaming<_, u32, u32, u8> =
            Streaming::in_order(transport).max_unread(10, |chunk| usize::from(*chunk));
        let mut task = Task::new(async move { pipeline::Server::new().serve(transport, &served).await });
        send(&peer, [Part::Head(7, true), chunk(4), chunk(5), chunk(6), chunk(9), chunk(3), END]);
        assert!(task.run().is_none());
        let (mut request, _answer) = service.next().unwrap();
        // The one that goes beyond is there, and nothing behind it.
        assert_eq!(peer.wire().received, 4);
        for (read, received) in [(4, 4), (5, 5), (6, 6), (9, 7)] {
            assert_eq!(now(&mut request.body), Some(Some(Ok(read))));
            assert!(task.run().is_none());
            assert_eq!(peer.wire().received, received, "behind {read}");
        }
        assert_eq!([now(&mut request.body), now(&mut request.body)], [Some(Some(Ok(3))), Some(None)]);
    });
}
