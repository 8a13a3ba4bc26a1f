//! Cancellation tokens: who hears of it, on which thread, and what is left behind.
mod util;

use mainspring::task::{CancellationToken, JoinSet};
use mainspring::tick::{Tick, schedule};
use mainspring::{Reactor, yield_now};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use util::counting_waker::CountingWaker;
use util::runtime::{Limit, Random, poll_once, poll_with, run};

#[test]
fn a_token_is_cancelled_with_its_parent_and_not_the_other_way_round() {
    let parent = CancellationToken::new();
    let (first, second) = (parent.child(), parent.child());
    let grandchild = first.child();
    first.cancel();
    assert!(grandchild.is_cancelled());
    assert!(!parent.is_cancelled() && !second.is_cancelled());
    parent.cancel();
    parent.cancel();
    assert!(second.is_cancelled());
    assert!(parent.child().is_cancelled(), "one that is born late is born cancelled");
}

#[test]
fn a_grandchild_hears_of_it_although_its_parent_was_dropped() {
    let root = CancellationToken::new();
    let grandchild = root.child().child();
    root.cancel();
    assert!(grandchild.is_cancelled());
}

#[test]
fn all_who_wait_are_woken_once_and_nobody_is_kept() {
    let (token, waker) = (CancellationToken::new(), CountingWaker::new());
    let child = token.child();
    let mut waiting: Vec<_> = [&token, &token, &child].map(CancellationToken::cancelled).into();
    for cancelled in &mut waiting {
        assert!(waker.poll(cancelled).is_pending());
    }
    drop(waiting.remove(0));
    assert_eq!(waker.kept(), 2, "one that is dropped leaves no waker");
    token.cancel();
    assert_eq!((waker.woken(), waker.kept()), (2, 0));
    for cancelled in &mut waiting {
        assert!(waker.poll(cancelled).is_ready() && waker.poll(cancelled).is_ready());
    }
}

/// What a waker of a token has seen of the token, of its grandchild, and of that after another `cancel`.
struct Look {
    parent: CancellationToken,
    grandchild: CancellationToken,
    seen: Mutex<Vec<[bool; 4]>>,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        let before = [self.parent.is_cancelled(), self.grandchild.is_cancelled()];
        self.parent.cancel();
        let waited = poll_once(self.grandchild.cancelled()).is_ready();
        self.seen.lock().unwrap().push([before[0], before[1], self.grandchild.is_cancelled(), waited]);
    }
}

#[test]
fn whoever_hears_of_it_finds_the_children_cancelled_too() {
    let parent = CancellationToken::new();
    let child = parent.child();
    let grandchild = child.child();
    let look = Arc::new(Look { parent: parent.clone(), grandchild, seen: Mutex::default() });
    let waker = Waker::from(look.clone());
    let (mut first, mut second) = (parent.cancelled(), child.cancelled());
    assert!(poll_with(Pin::new(&mut first), &waker).is_pending());
    assert!(poll_with(Pin::new(&mut second), &waker).is_pending());
    parent.cancel();
    assert_eq!(*look.seen.lock().unwrap(), [[true; 4]; 2]);
}

#[test]
fn a_deep_chain_and_a_wide_tree_are_cancelled_and_dropped_without_recursion() {
    const DEPTH: usize = 100_000;
    let root = CancellationToken::new();
    let mut deepest = root.clone();
    for _ in 0..DEPTH {
        deepest = deepest.child();
    }
    let wide: Vec<_> = (0..DEPTH).map(|_| root.child()).collect();
    root.cancel();
    assert!(deepest.is_cancelled() && wide.iter().all(CancellationToken::is_cancelled));
    drop((root, deepest));
    let mut deepest = CancellationToken::new();
    for _ in 0..DEPTH {
        deepest = deepest.child();
    }
    drop(deepest);
}

