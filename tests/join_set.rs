//! Sets of tasks: the order of their ends, and what is left when the set is dropped.
mod util;

use futures::StreamExt;
use mainspring::task::{JoinSet, spawn};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{sleep, timeout};
use mainspring::yield_now;
use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use util::runtime::{Alive, EXPECTED, Random, in_virtual_time, poll_with, quiet, run, stats, turns};

#[test]
fn outputs_come_in_the_order_in_which_the_tasks_end() {
    in_virtual_time(async {
        let mut tasks = JoinSet::new();
        for pause in [30, 10, 20] {
            tasks.spawn(async move {
                sleep(Duration::from_millis(pause)).await;
                pause
            });
        }
        let outputs: Vec<_> = tasks.by_ref().map(Result::unwrap).collect().await;
        assert_eq!(outputs, [10, 20, 30]);
        assert!(tasks.join_next().await.is_none(), "an empty set has no next");
    });
}

#[test]
fn a_set_that_is_dropped_aborts_its_tasks() {
    run(async {
        let alive = Alive::default();
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let token = alive.token();
            tasks.spawn(async move {
                pending::<()>().await;
                drop(token);
            });
        }
        turns(1).await;
        assert_eq!((tasks.len(), alive.count()), (10, 10));
        drop(tasks);
        turns(2).await;
        assert_eq!((alive.count(), stats().tasks), (0, 0));
    });
}

#[test]
fn aborted_and_panicked_tasks_are_joined_with_their_errors() {
    quiet();
    run(async {
        let mut tasks = JoinSet::new();
        let abort = tasks.spawn(pending());
        tasks.spawn(async { panic!("{EXPECTED}") });
        tasks.spawn_named("third", async { 3 });
        abort.abort();
        let (mut aborted, mut panicked, mut values) = (0, 0, Vec::new());
        while let Some(output) = tasks.join_next().await {
            match output {
                Ok(value) => values.push(value),
                Err(error) if error.is_panic() => panicked += 1,
                Err(error) if error.is_aborted() => aborted += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((aborted, panicked, values), (1, 1, vec![3]));
        tasks.spawn(pending());
        tasks.abort_all();
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_aborted());
    });
}

#[test]
fn a_join_that_is_given_up_loses_no_output() {
    in_virtual_time(async {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {
            sleep(Duration::from_secs(2)).await;
            7
        });
        assert!(timeout(Duration::from_secs(1), tasks.join_next()).await.is_err());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(timeout(Duration::ZERO, tasks.join_next()).await.unwrap().unwrap().unwrap(), 7);
    });
}

#[test]
fn outside_a_reactor_tasks_are_joined_with_the_reason() {
    let mut tasks = JoinSet::new();
    tasks.spawn(async {});
    let error = futures::executor::block_on(tasks.join_next()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no reactor is running on this thread");
    assert!(tasks.try_join_next().is_none() && tasks.is_empty());
}

#[test]
fn a_task_that_is_refused_and_panics_in_its_drop_is_in_the_set_like_any_other() {
    quiet();
    struct DropPanics;
    impl Drop for DropPanics {
        fn drop(&mut self) {
            panic!("{EXPECTED}");
        }
    }
    let mut tasks = JoinSet::new();
    let held = DropPanics;
    let refused = catch_unwind(AssertUnwindSafe(|| {
        tasks.spawn(async move {
            let _held = held;
            1
        })
    }));
    assert!(refused.is_err());
    assert_eq!(tasks.len(), 1);
    run(async {
        // It has a place that no other has.
        tasks.spawn(async { pending().await });
        tasks.spawn(async { 2 });
        let error = tasks.join_next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the task could not be started, and panicked when it was dropped");
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), 2);
        tasks.spawn(async { 3 });
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), 3);
        tasks.abort_all();
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_aborted());
        assert!(tasks.is_empty());
    });
}

#[test]
fn tick_tasks_are_joined_with_futures_and_end_with_the_set() {
    run(async {
        let alive = Alive::default();
        let mut tasks = JoinSet::new();
        tasks.schedule(|| Ok(Tick::Final));
        tasks.spawn(async { Ok(()) });
        tasks.schedule_named("fails", || Err(std::io::ErrorKind::InvalidData.into()));
        assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
        assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
        let error = tasks.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        // One that waits and one that does not, in the set that is dropped.
        let mut pause = sleep(Duration::from_secs(3600));
        let (waits, busy) = (alive.token(), alive.token());
        tasks.schedule(move || {
            let _held = &waits;
            Ok(pause.try_wait()?.map_or(Tick::WouldBlock, |()| Tick::Final))
        });
        let abort = tasks.schedule(move || {
            let _held = &busy;
            Ok(Tick::Again)
        });
        turns(1).await;
        assert_eq!((alive.count(), stats().tasks), (2, 2));
        drop(tasks);
        turns(1).await;
        assert_eq!((alive.count(), stats().tasks, abort.is_finished()), (0, 0, true));
    });
}

#[test]
fn a_tick_joins_a_set() {
    run(async {
        let mut tasks = JoinSet::new();
        for number in 0..3 {
            tasks.spawn(async move {
                yield_now().await;
                number
            });
        }
        let joined = Rc::new(RefCell::new(Vec::new()));
        let outputs = joined.clone();
        let task = schedule(move || {
            while let Some(output) = tasks.try_join_next() {
                outputs.borrow_mut().push(output.unwrap());
            }
            Ok(if tasks.is_empty() { Tick::Final } else { Tick::WouldBlock })
        });
        task.await.unwrap().unwrap();
        assert_eq!(*joined.borrow(), [0, 1, 2]);
    });
}

thread_local! {
    static SET: RefCell<JoinSet<u32>> = RefCell::default();
}

/// Joins the set in its wake: at that moment a task of the set is being dropped, and has not ended yet.
struct Joins(AtomicUsize);

impl Wake for Joins {
    fn wake(self: Arc<Self>) {
        let poll = SET.with_borrow_mut(|tasks| poll_with(Pin::new(&mut tasks.join_next()), Waker::noop()));
        self.0.fetch_add(usize::from(poll.is_pending()), Ordering::SeqCst);
    }
}

#[test]
fn a_set_may_be_joined_while_one_of_its_tasks_is_being_dropped() {
    run(async {
        let joins = Arc::new(Joins(AtomicUsize::new(0)));
        let waker = Waker::from(joins.clone());
        SET.with_borrow_mut(|tasks| {
            tasks.spawn(async { 3 });
            assert!(tasks.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        });
        turns(2).await;
        assert_eq!(joins.0.load(Ordering::SeqCst), 1, "it was asked, and had nothing yet");
        let mut tasks = SET.take();
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), 3);
        assert!(tasks.join_next().await.is_none());
    });
}

#[test]
fn random_sets_give_every_output_once() {
    let mut random = Random::new();
    run(async {
        for _ in 0..100 {
            let (mut tasks, mut started, mut joined) = (JoinSet::new(), 0, Vec::new());
            for _ in 0..100 {
                if random.below(2) == 0 {
                    let (number, yields) = (started, random.below(5));
                    started += 1;
                    tasks.spawn(async move {
                        for _ in 0..yields {
                            yield_now().await;
                        }
                        number
                    });
                } else if let Some(output) = tasks.join_next().await {
                    joined.push(output.unwrap());
                }
            }
            // From another task.
            let rest = spawn(async move { tasks.map(Result::unwrap).collect::<Vec<_>>().await });
            joined.extend(rest.await.unwrap());
            joined.sort_unstable();
            assert_eq!(joined, (0..started).collect::<Vec<_>>());
        }
    });
}
