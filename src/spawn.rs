//! Starting tasks, and giving way to others.
//!
//! Both are for code that runs inside a reactor, which is found by the thread: nothing has to be passed along. From
//! outside there are [`Reactor::spawn`](crate::Reactor::spawn) and [`Handle::spawn`](crate::Handle::spawn).
//!
//! A spawn never polls: the new task waits for its turn, so the caller's state is whole when it runs. One that cannot
//! be had is an error in the handle and not a panic, since to be out of tasks is a condition of operation, and to be
//! outside a reactor is met by libraries that cannot know.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::join_error::JoinError;
use crate::join_handle::JoinHandle;
use crate::waker;
use crate::work::{Named, Polled, Work};

/// Starts `future` as a task of the reactor that is running on this thread. It need not be `Send`.
///
/// The task runs whether or not the handle is awaited; it is first polled after the present task gives way.
///
/// # Errors
///
/// In the handle that is returned: that no reactor is running on this thread, that it is ending, or that it has
/// 16,777,215 live tasks. The future is dropped then.
///
/// ```
/// mainspring::run(async {
///     let tasks: Vec<_> = (0..3).map(|n| mainspring::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     assert_eq!(sum, 5);
/// })
/// # .unwrap();
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start(Polled::new(future, ()))
}

/// Starts a task on the reactor that is running on this thread.
pub(crate) fn start<W>(work: W) -> JoinHandle<W::Output>
where
    W: Work + 'static,
    W::Output: 'static,
{
    JoinHandle::new(waker::current(|core| match core {
        Some(core) => core.spawn(work),
        None => Err(JoinError::not_running()),
    }))
}

/// As [`spawn`](fn@crate::spawn), and the task has a name, by which it is told of: to the hook of
/// [`Builder::on_panic`](crate::Builder::on_panic), by [`JoinHandle::name`], by the [longest poll](crate::LongestPoll).
///
/// Names are for people: any text will do, also an empty one, and two tasks may have the same. A task without a name
/// costs no more for there being such.
///
/// # Errors
///
/// Those of [`spawn`](fn@crate::spawn).
///
/// ```
/// mainspring::run(async {
///     let task = mainspring::task::spawn_named("answer", async { 42 });
///     assert_eq!(task.name().as_deref(), Some("answer"));
///     assert_eq!(task.await.unwrap(), 42);
/// })
/// # .unwrap();
/// ```
pub fn spawn_named<F>(name: impl Into<Rc<str>>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start_named(Some(name.into()), Polled::new(future, ()))
}

/// Starts a task that may have a name.
pub(crate) fn start_named<W>(name: Option<Rc<str>>, work: W) -> JoinHandle<W::Output>
where
    W: Work + 'static,
    W::Output: 'static,
{
    match name {
        Some(name) => start(Named::new(work, name)),
        None => start(work),
    }
}

/// Goes to the back of the run queue once. Does not make the reactor ask its selector.
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
///
/// ```
/// mainspring::run(async {
///     for chunk in [[0_u8; 1024]; 4] {
///         assert_eq!(chunk.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 0); // some computing
///         mainspring::yield_now().await;
///     }
/// })
/// # .unwrap();
/// ```
pub const fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct YieldNow {
    /// Set at the first poll, which wakes its own task; the second one is ready.
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
