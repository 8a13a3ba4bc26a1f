//! What a reactor does about a panic of a task.
//!
//! A panic ends its task, and goes to the task's handle. That is enough where somebody awaits the handle; where nobody
//! does, the panic would be a number in [`Stats`](crate::Stats) alone. So a reactor can be given a hook that hears of
//! each, and says whether the reactor is to go on.
//!
//! To end the process from inside the loop was turned down: a hook can do that itself.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::join_error::panic_text;
use crate::trace;

/// What the reactor does after a panic of a task: the answer of the hook of
/// [`Builder::on_panic`](crate::Builder::on_panic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPanic {
    /// Goes on: the panic goes to the task's handle, and no other task is affected. What a reactor without a hook does.
    #[default]
    Report,
    /// The same, and `run` or `block_on` returns an error that tells of it, after the present batch of polls. The
    /// reactor is whole, and can be run again.
    Stop,
}

/// A panic of a task, as the hook sees it.
///
/// ```
/// use mainspring::{OnPanic, Reactor, task::spawn_named};
///
/// let reactor = Reactor::builder()
///     .on_panic(|panic| {
///         assert_eq!((panic.name(), panic.text()), (Some("weak"), "what now"));
///         OnPanic::Stop
///     })
///     .build()?;
/// let error = reactor
///     .block_on(async {
///         drop(spawn_named("weak", async { panic!("what now") }));
///         std::future::pending::<()>().await
///     })
///     .unwrap_err();
/// assert_eq!(error.to_string(), "task weak panicked: what now");
/// # std::io::Result::Ok(())
/// ```
pub struct TaskPanic<'a> {
    /// What the task is called.
    name: Option<&'a str>,
    /// What it panicked with.
    payload: &'a (dyn Any + Send),
}

impl TaskPanic<'_> {
    /// What the task is called, if it was given a name. A task that panics when its future is dropped at its end has
    /// none any more, nor has one whose output panics when it is dropped.
    pub const fn name(&self) -> Option<&str> {
        self.name
    }

    /// The message of the panic, or a word that it is no text.
    pub fn text(&self) -> &str {
        panic_text(self.payload)
    }

    /// What it panicked with.
    pub const fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }

    /// What `run` returns if the reactor is to stop.
    fn error(&self) -> io::Error {
        let name = self.name.map_or_else(|| "a task".into(), |name| format!("task {name}"));
        io::Error::other(format!("{name} panicked: {}", self.text()))
    }
}

impl fmt::Debug for TaskPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic").field("name", &self.name).field("text", &self.text()).finish()
    }
}

/// Says why the reactor is to stop, if it is.
type Hears = dyn Fn(&TaskPanic<'_>) -> Option<io::Error> + Send + Sync;

/// The hook of a builder, which may serve several reactors.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Hears>);

impl Hook {
    pub(crate) fn new(hook: impl Fn(&TaskPanic<'_>) -> OnPanic + Send + Sync + 'static) -> Self {
        // Why the error is made in here: a program without a hook is linked without it.
        Self(Arc::new(move |panic| (hook(panic) == OnPanic::Stop).then(|| panic.error())))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// What one reactor does about panics.
pub(crate) struct Panics {
    /// Hears of them, if there is one.
    hook: Option<Hook>,
    /// Why the reactor is to stop; taken by the loop.
    stop: Cell<Option<io::Error>>,
}

impl Panics {
    pub(crate) const fn new(hook: Option<Hook>) -> Self {
        Self { hook, stop: Cell::new(None) }
    }

    /// A task has panicked. The hook may panic too.
    #[cold]
    pub(crate) fn report(&self, name: Option<Rc<str>>, payload: &(dyn Any + Send)) {
        let panic = TaskPanic { name: name.as_deref(), payload };
        trace::task_panicked(panic.name, panic.text());
        if let Some(why) = self.hook.as_ref().and_then(|hook| (hook.0)(&panic)) {
            self.stop(why);
        }
    }

    /// The reactor is to stop after the present batch of polls.
    pub(crate) fn stop(&self, why: io::Error) {
        self.stop.set(Some(why));
    }

    /// Why the reactor is to stop, once.
    #[inline]
    pub(crate) fn take_stop(&self) -> Option<io::Error> {
        self.stop.take()
    }
}
