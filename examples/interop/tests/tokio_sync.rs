//! What tokio's feature `sync` has needs no runtime of tokio: between tasks, and between the reactors of two threads.
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mainspring::time::timeout;
use mainspring::{spawn, yield_now};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

/// Far longer than a test takes: one that waits in vain fails.
const LIMIT: Duration = Duration::from_secs(60);

fn run<T>(test: impl Future<Output = T>) -> T {
    mainspring::run(timeout(LIMIT, test)).unwrap().expect("a wake-up was lost")
}

#[test]
fn a_watch_tells_every_reactor_the_last_value() {
    let (sender, receiver) = watch::channel(0);
    let watching: Vec<_> = (0..3)
        .map(|_| {
            let mut receiver = receiver.clone();
            thread::spawn(move || {
                run(async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let value = *receiver.borrow_and_update();
                        assert!(value > last);
                        last = value;
                    }
                    last
                })
            })
        })
        .collect();
    run(async move {
        for value in 1..=1000 {
            sender.send(value).unwrap();
            yield_now().await;
        }
    });
    for thread in watching {
        assert_eq!(thread.join().unwrap(), 1000);
    }
}

#[test]
fn a_broadcast_reaches_every_receiver_and_says_what_one_has_missed() {
    let (sender, mut slow) = broadcast::channel(4);
    let mut receivers: Vec<_> = (0..3).map(|_| sender.subscribe()).collect();
    run(async move {
        for number in 0..10 {
            sender.send(number).unwrap();
            for receiver in &mut receivers {
                assert_eq!(receiver.recv().await, Ok(number));
            }
        }
        assert_eq!(slow.recv().await, Err(RecvError::Lagged(6)));
        assert_eq!(slow.recv().await, Ok(6));
        let other = thread::spawn(move || run(async move { (slow.recv().await, receivers) }));
        assert_eq!(other.join().unwrap().0, Ok(7));
    });
    let (sender, mut receiver) = broadcast::channel::<u8>(1);
    let other = thread::spawn(move || run(async move { (receiver.recv().await, receiver.recv().await) }));
    run(async move { sender.send(1).unwrap() });
    assert_eq!(other.join().unwrap(), (Ok(1), Err(RecvError::Closed)));
}

#[test]
fn notify_and_semaphore_wake_tasks_of_other_reactors() {
    let (notify, turns) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let waiting = thread::spawn({
        let (notify, turns) = (notify.clone(), turns.clone());
        move || {
            run(async move {
                for _ in 0..100 {
                    turns.acquire().await.unwrap().forget();
                    notify.notify_one();
                }
            })
        }
    });
    run(async move {
        for _ in 0..100 {
            turns.add_permits(1);
            notify.notified().await;
        }
    });
    waiting.join().unwrap();
}

#[test]
fn channels_locks_and_cells_are_held_across_an_await() {
    run(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let (answer, answered) = oneshot::channel();
        let (sum, table, once, barrier) =
            (Rc::new(Mutex::new(0)), Rc::new(RwLock::new(0)), Rc::new(OnceCell::new()), Rc::new(Barrier::new(10)));
        for number in 0..10 {
            let (sender, sum, table) = (sender.clone(), sum.clone(), table.clone());
            let (once, barrier) = (once.clone(), barrier.clone());
            drop(spawn(async move {
                let mut held = sum.lock().await;
                let before = *held;
                yield_now().await;
                *held = before + number;
                drop(held);
                *table.write().await += 1;
                assert_eq!(*once.get_or_init(|| async { 7 }).await, 7);
                barrier.wait().await;
                sender.send(number).await.unwrap();
            }));
        }
        drop(sender);
        drop(spawn(async move {
            let mut received = 0;
            while receiver.recv().await.is_some() {
                received += 1;
            }
            answer.send(received).unwrap();
        }));
        assert_eq!((answered.await, *sum.lock().await, *table.read().await), (Ok(10), 45, 10));
    });
}
