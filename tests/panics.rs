//! Panics at random: in polls, drops, wakes and payloads. Whatever happens, the other tasks get what they wait for, and
//! nothing is leaked, by the count of the allocator too.
//!
//! `PANIC_RUNS` sets how many runs there are; `.ci/long` has a hundred times as many as the default.
mod util;

use mainspring::channel::oneshot;
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet, Tracker};
use mainspring::tick::{Tick, schedule};
use mainspring::{JoinHandle, OnPanic, Reactor, spawn, yield_now};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use util::runtime::{Alive, EXPECTED, Limit, PanickingWaker, Random, Token, quiet};

/// Counts what each thread has allocated and not freed. The reactor of a run has no thread but its own.
struct CountingAllocator;

thread_local! {
    /// Blocks and bytes.
    static LIVE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// A block comes (1) or goes (-1).
fn count(blocks: isize, layout: Layout) {
    let (live, bytes) = LIVE.get();
    LIVE.set((live + blocks, bytes + blocks * layout.size() as isize));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-1, layout);
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs after which the process has all that it allocates once.
const WARM: u64 = 10;

/// How a task goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// In a poll, after some.
    Poll,
    /// When its future is dropped at its end.
    DropAtEnd,
    /// When its future is dropped by an abort.
    DropAtAbort,
    /// In a poll, with a payload that panics when it is dropped.
    Payload,
    /// In the drop of an output that nobody takes.
    Output,
    /// In a foreign waker that is woken by others.
    Wake,
    /// In a tick.
    Tick,
}

const FAULTS: [Fault; 7] =
    [Fault::Poll, Fault::DropAtEnd, Fault::DropAtAbort, Fault::Payload, Fault::Output, Fault::Wake, Fault::Tick];

/// Panics when it is dropped, whatever else is under way, but for an unwinding, which that would end the process in.
struct Armed(#[allow(dead_code)] Token);

impl Drop for Armed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{EXPECTED}: a drop");
        }
    }
}

/// A payload counts itself, and panics in its drop.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("{EXPECTED}: the drop of a payload");
    }
}

/// Panics when it is woken, with a payload that panics when it is dropped.
struct PayloadWaker;

impl Wake for PayloadWaker {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new(Payload));
    }
}

/// A future whose state is dropped with it, and not when it is ready.
struct With<F, S>(Pin<Box<F>>, #[allow(dead_code)] S);

impl<F: Future, S: Unpin> Future for With<F, S> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(cx)
    }
}

