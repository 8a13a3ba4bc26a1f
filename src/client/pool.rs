//! The connections to one endpoint: a call takes a place on one, and gives it back.
//!
//! Its place is below the limit that bounds how many calls are inside, and with them connections: a new one is made
//! only when none has room, so there are never more than were allowed, besides those that end with their last calls.
//! Who waits for a place is the limit's business, in order of arrival.
//!
//! Guarantees: a connection serves one call at a time, or as many as was set; one whose status is Closed is not handed
//! out; one whose call has failed, or was dropped, gets no other and is closed behind the last that it has, unless it
//! was said that it can be used on. Those that are idle are in a [`Shelf`], and a task throws out what has been there
//! for too long; there is none while nothing is idle.
//!
//! The trade-off: a connection that gets room while a call makes a new one is not given to that call, which would have
//! to hear of both. And a connection that a call has begun to make is dropped with the call. All that are in use are
//! looked at for the one with the fewest calls: they are few where they are shared.
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::Error;
use super::connector::Connector;
use super::making::{Maker, Making};
use super::shelf::Shelf;
use crate::random::Random;
use crate::service::{FailFast, Filter, Service, Status};
use crate::spawn::spawn;
use crate::task::AbortHandle;
use crate::time::{Instant, nanoseconds, sleep_until};

/// By which part of the age some connections end earlier, so that those which were made together do not end together.
const JITTER: u64 = 4;

/// Connections to one endpoint, as a service.
pub(super) struct Pool<S> {
    connector: Connector<S>,
    /// Around it.
    fail_fast: FailFast,
    /// Set while there is no other endpoint: then a call that may fail is better than one that has to, and it always
    /// tries.
    is_alone: Rc<Cell<bool>>,
    /// How old a connection may be; none for ever.
    age: Option<Duration>,
    /// Whether a connection is used on after a call that failed or was dropped.
    reuses_failed: bool,
    /// How many calls a connection serves at one time, at least 1.
    calls: usize,
    random: Random,
    state: Rc<State<S>>,
}

/// What the task that throws out shares.
struct State<S> {
    shelf: RefCell<Shelf<Rc<Shared<S>>>>,
    /// Those that calls use, if a connection may have several; one that has a single call is known to it alone.
    in_use: RefCell<Vec<Rc<Shared<S>>>>,
    /// Those that are being made, if a connection may have several calls.
    making: RefCell<Vec<Rc<Making>>>,
    /// That task, and when it wakes; none before the first.
    reaper: RefCell<Option<(Instant, AbortHandle)>>,
}

impl<S> Pool<S> {
    pub(super) fn new(
        connector: Connector<S>,
        fail_fast: FailFast,
        is_alone: Rc<Cell<bool>>,
        keep: usize,
        idle: Option<Duration>,
    ) -> Self {
        let state = State {
            shelf: RefCell::new(Shelf::new(keep, idle)),
            in_use: RefCell::default(),
            making: RefCell::default(),
            reaper: RefCell::new(None),
        };
        Self {
            connector,
            fail_fast,
            is_alone,
            age: None,
            reuses_failed: false,
            calls: 1,
            random: Random::from_entropy(),
            state: Rc::new(state),
        }
    }

    /// How old connections become at most.
    pub(super) const fn age(mut self, age: Option<Duration>) -> Self {
        self.age = age;
        self
    }

    pub(super) const fn reuses_failed(mut self, reuses_failed: bool) -> Self {
        self.reuses_failed = reuses_failed;
        self
    }

    pub(super) const fn calls(mut self, calls: usize) -> Self {
        self.calls = calls;
        self
    }
}

impl<S> State<S> {
    /// Of the connections in use that may have another call, and have fewer than `most`, the one that has the fewest.
    fn fewest_calls(&self, most: usize) -> Option<Rc<Shared<S>>> {
        let in_use = self.in_use.borrow();
        // None at all where a connection has one call: no clock is read.
        let now = in_use.first().map(|_| Instant::now())?;
        let has_room = in_use.iter().filter(|connection| connection.has_room(most, now));
        has_room.min_by_key(|connection| connection.calls.get()).cloned()
    }
}

