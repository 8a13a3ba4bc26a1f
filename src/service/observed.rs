//! A call that somebody watches: it has begun, it has ended so, or it was dropped.
//!
//! What the filters that decide by results have in common: failure accrual, adaptive limits, loads of endpoints,
//! statistics. An [`Observer`] hears that the call begins at its first poll, and then exactly one of its result and its
//! drop.
//!
//! It is a step beside the call, of the size of the observer and a byte. Three functions in each filter would be as
//! many chances to forget the drop, which is how a probe is lost or a load never comes down.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::pin::{Projected, Step};

/// Hears of one call.
pub(crate) trait Observer {
    /// It is polled for the first time.
    fn begins(&mut self);

    /// It was dropped before it had ended, and after it had begun.
    fn is_dropped(&mut self);
}

/// Hears of the result of one call.
pub(crate) trait Hears<Response, Error>: Observer {
    /// It has ended.
    fn ends(&mut self, result: &Result<Response, Error>);
}

/// What has been heard of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Running,
    Ended,
}

/// An observer, beside the call that it hears of.
pub(crate) struct Observed<O: Observer> {
    observer: O,
    stage: Stage,
}

impl<O: Observer> Observed<O> {
    /// `call`, of which `observer` hears.
    #[inline]
    pub(crate) const fn new<F>(call: F, observer: O) -> Projected<F, Self> {
        Projected::new(call, Self { observer, stage: Stage::New })
    }
}

impl<F, O, Response, Error> Step<F> for Observed<O>
where
    F: Future<Output = Result<Response, Error>>,
    O: Hears<Response, Error>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.stage == Stage::New {
            self.stage = Stage::Running;
            self.observer.begins();
        }
        let result = ready!(call.poll(cx));
        self.stage = Stage::Ended;
        self.observer.ends(&result);
        Poll::Ready(result)
    }
}

impl<O: Observer> Drop for Observed<O> {
    fn drop(&mut self) {
        if self.stage == Stage::Running {
            self.observer.is_dropped();
        }
    }
}
