//! Messages whose bodies stream, over a transport in the hands of the test, and a service that is answered by it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};
use mainspring::proto::pipeline::{self, ServeError};
use mainspring::proto::streaming::{Body, Incomplete, Part, Streamed, Streaming};
use mainspring::service::Service;

use super::mock::{Peer, mock};
use super::task::Task;

pub(crate) type Wire = Part<u32, u8>;
pub(crate) type Message = Streamed<u32, u8>;
pub(crate) type End = Result<(), ServeError<io::Error, io::Error>>;

pub(crate) const END: Wire = Part::End(0);

pub(crate) const fn chunk(chunk: u8) -> Wire {
    Part::Chunk(0, chunk)
}

/// A request, and where its answer goes.
pub(crate) type Asked = (Message, oneshot::Sender<Message>);

/// Hands requests to the test, and answers with what the test sends.
#[derive(Clone, Default)]
pub(crate) struct Handed(Rc<RefCell<VecDeque<Asked>>>);

impl Handed {
    pub(crate) fn next(&self) -> Option<Asked> {
        self.0.borrow_mut().pop_front()
    }
}

impl Service<Message> for Handed {
    type Response = Message;
    type Error = io::Error;

    async fn call(&self, request: Message) -> io::Result<Message> {
        let (sender, answer) = oneshot::channel();
        self.0.borrow_mut().push_back((request, sender));
        answer.await.map_err(io::Error::other)
    }
}

pub(crate) fn serve(server: pipeline::Server) -> (Peer<Wire, Wire>, Handed, Task<End>) {
    let (peer, transport) = mock();
    let service = Handed::default();
    let served = service.clone();
    let connection = async move { server.serve(Streaming::in_order(transport).max_discarded(100), &served).await };
    (peer, service, Task::new(connection))
}

pub(crate) fn send(peer: &Peer<Wire, Wire>, parts: impl IntoIterator<Item = Wire>) {
    parts.into_iter().for_each(|part| peer.send(part));
}

/// What the body has now: `Some(None)` is its end.
pub(crate) fn now(body: &mut Body<u8>) -> Option<Option<Result<u8, Incomplete>>> {
    body.next().now_or_never()
}

/// A body whose chunks the test sends.
pub(crate) fn fed() -> (mpsc::UnboundedSender<u8>, Body<u8>) {
    let (sender, chunks) = mpsc::unbounded();
    (sender, Body::from_stream(chunks))
}