impl<S: 'static> Pool<S> {
    /// A place on a connection: one that is idle, one in use that has room, one that is being made, or a new one.
    async fn lend<Request>(&self) -> Result<Lent<'_, S>, Error<Infallible>>
    where
        S: Service<Request>,
    {
        loop {
            if let Some(lent) = self.idle().or_else(|| self.with_room()) {
                return Ok(lent);
            }
            let has_room = |making: &&Rc<Making>| making.waiting() + 1 < self.calls;
            let making = self.state.making.borrow().iter().find(has_room).cloned();
            match making {
                Some(making) => making.ended().await?,
                None => return self.connect().await,
            }
        }
    }

    /// One that was idle, the last used first.
    fn idle<Request>(&self) -> Option<Lent<'_, S>>
    where
        S: Service<Request>,
    {
        loop {
            // Statements of their own: what is dropped is dropped with nothing borrowed.
            let gone = self.state.shelf.borrow_mut().expire(Instant::now());
            drop(gone);
            let taken = self.state.shelf.borrow_mut().take();
            let (connection, _ends) = taken?;
            if connection.service.status() != Status::Closed {
                return Some(self.begin(connection));
            }
        }
    }

    /// The one that has the fewest calls of those in use that have room for another.
    fn with_room<Request>(&self) -> Option<Lent<'_, S>>
    where
        S: Service<Request>,
    {
        loop {
            let connection = self.state.fewest_calls(self.calls)?;
            // With nothing borrowed, since it is asked what may call back.
            if connection.service.status() != Status::Closed {
                connection.calls.set(connection.calls.get() + 1);
                return Some(Lent { pool: self, connection, is_whole: false });
            }
            connection.is_good.set(false);
        }
    }

    /// A new one.
    async fn connect(&self) -> Result<Lent<'_, S>, Error<Infallible>> {
        let maker = (self.calls > 1).then(|| Maker::new(&self.state.making));
        let connector = &self.connector;
        let made = match self.is_alone.get() {
            true => connector.call(()).await,
            false => self.fail_fast.apply((), connector).await,
        };
        if let (Err(failure), Some(maker)) = (&made, &maker) {
            maker.fail(failure);
        }
        let service = made?;
        let ends = self.age.map(|age| {
            let earlier = self.random.below(nanoseconds(age) / JITTER + 1);
            Instant::now() + (age - Duration::from_nanos(earlier))
        });
        Ok(self.begin(Rc::new(Shared { service, ends, calls: Cell::new(0), is_good: Cell::new(true) })))
    }

    /// The first call on a connection that nobody uses.
    fn begin(&self, connection: Rc<Shared<S>>) -> Lent<'_, S> {
        connection.calls.set(1);
        if self.calls > 1 {
            self.state.in_use.borrow_mut().push(connection.clone());
        }
        Lent { pool: self, connection, is_whole: false }
    }
}

impl<S, Request> Service<Request> for Pool<S>
where
    S: Service<Request> + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;

    async fn call(&self, request: Request) -> Result<S::Response, Error<S::Error>> {
        let mut lent = self.lend().await.map_err(Error::before)?;
        let result = lent.connection.service.call(request).await;
        lent.is_whole = result.is_ok();
        if lent.connection.service.status() == Status::Closed {
            lent.connection.is_good.set(false);
        }
        result.map_err(Error::Call)
    }

    /// Open if a connection is idle, or has room, else that of connecting.
    fn status(&self) -> Status {
        let is_idle = !self.state.shelf.borrow().is_empty();
        let has_room = || self.state.fewest_calls(self.calls).is_some();
        if is_idle || has_room() || self.is_alone.get() { Status::Open } else { self.fail_fast.status(&self.connector) }
    }
}

