//! Tasks in the style of the 2016 announcement: a state machine that is ticked.
//!
//! A tick tries whatever the task has to try. What says "not yet" has recorded that this task waits for it; when the
//! tick returns, the reactor knows all it needs to know. The rule for `WouldBlock`, whatever the order inside the tick:
//!
//! | in this tick | the task is |
//! |---|---|
//! | something made progress | ticked again at once, while budget is left; then at the back of the run queue |
//! | an operation was refused for want of budget | at the back of the run queue |
//! | something said "not yet" | parked, until one of the sources it waits for is ready |
//! | nothing of these | ended with an error: it would never be woken |
//!
//! A reactor that parked every tick that says `WouldBlock` would never again run one that holds buffered work, or that
//! touched nothing. `Again` says the first, and the second is an error, so a task neither stalls in silence nor spins.
//!
//! In the guide: [the four ways to wait](crate::guide::styles).

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::core::Core;
use crate::join_handle::JoinHandle;
use crate::scope::Owner;
use crate::sentence::sentence;
use crate::spawn;
use crate::waker::Number;
use crate::work::Work;

/// A task that is ticked whenever something it waits for is ready.
///
/// Closures are tasks. Ticks may come without need: a tick tries, and does not assume.
///
/// ```
/// use std::io;
/// use mainspring::{net::{TcpListener, TcpStream}, tick::{self, Task, Tick}};
///
/// struct Listener(TcpListener);
///
/// impl Task for Listener {
///     fn tick(&mut self) -> io::Result<Tick> {
///         while let Some((_stream, peer)) = self.0.try_accept()? {
///             println!("connection from {peer}");
///             return Ok(Tick::Final);
///         }
///         Ok(Tick::WouldBlock)
///     }
/// }
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let task = tick::schedule(Listener(listener));
///     TcpStream::connect(address).await?;
///     task.await?
/// })??;
/// # io::Result::Ok(())
/// ```
pub trait Task {
    /// Goes as far as it can.
    ///
    /// # Errors
    ///
    /// Any error but `WouldBlock`, which is the same as `Ok(Tick::WouldBlock)`, ends the task and goes to its handle.
    fn tick(&mut self) -> io::Result<Tick>;
}

impl<F: FnMut() -> io::Result<Tick>> Task for F {
    fn tick(&mut self) -> io::Result<Tick> {
        self()
    }
}

/// What a tick returns.
///
/// ```
/// use mainspring::{tick::{schedule, Tick}, time::sleep};
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let mut pause = sleep(Duration::from_millis(1));
///     let task = schedule(move || match pause.try_wait()? {
///         Some(()) => Ok(Tick::Final),
///         None => Ok(Tick::WouldBlock), // the sleep has recorded that this task waits for it
///     });
///     task.await?
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tick {
    /// It can go no further before something that said "not yet" is ready.
    WouldBlock,
    /// It holds buffered work that the reactor cannot see: tick it again, after the others had their turn.
    Again,
    /// It has ended.
    Final,
}

/// Starts `task` on the reactor that is running on this thread.
///
/// # Errors
///
/// In the handle: the error that ended the task, or why it could not be started (see [`spawn`](fn@crate::spawn)).
///
/// ```
/// use mainspring::tick::{schedule, Tick};
///
/// mainspring::run(async {
///     let mut left = 3;
///     let task = schedule(move || {
///         left -= 1;
///         Ok(if left == 0 { Tick::Final } else { Tick::Again })
///     });
///     task.await.unwrap().unwrap();
/// })
/// # .unwrap();
/// ```
pub fn schedule<T: Task + 'static>(task: T) -> JoinHandle<io::Result<()>> {
    spawn::start(Ticking::new(task))
}

/// As [`schedule`], and the task has a name: see [`spawn_named`](crate::task::spawn_named).
///
/// # Errors
///
/// Those of [`schedule`].
///
/// ```
/// use mainspring::tick::{schedule_named, Tick};
///
/// mainspring::run(async {
///     let task = schedule_named("once", || Ok(Tick::Final));
///     assert_eq!(task.name().as_deref(), Some("once"));
///     task.await.unwrap().unwrap();
/// })
/// # .unwrap();
/// ```
pub fn schedule_named<T: Task + 'static>(name: impl Into<Rc<str>>, task: T) -> JoinHandle<io::Result<()>> {
    spawn::start_named(Some(name.into()), Ticking::new(task))
}

/// The work of a tick task.
pub(crate) struct Ticking<T> {
    /// The user's task.
    task: T,
    /// Under whose name its waits stand; they end with it.
    owner: Owner,
}

impl<T> Ticking<T> {
    pub(crate) fn new(task: T) -> Self {
        Self { task, owner: Owner::new() }
    }
}

// The task is ticked by `&mut`, and never pinned.
impl<T> Unpin for Ticking<T> {}

impl<T: Task> Work for Ticking<T> {
    type Output = io::Result<()>;

    #[inline]
    fn work(mut self: Pin<&mut Self>, core: &Core, number: Number) -> Poll<io::Result<()>> {
        let Self { task, owner } = &mut *self;
        let account = &core.account;
        owner.enter_task(account, || {
            loop {
                let result = task.tick();
                let outcome = account.outcome();
                match result {
                    Ok(Tick::WouldBlock) => {}
                    Ok(Tick::Final) => return Poll::Ready(Ok(())),
                    Ok(Tick::Again) => {
                        core.wake(number);
                        return Poll::Pending;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
                if outcome.progress() {
                    if account.has_budget() {
                        account.forget();
                        continue;
                    }
                    core.wake(number);
                } else if outcome.waits_for_nothing() {
                    return Poll::Ready(Err(waits_for_nothing()));
                }
                return Poll::Pending;
            }
        })
    }
}

#[cold]
fn waits_for_nothing() -> io::Error {
    sentence(io::ErrorKind::Other, "tick waits for nothing: it returned WouldBlock, and no source said \"not yet\"")
}
