//! What a runtime has to be able to do to take part.
//!
//! Implemented once per runtime, each as its own documentation writes it, and called by the works through a type
//! parameter, so that the compiler sees through it. The works are the same code for all. What a runtime has none of
//! (smol's oneshot, our mutex) is taken from the crate that its users take it from; the file of the runtime says which.
//!
//! Tasks have to be `Send`, because one of the runtimes moves them between threads. Where ours cannot be (a
//! `JoinHandle` and a signal belong to their reactor) the trait has a method for the whole of the work, whose body is
//! one line.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use super::{channels, timers};

/// A runtime, as it stands on the thread that measures.
pub(super) trait Runtime: Sized + 'static {
    /// Its name in the tables.
    const NAME: &'static str;

    fn new() -> io::Result<Self>;

    /// Runs a future on this thread.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Runs a future where tasks run: on this thread, unless tasks have threads of their own.
    fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(future)
    }

    /// What awaits a task.
    type Task<T: Send + 'static>: Future<Output = T>;

    /// Starts a task whose output will be awaited.
    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Starts a task that nobody awaits.
    fn start(future: impl Future<Output = ()> + Send + 'static);

    /// The work of this name in [`tasks`](super::tasks), where tasks run.
    fn spawn_and_join(&self, count: usize) -> Duration;

    /// The work of this name in [`tasks`](super::tasks), where tasks run.
    fn spawn_batch(&self, count: usize) -> Duration;

    fn yield_now() -> impl Future<Output = ()> + Send;

    type Sender<T: Send + 'static>: Clone + Send + Sync + 'static;
    type Receiver<T: Send + 'static>: Send + 'static;

    /// A queue of at most so many values.
    fn bounded<T: Send + 'static>(bound: usize) -> (Self::Sender<T>, Self::Receiver<T>);

    /// Waits for room; false if nobody receives any more.
    fn send<T: Send + 'static>(sender: &Self::Sender<T>, value: T) -> impl Future<Output = bool> + Send;

    fn receive<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> + Send;

    /// The work `round_trip` of [`channels`], by queues that stay on one thread, if there are any.
    fn local_round_trip(&self, count: usize) -> Duration {
        self.run(channels::round_trip::<Self>(count))
    }

    /// The work `mpsc_1_1` in the same way.
    fn local_mpsc_1_1(&self, count: usize) -> Duration {
        self.run(channels::mpsc_1_1::<Self>(count))
    }

    type Promise<T: Send + 'static>: Send + 'static;
    type Answer<T: Send + 'static>: Send + 'static;

    /// A channel for one value.
    fn oneshot<T: Send + 'static>() -> (Self::Promise<T>, Self::Answer<T>);

    /// Sends it; false if nobody receives it.
    fn fulfil<T: Send + 'static>(promise: Self::Promise<T>, value: T) -> bool;

    fn answer<T: Send + 'static>(answer: Self::Answer<T>) -> impl Future<Output = Option<T>> + Send;

    /// A signal without a value, of which one is kept while nobody waits. Clones are the same signal.
    type Signal: Clone + 'static;

    fn signal() -> Self::Signal;
    fn notify(signal: &Self::Signal);
    fn notified(signal: &Self::Signal) -> impl Future<Output = ()>;

    /// The two sides of `signals` in [`channels`](super::channels), each in a task.
    fn signals(&self, count: usize) -> Duration;

    type Mutex: 'static;

    /// Around 0.
    fn mutex() -> Self::Mutex;

    /// Locks it, adds 1, and returns the sum.
    fn lock_and_add(mutex: &Self::Mutex) -> impl Future<Output = usize>;

    type Semaphore: 'static;

    fn semaphore(permits: usize) -> Self::Semaphore;

    /// Takes a permit and gives it back.
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = ()>;

    type Instant: Copy;
    type Sleep: Future + 'static;

    fn now() -> Self::Instant;
    fn after(instant: Self::Instant, duration: Duration) -> Self::Instant;
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Has it end at another moment.
    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Self::Instant);

    /// Starts a task that sleeps until then, and calls `then`.
    fn start_sleeping(deadline: Self::Instant, then: impl FnOnce() + Send + 'static);

    /// The work `fire` of [`timers`], if it has a slack of a millisecond, where that can be chosen.
    fn fire_with_slack(&self, count: usize) -> io::Result<timers::Fired> {
        timers::fire(self, count)
    }

    /// What it costs to have a deadline for each of `count` operations, moved as they go on: of a sleep that stands
    /// beside them, unless the runtime has something better.
    fn deadline(&self, count: usize) -> io::Result<Duration> {
        Ok(self.block_on(timers::reset::<Self>(count)))
    }

    /// How other threads start tasks; none if they cannot.
    type Remote: Clone + Send + 'static;

    fn remote(&self) -> Option<Self::Remote>;
    fn start_from_outside(remote: &Self::Remote, future: impl Future<Output = ()> + Send + 'static);

    /// As [`block_on`](Self::block_on), for as long as other threads start tasks.
    fn serve<F: Future>(&self, future: F) -> F::Output {
        self.block_on(future)
    }

    type Stream;

    /// What was made by std, non-blocking, as a stream of this runtime.
    fn stream(stream: UnixStream) -> io::Result<Self::Stream>;

    /// Reads one byte.
    fn read_one(stream: &mut Self::Stream) -> impl Future<Output = io::Result<()>>;
}
