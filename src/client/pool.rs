//! The connections to one endpoint: a call takes one for itself, and gives it back.
//!
//! Its place is below the limit that bounds how many calls are inside, and with them connections: a new one is made only when
//! none is idle, so there are never more than places. Who waits for a place is the limit's business, in order of arrival.
//!
//! Guarantees: a connection serves one call at a time; one whose status is Closed is not handed out; one whose call has failed,
//! or was dropped, is closed, unless it was said that it can be used on. Those that are idle are in a [`Shelf`], and a task
//! throws out what has been there for too long; there is none while nothing is idle.
//!
//! The trade-off: a connection that comes back while a call makes a new one is not given to that call, which would have to hear
//! of both. And a connection that a call has begun to make is dropped with the call.
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::Error;
use super::connector::Connector;
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
    /// Set while there is no other endpoint: then a call that may fail is better than one that has to, and it always tries.
    is_alone: Rc<Cell<bool>>,
    /// How old a connection may be; none for ever.
    age: Option<Duration>,
    /// Whether a connection is used on after a call that failed or was dropped.
    reuses_failed: bool,
    random: Random,
    state: Rc<State<S>>,
}

/// What the task that throws out shares.
struct State<S> {
    shelf: RefCell<Shelf<S>>,
    /// That task, and when it wakes; none before the first.
    reaper: RefCell<Option<(Instant, AbortHandle)>>,
}

impl<S> Pool<S> {
    pub(super) fn new(connector: Connector<S>, is_alone: Rc<Cell<bool>>, shelf: Shelf<S>) -> Self {
        let state = State { shelf: RefCell::new(shelf), reaper: RefCell::new(None) };
        Self {
            connector,
            fail_fast: FailFast::new(),
            is_alone,
            age: None,
            reuses_failed: false,
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
}

impl<S: 'static> Pool<S> {
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
            let (connection, ends) = taken?;
            if connection.status() != Status::Closed {
                return Some(Lent { pool: self, connection: Some(connection), ends, is_whole: false });
            }
        }
    }

    /// A new one.
    async fn connect<E>(&self) -> Result<Lent<'_, S>, Error<E>> {
        let connector = &self.connector;
        let made = match self.is_alone.get() {
            true => connector.call(()).await,
            false => self.fail_fast.apply((), connector).await,
        };
        let connection = made.map_err(Error::before)?;
        let ends = self.age.map(|age| {
            let earlier = self.random.below(nanoseconds(age) / JITTER + 1);
            Instant::now() + (age - Duration::from_nanos(earlier))
        });
        Ok(Lent { pool: self, connection: Some(connection), ends, is_whole: false })
    }
}

impl<S, Request> Service<Request> for Pool<S>
where
    S: Service<Request> + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;

    async fn call(&self, request: Request) -> Result<S::Response, Error<S::Error>> {
        let mut lent = match self.idle() {
            Some(lent) => lent,
            None => self.connect().await?,
        };
        let connection = lent.connection.as_ref().unwrap_or_else(|| unreachable!("it goes when this is dropped"));
        let result = connection.call(request).await;
        let is_closed = connection.status() == Status::Closed;
        lent.is_whole = result.is_ok();
        if is_closed {
            lent.connection = None;
        }
        result.map_err(Error::Call)
    }

    /// Open if a connection is idle, else that of connecting.
    fn status(&self) -> Status {
        let is_idle = !self.state.shelf.borrow().is_empty();
        if is_idle || self.is_alone.get() { Status::Open } else { self.fail_fast.status(&self.connector) }
    }
}

/// A connection that a call has for itself; it goes back, or is closed, when this is dropped.
struct Lent<'a, S: 'static> {
    pool: &'a Pool<S>,
    /// None if it is not to go back.
    connection: Option<S>,
    /// When its age is over.
    ends: Option<Instant>,
    /// Whether its call has ended well.
    is_whole: bool,
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(|_| self.is_whole || self.pool.reuses_failed);
        if let Some(connection) = connection {
            self.pool.state.shelf.borrow_mut().put(Instant::now(), connection, self.ends);
            reap(&self.pool.state);
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
