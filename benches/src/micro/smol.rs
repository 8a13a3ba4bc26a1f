//! smol: tasks of one thread run on a `LocalExecutor`, those that other threads start on an `Executor`.
//!
//! Its channels are async-channel, its locks async-lock, its signal an event with a flag beside
//! it. It has no oneshot: that is the one of futures-channel.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_lock::{Mutex, Semaphore};
use futures_channel::oneshot;
use smol::channel;
use smol::{Async, Executor, LocalExecutor, Task, Timer};

use super::runtime::Runtime;
use super::signal::Signal;
use super::{channels, tasks};

pub(super) struct Smol {
    /// For tasks of this thread.
    local: &'static LocalExecutor<'static>,
    /// For tasks of others.
    shared: Arc<Executor<'static>>,
}

thread_local! {
    /// The executor of this thread, for whoever starts tasks.
    static LOCAL: Cell<Option<&'static LocalExecutor<'static>>> = const { Cell::new(None) };
}

impl Runtime for Smol {
    const NAME: &'static str = "smol";

    fn new() -> io::Result<Self> {
        // Once for each thread of the works that have two, and so never freed.
        let local = &*Box::leak(Box::new(LocalExecutor::new()));
        Ok(Self { local, shared: Arc::default() })
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        LOCAL.set(Some(self.local));
        smol::block_on(self.local.run(future))
    }

    type Task<T: Send + 'static> = Task<T>;

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        LOCAL.get().expect("`block_on` has set it").spawn(future)
    }

    fn start(future: impl Future<Output = ()> + Send + 'static) {
        Self::spawn(future).detach();
    }

    fn spawn_and_join(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_and_join::<Self>(count))
    }

    fn spawn_batch(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_batch::<Self>(count))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    type Sender<T: Send + 'static> = channel::Sender<T>;
    type Receiver<T: Send + 'static> = channel::Receiver<T>;

    fn bounded<T: Send + 'static>(bound: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        channel::bounded(bound)
    }

    async fn send<T: Send + 'static>(sender: &Self::Sender<T>, value: T) -> bool {
        sender.send(value).await.is_ok()
    }

    async fn receive<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }

    type Promise<T: Send + 'static> = oneshot::Sender<T>;
    type Answer<T: Send + 'static> = oneshot::Receiver<T>;

    fn oneshot<T: Send + 'static>() -> (Self::Promise<T>, Self::Answer<T>) {
        oneshot::channel()
    }

    fn fulfil<T: Send + 'static>(promise: Self::Promise<T>, value: T) -> bool {
        promise.send(value).is_ok()
    }

    async fn answer<T: Send + 'static>(answer: Self::Answer<T>) -> Option<T> {
        answer.await.ok()
    }

    type Signal = Arc<Signal>;

    fn signal() -> Self::Signal {
        Arc::default()
    }

    fn notify(signal: &Self::Signal) {
        signal.notify();
    }

    fn notified(signal: &Self::Signal) -> impl Future<Output = ()> {
        signal.notified()
    }

    fn signals(&self, count: usize) -> Duration {
        let (other, measured) = channels::signals::<Self>(count);
        self.block_on(async {
            self.local.spawn(other).detach();
            measured.await
        })
    }

    type Mutex = Mutex<usize>;

    fn mutex() -> Self::Mutex {
        Mutex::new(0)
    }

    async fn lock_and_add(mutex: &Self::Mutex) -> usize {
        let mut locked = mutex.lock().await;
        *locked += 1;
        *locked
    }

    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) {
        drop(semaphore.acquire().await);
    }

    type Instant = Instant;
    type Sleep = Timer;

    fn now() -> Self::Instant {
        Instant::now()
    }

    fn after(instant: Self::Instant, duration: Duration) -> Self::Instant {
        instant + duration
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Timer::after(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Self::Instant) {
        sleep.get_mut().set_at(deadline);
    }

    fn start_sleeping(deadline: Self::Instant, then: impl FnOnce() + Send + 'static) {
        Self::start(async move {
            Timer::at(deadline).await;
            then();
        });
    }

    type Remote = Arc<Executor<'static>>;

    fn remote(&self) -> Option<Self::Remote> {
        Some(Arc::clone(&self.shared))
    }

    fn start_from_outside(remote: &Self::Remote, future: impl Future<Output = ()> + Send + 'static) {
        remote.spawn(future).detach();
    }

    fn serve<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(self.shared.run(future))
    }

    type Stream = Async<UnixStream>;

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        Async::new(stream)
    }

    async fn read_one(stream: &mut Self::Stream) -> io::Result<()> {
        stream.read_with(|mut stream| io::Read::read(&mut stream, &mut [0])).await.map(drop)
    }
}