impl<S> Shared<S> {
    /// Whether a call may have it beside those that do, of which there are to be at most `most`.
    fn has_room(&self, most: usize, now: Instant) -> bool {
        self.calls.get() < most && self.is_good.get() && self.ends.is_none_or(|ends| now < ends)
    }
}

/// A connection, and what calls have to know of each other.
struct Shared<S> {
    service: S,
    /// When its age is over; none if never.
    ends: Option<Instant>,
    /// How many use it.
    calls: Cell<usize>,
    /// Cleared when no further call is to have it: by a call that failed, or has found it Closed.
    is_good: Cell<bool>,
}

/// A place on a connection. When the last one is dropped, the connection goes back or is closed.
struct Lent<'a, S: 'static> {
    pool: &'a Pool<S>,
    connection: Rc<Shared<S>>,
    /// Whether its call has ended well.
    is_whole: bool,
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let (state, connection) = (&self.pool.state, &self.connection);
        if !self.is_whole && !self.pool.reuses_failed {
            connection.is_good.set(false);
        }
        connection.calls.set(connection.calls.get() - 1);
        if connection.calls.get() > 0 {
            return;
        }
        state.in_use.borrow_mut().retain(|other| !Rc::ptr_eq(other, connection));
        if connection.is_good.get() {
            state.shelf.borrow_mut().put(Instant::now(), connection.clone(), connection.ends);
            reap(state);
        }
    }
}

/// Sees to it that a task throws out what has been there for too long.
fn reap<S: 'static>(state: &Rc<State<S>>) {
    let Some(next) = state.shelf.borrow().next() else { return };
    let mut reaper = state.reaper.borrow_mut();
    if reaper.as_ref().is_some_and(|(wakes, task)| *wakes <= next && !task.is_finished()) {
        return;
    }
    let task = spawn(wait_and_throw_out(Rc::downgrade(state), next)).abort_handle();
    if let Some((_, late)) = reaper.replace((next, task)) {
        late.abort();
    }
}

/// The task, which ends when nothing is left that could be there for too long.
async fn wait_and_throw_out<S>(state: Weak<State<S>>, mut at: Instant) {
    loop {
        sleep_until(at).await;
        let Some(state) = state.upgrade() else { return };
        let gone = state.shelf.borrow_mut().expire(Instant::now());
        drop(gone);
        let Some(next) = state.shelf.borrow().next() else { return };
        if let Some((wakes, _)) = &mut *state.reaper.borrow_mut() {
            *wakes = next;
        }
        at = next;
    }
}

impl<S> Drop for State<S> {
    fn drop(&mut self) {
        if let Some((_, task)) = self.reaper.take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::client::connector::Target;
    use crate::net::{TcpListener, TcpStream};
    use crate::service::{ServiceFn, service_fn};
    use crate::testing;

    #[test]
    fn a_connection_that_gets_no_further_call_is_no_room() {
        testing::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            type Echo = ServiceFn<fn(u8) -> std::future::Ready<io::Result<u8>>>;
            let make = Rc::new(async |_: TcpStream| -> io::Result<Echo> { Err(io::ErrorKind::ConnectionReset.into()) });
            let connector = Connector { target: Target::Tcp(address, TcpStream::options(), make), timeout: None };
            let pool = Pool::new(connector, FailFast::new(), Rc::default(), 0, None).calls(2);
            let service: Echo = service_fn(|byte| std::future::ready(Ok(byte)));
            let connection = Rc::new(Shared { service, ends: None, calls: Cell::new(0), is_good: Cell::new(true) });
            let _lent = pool.begin(connection.clone());
            assert_eq!(pool.call(7).await.unwrap(), 7);
            assert_eq!(Service::<u8>::status(&pool), Status::Open);
            connection.is_good.set(false);
            assert!(matches!(pool.call(7).await, Err(Error::Connect(..))));
            assert_eq!(Service::<u8>::status(&pool), Status::Busy);
        });
    }
}
