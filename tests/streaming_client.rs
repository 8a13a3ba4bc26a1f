//! Bodies that stream on the pipelined connections of a client, over a transport in the hands of the test.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod mock;
    pub(crate) mod streams;
    pub(crate) mod task;
}

use std::io;

use futures::{FutureExt, StreamExt};
use mainspring::proto::pipeline::{self, Client};
use mainspring::proto::streaming::{Incomplete, Part, Streamed, Streaming};

use util::in_virtual_time::in_virtual_time;
use util::mock::{Peer, mock};
use util::streams::{END, Message, Wire, chunk, fed, now, send, serve};
use util::task::Task;

type Connected = (Peer<Wire, Wire>, Client<Message, Message>, Task<io::Result<()>>);

fn connect() -> Connected {
    let (peer, transport) = mock();
    let (client, connection) = pipeline::connect(Streaming::in_order(transport));
    (peer, client, Task::new(connection))
}

#[test]
fn a_client_sends_a_body_as_it_comes_and_has_its_answer() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let (chunks, body) = fed();
        let mut call = Task::new(client.call(Streamed { head: 1, body }));
        let mut behind = Task::new(client.call(Streamed::from(2)));
        assert!(call.run().is_none() && behind.run().is_none() && connection.run().is_none());
        chunks.unbounded_send(5).unwrap();
        assert!(connection.run().is_none());
        assert_eq!(peer.wire().written, [Part::Head(1, true), chunk(5)]);
        drop(chunks);
        assert!(connection.run().is_none());
        assert_eq!(peer.wire().written[2..], [END, Part::Head(2, false)]);
        send(&peer, [Part::Head(11, false), Part::Head(12, false)]);
        assert!(connection.run().is_none());
        assert_eq!(call.run().unwrap().unwrap().head, 11);
        assert_eq!(behind.run().unwrap().unwrap().head, 12);
    });
}

#[test]
fn an_answer_streams_to_its_caller_also_when_the_client_is_gone() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let mut call = Task::new(client.call(Streamed::from(1)));
        assert!(call.run().is_none() && connection.run().is_none());
        send(&peer, [Part::Head(11, true), chunk(1)]);
        assert!(connection.run().is_none());
        let mut answer = call.run().unwrap().unwrap();
        drop((call, client));
        assert!(connection.run().is_none(), "the body outlives whoever asked for it");
        assert!(!peer.wire().closed);
        send(&peer, [chunk(2), END]);
        assert!(matches!(connection.run(), Some(Ok(()))));
        assert_eq!(answer.body.by_ref().collect::<Vec<_>>().now_or_never().unwrap(), [Ok(1), Ok(2)]);
        assert!(peer.wire().closed);
    });
}

#[test]
fn dropping_the_last_body_as_well_closes_the_connection() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let mut call = Task::new(client.call(Streamed::from(1)));
        assert!(call.run().is_none() && connection.run().is_none());
        send(&peer, [Part::Head(11, true)]);
        assert!(connection.run().is_none());
        let answer = call.run().unwrap().unwrap();
        drop((call, client));
        assert!(connection.run().is_none());
        drop(answer);
        assert!(matches!(connection.run(), Some(Ok(()))));
    });
}

#[test]
fn a_transport_that_is_gone_fails_calls_and_bodies() {
    in_virtual_time(|| {
        let (peer, client, mut connection) = connect();
        let mut calls = [1, 2].map(|head| Task::new(client.call(Streamed::from(head))));
        calls.iter_mut().for_each(|call| assert!(call.run().is_none()));
        assert!(connection.run().is_none());
        send(&peer, [Part::Head(11, true), chunk(1)]);
        assert!(connection.run().is_none());
        let mut answer = calls[0].run().unwrap().unwrap();
        peer.reset();
        assert!(matches!(connection.run(), Some(Err(_))));
        assert_eq!(calls[1].run().unwrap().unwrap_err().kind(), pipeline::ErrorKind::ConnectionLost);
        assert_eq!(now(&mut answer.body), Some(Some(Ok(1))));
        assert_eq!(now(&mut answer.body), Some(Some(Err(Incomplete))));
    });
}

#[test]
fn a_body_that_arrives_on_one_connection_is_sent_on_another_and_says_that_it_was_cut() {
    in_virtual_time(|| {
        let (front, service, mut front_task) = serve(pipeline::Server::new());
        let (back, client, mut back_task) = connect();
        send(&front, [Part::Head(1, true), chunk(1)]);
        assert!(front_task.run().is_none());
        let (request, _answer) = service.next().unwrap();
        let mut call = Task::new(client.call(request));
        assert!(call.run().is_none() && back_task.run().is_none());
        assert_eq!(back.wire().written, [Part::Head(1, true), chunk(1)]);
        front.reset();
        front_task.run();
        back_task.run();
        assert_eq!(back.wire().written[2..], [Part::Cut(0)]);
    });
}
