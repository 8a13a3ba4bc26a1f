//! A connection that is being made, by one call, for several.
//!
//! Where a connection serves several calls at one time, those that come while it is made wait for it, since each would
//! make one of its own otherwise. Made by the [pool](super::pool::Pool); the call that makes holds it through a
//! [`Maker`].
//!
//! Guarantees: no more wait than the connection will have room for; all of them hear how it ended, in the same words if
//! it failed, so that a peer which cannot be reached costs each of them one time and not the sum; and when the call
//! that makes it is dropped, they go on as if nobody had begun.
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

use super::Error;
use crate::sync::Notify;

/// What those who wait see of it.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// How many wait.
    waiting: Cell<usize>,
    /// Whether it has ended, whatever it came to.
    is_over: Cell<bool>,
    /// Why it failed, if it did.
    failure: RefCell<Option<Error<Infallible>>>,
    /// Signalled at the end.
    ended: Notify,
}

impl Making {
    /// How many wait for it.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Until it has ended.
    pub(super) async fn ended(&self) -> Result<(), Error<Infallible>> {
        let _waiting = Waiting::new(&self.waiting);
        while !self.is_over.get() {
            self.ended.notified().await;
        }
        match &*self.failure.borrow() {
            Some(failure) => Err(failure.again()),
            None => Ok(()),
        }
    }
}

/// One that waits, until this is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What the call has that makes it. Dropping this is its end.
pub(super) struct Maker<'a> {
    making: Rc<Making>,
    /// Those of the pool, among which it stands.
    all: &'a RefCell<Vec<Rc<Making>>>,
}

impl<'a> Maker<'a> {
    /// Begins one, which the others see among `all`.
    pub(super) fn new(all: &'a RefCell<Vec<Rc<Making>>>) -> Self {
        let making = Rc::<Making>::default();
        all.borrow_mut().push(making.clone());
        Self { making, all }
    }

    /// It has failed.
    pub(super) fn fail(&self, failure: &Error<Infallible>) {
        *self.making.failure.borrow_mut() = Some(failure.again());
    }
}

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        self.all.borrow_mut().retain(|making| !Rc::ptr_eq(making, &self.making));
        self.making.is_over.set(true);
        self.making.ended.notify_waiters();
    }
}
