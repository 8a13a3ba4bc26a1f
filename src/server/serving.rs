//! A server at work on one reactor: the accept loop and its connections.
//!
//! Errors of connections never end it: the listener passes over those that failed, and pauses when descriptors run out.
//! An error of the listener itself ends the accept loop, and is told to whoever waits for it ([`Serving::failed`]): a
//! server that lives and accepts nothing is the last thing that anybody looks for. To drain, it accepts what is queued,
//! closes the listener, tells the connections, waits, and aborts what remains, which is the order of Finagle's `close`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::AddAssign;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use mainspring_sys::Socket;
use slab::Slab;

use super::bound::Bound;
use super::entrance::Door;
use super::handoff::{self, Exchange, Handed};
use super::load::{Load, Place};
use super::socket_file::SocketFile;
use super::{Connection, Limits};
use crate::attempted::in_words;
use crate::channel::mpsc;
use crate::core::Core;
use crate::inside::Inside;
use crate::join_handle::JoinHandle;
use crate::latch::{Draining, Latch};
use crate::net::{Listener, Stream, StreamSocket};
use crate::proto::Pressure;
use crate::random::Random;
use crate::time::{Instant, timeout};

/// What became of the connections of a server that was drained.
///
/// ```
/// use mainspring::{Server, net::TcpStream};
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let server = Server::bind("127.0.0.1:0")?;
///     let _client = TcpStream::connect(server.local_addr()).await?;
///     let serving = server.serve(|_connection| std::future::pending())?;
///     let drained = serving.drain(Duration::from_millis(1)).await;
///     assert_eq!((drained.finished, drained.aborted), (0, 1));
///     assert_eq!((drained.served, drained.failed), (1, 1));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that ended by themselves after the drain began.
    pub finished: usize,
    /// Connections that were aborted at the deadline.
    pub aborted: usize,
    /// Connections that were served, from the start.
    pub served: u64,
    /// Connections that ended with an error, from the start.
    pub failed: u64,
}

impl AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.finished += other.finished;
        self.aborted += other.aborted;
        self.served += other.served;
        self.failed += other.failed;
    }
}

/// A server at work on the reactor of this thread. Dropping it lets it go on.
///
/// ```
/// use mainspring::Server;
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let serving = Server::bind("127.0.0.1:0")?.serve(|_connection| async { Ok(()) })?;
///     assert_eq!(serving.connections(), 0);
///     serving.drain(Duration::ZERO).await;
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Serving {
    /// What it has in common with its tasks.
    shared: Rc<Shared>,
    /// The accept loops.
    accepting: RefCell<Vec<JoinHandle<()>>>,
    /// The loops that take what other threads hand off.
    taking: RefCell<Vec<JoinHandle<()>>>,
}

/// What becomes of a connection when it is accepted.
enum Accepted {
    /// It is served on this thread.
    Here(Stream),
    /// It is served on that one, and belongs to no reactor yet.
    For(usize, Socket),
}

struct Shared {
    /// Which of the server's threads this is.
    worker: usize,
    /// What connections are held to.
    limits: Limits,
    /// How many connections the server has on all threads.
    load: Arc<Load>,
    /// The file of its socket, if it has made one and listens there still.
    file: Weak<SocketFile>,
    /// Set when the server is asked to drain.
    draining: Rc<Latch>,
    /// Why a listener accepts no more, until that has been told.
    failure: Cell<Option<io::Error>>,
    /// Woken when a connection ends, or a listener has failed.
    ended: Rc<Latch>,
    /// How near to its limits this thread is.
    pressure: Pressure,
    /// For the ages of connections.
    random: Random,
    /// The tasks of the connections.
    tasks: RefCell<Slab<Option<JoinHandle<()>>>>,
    /// Connections served.
    served: Cell<u64>,
    /// Of these, the ones that ended with an error or a panic.
    failed: Cell<u64>,
}

/// Counts its connection out, however the task ends.
struct Guard {
    /// Of the server whose connection it is.
    shared: Rc<Shared>,
    /// The connection's place among the tasks.
    key: usize,
    /// Its place within the limit.
    _place: Place,
    /// Set if the handler ended without an error.
    good: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let task = self.shared.tasks.borrow_mut().try_remove(self.key);
        drop(task);
        if !self.good {
            self.shared.failed.set(self.shared.failed.get() + 1);
        }
        // This one's place is given back right after.
        self.shared.pressure.set_connections(self.shared.load.taken().saturating_sub(1), self.shared.load.limit());
        self.shared.ended.wake();
    }
}

