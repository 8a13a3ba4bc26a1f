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
const LIMIT: Duration = Duration::from_secs(30);

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
