//! Bodies that stream on multiplexed connections whose protocol cannot refuse a request: what comes between their parts
//! waits.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod counting_waker;
    pub(crate) mod in_virtual_time;
    pub(crate) mod message;
    pub(crate) mod mock;
    pub(crate) mod task;
}

use std::io;

use futures::channel::oneshot;
use futures::{FutureExt, StreamExt};
use mainspring::proto::multiplex::{ServeError, Server};
use mainspring::proto::streaming::{Part, Streamed, Streaming};
use mainspring::service::service_fn;

use util::in_virtual_time::in_virtual_time;
use util::message::Message;
use util::mock::{Peer, mock};
use util::task::Task;

type Plain = Message<1_000, false>;
type Wire = Part<Plain, u8>;
type End = Result<(), ServeError<io::Error, io::Error>>;

/// Answers with how many chunks a request has.
fn serve<D: Future<Output = ()> + 'static>(server: Server<D>) -> (Peer<Wire, Wire>, Task<End>) {
    let (peer, transport) = mock();
    let count = service_fn(async |request: Streamed<Plain, u8>| {
        io::Result::Ok(Streamed::from(Plain::request(request.body.count().await as u32)))
    });
    (peer, Task::new(async move { server.serve(Streaming::by_id(transport), &count).await }))
}

#[test]
fn a_protocol_that_cannot_refuse_holds_bodies_up_until_there_is_a_slot() {
    in_virtual_time(|| {
        let (peer, mut task) = serve(Server::new().max_in_flight(2));
        let head = |id, has_body| Part::Head(Plain::call(id, 9), has_body);
        [head(1, true), head(2, true), head(3, false), Part::Chunk(1, 7)].into_iter().for_each(|part| peer.send(part));
        assert!(task.run().is_none());
        assert_eq!(peer.wire().received, 3);
        assert_eq!(peer.wire().written, []);
    });
}

#[test]
fn draining_without_refusals_finishes_bodies_also_behind_requests_between_their_parts() {
    in_virtual_time(|| {
        let (stop, stopped) = oneshot::channel::<()>();
        let (peer, mut task) = serve(Server::new().drain(stopped.map(|_| ())));
        let head = |id, has_body| Part::Head(Plain::call(id, 9), has_body);
        [head(1, true), Part::Chunk(1, 7)].into_iter().for_each(|part| peer.send(part));
        assert!(task.run().is_none());
        stop.send(()).unwrap();
        assert!(task.run().is_none());
        for part in [head(2, false), Part::Chunk(1, 8), Part::Chunk(1, 9)] {
            peer.send(part);
            assert!(task.run().is_none());
        }
        peer.send(Part::End(1));
        assert!(matches!(task.run(), Some(Ok(()))));
        let answer = |id, count| Part::Head(Plain::call(id, count), false);
        assert_eq!(peer.wire().written, [answer(2, 0), answer(1, 3)]);
    });
}
