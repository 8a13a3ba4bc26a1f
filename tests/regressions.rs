//! Bugs that were found, one test each.
mod util;

use mainspring::{Reactor, spawn};
use std::future::poll_fn;
use std::task::Poll;
use util::runtime::*;

#[test]
fn a_task_that_wakes_itself_and_ends_in_the_same_poll_keeps_its_output() {
    let reactor = Reactor::new().unwrap();
    let _limit = Limit::new();
    reactor
        .block_on(async {
            let task = spawn(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(7)
            }));
            until(|| task.is_finished()).await;
            turns(2).await;
            assert_eq!(stats().tasks, 0);
            assert_eq!(task.await.unwrap(), 7);
        })
        .unwrap();
}

#[test]
fn dropping_a_reactor_with_many_tasks_takes_time_in_proportion() {
    let time = |count: usize| {
        let reactor = Reactor::new().unwrap();
        for _ in 0..count {
            drop(reactor.spawn(std::future::pending::<()>()));
        }
        let start = std::time::Instant::now();
        drop(reactor);
        start.elapsed()
    };
    println!("{:?} {:?} {:?}", time(1000), time(10_000), time(100_000));
}
