//! Random operations on tasks, with every future and output counted.
mod util;

use mainspring::{JoinHandle, Reactor, Stats, spawn, yield_now};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use util::runtime::*;

/// How a task ends, if nobody aborts it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// With its number, after some yields.
    Returns,
    /// With its number, in a poll in which it wakes itself.
    WakesAndReturns,
    /// With a panic, after some yields.
    Panics,
    /// With a panic of its drop.
    PanicsInDrop,
    /// Never: it waits for a wake that does nothing.
    Waits,
    /// It spawns a detached task and returns.
    Spawns,
}

const KINDS: [Kind; 6] =
    [Kind::Returns, Kind::WakesAndReturns, Kind::Panics, Kind::PanicsInDrop, Kind::Waits, Kind::Spawns];

struct Task {
    number: usize,
    kind: Kind,
    aborted: bool,
    handle: JoinHandle<(usize, Token)>,
}

/// Panics when it is dropped, if it is armed.
struct Armed(bool);

impl Drop for Armed {
    fn drop(&mut self) {
        if self.0 {
            panic!("{EXPECTED}: drop of a future");
        }
    }
}

fn start(
    number: usize,
    kind: Kind,
    yields: usize,
    alive: &Alive,
    wakers: &Rc<RefCell<Vec<Waker>>>,
) -> JoinHandle<(usize, Token)> {
    let (in_future, in_output, wakers) = (alive.token(), alive.token(), wakers.clone());
    let for_child = alive.token();
    let future = async move {
        let _in_future = in_future;
        for _ in 0..yields {
            yield_now().await;
        }
        match kind {
            Kind::Panics => panic!("{EXPECTED}: poll of task {number}"),
            Kind::Waits => {
                poll_fn(|cx| {
                    wakers.borrow_mut().push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }
            Kind::WakesAndReturns => {
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::Ready(())
                })
                .await;
            }
            Kind::Spawns => drop(spawn(async move {
                let _for_child = for_child;
                yield_now().await;
            })),
            Kind::Returns | Kind::PanicsInDrop => {}
        }
        (number, in_output)
    };
    // Not a local of the future: a return value whose locals panic in their drops is leaked by the language (issue
    // 47949).
    spawn(WithDrop { future: Box::pin(future), _armed: Armed(kind == Kind::PanicsInDrop) })
}

/// A future, and what panics in its drop.
struct WithDrop<F> {
    future: Pin<Box<F>>,
    _armed: Armed,
}

impl<F: Future> Future for WithDrop<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.future.as_mut().poll(cx)
    }
}

/// What came out of a handle must be what the task was made to do, unless it was aborted.
async fn check(task: Task) {
    let Task { number, kind, aborted, handle } = task;
    match (kind, handle.await) {
        (Kind::Returns | Kind::WakesAndReturns | Kind::Spawns, Ok((output, _))) => assert_eq!(output, number),
        (Kind::Panics | Kind::PanicsInDrop, Err(error)) if error.is_panic() => {}
        (_, Err(error)) if error.is_aborted() && aborted => {}
        (_, Err(error)) => panic!("task {number}, {kind:?}, aborted {aborted}: {error:?}"),
        (_, Ok(_)) => panic!("task {number}, {kind:?}, returned"),
    }
}

async fn operate(random: &mut Random, operations: usize, alive: &Alive) {
    let mut tasks: Vec<Task> = Vec::new();
    let wakers = Rc::new(RefCell::new(Vec::new()));
    for number in 0..operations {
        match random.below(16) {
            0..=5 => {
                let kind = KINDS[random.below(KINDS.len())];
                let handle = start(number, kind, random.below(4), alive, &wakers);
                tasks.push(Task { number, kind, aborted: false, handle });
            }
            6..=7 if !tasks.is_empty() => {
                let index = random.below(tasks.len());
                tasks[index].handle.abort();
                tasks[index].aborted = true;
            }
            8..=9 if !tasks.is_empty() => {
                let index = random.below(tasks.len());
                let mut task = tasks.swap_remove(index);
                if task.kind == Kind::Waits && !task.aborted {
                    task.handle.abort();
                    task.aborted = true;
                }
                check(task).await;
            }
            10 if !tasks.is_empty() => drop(tasks.swap_remove(random.below(tasks.len()))),
            11..=12 if !wakers.borrow().is_empty() => {
                let index = random.below(wakers.borrow().len());
                let waker = wakers.borrow_mut().swap_remove(index);
                waker.wake();
            }
            13 if !tasks.is_empty() => {
                // Joined from another task, which may itself be dropped before.
                let task = tasks.swap_remove(random.below(tasks.len()));
                task.handle.abort();
                drop(spawn(check(Task { aborted: true, ..task })));
            }
            _ => yield_now().await,
        }
    }
    for mut task in tasks {
        task.handle.abort();
        task.aborted = true;
        check(task).await;
    }
}

fn random_operations(operations: usize) {
    quiet();
    let _limit = Limit::new();
    let mut random = Random::new();
    let alive = Alive::default();
    let reactor = Reactor::new().unwrap();
    reactor.block_on(operate(&mut random, operations, &alive)).unwrap();
    // What is left was detached and waits for ever, with two tokens that are its own and one for a child.
    let Stats { tasks, runnable, .. } = reactor.block_on(async { (turns(20).await, stats()).1 }).unwrap();
    assert!(alive.count() <= 3 * tasks, "{} tokens in {tasks} tasks", alive.count());
    assert_eq!(runnable, 0);
    drop(reactor);
    assert_eq!(alive.count(), 0, "nothing is leaked");
}

#[test]
fn random_operations_lose_and_leak_nothing() {
    for _ in 0..10 {
        random_operations(10_000);
    }
}

#[test]
fn a_long_run_of_random_operations_loses_and_leaks_nothing() {
    random_operations(100_000);
}
