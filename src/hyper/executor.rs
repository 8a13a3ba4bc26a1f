//! Tasks for hyper.
//!
//! hyper's HTTP/2 starts a task for each stream of a server, one for the connection of a client, and one for an
//! upgrade. They become tasks of the reactor on whose thread they are started, so none of them need be `Send`.
//!
//! Nobody awaits such a task: hyper tells its own future what became of it. So a spawn that is refused, since no
//! reactor is running or it is ending, drops the future, and hyper reports a cancelled stream. An executor that holds a
//! `Handle` was turned down: it would send each stream through the inbox of its own reactor, behind a lock.

use std::future::Future;

use ::hyper::rt;

/// Starts the tasks of hyper on the reactor that is running on this thread.
///
/// ```
/// use hyper::rt::Executor as _;
/// use mainspring::{channel::oneshot, hyper::Executor};
///
/// mainspring::run(async {
///     let (sender, receiver) = oneshot::channel();
///     Executor.execute(async move { sender.send(42).unwrap() });
///     assert_eq!(receiver.await.unwrap(), 42);
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        drop(crate::spawn(future));
    }
}