impl Serving {
    /// Serves what comes in by the doors, as the given one of the server's threads.
    pub(super) fn start<S, H, F>(
        worker: usize,
        doors: Vec<Door<S::Address>>,
        limits: Limits,
        load: Arc<Load>,
        file: Weak<SocketFile>,
        handle: H,
    ) -> Self
    where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let shared = Rc::new(Shared {
            worker,
            limits,
            pressure: Pressure::new(limits.in_flight),
            random: Random::from_entropy(),
            load,
            file,
            draining: Rc::default(),
            failure: Cell::new(None),
            ended: Rc::default(),
            tasks: RefCell::default(),
            served: Cell::new(0),
            failed: Cell::new(0),
        });
        let handle = Rc::new(handle);
        let (mut accepting, mut taking) = (Vec::new(), Vec::new());
        for door in doors {
            let (shared, handle) = (shared.clone(), handle.clone());
            match door {
                Door::Listener(listener, exchange) => {
                    accepting.push(crate::spawn(shared.keep_accepting::<S, _, _>(listener, exchange, handle)));
                }
                Door::Inbox(inbox) => taking.push(crate::spawn(shared.take_in::<S, _, _>(inbox, handle))),
            }
        }
        Self { shared, accepting: RefCell::new(accepting), taking: RefCell::new(taking) }
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.tasks.borrow().len()
    }

    /// Waits until a listener accepts no more though nobody has asked for it, since whoever else has it has shut it
    /// down for one, and returns its error. Connections go on; to end is up to the caller, as
    /// [`Server::run`](super::Server::run) does. While all is well it waits for ever. A Unix listener that somebody has
    /// shut down looks well on Linux: accept(2) says "not yet".
    ///
    /// # Cancel safety
    ///
    /// An error is told once, to whom it was returned.
    ///
    /// ```
    /// use mainspring::{Server, time::timeout};
    /// use std::time::Duration;
    ///
    /// mainspring::run(async {
    ///     let serving = Server::bind("127.0.0.1:0")?.serve(|_connection| async { Ok(()) })?;
    ///     assert!(timeout(Duration::from_millis(1), serving.failed()).await.is_err());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn failed(&self) -> io::Error {
        self.shared.until(|| self.shared.failure.take()).await
    }

    /// Ends the server: removes the file of its path if [`bind_unix`](super::ServerBuilder::bind_unix) has made one,
    /// accepts what is queued, closes the listener, tells the connections (their `draining` is ready), waits until they
    /// have ended, and aborts those that have not `deadline` after the call, to which it is held on each thread that no
    /// handler blocks.
    ///
    /// Zero aborts all at once; `Duration::MAX` waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, it leaves the listener closed and the connections told; none is aborted.
    pub async fn drain(self, deadline: Duration) -> Drained {
        let shared = &self.shared;
        let (open, served_before) = (self.connections() as u64, shared.served.get());
        let ends = Instant::now() + deadline;
        if let Some(file) = shared.file.upgrade() {
            file.remove();
        }
        shared.draining.set();
        for accepting in self.accepting.take() {
            // Why ignored: an accept loop that panicked accepts no more, which is what is wanted.
            let _ = accepting.await;
        }
        for mut taking in self.taking.take() {
            // Why with the deadline: it ends with the accept loop of another thread, which a handler there may hold up.
            if timeout(ends - Instant::now(), &mut taking).await.is_err() {
                taking.abort();
                let _ = taking.await;
            }
        }
        // Why ignored: whoever has not ended by the deadline is counted and aborted below.
        let _ = timeout(ends - Instant::now(), shared.all_ended()).await;
        let aborted = self.connections();
        for (_, task) in shared.tasks.borrow().iter() {
            if let Some(task) = task {
                task.abort();
            }
        }
        shared.all_ended().await;
        let served = shared.served.get();
        // Those that were open, and those accepted since: some may have ended before the listener was closed.
        let finished = (open + served - served_before) as usize - aborted;
        Drained { finished, aborted, served, failed: shared.failed.get() }
    }
}

impl Shared {
    /// Until no connection is open.
    async fn all_ended(&self) {
        self.until(|| self.tasks.borrow().is_empty().then_some(())).await;
    }

    /// Until `condition` has an output: asked now, and when a connection has ended or a listener failed.
    async fn until<T>(&self, condition: impl Fn() -> Option<T>) -> T {
        let mut change = pin!(Draining::new(self.ended.clone()));
        poll_fn(|cx| match condition() {
            Some(output) => Poll::Ready(output),
            None => {
                // It is woken and never set.
                let _pending = change.as_mut().poll(cx);
                Poll::Pending
            }
        })
        .await
    }

