//! The answering side: methods by their numbers, and what one connection may do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mainspring::channel::mpsc;
use mainspring::codec::Framed;
use mainspring::net::TcpStream;
use mainspring::proto::{Deadlines, multiplex};
use mainspring::service::{ConcurrencyLimit, Deadline, Rejected, Service, ServiceExt, service_fn};
use mainspring::sync::Semaphore;
use mainspring::time::{Instant, timeout};

use super::message::{BODY_MAX, Codec, Message};
use super::wire::Wire;
use super::{Failure, Method, StreamMethod, WINDOW};

/// Calls of one connection that are carried out at once by default; further ones are refused.
const CALLS: usize = 64;

/// Places beside them for what is answered at once: words on streams, refusals.
const WORDS: usize = 64;

/// The longest that a call may take, whatever its caller says.
const TIME: Duration = Duration::from_secs(60);

/// Items of one stream that wait to be written.
const UNWRITTEN: usize = 8;

/// Items of a connection that wait to be written.
const ITEMS: usize = 64;

/// A call that is carried out.
type Work = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>>>>;

type Handler = Box<dyn Fn(Vec<u8>, Outlet) -> Work>;

/// What is served. For all connections of a thread.
pub struct Server {
    methods: HashMap<u32, Handler>,
    calls: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// One without methods.
    pub fn new() -> Self {
        Self { methods: HashMap::new(), calls: CALLS }
    }

    /// How many calls of a connection are carried out at once; further ones are refused. 64 by default.
    #[must_use]
    pub fn calls(self, calls: usize) -> Self {
        Self { calls, ..self }
    }

    /// `M` is answered by this.
    #[must_use]
    pub fn on<M: Method>(self, handler: impl AsyncFn(M::Request) -> Result<M::Response, String> + 'static) -> Self {
        let handler = Rc::new(handler);
        self.insert(M::NUMBER, move |body, _outlet| {
            let handler = handler.clone();
            Box::pin(async move {
                let request = M::Request::from_bytes(&body).ok_or(Failure::Malformed)?;
                handler(request).await.map(|response| response.to_bytes()).map_err(Failure::Failed)
            })
        })
    }

    /// `M` is answered by the items that this sends.
    #[must_use]
    pub fn on_stream<M: StreamMethod>(
        self,
        handler: impl AsyncFn(M::Request, Sink<M::Item>) -> Result<(), String> + 'static,
    ) -> Self {
        let handler = Rc::new(handler);
        self.insert(M::NUMBER, move |body, outlet| {
            let handler = handler.clone();
            Box::pin(async move {
                let request = M::Request::from_bytes(&body).ok_or(Failure::Malformed)?;
                let unwritten = outlet.unwritten.clone();
                handler(request, Sink { outlet, item: PhantomData }).await.map_err(Failure::Failed)?;
                // The end comes behind the last item: all of them are to be on their way.
                let _all = unwritten.acquire(UNWRITTEN).await;
                Ok(Vec::new())
            })
        })
    }

    fn insert(mut self, number: u32, handler: impl Fn(Vec<u8>, Outlet) -> Work + 'static) -> Self {
        let before = self.methods.insert(number, Box::new(handler));
        assert!(before.is_none(), "there are two methods of number {number}");
        self
    }

    /// Serves one connection, until it ends; when `drain` resolves, calls are refused and those in flight finish.
    ///
    /// # Errors
    ///
    /// When the connection fails, or what arrives is no message.
    pub async fn serve(&self, stream: TcpStream, drain: impl Future<Output = ()>) -> io::Result<()> {
        let (sender, items) = mpsc::bounded(ITEMS);
        let connection = Connection { server: self, items: sender, credits: RefCell::default() };
        let limited = service_fn(async |request| Ok::<_, Rejected>(connection.answer(request).await));
        let limited = limited.filter(ConcurrencyLimit::new(self.calls).waiters(0));
        // Ids are set by who writes the answers.
        let service = service_fn(async |message: Message| {
            Ok::<_, Infallible>(match message {
                // Past the limit: a stream would wait for it in vain if all places were taken by such.
                Message::Credit { stream, items, .. } => {
                    if let Some(credit) = connection.credits.borrow().get(&stream) {
                        // No more than there may be, whatever is said.
                        credit.add_permits((items as usize).min((WINDOW as usize).saturating_sub(credit.available())));
                    }
                    Message::Response { id: 0, body: Vec::new() }
                }
                message => limited.call(message).await.unwrap_or(Message::Refuse { id: 0 }),
            })
        });
        // Each call has a deadline of its own, and cancellations are heard only while there are places.
        let deadlines = Deadlines { request: Duration::MAX, ..Deadlines::default() };
        let server = multiplex::Server::new().max_in_flight(self.calls + WORDS).deadlines(deadlines).drain(drain);
        let served = server.serve_and_push(Framed::new(stream, Codec::new()), &service, items);
        served.await.map_err(io::Error::other)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("methods", &self.methods.len()).field("calls", &self.calls).finish()
    }
}

