//! Starting tasks and giving way: the rows `spawn` to `ping_pong`.
//!
//! Each returns how long its operations took, setting up left out.

use std::time::{Duration, Instant};

use super::runtime::Runtime;

/// Tasks that are started before the first is joined.
const BATCH: usize = 1000;

/// Tasks of `chained_spawn`, each started by the one before.
const CHAIN: usize = 1000;

/// Tasks that give way in turns.
const YIELDING: usize = 200;

/// How often each of many tasks gives way.
const YIELDS: usize = 10;

/// Starts a task and awaits it.
pub(super) async fn spawn_and_join<R: Runtime>(count: usize) -> Duration {
    let start = Instant::now();
    for nth in 0..count {
        assert_eq!(R::spawn(async move { nth }).await, nth);
    }
    start.elapsed()
}

/// Starts 1,000 tasks and then awaits them.
pub(super) async fn spawn_batch<R: Runtime>(count: usize) -> Duration {
    let mut tasks = Vec::with_capacity(BATCH);
    let start = Instant::now();
    for _ in 0..count.div_ceil(BATCH) {
        tasks.extend((0..BATCH).map(|nth| R::spawn(async move { nth })));
        for (nth, task) in tasks.drain(..).enumerate() {
            assert_eq!(task.await, nth);
        }
    }
    start.elapsed()
}

/// A task that starts the next, 1,000 times.
pub(super) async fn chained_spawn<R: Runtime>(count: usize) -> Duration {
    fn link<R: Runtime>(left: usize, done: R::Promise<()>) {
        R::start(async move {
            match left {
                0 => assert!(R::fulfil(done, ())),
                _ => link::<R>(left - 1, done),
            }
        });
    }
    let start = Instant::now();
    for _ in 0..count.div_ceil(CHAIN) {
        let (done, end) = R::oneshot();
        link::<R>(CHAIN - 1, done);
        assert!(R::answer(end).await.is_some());
    }
    start.elapsed()
}

/// One task that gives way, with nobody to give way to.
pub(super) async fn yield_1<R: Runtime>(count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        R::yield_now().await;
    }
    start.elapsed()
}

/// 200 tasks that give way to each other.
pub(super) async fn yield_200<R: Runtime>(count: usize) -> Duration {
    let (done, mut ends) = R::bounded(YIELDING);
    let start = Instant::now();
    for _ in 0..YIELDING {
        let done = done.clone();
        R::start(async move {
            for _ in 0..count.div_ceil(YIELDING) {
                R::yield_now().await;
            }
            assert!(R::send(&done, ()).await);
        });
    }
    for _ in 0..YIELDING {
        assert!(R::receive(&mut ends).await.is_some());
    }
    start.elapsed()
}

/// So many tasks at a time that start, give way a few times and end, `count` in all, which is a multiple.
pub(super) async fn lives<R: Runtime>(tasks: usize, count: usize) -> Duration {
    let (done, mut ends) = R::bounded(tasks);
    let start = Instant::now();
    for _ in 0..count / tasks {
        for _ in 0..tasks {
            let done = done.clone();
            R::start(async move {
                for _ in 0..YIELDS {
                    R::yield_now().await;
                }
                assert!(R::send(&done, ()).await);
            });
        }
        for _ in 0..tasks {
            assert!(R::receive(&mut ends).await.is_some());
        }
    }
    start.elapsed()
}

/// Tasks that each start another one, send it a value and get it back, all at the same time.
pub(super) async fn ping_pong<R: Runtime>(count: usize) -> Duration {
    let (done, mut ends) = R::bounded(count);
    let start = Instant::now();
    for nth in 0..count {
        let done = done.clone();
        R::start(async move {
            let (ping, pinged) = R::oneshot();
            let (pong, ponged) = R::oneshot();
            R::start(async move {
                let value = R::answer(pinged).await.expect("it was sent");
                assert!(R::fulfil(pong, value));
            });
            assert!(R::fulfil(ping, nth));
            assert_eq!(R::answer(ponged).await, Some(nth));
            assert!(R::send(&done, ()).await);
        });
    }
    for _ in 0..count {
        assert!(R::receive(&mut ends).await.is_some());
    }
    start.elapsed()
}
