//! monoio, on io_uring where the kernel allows it, else on epoll.
//!
//! It has no `yield_now`, no channels and no locks: the first is written by hand, the others are those of smol. Other
//! threads cannot start tasks on it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_lock::{Mutex, Semaphore};
use futures_channel::oneshot;
use monoio::io::AsyncReadRent;
use monoio::task::JoinHandle;
use monoio::time::{Instant, Sleep, TimeDriver, sleep, sleep_until};
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use smol::channel;

use super::runtime::Runtime;
use super::signal::Signal;
use super::{channels, tasks};

pub(super) struct Monoio(RefCell<FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>>);

impl Runtime for Monoio {
    const NAME: &'static str = "monoio";

    fn new() -> io::Result<Self> {
        let runtime = RuntimeBuilder::<FusionDriver>::new().enable_timer().build()?;
        Ok(Self(RefCell::new(runtime)))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.borrow_mut().block_on(future)
    }

    type Task<T: Send + 'static> = JoinHandle<T>;

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        monoio::spawn(future)
    }

    fn start(future: impl Future<Output = ()> + Send + 'static) {
        monoio::spawn(future);
    }

    fn spawn_and_join(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_and_join::<Self>(count))
    }

    fn spawn_batch(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_batch::<Self>(count))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        let mut yielded = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
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
            monoio::spawn(other);
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
        monoio::spawn(async move {
            sleep_until(deadline).await;
            then();
        });
    }

    type Remote = Infallible;

    fn remote(&self) -> Option<Self::Remote> {
        None
    }

    fn start_from_outside(remote: &Self::Remote, _future: impl Future<Output = ()> + Send + 'static) {
        match *remote {}
    }

    type Stream = monoio::net::UnixStream;

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        monoio::net::UnixStream::from_std(stream)
    }

    async fn read_one(stream: &mut Self::Stream) -> io::Result<()> {
        stream.read(vec![0]).await.0.map(drop)
    }
}
