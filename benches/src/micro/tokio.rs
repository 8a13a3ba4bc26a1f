//! tokio, on one thread and on two, with its own channels, locks and timers.
//!
//! On two threads the works run in a task, on a worker: `block_on` there is a third thread, which tasks never run on.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::runtime::{Builder, Handle, Runtime as Inner};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::runtime::Runtime;
use super::{channels, tasks};

/// Threads of the second flavour.
const WORKERS: usize = 2;

/// With `THREADS` workers; none of them is `current_thread`.
pub(super) struct Tokio<const THREADS: usize>(Inner);

pub(super) type CurrentThread = Tokio<0>;
pub(super) type MultiThread = Tokio<WORKERS>;

/// The output of a task, which no work lets panic.
pub(super) struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|output| output.expect("a task of this work has failed"))
    }
}

impl<const THREADS: usize> Runtime for Tokio<THREADS> {
    const NAME: &'static str = if THREADS == 0 { "tokio, current_thread" } else { "tokio, multi_thread(2)" };

    fn new() -> io::Result<Self> {
        let mut builder = if THREADS == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
        if THREADS > 0 {
            builder.worker_threads(THREADS);
        }
        builder.enable_all().build().map(Self)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if THREADS == 0 {
            return self.0.block_on(future);
        }
        self.0.block_on(self.0.spawn(future)).expect("a work has failed")
    }

    type Task<T: Send + 'static> = Joined<T>;

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(tokio::spawn(future))
    }

    fn start(future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(future);
    }

    fn spawn_and_join(&self, count: usize) -> Duration {
        self.run(tasks::spawn_and_join::<Self>(count))
    }

    fn spawn_batch(&self, count: usize) -> Duration {
        self.run(tasks::spawn_batch::<Self>(count))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn bounded<T: Send + 'static>(bound: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        mpsc::channel(bound)
    }

    async fn send<T: Send + 'static>(sender: &Self::Sender<T>, value: T) -> bool {
        sender.send(value).await.is_ok()
    }

    fn receive<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> + Send {
        receiver.recv()
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

    type Signal = Arc<Notify>;

    fn signal() -> Self::Signal {
        Arc::default()
    }

    fn notify(signal: &Self::Signal) {
        signal.notify_one();
    }

    fn notified(signal: &Self::Signal) -> impl Future<Output = ()> {
        signal.notified()
    }

    fn signals(&self, count: usize) -> Duration {
        let (other, measured) = channels::signals::<Self>(count);
        self.run(async {
            tokio::spawn(other);
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
    type Sleep = Sleep;

    fn now() -> Self::Instant {
        Instant::now()
    }

    fn after(instant: Self::Instant, duration: Duration) -> Self::Instant {
        instant + duration
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, deadline: Self::Instant) {
        sleep.reset(deadline);
    }

    fn start_sleeping(deadline: Self::Instant, then: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move {
            sleep_until(deadline).await;
            then();
        });
    }

    type Remote = Handle;

    fn remote(&self) -> Option<Self::Remote> {
        Some(self.0.handle().clone())
    }

    fn start_from_outside(remote: &Self::Remote, future: impl Future<Output = ()> + Send + 'static) {
        remote.spawn(future);
    }

    type Stream = tokio::net::UnixStream;

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        tokio::net::UnixStream::from_std(stream)
    }

    async fn read_one(stream: &mut Self::Stream) -> io::Result<()> {
        stream.async_io(Interest::READABLE, || stream.try_read(&mut [0])).await.map(drop)
    }
}