async fn yields(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// What faulty tasks and survivors have to do with each other.
struct Common {
    notify: Notify,
    permits: Semaphore,
    token: CancellationToken,
    alive: Alive,
}

impl Common {
    /// Starts a task that goes wrong. Dropped handles are among the cases.
    fn fault(&self, fault: Fault, random: &mut Random, panics: &Rc<Cell<u64>>) {
        let (before, token) = (random.below(4), self.alive.token());
        let (notify, permits) = (self.notify.clone(), self.permits.clone());
        let count = panics.clone();
        let strike = move || count.set(count.get() + 1);
        // It holds or waits for what others wait for when it goes wrong.
        let lead = async move {
            yields(before).await;
            let _permit = permits.acquire(1).await.unwrap();
            yield_now().await;
            notify.notify_one();
            let _token = token;
        };
        match fault {
            Fault::Poll => keep_or_drop(random, async move {
                lead.await;
                strike();
                panic!("{EXPECTED}: a poll");
            }),
            Fault::Payload => keep_or_drop(random, async move {
                lead.await;
                strike();
                // Without a message, which would be printed.
                resume_unwind(Box::new(Payload));
            }),
            Fault::DropAtEnd => {
                strike();
                keep_or_drop(random, With(Box::pin(lead), Armed(self.alive.token())));
            }
            Fault::DropAtAbort => {
                let armed = Armed(self.alive.token());
                strike();
                // With `pending` inside, so that only the abort ends it.
                let task = spawn(With(Box::pin(async { (lead.await, std::future::pending::<()>().await) }), armed));
                let abort = task.abort_handle();
                drop(spawn(async move {
                    yields(3).await;
                    abort.abort();
                    if before % 2 == 0 { drop(task) } else { assert!(task.await.unwrap_err().is_aborted()) }
                }));
            }
            Fault::Output => {
                let armed = Armed(self.alive.token());
                strike();
                drop(spawn(async move {
                    lead.await;
                    armed
                }));
            }
            Fault::Tick => {
                let mut left = before + 1;
                let token = self.alive.token();
                let task = schedule(move || -> io::Result<Tick> {
                    let _token = &token;
                    left -= 1;
                    if left == 0 {
                        strike();
                        panic!("{EXPECTED}: a tick");
                    }
                    Ok(Tick::Again)
                });
                drop(task);
            }
            Fault::Wake => {
                // It waits by a foreign waker, in the lines that the survivors stand in.
                let waker = match random.below(2) {
                    0 => Waker::from(Arc::new(PanickingWaker)),
                    _ => Waker::from(Arc::new(PayloadWaker)),
                };
                let (mut notified, mut cancelled) = (self.notify.notified(), self.token.cancelled());
                let mut acquire = self.permits.acquire(1);
                let token = self.alive.token();
                drop(spawn(async move {
                    let _token = token;
                    let mut cx = Context::from_waker(&waker);
                    // Ready or not: what it gets it gives back when it is dropped.
                    let _ = Pin::new(&mut notified).poll(&mut cx);
                    let _ = Pin::new(&mut acquire).poll(&mut cx).map(drop);
                    let _ = Pin::new(&mut cancelled).poll(&mut cx);
                    yields(before).await;
                }));
            }
        }
    }

    /// A task that must come to its end whatever the others do.
    fn survivor(&self, number: usize) -> impl Future<Output = usize> + use<> {
        let (notify, permits) = (self.notify.clone(), self.permits.clone());
        let (cancelled, token) = (self.token.cancelled(), self.alive.token());
        async move {
            let _token = token;
            let permit = permits.acquire(1).await.unwrap();
            yield_now().await;
            drop(permit);
            notify.notify_one();
            notify.notified().await;
            notify.notify_one();
            let (sender, receiver) = oneshot::channel();
            drop(spawn(async move { sender.send(number).unwrap() }));
            let number = receiver.await.unwrap();
            cancelled.await;
            number
        }
    }
}

/// The handle is awaited by another task, or dropped.
fn keep_or_drop<F: Future<Output: 'static> + 'static>(random: &mut Random, future: F) {
    let task: JoinHandle<F::Output> = spawn(future);
    if random.below(2) == 0 {
        drop(spawn(async move {
            let mut task = pin!(task);
            let error = poll_fn(|cx| task.as_mut().poll(cx)).await.err().unwrap();
            assert!(error.is_panic());
            // The payload may panic when it is dropped, in this task then.
            drop(error);
        }));
    }
}

/// One run: returns how many panics the reactor has caught.
fn run_once(random: &mut Random, hook: &Arc<AtomicU64>) -> u64 {
    let told = hook.clone();
    let builder = Reactor::builder().on_panic(move |_| {
        told.fetch_add(1, Ordering::SeqCst);
        OnPanic::Report
    });
    let reactor = builder.build().unwrap();
    let (panics, alive) = (Rc::new(Cell::new(0)), Alive::default());
    reactor
        .block_on(async {
            let common = Common {
                notify: Notify::new(),
                permits: Semaphore::new(1 + random.below(2)),
                token: CancellationToken::new(),
                alive: alive.clone(),
            };
            let tracker = Tracker::with_token(common.token.child());
            let mut survivors = JoinSet::new();
            for number in 0..8 {
                if random.below(3) == 0 {
                    survivors.spawn(common.survivor(number));
                } else {
                    common.fault(FAULTS[random.below(FAULTS.len())], random, &panics);
                }
                if random.below(4) == 0 {
                    yield_now().await;
                }
            }
            let told = tracker.token();
            tracker.spawn(async move { told.cancelled().await });
            yields(random.below(20)).await;
            common.token.cancel();
            let (started, mut ended) = (survivors.len(), 0);
            while let Some(survivor) = survivors.join_next().await {
                survivor.unwrap();
                ended += 1;
            }
            assert_eq!(ended, started);
            let shutdown = tracker.shutdown(Duration::MAX).await;
            assert_eq!(shutdown.aborted.len(), 0);
            // Until nothing but this is left: faulty ones and those who await them.
            for _ in 0..1000 {
                if mainspring::Stats::current().unwrap().tasks == 0 {
                    break;
                }
                yield_now().await;
            }
            let available = common.permits.available();
            assert!((1..=2).contains(&available), "all permits are back: {available}");
        })
        .unwrap();
    let stats = reactor.stats();
    assert_eq!((stats.tasks, stats.runnable), (0, 0), "every task has ended");
    assert!(stats.panics >= panics.get(), "{} of {} panics were caught", stats.panics, panics.get());
    drop(reactor);
    assert_eq!(alive.count(), 0, "nothing is leaked");
    stats.panics
}

#[test]
fn whatever_panics_the_others_end_as_they_should_and_nothing_is_leaked() {
    quiet();
    let runs = std::env::var("PANIC_RUNS").map_or(1000, |runs| runs.parse().expect("a number"));
    let mut random = Random::new();
    let hook = Arc::new(AtomicU64::new(0));
    let mut panics = 0;
    for run in 0..runs {
        if run % 1000 == 0 {
            println!("run {run}");
        }
        let _limit = (run % 1000 == 0).then(Limit::new);
        let before = LIVE.get();
        panics += run_once(&mut random, &hook);
        assert!(run < WARM || LIVE.get() == before, "run {run} has leaked: {before:?} is {:?}", LIVE.get());
    }
    assert!(panics >= 3 * runs, "only {panics} panics in {runs} runs");
    assert!(hook.load(Ordering::SeqCst) >= 2 * runs, "the hook heard of {hook:?}");
}