    /// Accepts until the server drains; else until the listener fails, which it tells.
    async fn keep_accepting<S, H, F>(
        self: Rc<Self>,
        listener: Bound<Listener>,
        exchange: Option<Exchange<S::Address>>,
        handle: Rc<H>,
    ) where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        if let Err(error) = self.clone().accept_loop::<S, _, _>(listener, exchange, handle).await {
            self.failure.set(Some(error));
            self.ended.wake();
        }
    }

    async fn accept_loop<S, H, F>(
        self: Rc<Self>,
        listener: Bound<Listener>,
        exchange: Option<Exchange<S::Address>>,
        handle: Rc<H>,
    ) -> io::Result<()>
    where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let mut draining = pin!(Draining::new(self.draining.clone()));
        // What can be queued when the drain begins; those who keep coming meanwhile must not keep it from ending.
        let mut left = u64::from(self.limits.backlog) + 1;
        // One that is to be served elsewhere is not registered here.
        let make = |core: &Core, socket| match exchange.as_ref().map_or(self.worker, |_| self.load.least()) {
            worker if worker == self.worker => Stream::connected(core, socket, S::DRAINS).map(Accepted::Here),
            worker => Ok(Accepted::For(worker, socket)),
        };
        loop {
            let last = self.draining.is_set();
            if last {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                // A fresh budget, and a look at the queue itself, so that "not yet" means that nothing is queued.
                crate::yield_now().await;
                listener.ask_again();
            }
            let accepted = {
                let mut accept = pin!(listener.accept_as(|socket| S::accept(socket, Inside), make));
                poll_fn(|cx| {
                    // A place before the connection, so that no thread accepts what has no place anywhere.
                    let place = if last { Some(self.load.enter_anyway()) } else { self.load.enter(cx) };
                    if let Some(place) = place {
                        if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                            return Poll::Ready(Some((accepted, place)));
                        }
                    }
                    draining.as_mut().poll(cx).map(|()| None)
                })
                .await
            };
            match accepted {
                Some((Ok((Accepted::Here(stream), peer)), place)) => {
                    self.start_connection(stream, peer, place, &handle);
                }
                Some((Ok((Accepted::For(worker, socket), peer)), place)) => {
                    self.hand_off::<S, _, _>(exchange.as_ref(), worker, (socket, peer, place), &handle);
                }
                // What is queued is accepted first, so that closing the listener resets nobody.
                None if !last => {}
                None => return Ok(()),
                // Somebody shut the socket down, for one.
                Some((Err(error), _)) => {
                    return Err(match S::listens_at(listener.socket(), Inside) {
                        Ok(address) => in_words(format!("cannot accept at {address:?}"), error),
                        Err(_) => error,
                    });
                }
            }
        }
    }

    /// Sends a connection to another thread, or serves it here if nobody takes it.
    fn hand_off<S, H, F>(
        self: &Rc<Self>,
        exchange: Option<&Exchange<S::Address>>,
        mut worker: usize,
        mut accepted: handoff::Accepted<S::Address>,
        handle: &Rc<H>,
    ) where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        while let Some(exchange) = exchange.filter(|_| worker != self.worker) {
            match exchange.send(worker, accepted) {
                Ok(()) => return,
                Err(back) => accepted = back,
            }
            worker = self.load.least();
        }
        self.admit::<S, _, _>(accepted, handle);
    }

    /// Serves what the thread that accepts has handed off, until that one has ended and all of it is taken.
    async fn take_in<S, H, F>(self: Rc<Self>, mut inbox: mpsc::Receiver<Handed<S::Address>>, handle: Rc<H>)
    where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        while let Some(handed) = inbox.recv().await {
            if let Some(accepted) = handed.take() {
                self.admit::<S, _, _>(accepted, &handle);
            }
        }
    }

    /// Serves a connection that belongs to no reactor yet.
    fn admit<S, H, F>(self: &Rc<Self>, (socket, peer, place): handoff::Accepted<S::Address>, handle: &Rc<H>)
    where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let Ok(core) = Core::running("a Server") else { return };
        match Stream::connected(&core, socket, S::DRAINS) {
            Ok(stream) => self.start_connection(stream, peer, place, handle),
            // It is out of memory or watches, and the connection is closed: as one that fails before it is accepted.
            Err(_) => core.counters.accept_failed.add(1),
        }
    }

    fn start_connection<S, H, F>(self: &Rc<Self>, stream: Stream, peer: S::Address, mut place: Place, handle: &Rc<H>)
    where
        S: StreamSocket,
        H: Fn(Connection<S>) -> F + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        let shortest = Duration::from_nanos(1);
        let idle = Some(self.limits.deadlines.idle).filter(|limit| *limit < Duration::MAX);
        let limited = stream
            .set_read_timeout(idle.map(|limit| limit.max(shortest)))
            .and_then(|()| stream.set_write_timeout(self.limits.write.map(|limit| limit.max(shortest))));
        if limited.is_err() {
            return;
        }
        self.served.set(self.served.get() + 1);
        let key = self.tasks.borrow_mut().insert(None);
        place.assign(self.worker);
        let guard = Guard { shared: self.clone(), key, _place: place, good: false };
        self.pressure.set_connections(self.load.taken(), self.load.limit());
        let connection = Connection {
            stream: S::of(stream, Inside),
            peer,
            draining: Draining::new(self.draining.clone()),
            deadlines: self.limits.deadlines,
            pressure: self.pressure.clone(),
            age: self.limits.age.map(|age| spread(age, self.random.unit())),
        };
        let handle = handle.clone();
        let task = crate::spawn(async move {
            let mut guard = guard;
            guard.good = handle(connection).await.is_ok();
        });
        if let Some(place) = self.tasks.borrow_mut().get_mut(key) {
            *place = Some(task);
        }
    }
}

/// An age of a tenth more or less, so that those who came together do not leave together; `unit` is from 0 to 1.
fn spread(age: Duration, unit: f64) -> Duration {
    (age - age / 10).saturating_add((age / 5).mul_f64(unit))
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
