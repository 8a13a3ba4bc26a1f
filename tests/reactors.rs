//! Several reactors on one thread: each has its own, and they come and go in any order.
mod util;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mainspring::time::sleep;
use mainspring::{Reactor, spawn};
use util::runtime::*;

#[test]
fn reactors_that_take_turns_on_one_thread_share_nothing() {
    let _limit = Limit::new();
    let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap(), Reactor::new().unwrap()];
    let wakers: Rc<RefCell<Vec<_>>> = Rc::default();
    let polls: Rc<[Cell<u32>; 3]> = Rc::default();
    for (index, reactor) in reactors.iter().enumerate() {
        let (wakers, polls) = (wakers.clone(), polls.clone());
        drop(reactor.spawn(poll_fn(move |cx| {
            if polls[index].replace(polls[index].get() + 1) == 0 {
                wakers.borrow_mut().push(cx.waker().clone());
            }
            Poll::<()>::Pending
        })));
        reactor.block_on(turns(1)).unwrap();
    }
    for turn in 0..12 {
        let (own, other) = (turn % 3, (turn + 1) % 3);
        let stats = [reactors[0].stats(), reactors[1].stats(), reactors[2].stats()];
        let before: Vec<_> = polls.iter().map(Cell::get).collect();
        reactors[own]
            .block_on(async {
                let (stream, peer) = pair().await;
                let reading = spawn(async move { stream.read(&mut [0]).await.unwrap() });
                sleep(Duration::from_micros(10)).await;
                // A wake for another, which is not running: it is kept until it runs.
                wakers.borrow()[other].wake_by_ref();
                turns(2).await;
                assert_eq!(polls[other].get(), before[other]);
                drop(peer);
                assert_eq!(reading.await.unwrap(), 0);
            })
            .unwrap();
        for (index, reactor) in reactors.iter().enumerate() {
            assert_eq!(reactor.stats() == stats[index], index != own, "reactor {index} in the turn of {own}");
            assert_eq!((reactor.stats().tasks, reactor.stats().sources, reactor.stats().timers), (1, 0, 0));
        }
        reactors[other].block_on(turns(1)).unwrap();
        assert_eq!(polls[other].get(), before[other] + 1);
    }
}

#[test]
fn a_reactor_that_is_dropped_inside_a_task_of_another_drops_its_tasks_there_and_leaves_the_other_running() {
    /// Tells where it was dropped, and what it found.
    struct AtDrop(Rc<Cell<u32>>);
    impl Drop for AtDrop {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            // The reactor of this thread is now the one that ends, and takes no more tasks.
            assert!(spawn(async {}).is_finished());
        }
    }
    let _limit = Limit::new();
    let dropped = Rc::new(Cell::new(0));
    let inner = Reactor::new().unwrap();
    let (stream, peer) = inner.block_on(half_std()).unwrap();
    for _ in 0..10 {
        let at_drop = AtDrop(dropped.clone());
        drop(inner.spawn(async move {
            let _at_drop = at_drop;
            sleep(Duration::from_secs(3600)).await;
        }));
    }
    inner.block_on(turns(1)).unwrap();
    let outer = Reactor::new().unwrap();
    let seen = dropped.clone();
    outer
        .block_on(async move {
            let (left, right) = pair().await;
            let reading = spawn(async move { right.read(&mut [0; 8]).await.unwrap() });
            turns(1).await;
            assert_eq!(seen.get(), 0);
            let dropping = spawn(async move { drop(inner) });
            dropping.await.unwrap();
            assert_eq!(seen.get(), 10);
            assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::NotConnected);
            assert_eq!(spawn(async { 4 }).await.unwrap(), 4);
            left.write_all(b"hello").await.unwrap();
            assert_eq!(reading.await.unwrap(), 5);
        })
        .unwrap();
    drop(peer);
}