#[test]
fn threads_and_reactors_hear_of_it() {
    let _limit = Limit::new();
    let token = CancellationToken::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let told = token.child();
            thread::spawn(move || Reactor::new().unwrap().block_on(told.cancelled()).unwrap())
        })
        .collect();
    thread::yield_now();
    token.cancel();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_tick_hears_of_it() {
    run(async {
        let token = CancellationToken::new();
        let mut cancelled = token.cancelled();
        let task = schedule(move || Ok(cancelled.try_wait().map_or(Tick::WouldBlock, |()| Tick::Final)));
        yield_now().await;
        token.cancel();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_future_runs_until_it_ends_or_is_cancelled() {
    run(async {
        let token = CancellationToken::new();
        assert_eq!(token.until_cancelled(yield_now()).await, Some(()));
        let mut tasks = JoinSet::new();
        tasks.spawn(token.until_cancelled(pending::<()>()));
        // One that does not stop asking for its turn, and one that spends its budget, hear of it too.
        tasks.spawn(token.until_cancelled(async {
            loop {
                yield_now().await;
            }
        }));
        let (sender, mut receiver) = mainspring::channel::mpsc::unbounded();
        tasks.spawn(token.until_cancelled(async move {
            loop {
                sender.try_send(()).unwrap();
                receiver.recv().await;
            }
        }));
        yield_now().await;
        token.cancel();
        for _ in 0..3 {
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), None);
        }
        assert_eq!(token.until_cancelled(async { 1 }).await, Some(1), "what is there at once wins");
    });
}

#[test]
fn cancellation_races_with_waiting_on_other_threads_and_none_sleeps() {
    let _limit = Limit::new();
    for _ in 0..200 {
        let token = CancellationToken::new();
        let told = token.child();
        let waiting = thread::spawn(move || {
            let mut cancelled = told.cancelled();
            Reactor::new()
                .unwrap()
                .block_on(poll_fn(|cx| {
                    // Each time a new place, so that leaving races too.
                    cancelled = told.cancelled();
                    Pin::new(&mut cancelled).poll(cx)
                }))
                .unwrap();
        });
        let other = token.clone();
        thread::spawn(move || other.cancel()).join().unwrap();
        waiting.join().unwrap();
    }
}

#[test]
fn random_trees_agree_with_a_naive_table() {
    let mut random = Random::new();
    for _ in 0..100 {
        // A token, its parent, and whether it is cancelled.
        let mut tokens = vec![(Some(CancellationToken::new()), None::<usize>, false)];
        for _ in 0..300 {
            let index = random.below(tokens.len());
            match (random.below(8), tokens[index].0.clone()) {
                (0..=4, Some(token)) => {
                    let cancelled = tokens[index].2;
                    tokens.push((Some(token.child()), Some(index), cancelled));
                }
                (5, Some(token)) if random.below(4) == 0 => {
                    token.cancel();
                    tokens[index].2 = true;
                    for child in index + 1..tokens.len() {
                        tokens[child].2 |= tokens[child].1.is_some_and(|parent| tokens[parent].2);
                    }
                }
                (6, _) if index > 0 => tokens[index].0 = None,
                _ => {}
            }
            for (token, _, cancelled) in &tokens {
                assert!(token.as_ref().is_none_or(|token| token.is_cancelled() == *cancelled));
            }
        }
    }
}

/// A waker that ends another wait of the same cancellation.
struct Ends(Mutex<Option<mainspring::task::Cancelled>>);

impl Wake for Ends {
    fn wake(self: Arc<Self>) {
        let mut wait = self.0.lock().unwrap().take().unwrap();
        assert!(poll_with(Pin::new(&mut wait), Waker::noop()).is_ready());
    }
}

#[test]
fn a_wait_that_ends_before_it_was_woken_leaves_no_waker() {
    let parent = CancellationToken::new();
    let (child, counting) = (parent.child(), CountingWaker::new());
    let mut wait = child.cancelled();
    assert!(counting.poll(&mut wait).is_pending());
    let ends = Waker::from(Arc::new(Ends(Mutex::new(Some(wait)))));
    let mut first = parent.cancelled();
    assert!(poll_with(Pin::new(&mut first), &ends).is_pending());
    parent.cancel();
    assert_eq!((counting.woken(), counting.kept()), (0, 0));
}
