//! Pushes with bodies, which have no ids of their own, over a transport in the hands of the test.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod message;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::future::pending;
use std::io;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use mainspring::proto::multiplex::{Role, ServeError, Server};
use mainspring::proto::streaming::{Body, Part, Streamed, Streaming};
use mainspring::service::service_fn;

use util::in_virtual_time::in_virtual_time;
use util::message::Message;
use util::mock::{Mock, Peer, mock};
use util::task::Task;

type Wire = Part<Message, u8>;
type Whole = Streamed<Message, u8>;
type Serving = Task<Result<(), ServeError<io::Error, io::Error>>>;

/// A body whose chunks the test sends.
fn fed() -> (UnboundedSender<u8>, Body<u8>) {
    let (sender, chunks) = unbounded();
    (sender, Body::from_stream(chunks))
}

fn push(number: u32, body: Body<u8>) -> Whole {
    Streamed { head: Message::new(Role::Push, number), body }
}

const fn pushed(number: u32, has_body: bool) -> Wire {
    Part::Head(Message::new(Role::Push, number), has_body)
}

fn written(peer: &Peer<Wire, Wire>) -> Vec<Wire> {
    std::mem::take(&mut peer.wire_mut().written)
}

/// A server that sends these, and answers no call.
fn serve(pushes: Vec<Whole>) -> (Peer<Wire, Wire>, Serving) {
    let (peer, transport) = mock();
    let transport: Streaming<Mock<Wire, Wire>, Message, Message, u8> = Streaming::by_id(transport);
    let service = service_fn(|_: Whole| pending::<io::Result<Whole>>());
    let pushes = futures::stream::iter(pushes).chain(futures::stream::pending());
    (peer, Task::new(async move { Server::new().serve_and_push(transport, &service, pushes).await }))
}

#[test]
fn the_body_of_a_push_ends_before_that_of_the_next_begins() {
    in_virtual_time(|| {
        let ((first, one), (second, two)) = (fed(), fed());
        let (peer, mut task) = serve(vec![push(1, one), push(2, two), push(3, Body::empty())]);
        second.unbounded_send(20).unwrap();
        first.unbounded_send(10).unwrap();
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [pushed(1, true), Part::Chunk(0, 10)]);
        drop(first);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::End(0), pushed(2, true), Part::Chunk(0, 20), pushed(3, false)]);
        drop(second);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::End(0)]);
    });
}

#[test]
fn a_push_that_waits_for_the_body_of_another_holds_no_pong_up() {
    in_virtual_time(|| {
        let ((first, one), (_second, two)) = (fed(), fed());
        let (peer, mut task) = serve(vec![push(1, one), push(2, two)]);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [pushed(1, true)]);
        peer.send(Part::Head(Message::only(Role::Ping(7)), false));
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::Head(Message::only(Role::Pong(7)), false)]);
        drop(first);
        assert!(task.run().is_none());
        assert_eq!(written(&peer), [Part::End(0), pushed(2, true)]);
    });
}

#[test]
fn a_peer_that_cancels_a_push_does_not_cut_it_in_the_middle() {
    in_virtual_time(|| {
        let (first, one) = fed();
        let (peer, mut task) = serve(vec![push(1, one)]);
        peer.send(Part::Head(Message::only(Role::Cancel(0)), false));
        assert!(task.run().is_none());
        first.unbounded_send(10).unwrap();
        drop(first);
        assert!(task.run().is_none());
        let parts = written(&peer);
        assert!(parts.ends_with(&[Part::Chunk(0, 10), Part::End(0)]), "{parts:?}");
    });
}
