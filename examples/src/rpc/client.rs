//! The calling side: calls and streams side by side on one connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use mainspring::channel::mpsc;
use mainspring::codec::Framed;
use mainspring::net::TcpStream;
use mainspring::proto::multiplex;
use mainspring::service::{Deadline, Service, Status};
use mainspring::spawn;
use mainspring::time::{Instant, timeout};

use super::message::{Codec, Message};
use super::wire::Wire;
use super::{Error, Method, StreamMethod, WINDOW};

/// How long a call may take that has no deadline.
const TIME: Duration = Duration::from_secs(10);

/// What is called, and with what; typed by [`call`].
#[derive(Clone, Debug)]
pub struct Request {
    method: u32,
    body: Rc<[u8]>,
}

/// Calls by way of any stack of services around a [`Client`]: a deadline, retries, a balancer.
///
/// # Errors
///
/// Those of the stack.
pub async fn call<M, S>(service: &S, request: &M::Request) -> Result<M::Response, Error>
where
    M: Method,
    S: Service<Request, Response = Vec<u8>, Error = Error>,
{
    let request = Request { method: M::NUMBER, body: request.to_bytes().into() };
    let body = service.call(request).await?;
    M::Response::from_bytes(&body).ok_or(Error::Malformed)
}

/// A connection to a server. Clones share it; it is closed with the last one, and with the last call.
#[derive(Clone)]
pub struct Client {
    calls: multiplex::Client<Message, Message>,
    streams: Rc<Streams>,
}

/// Where items go.
#[derive(Default)]
struct Streams {
    /// By the number of the stream.
    open: RefCell<HashMap<u32, mpsc::Sender<Vec<u8>>>>,
    /// The last number that was given out.
    last: Cell<u32>,
}

impl Client {
    /// Calls over `stream`, by a task that is started here.
    pub fn new(stream: TcpStream) -> Self {
        let (calls, connection) = multiplex::connect(Framed::new(stream, Codec::new()));
        let streams = Rc::<Streams>::default();
        let known = streams.clone();
        spawn(connection.on_push(move |message| {
            let Message::Item { stream, body, .. } = message else { return };
            let mut open = known.open.borrow_mut();
            // One that nobody listens to any more, or whose server sends more than it may, is at its end.
            if open.get(&stream).is_some_and(|items| items.try_send(body).is_err()) {
                open.remove(&stream);
            }
        }));
        Self { calls, streams }
    }

    /// Makes a call, with the deadline of the call around, or 10 s.
    ///
    /// # Errors
    ///
    /// Those of the server and of the connection; [`Error::Elapsed`] once the deadline has passed, of which the server
    /// is told.
    ///
    /// # Cancel safety
    ///
    /// The server hears of it when the future is dropped, and drops what it has begun.
    pub async fn call<M: Method>(&self, request: &M::Request) -> Result<M::Response, Error> {
        call::<M, Self>(self, request).await
    }

    /// Makes a call that has items as its answer. It begins when it is first asked for one, with a deadline as other
    /// calls.
    pub fn stream<M: StreamMethod>(&self, request: &M::Request) -> Items<M::Item> {
        let (sender, receiver) = mpsc::bounded(WINDOW as usize);
        let mut open = self.streams.open.borrow_mut();
        let mut number = self.streams.last.get();
        loop {
            number = number.wrapping_add(1);
            if number != 0 && !open.contains_key(&number) {
                break;
            }
        }
        self.streams.last.set(number);
        open.insert(number, sender);
        drop(open);
        let call = self.clone().send(M::NUMBER, number, request.to_bytes());
        Items {
            client: self.clone(),
            number,
            call: Some(Box::pin(call)),
            items: receiver,
            credit: i64::from(WINDOW),
            taken: 0,
            granting: None,
            is_refused: false,
            item: PhantomData,
        }
    }

    async fn send(self, method: u32, stream: u32, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        let left = Deadline::current().map_or(TIME, |deadline| deadline - Instant::now());
        let time_left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        let request = Message::Request { id: 0, method, stream, time_left_ms, body };
        match timeout(left, self.calls.call(request)).await?? {
            Message::Response { body, .. } => Ok(body),
            Message::Failure { failure, .. } => Err(Error::Failed(failure)),
            _ => Err(Error::Malformed),
        }
    }
}

impl Service<Request> for Client {
    type Response = Vec<u8>;
    type Error = Error;

    async fn call(&self, request: Request) -> Result<Vec<u8>, Error> {
        self.clone().send(request.method, 0, request.body.to_vec()).await
    }

    fn status(&self) -> Status {
        Service::status(&self.calls)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calls.fmt(f)
    }
}

/// A call that is under way.
type Call<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// The items of a call. The server sends no more than 32 that were not taken; dropped, the call is cancelled.
pub struct Items<T> {
    client: Client,
    /// Under which they come.
    number: u32,
    /// The call, which ends behind the last item; none when it has ended.
    call: Option<Call<Vec<u8>>>,
    items: mpsc::Receiver<Vec<u8>>,
    /// How many may still come without another word.
    credit: i64,
    /// How many were taken since the last word.
    taken: u32,
    /// A word that was not answered yet, of so many items.
    granting: Option<(u32, Call<()>)>,
    /// Set when the server takes no further words, as it is about to end.
    is_refused: bool,
    item: PhantomData<fn() -> T>,
}

impl<T: Wire> Items<T> {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Client::call`]; after one, there is no more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Says that more may come, once half of what may was taken.
    fn grant(&mut self, cx: &mut Context<'_>) {
        if self.granting.is_none() && self.taken >= WINDOW / 2 && !self.is_refused {
            let items = std::mem::take(&mut self.taken);
            let message = Message::Credit { id: 0, stream: self.number, items };
            let call = self.client.calls.call(message);
            self.granting = Some((items, Box::pin(async { call.await.map(drop).map_err(Error::from) })));
        }
        let Some((items, call)) = &mut self.granting else { return };
        if let Poll::Ready(end) = call.as_mut().poll(cx) {
            match end {
                Ok(()) => self.credit += i64::from(*items),
                Err(_) => self.is_refused = true,
            }
            self.granting = None;
        }
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<T, Error>>> {
        self.call = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl<T: Wire> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        // What has arrived before the end is taken first.
        let end = call.as_mut().poll(cx);
        this.grant(cx);
        match this.items.poll_recv(cx) {
            Poll::Ready(Some(body)) => {
                this.credit -= 1;
                this.taken += 1;
                if let Poll::Ready(end) = end {
                    // Kept for when the items are at their end.
                    this.call = Some(Box::pin(std::future::ready(end)));
                }
                return match T::from_bytes(&body) {
                    Some(item) => Poll::Ready(Some(Ok(item))),
                    None => this.end(Error::Malformed),
                };
            }
            // More came than was allowed.
            Poll::Ready(None) => return this.end(Error::Malformed),
            Poll::Pending => {}
        }
        match end {
            Poll::Ready(Ok(_)) => {
                this.call = None;
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => this.end(error),
            Poll::Pending if this.is_refused && this.credit <= 0 => {
                let rejected = mainspring::service::Rejected::Down;
                this.end(Error::Rejected(rejected))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        let items = self.client.streams.open.borrow_mut().remove(&self.number);
        drop(items);
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("number", &self.number).field("credit", &self.credit).finish_non_exhaustive()
    }
}
