//! Mainspring. The mutex is that of async-lock: it has none of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use mainspring::channel::{local, mpsc, oneshot};
use mainspring::net;
use mainspring::sync::{Notify, Semaphore};
use mainspring::time::{Instant, Sleep, sleep, sleep_until};
use mainspring::{Handle, JoinHandle, Reactor, spawn, yield_now};

use super::channels::ROOMY;
use super::runtime::Runtime;
use super::{channels, tasks, timers};

pub(super) struct Mainspring(Reactor);

/// Streams that reads wait for in turns, so that a batch ends with a deadline for each.
const STREAMS: usize = 50;

/// Begins and ends so many reads of streams that nothing comes from.
async fn reads_that_wait(count: usize, timeout: Option<Duration>) -> io::Result<Duration> {
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let (stream, other) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let stream = net::UnixStream::from_std(stream)?;
        stream.set_read_timeout(timeout)?;
        streams.push((stream, other));
    }
    let start = Instant::now();
    for _ in 0..count.div_ceil(STREAMS) {
        poll_fn(|cx| {
            for (stream, _) in &streams {
                let mut buffer = [0];
                let read = pin!(stream.read(&mut buffer));
                assert!(read.poll(cx).is_pending(), "nothing comes from there");
            }
            Poll::Ready(())
        })
        .await;
        yield_now().await;
    }
    Ok(start.elapsed())
}

/// The output of a task, which no work lets panic.
pub(super) struct Joined<T>(JoinHandle<T>);

impl<T: 'static> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|output| output.expect("a task of this work has failed"))
    }
}

impl Runtime for Mainspring {
    const NAME: &'static str = "mainspring";

    fn new() -> io::Result<Self> {
        Reactor::new().map(Self)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future).expect("the selector works")
    }

    type Task<T: Send + 'static> = Joined<T>;

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(spawn(future))
    }

    fn start(future: impl Future<Output = ()> + Send + 'static) {
        spawn(future);
    }

    fn spawn_and_join(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_and_join::<Self>(count))
    }

    fn spawn_batch(&self, count: usize) -> Duration {
        self.block_on(tasks::spawn_batch::<Self>(count))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        yield_now()
    }

    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn bounded<T: Send + 'static>(bound: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        mpsc::bounded(bound)
    }

    async fn send<T: Send + 'static>(sender: &Self::Sender<T>, value: T) -> bool {
        sender.send(value).await.is_ok()
    }

    fn receive<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> + Send {
        receiver.recv()
    }

    fn local_round_trip(&self, count: usize) -> Duration {
        self.block_on(async {
            let (to, mut requests) = local::mpsc::bounded(32);
            let (back, mut answers) = local::mpsc::bounded(32);
            spawn(async move {
                while let Some(request) = requests.recv().await {
                    assert!(back.send(request).await.is_ok());
                }
            });
            let start = Instant::now();
            for nth in 0..count {
                assert!(to.send(nth).await.is_ok());
                assert_eq!(answers.recv().await, Some(nth));
            }
            start.elapsed()
        })
    }

    fn local_mpsc_1_1(&self, count: usize) -> Duration {
        self.block_on(async {
            let (sender, mut receiver) = local::mpsc::bounded(ROOMY);
            let start = Instant::now();
            spawn(async move {
                for nth in 0..count {
                    assert!(sender.send(nth).await.is_ok());
                }
            });
            let mut received = 0;
            while receiver.recv().await.is_some() {
                received += 1;
            }
            assert_eq!(received, count);
            start.elapsed()
        })
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

    type Signal = Notify;

    fn signal() -> Self::Signal {
        Notify::new()
    }

    fn notify(signal: &Self::Signal) {
        signal.notify_one();
    }

    fn notified(signal: &Self::Signal) -> impl Future<Output = ()> {
        signal.notified()
    }

    fn signals(&self, count: usize) -> Duration {
        let (other, measured) = channels::signals::<Self>(count);
        self.block_on(async {
            spawn(other);
            measured.await
        })
    }

    type Mutex = async_lock::Mutex<usize>;

    fn mutex() -> Self::Mutex {
        async_lock::Mutex::new(0)
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
        drop(semaphore.acquire(1).await);
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
        sleep.get_mut().reset(deadline);
    }

    fn start_sleeping(deadline: Self::Instant, then: impl FnOnce() + Send + 'static) {
        spawn(async move {
            sleep_until(deadline).await;
            then();
        });
    }

    fn fire_with_slack(&self, count: usize) -> io::Result<timers::Fired> {
        let reactor = Reactor::builder().timer_slack(Duration::from_millis(1)).build()?;
        timers::fire(&Self(reactor), count)
    }

    /// A read timeout: what reads that wait take with one, less what they take without.
    fn deadline(&self, count: usize) -> io::Result<Duration> {
        let with = self.block_on(reads_that_wait(count, Some(Duration::from_secs(30))))?;
        let without = self.block_on(reads_that_wait(count, None))?;
        Ok(with.saturating_sub(without))
    }

    type Remote = Handle;

    fn remote(&self) -> Option<Self::Remote> {
        Some(self.0.handle())
    }

    fn start_from_outside(remote: &Self::Remote, future: impl Future<Output = ()> + Send + 'static) {
        remote.spawn(move || future);
    }

    type Stream = net::UnixStream;

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        net::UnixStream::from_std(stream)
    }

    async fn read_one(stream: &mut Self::Stream) -> io::Result<()> {
        stream.read(&mut [0]).await.map(drop)
    }
}
