//! What a task does, and what becomes of it: the body of a task.
//!
//! There are two kinds of work, a future, which is polled with a waker, and a tick task, which is ticked in a scope.
//! The table of tasks knows neither: to it a body is [`Run`], which goes on, fails, or gives its output away. The
//! output takes the place of the work in the same allocation, so that it waits for its `JoinHandle` at no further cost;
//! that of a task from another thread is sent there ([`Replying`]).
//!
//! A tick task could be a future too. It has a way of its own because a future gets a `Context`, of which a tick uses
//! nothing, and finds its reactor by the thread.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::core::Core;
use crate::join_error::JoinError;
use crate::pin::{Projected, Stages};
use crate::remote_task::Reply;
use crate::waker::Number;

/// What a task does when its turn comes: a future is polled, a tick task is ticked.
pub(crate) trait Work {
    /// What the `JoinHandle` gets.
    type Output;

    /// Goes on with `task`, which is this one, on the reactor that is running.
    fn work(self: Pin<&mut Self>, core: &Core, task: Number) -> Poll<Self::Output>;

    /// What the task is called, if it was given a name.
    fn name(self: Pin<&mut Self>) -> Option<Rc<str>> {
        None
    }
}

/// The work of a future.
pub(crate) type Polled<F> = Projected<F, ()>;

impl<F: Future> Work for Polled<F> {
    type Output = F::Output;

    #[inline]
    fn work(self: Pin<&mut Self>, _core: &Core, task: Number) -> Poll<F::Output> {
        // Why not dropped: there is nothing to drop in a number, and the drop would be a call.
        let waker = ManuallyDrop::new(task.waker());
        self.project().0.poll(&mut Context::from_waker(&waker))
    }
}

/// What stands beside work, has no part in it, and is dropped with it.
pub(crate) trait Beside {
    /// What the task is called, if this says so.
    fn name(&self) -> Option<Rc<str>> {
        None
    }
}

impl<W: Work, B: Beside> Work for Projected<W, B> {
    type Output = W::Output;

    #[inline]
    fn work(self: Pin<&mut Self>, core: &Core, task: Number) -> Poll<W::Output> {
        self.project().0.work(core, task)
    }

    fn name(self: Pin<&mut Self>) -> Option<Rc<str>> {
        self.project().1.name()
    }
}

/// The work of a task that was given a name. It stands beside the work, so that a task without one pays nothing.
pub(crate) type Named<W> = Projected<W, Rc<str>>;

impl Beside for Rc<str> {
    fn name(&self) -> Option<Rc<str>> {
        Some(self.clone())
    }
}

/// A task's work and its output, with their types forgotten.
pub(crate) trait Run {
    /// Goes on with the work. When it is done its output is kept, and the work is dropped.
    fn run(self: Pin<&mut Self>, core: &Core, task: Number) -> Poll<()>;
    /// Drops the work; `error` takes the place of the output.
    fn fail(self: Pin<&mut Self>, error: JoinError);
    /// Moves the output into `output`, an `Option<Result<T, JoinError>>`.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);
    /// What the task is called; none if it has no name, or has ended.
    fn name(self: Pin<&mut Self>) -> Option<Rc<str>>;
}

impl<W> Run for Stages<W, Result<W::Output, JoinError>>
where
    W: Work + 'static,
    W::Output: 'static,
{
    #[inline]
    fn run(mut self: Pin<&mut Self>, core: &Core, task: Number) -> Poll<()> {
        let Some(running) = self.as_mut().running() else { return Poll::Ready(()) };
        let Poll::Ready(value) = running.work(core, task) else { return Poll::Pending };
        self.end(Ok(value));
        Poll::Ready(())
    }

    fn fail(self: Pin<&mut Self>, error: JoinError) {
        self.end(Err(error));
    }

    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any) {
        if let Some(output) = output.downcast_mut() {
            *output = self.take();
        }
    }

    fn name(self: Pin<&mut Self>) -> Option<Rc<str>> {
        self.running()?.name()
    }
}

/// Work, and where on another thread its output goes: that takes the place of both when the work is done, and is none
/// meanwhile.
pub(crate) type Replying<W> = Projected<W, Option<Reply<<W as Work>::Output>>>;

impl<W> Run for Stages<Replying<W>, Reply<W::Output>>
where
    W: Work + 'static,
    W::Output: 'static,
{
    fn run(mut self: Pin<&mut Self>, core: &Core, task: Number) -> Poll<()> {
        let Some(running) = self.as_mut().running() else { return Poll::Ready(()) };
        let (work, _) = running.project();
        let Poll::Ready(value) = work.work(core, task) else { return Poll::Pending };
        reply(self, Ok(value));
        Poll::Ready(())
    }

    fn fail(self: Pin<&mut Self>, error: JoinError) {
        reply(self, Err(error));
    }

    fn take_output(self: Pin<&mut Self>, _output: &mut dyn Any) {}

    fn name(self: Pin<&mut Self>) -> Option<Rc<str>> {
        None
    }
}

/// Drops the work. Its output is sent when the body is dropped, so that a panic in the drop of the work is heard of
/// before.
fn reply<W: Work>(mut body: Pin<&mut Stages<Replying<W>, Reply<W::Output>>>, output: Result<W::Output, JoinError>) {
    let Some(mut reply) = body.as_mut().running().and_then(|running| running.project().1.take()) else { return };
    reply.set(output);
    body.end(reply);
}

/// A task's work and its output.
pub(crate) type Body = Pin<Box<dyn Run>>;

/// The one allocation of a task.
pub(crate) fn body<W>(work: W) -> Body
where
    W: Work + 'static,
    W::Output: 'static,
{
    Box::pin(Stages::First(work))
}

/// The one allocation of a task whose output goes to another thread.
pub(crate) fn replying<W>(work: Replying<W>) -> Body
where
    W: Work + 'static,
    W::Output: 'static,
{
    Box::pin(Stages::First(work))
}
