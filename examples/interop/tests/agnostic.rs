//! Crates that belong to no runtime work as they are: between tasks, and between the reactors of two threads.
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use async_lock::{Barrier, Mutex, OnceCell, RwLock};
use event_listener::Event;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet};
use mainspring::time::{sleep, timeout};
use mainspring::{spawn, yield_now};

/// Far longer than a test takes: one that waits in vain fails.
const LIMIT: Duration = Duration::from_secs(60);

fn run<T>(test: impl Future<Output = T>) -> T {
    mainspring::run(timeout(LIMIT, test)).unwrap().expect("a wake-up was lost")
}

#[test]
fn an_async_channel_carries_values_between_reactors_with_several_receivers() {
    let (sender, receiver) = async_channel::bounded(2);
    let sums: Vec<_> = (0..2)
        .map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || {
                run(async move {
                    let mut sum = 0;
                    while let Ok(number) = receiver.recv().await {
                        sum += number;
                    }
                    sum
                })
            })
        })
        .collect();
    drop(receiver);
    run(async move {
        for number in 1..=1000 {
            sender.send(number).await.unwrap();
        }
    });
    assert_eq!(sums.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 500_500);
}

#[test]
fn an_event_listener_wakes_tasks_here_and_on_other_threads() {
    let (event, ready) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (event, ready) = (event.clone(), ready.clone());
            let listener = event.listen();
            thread::spawn(move || {
                run(async move {
                    listener.await;
                    ready.fetch_add(1, Ordering::SeqCst);
                })
            })
        })
        .collect();
    run(async move {
        let listener = event.listen();
        let notifying = event.clone();
        drop(spawn(async move { notifying.notify(usize::MAX) }));
        listener.await;
    });
    for thread in waiting {
        thread.join().unwrap();
    }
    assert_eq!(ready.load(Ordering::SeqCst), 3);
}

#[test]
fn locks_of_async_lock_are_held_across_an_await() {
    run(async {
        let (mutex, table) = (Rc::new(Mutex::new(0)), Rc::new(RwLock::new(Vec::new())));
        let once: Rc<OnceCell<u32>> = Rc::default();
        let barrier = Rc::new(Barrier::new(10));
        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let (mutex, table, once, barrier) = (mutex.clone(), table.clone(), once.clone(), barrier.clone());
            tasks.spawn(async move {
                let mut sum = mutex.lock().await;
                let before = *sum;
                yield_now().await;
                *sum = before + number;
                drop(sum);
                table.write().await.push(number);
                assert_eq!(*once.get_or_init(|| async { 7 }).await, 7);
                barrier.wait().await.is_leader()
            });
        }
        let leaders = tasks.map(Result::unwrap).filter(|&leader| std::future::ready(leader)).count().await;
        assert_eq!((*mutex.lock().await, table.read().await.len(), leaders), (45, 10, 1));
    });
}

#[test]
fn a_read_of_an_async_lock_is_shared_and_a_write_is_not() {
    run(async {
        let table = Rc::new(RwLock::new(0));
        let (first, second) = (table.read().await, table.read().await);
        let writer = spawn({
            let table = table.clone();
            async move { *table.write().await += 1 }
        });
        yield_now().await;
        assert!(!writer.is_finished());
        drop((first, second));
        writer.await.unwrap();
        assert_eq!(*table.read().await, 1);
    });
}

#[test]
fn joins_and_selects_of_futures_poll_what_waits_here() {
    run(async {
        let (first, second) = futures::join!(sleep(Duration::from_millis(2)).map(|()| 1), yield_now().map(|()| 2));
        assert_eq!((first, second), (1, 2));
        let mut never = std::future::pending::<()>().fuse();
        let mut soon = Box::pin(sleep(Duration::from_millis(1)).fuse());
        futures::select! {
            () = never => unreachable!(),
            () = soon => {}
        }
        let all = futures::future::join_all((0..100).map(|number| spawn(async move { number }))).await;
        assert_eq!(all.into_iter().map(Result::unwrap).sum::<i32>(), 4950);
        let result = futures::try_join!(async { Ok::<_, &str>(1) }, async { Err::<u8, _>("two") });
        assert_eq!(result, Err("two"));
    });
}

#[test]
fn combinators_of_futures_lite_poll_what_waits_here() {
    use futures_lite::future::{or, race, zip};
    use futures_lite::stream::once;

    run(async {
        let slow = async { sleep(Duration::from_secs(20)).await };
        or(slow, sleep(Duration::from_millis(1))).await;
        assert_eq!(race(std::future::pending::<u8>(), async { 3 }).await, 3);
        let (sender, receiver) = mainspring::channel::mpsc::bounded(1);
        let sending = async move {
            for number in 0..10 {
                sender.send(number).await.unwrap();
            }
        };
        let ((), numbers) = zip(sending, futures_lite::StreamExt::collect::<Vec<_>>(receiver.chain(once(10)))).await;
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    });
}

#[test]
fn combinators_of_futures_select_among_what_waits_here() {
    run(async {
        let (notify, permits, token) = (Notify::new(), Semaphore::new(0), CancellationToken::new());
        let woken = Rc::new(Cell::new(0));
        let mut waiting: FuturesUnordered<_> = (0..50)
            .map(|number| match number % 3 {
                0 => notify.notified().boxed_local(),
                1 => permits.acquire(1).map(|permit| permit.unwrap().forget()).boxed_local(),
                _ => token.cancelled().boxed_local(),
            })
            .collect();
        assert!(waiting.next().now_or_never().is_none());
        permits.add_permits(17);
        token.cancel();
        notify.notify_waiters();
        while waiting.next().await.is_some() {
            woken.set(woken.get() + 1);
        }
        assert_eq!(woken.get(), 50);
        // The loser of a select is dropped; what it had been handed goes on.
        let (first, second) = (permits.acquire(1), permits.acquire(1));
        permits.add_permits(1);
        let taken = match select(first, second).await {
            Either::Left((permit, _)) | Either::Right((permit, _)) => permit.unwrap(),
        };
        drop(taken);
        assert_eq!(permits.available(), 1);
        futures::select_biased! {
            () = sleep(Duration::from_secs(20)).fuse() => unreachable!("the signal is there"),
            () = async { notify.notify_one(); notify.notified().await }.fuse() => {}
        }
    });
}