/// Of a body that cannot be sent: it would end the connection, with all other calls on it.
fn too_long(length: usize) -> String {
    format!("{length} bytes cannot be sent, {BODY_MAX} is the most")
}

/// One connection.
struct Connection<'a> {
    server: &'a Server,
    /// To be written.
    items: mpsc::Sender<Message>,
    /// How many items each stream may send, by its number.
    credits: RefCell<HashMap<u32, Semaphore>>,
}

/// A stream that is open; its number is free when this is dropped, with the call.
struct Open<'a> {
    connection: &'a Connection<'a>,
    stream: u32,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.connection.credits.borrow_mut().remove(&self.stream);
    }
}

impl Connection<'_> {
    async fn answer(&self, message: Message) -> Message {
        let outcome = match message {
            Message::Request { method, stream, time_left_ms, body, .. } => {
                self.carry_out(method, stream, Duration::from_millis(time_left_ms.into()), body).await
            }
            // What only a server says.
            _ => Err(Failure::Malformed),
        };
        match outcome {
            Ok(body) if body.len() > BODY_MAX => {
                Message::Failure { id: 0, failure: Failure::Failed(too_long(body.len())) }
            }
            Ok(body) => Message::Response { id: 0, body },
            Err(failure) => Message::Failure { id: 0, failure },
        }
    }

    async fn carry_out(&self, method: u32, stream: u32, left: Duration, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let handler = self.server.methods.get(&method).ok_or(Failure::Unknown)?;
        let credit = Semaphore::new(WINDOW as usize);
        let _open = if stream == 0 {
            credit.close();
            None
        } else {
            if self.credits.borrow().contains_key(&stream) {
                return Err(Failure::Malformed);
            }
            self.credits.borrow_mut().insert(stream, credit.clone());
            Some(Open { connection: self, stream })
        };
        let left = left.min(TIME);
        let unwritten = Semaphore::new(UNWRITTEN);
        let work = handler(body, Outlet { stream, credit, unwritten, items: self.items.clone() });
        // What the handler calls in turn has the same deadline.
        let work = Deadline::scope(Instant::now() + left, work);
        timeout(left, work).await.map_err(|_elapsed| Failure::Late)?
    }
}

/// Where the items of a call go.
struct Outlet {
    stream: u32,
    /// How many may be sent.
    credit: Semaphore,
    /// How many may wait to be written.
    unwritten: Semaphore,
    items: mpsc::Sender<Message>,
}

/// Sends the items of a call.
pub struct Sink<T> {
    outlet: Outlet,
    item: PhantomData<fn(T)>,
}

impl<T: Wire> Sink<T> {
    /// Sends one, once the caller has room for it.
    ///
    /// # Errors
    ///
    /// When the item is longer than a message may be, when it was not called as a stream, or the connection ends.
    pub async fn send(&self, item: &T) -> Result<(), String> {
        let Outlet { stream, credit, unwritten, items } = &self.outlet;
        let nobody = |_closed| "nobody takes items of this call".to_owned();
        let body = item.to_bytes();
        if body.len() > BODY_MAX {
            return Err(too_long(body.len()));
        }
        credit.acquire(1).await.map_err(nobody)?.forget();
        let unwritten = Some(unwritten.acquire(1).await.map_err(nobody)?);
        let item = Message::Item { stream: *stream, body, unwritten };
        items.send(item).await.map_err(|_| "the connection has ended".to_owned())
    }
}

impl<T> fmt::Debug for Sink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("stream", &self.outlet.stream).finish_non_exhaustive()
    }
}
