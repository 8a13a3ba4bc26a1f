//! Tasks: their lives, their handles, and what a panic does to the others.
mod util;

use mainspring::{JoinHandle, Reactor, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use util::runtime::*;

#[test]
fn a_task_gives_its_output_to_its_handle() {
    run(async {
        let tasks: Vec<_> = (0..100).map(|n| spawn(async move { Box::new(n) })).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(*task.await.unwrap(), n);
        }
    });
}

#[test]
fn a_handle_is_awaited_in_another_task() {
    run(async {
        let slow = spawn(async {
            turns(3).await;
            7
        });
        let waiting = spawn(async move { slow.await.unwrap() + 1 });
        let waiting = spawn(async move { waiting.await.unwrap() + 1 });
        assert_eq!(waiting.await.unwrap(), 9);
    });
}

#[test]
fn tasks_nest_deeply() {
    fn nest(depth: u32) -> Pin<Box<dyn Future<Output = u32>>> {
        Box::pin(async move {
            if depth == 0 {
                return 0;
            }
            spawn(nest(depth - 1)).await.unwrap() + 1
        })
    }
    let (depth, stats) = run(nest(10_000));
    assert_eq!((depth, stats.tasks, stats.spawned), (10_000, 0, 10_000));
}

#[test]
fn a_task_aborted_before_its_first_poll_is_never_polled() {
    run(async {
        let (alive, polled) = (Alive::default(), Rc::new(Cell::new(false)));
        let (token, seen) = (alive.token(), polled.clone());
        let task = spawn(async move {
            seen.set(true);
            drop(token);
        });
        task.abort();
        assert!(task.await.unwrap_err().is_aborted());
        assert!(!polled.get());
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn a_parked_task_that_is_aborted_is_dropped() {
    run(async {
        let alive = Alive::default();
        let token = alive.token();
        let task = spawn(async move {
            let _token = token;
            pending::<()>().await;
        });
        turns(2).await;
        assert!(!task.is_finished());
        task.abort();
        assert_eq!(alive.count(), 1, "its drop waits for its turn");
        let error = task.await.unwrap_err();
        assert!(error.is_aborted() && !error.is_panic());
        assert_eq!(alive.count(), 0);
        assert_eq!(error.to_string(), "the task was aborted");
    });
}

/// Where a task finds its own handle.
type Own = Rc<RefCell<Option<JoinHandle<u32>>>>;

/// A task that aborts itself in its first poll, and then returns `then`; and how often it was polled.
fn aborts_itself(then: Poll<u32>) -> (Own, Rc<Cell<u32>>) {
    let (own, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (handle, count) = (own.clone(), polls.clone());
    *own.borrow_mut() = Some(spawn(poll_fn(move |_| {
        count.set(count.get() + 1);
        handle.borrow().as_ref().map(JoinHandle::abort);
        then
    })));
    (own, polls)
}

#[test]
fn a_task_that_aborts_itself_is_not_polled_again() {
    run(async {
        let (own, polls) = aborts_itself(Poll::Pending);
        turns(2).await;
        let task = own.take().unwrap();
        assert!(task.is_finished());
        assert!(task.await.unwrap_err().is_aborted());
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_task_that_aborts_itself_and_ends_in_the_same_poll_has_ended() {
    run(async {
        let (own, polls) = aborts_itself(Poll::Ready(3));
        turns(2).await;
        let task = own.take().unwrap();
        assert_eq!(task.await.unwrap(), 3);
        assert_eq!((polls.get(), stats().tasks), (1, 0));
    });
}

#[test]
fn an_abort_after_the_end_has_no_effect() {
    run(async {
        let task = spawn(async { 3 });
        turns(1).await;
        task.abort();
        turns(1).await;
        assert_eq!(task.await.unwrap(), 3);
    });
}

#[test]
fn a_task_whose_handle_is_dropped_runs_on() {
    run(async {
        let done = Rc::new(Cell::new(false));
        let seen = done.clone();
        drop(spawn(async move {
            turns(2).await;
            seen.set(true);
        }));
        until(|| done.get()).await;
    });
}

#[test]
fn an_output_that_nobody_will_take_is_dropped() {
    run(async {
        let alive = Alive::default();
        let (before, after, never) = (alive.token(), alive.token(), alive.token());
        drop(spawn(async move { before }));
        let late = spawn(async move { after });
        let aborted = spawn(async move { never });
        turns(2).await;
        assert_eq!(alive.count(), 2, "the first was dropped when it ended");
        drop(late);
        assert_eq!(alive.count(), 1);
        drop(aborted);
        assert_eq!(alive.count(), 0);
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_waiter_of_a_dropped_handle_is_not_kept() {
    run(async {
        let (counter, waker) = CountingWaker::new();
        let mut task = spawn(pending::<()>());
        assert!(poll_with(Pin::new(&mut task), &waker).is_pending());
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&counter), 2);
        drop(task);
        assert_eq!(std::sync::Arc::strong_count(&counter), 1);
    });
}

#[test]
fn a_handle_is_woken_through_the_waker_of_its_last_poll() {
    run(async {
        let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
        let mut task = spawn(turns(2));
        assert!(poll_with(Pin::new(&mut task), &first_waker).is_pending());
        assert!(poll_with(Pin::new(&mut task), &second_waker).is_pending());
        until(|| task.is_finished()).await;
        assert_eq!((first.count(), second.count()), (0, 1));
        task.await.unwrap();
    });
}

/// Panics in its poll, in its drop, or in both.
struct Panicking {
    in_poll: bool,
    in_drop: Option<DropPanics>,
}

/// Unlike [`Bomb`] it panics whatever else is under way: drop of a future comes after its unwinding.
struct DropPanics;

impl Drop for DropPanics {
    fn drop(&mut self) {
        panic!("{EXPECTED}: in drop");
    }
}

impl Future for Panicking {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.in_poll {
            panic!("{EXPECTED}: in poll");
        }
        assert!(self.in_drop.is_some());
        // Ends; the drop of the future is still to come.
        self.as_mut().in_poll = true;
        Poll::Ready(())
    }
}

#[test]
fn a_panic_is_reported_to_the_handle_and_hurts_nobody_else() {
    quiet();
    let (_, stats) = run(async {
        let survivor = spawn(async {
            turns(5).await;
            "alive"
        });
        let cases = [(true, false, "in poll"), (false, true, "in drop"), (true, true, "in poll")];
        for (in_poll, in_drop, text) in cases {
            let task = spawn(Panicking { in_poll, in_drop: in_drop.then(|| DropPanics) });
            let error = task.await.unwrap_err();
            assert!(error.is_panic() && !error.is_aborted());
            assert_eq!(error.to_string(), format!("the task panicked: {EXPECTED}: {text}"));
            let payload = error.into_panic().unwrap();
            assert!(payload.downcast_ref::<String>().unwrap().ends_with(text));
            drop(spawn(Panicking { in_poll, in_drop: in_drop.then(|| DropPanics) }));
        }
        let aborted = spawn(async {
            let _drop = DropPanics;
            pending::<()>().await;
        });
        turns(1).await;
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_aborted(), "it was aborted, and panicked on the way");
        assert_eq!(survivor.await.unwrap(), "alive");
    });
    assert_eq!(stats.tasks, 0);
    assert_eq!(stats.panics, 9);
}

#[test]
fn a_panic_of_an_output_hurts_nobody() {
    quiet();
    let (_, stats) = run(async {
        drop(spawn(async { DropPanics }));
        turns(2).await;
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
    });
    assert_eq!((stats.tasks, stats.panics), (0, 1));
}

#[test]
fn a_panic_in_the_middle_of_a_batch_leaves_the_rest_of_it() {
    quiet();
    run(async {
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                spawn(async move {
                    yield_now().await;
                    assert!(n % 3 != 0, "{EXPECTED}");
                    n
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.ok(), (n % 3 != 0).then_some(n));
        }
    });
}

#[test]
fn a_panic_of_the_future_of_block_on_is_its_callers() {
    quiet();
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn(async { 5 });
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reactor.block_on(async { panic!("{EXPECTED}: root") })
    }));
    assert!(result.unwrap_err().downcast_ref::<String>().unwrap().contains("root"));
    assert_eq!(reactor.block_on(task).unwrap().unwrap(), 5, "the reactor is whole");
}

#[test]
fn a_join_error_becomes_an_io_error_with_the_same_text() {
    run(async {
        let task = spawn(pending::<()>());
        task.abort();
        let error = task.await.unwrap_err();
        assert_eq!(std::io::Error::from(error).to_string(), "the task was aborted");
    });
}

/// Spawns when it is dropped.
struct SpawnsInDrop(Rc<Cell<u32>>);

impl Drop for SpawnsInDrop {
    fn drop(&mut self) {
        let spawned = self.0.clone();
        drop(spawn(async move { spawned.set(spawned.get() + 1) }));
    }
}

#[test]
fn a_drop_may_spawn() {
    run(async {
        let spawned = Rc::new(Cell::new(0));
        let in_future = SpawnsInDrop(spawned.clone());
        let task = spawn(async move {
            let _in_future = in_future;
            pending::<()>().await;
        });
        let in_output = SpawnsInDrop(spawned.clone());
        drop(spawn(async move { in_output }));
        turns(1).await;
        task.abort();
        drop(task);
        until(|| spawned.get() == 2).await;
    });
}

#[test]
fn a_task_woken_by_a_stale_waker_is_polled_in_vain_at_most() {
    run(async {
        let waker = Rc::new(RefCell::new(None::<Waker>));
        let keep = waker.clone();
        spawn(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        }))
        .await
        .unwrap();
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let next = spawn(poll_fn(move |_| {
            count.set(count.get() + 1);
            Poll::<()>::Pending
        }));
        turns(2).await;
        waker.take().unwrap().wake();
        turns(2).await;
        assert_eq!(polls.get(), 1, "the waker of a task that has ended wakes nobody");
        drop(next);
    });
}

#[test]
fn a_batch_of_wakes_is_one_poll() {
    run(async {
        let (polls, waker) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Waker>)));
        let (count, keep) = (polls.clone(), waker.clone());
        let _task = spawn(poll_fn(move |cx| {
            count.set(count.get() + 1);
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        turns(2).await;
        for _ in 0..1000 {
            waker.borrow().as_ref().unwrap().wake_by_ref();
        }
        turns(2).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
#[should_panic = "polled again after it returned the output"]
fn a_handle_polled_after_its_output_panics_and_says_so() {
    let reactor = Reactor::new().unwrap();
    let mut task = reactor.spawn(async {});
    reactor.block_on(&mut task).unwrap().unwrap();
    let _ = reactor.block_on(&mut task);
}
