//! Who is woken by a sleep, and by a task that ends: whoever polled it last, once, on whichever reactor.
mod util;

use mainspring::time::{Instant, sleep};
use mainspring::{JoinHandle, Reactor, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use util::runtime::*;

const SECOND: Duration = Duration::from_secs(1);

/// Never ends; counts its polls, and leaves its waker in `waker`.
fn waits(waker: Rc<RefCell<Option<Waker>>>, polls: Rc<Cell<usize>>) -> impl Future<Output = ()> {
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    })
}

/// A task that waits, its waker, and its polls.
async fn waiting() -> (JoinHandle<()>, Waker, Rc<Cell<usize>>) {
    let (polls, waker) = (Rc::new(Cell::new(0)), Rc::default());
    let task = spawn(waits(Rc::clone(&waker), Rc::clone(&polls)));
    turns(1).await;
    let waker = waker.take().unwrap();
    (task, waker, polls)
}

#[test]
fn a_sleep_wakes_through_the_waker_of_its_last_poll_alone() {
    in_virtual_time(async {
        let (task, own, polls) = waiting().await;
        let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
        let wakers = [&own, &first_waker, &second_waker];
        let counts = || [polls.get() - 1, first.count(), second.count()];
        for before in 0..3 {
            for last in 0..3 {
                let mut expected = counts();
                let mut timer = sleep(SECOND);
                assert!(poll_with(Pin::new(&mut timer), wakers[before]).is_pending());
                assert!(poll_with(Pin::new(&mut timer), wakers[last]).is_pending());
                sleep(2 * SECOND).await;
                turns(2).await;
                expected[last] += 1;
                assert_eq!(counts(), expected, "from {before} to {last}");
            }
        }
        task.abort();
    });
}

#[test]
fn a_sleep_that_is_put_off_after_its_end_wakes_nobody_until_it_is_polled() {
    in_virtual_time(async {
        let (task, own, polls) = waiting().await;
        let mut timer = sleep(SECOND);
        assert!(poll_with(Pin::new(&mut timer), &own).is_pending());
        sleep(2 * SECOND).await;
        turns(2).await;
        assert_eq!(polls.get(), 2);
        timer.reset(Instant::now() + SECOND);
        sleep(2 * SECOND).await;
        turns(2).await;
        assert_eq!(polls.get(), 2);
        timer.reset(Instant::now() + SECOND);
        assert!(poll_with(Pin::new(&mut timer), &own).is_pending());
        sleep(2 * SECOND).await;
        turns(2).await;
        assert_eq!(polls.get(), 3);
        task.abort();
    });
}

#[test]
fn a_task_of_another_reactor_is_woken_by_a_sleep_and_by_a_task_that_ends() {
    let (other, polls, waker) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)), Rc::default());
    drop(other.spawn(waits(Rc::clone(&waker), Rc::clone(&polls))));
    other.block_on(turns(1)).unwrap();
    let waker = waker.borrow_mut().take().unwrap();
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            // So that the number is one of a task of this reactor too, but for the reactor.
            let _idle = [spawn(pending::<()>()), spawn(pending::<()>())];
            let mut timer = sleep(Duration::from_millis(1));
            assert!(poll_with(Pin::new(&mut timer), &waker).is_pending());
            sleep(Duration::from_millis(2)).await;
        })
        .unwrap();
    other.block_on(turns(1)).unwrap();
    assert_eq!((polls.get(), other.stats().wakes_remote), (2, 1), "by the sleep");

    let before = reactor.stats().wakes_local;
    reactor
        .block_on(async {
            let mut task = spawn(async {});
            assert!(poll_with(Pin::new(&mut task), &waker).is_pending());
            yield_now().await;
            assert!(task.is_finished());
        })
        .unwrap();
    other.block_on(turns(1)).unwrap();
    assert_eq!((polls.get(), other.stats().wakes_remote), (3, 2), "by the task");
    // Those of `block_on` and of `yield_now`; that of the task is counted where it arrives.
    assert_eq!(reactor.stats().wakes_local - before, 2);
}
