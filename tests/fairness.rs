//! A task that floods does not delay the others beyond a bound, counted in polls and operations and not in time.
mod util;

use mainspring::channel::mpsc;
use mainspring::sync::Semaphore;
use mainspring::task::JoinSet;
use mainspring::tick::{Tick, schedule};
use mainspring::time::Clock;
use mainspring::{Reactor, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use util::runtime::{Limit, half_std, run, stats, turns};

/// Polls between two calls of the selector while tasks are runnable: 8 batches of 64.
const UNASKED_MAX: u64 = 8 * BATCH;

/// Polls of a batch, and spawns from other threads that are taken in a turn.
const BATCH: u64 = 64;

/// Operations of one poll.
const BUDGET: u64 = 128;

/// Bytes that a poll moves before it is refused: each unit of the budget is worth so many, with one transfer more.
const BYTES_MAX: usize = 512 * 1024;

/// Who had a turn, in order.
type Turns = Rc<RefCell<Vec<usize>>>;

/// Between two turns of `number` no other task has more than one.
fn assert_fair(turns: &[usize], number: usize) {
    // Before its first turn and after its last it is not runnable.
    let own: Vec<_> = (0..turns.len()).filter(|&index| turns[index] == number).collect();
    for pair in own.windows(2) {
        let between = &turns[pair[0] + 1..pair[1]];
        let mut others = between.to_vec();
        others.sort_unstable();
        let turns_of_others = others.len();
        others.dedup();
        assert_eq!(others.len(), turns_of_others, "somebody had two turns between two of {number}: {between:?}");
    }
}

#[test]
fn between_two_turns_of_a_runnable_task_every_other_has_at_most_one() {
    run(async {
        let turns = Turns::default();
        let mut tasks = JoinSet::new();
        // More than a batch, so that batches end anywhere among them; each wakes itself, some also tick.
        for number in 0..100 {
            let turns = turns.clone();
            if number % 3 == 0 {
                let mut left = 50;
                tasks.spawn(async move {
                    let task = schedule(move || {
                        turns.borrow_mut().push(number);
                        left -= 1;
                        Ok(if left == 0 { Tick::Final } else { Tick::Again })
                    });
                    task.await.unwrap().unwrap();
                });
            } else {
                tasks.spawn(async move {
                    for _ in 0..50 {
                        turns.borrow_mut().push(number);
                        yield_now().await;
                    }
                });
            }
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        let turns = turns.borrow();
        assert_eq!(turns.len(), 100 * 50);
        for number in 0..100 {
            assert_fair(&turns, number);
        }
    });
}

#[test]
fn one_poll_of_a_flooding_task_is_at_most_a_budget_of_operations() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded();
        let operations = Rc::new(Cell::new(0_u64));
        let count = operations.clone();
        let flood = spawn(async move {
            loop {
                sender.send(()).await.unwrap();
                receiver.recv().await.unwrap();
                count.set(count.get() + 2);
            }
        });
        let permits = Semaphore::new(1);
        let count = operations.clone();
        let second = spawn(async move {
            loop {
                drop(permits.acquire(1).await.unwrap());
                count.set(count.get() + 1);
            }
        });
        yield_now().await;
        for _ in 0..1000 {
            let before = operations.get();
            yield_now().await;
            let between = operations.get() - before;
            assert!((BUDGET..=2 * BUDGET).contains(&between), "{between} operations between two turns");
        }
        flood.abort();
        second.abort();
    });
}

#[test]
fn the_selector_is_asked_within_a_bound_of_polls_while_tasks_flood() {
    run(async {
        let mut flood = JoinSet::new();
        for _ in 0..3 {
            flood.spawn(async {
                loop {
                    yield_now().await;
                }
            });
        }
        let mut last = stats();
        let mut seen = 0;
        while seen < 100 {
            yield_now().await;
            let now = stats();
            if now.selects > last.selects {
                assert!(now.polls - last.polls <= UNASKED_MAX + 64, "{} polls", now.polls - last.polls);
                (last, seen) = (now, seen + 1);
            }
        }
    });
}

#[test]
fn a_flood_of_large_reads_moves_a_bounded_amount_between_two_calls_of_the_selector() {
    const BUFFER: usize = 64 * 1024;
    run(async {
        let (stream, peer) = half_std().await;
        // The peer never rests, so that the stream is never found empty for long.
        let writing = thread::spawn(move || while io::Write::write_all(&mut &peer, &[0; BUFFER]).is_ok() {});
        let mut buffer = vec![0; BUFFER];
        let (mut last, mut bytes, mut large) = (stats(), 0, 0);
        for _ in 0..20_000 {
            bytes += stream.read(&mut buffer).await.unwrap();
            let now = stats();
            if now.selects > last.selects {
                // What had been read when the budget ran out, and the read of the next poll.
                assert!(bytes <= BYTES_MAX + 2 * BUFFER, "{bytes} bytes, {} polls", now.polls - last.polls);
                large += u32::from(bytes > BYTES_MAX / 2);
                (last, bytes) = (now, 0);
            }
        }
        assert!(large > 0, "the flood was too thin to tell");
        drop(stream);
        writing.join().unwrap();
    });
}

#[test]
fn a_source_that_is_flooded_by_its_peer_delays_others_by_a_budget_at_most() {
    run(async {
        let (stream, peer) = half_std().await;
        peer.set_nonblocking(true).unwrap();
        let reads = Rc::new(Cell::new(0_u64));
        let count = reads.clone();
        let reading = spawn(async move {
            let mut buffer = [0; 16];
            while stream.read(&mut buffer).await? > 0 {
                count.set(count.get() + 1);
            }
            io::Result::Ok(())
        });
        let chunk = [0; 64 * 1024];
        let mut flooded = 0;
        for _ in 0..2000 {
            // There is always more than the reader takes in a turn.
            while io::Write::write(&mut &peer, &chunk).is_ok() {}
            let before = reads.get();
            yield_now().await;
            let between = reads.get() - before;
            assert!(between <= BUDGET, "{between} reads between two turns");
            flooded += u64::from(between == BUDGET);
        }
        assert!(flooded > 100, "only {flooded} turns used their budget");
        drop(peer);
        reading.abort();
    });
}

#[test]
fn a_full_inbox_is_taken_in_parts_and_holds_what_it_may() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (ran, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let spawn_there = || {
        let (ran, refused) = (ran.clone(), refused.clone());
        let mut spawned = Box::pin(handle.spawn(move || async move { ran.fetch_add(1, Relaxed) }));
        if let Poll::Ready(Err(_)) = spawned.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            refused.fetch_add(1, Relaxed);
        }
    };
    (0..65_536).for_each(|_| spawn_there());
    let most = reactor.block_on(async {
        let (mut most, mut tasks_max, mut had_run) = (0, 0, 0);
        // More in each turn than are taken, so all that is beyond the bound is refused.
        for _ in 0..500 {
            (0..2 * BATCH).for_each(|_| spawn_there());
            yield_now().await;
            most = most.max(ran.load(Relaxed) - had_run);
            had_run = ran.load(Relaxed);
            tasks_max = tasks_max.max(stats().tasks as u64);
        }
        (most, tasks_max)
    });
    let (most, tasks_max) = most.unwrap();
    assert!(most <= 2 * BATCH, "{most} of the spawned tasks between two turns of another");
    assert!(tasks_max <= 3 * BATCH, "{tasks_max} tasks at once");
    let refused = refused.load(Relaxed);
    assert!(refused >= 500 * BATCH, "{refused} were refused");
    reactor.run().unwrap();
    assert_eq!(ran.load(Relaxed), 65_536 + 500 * 2 * BATCH - refused);
}

#[test]
fn the_selector_is_asked_after_few_polls_while_polls_are_long() {
    let _limit = Limit::new();
    let clock = Clock::manual();
    let reactor = Reactor::builder().clock(clock.clone()).build().unwrap();
    let asked = reactor.block_on(async {
        let (stream, mut other) = half_std().await;
        let (polls, written_at) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0)));
        let shared = (polls.clone(), written_at.clone());
        spawn(async move {
            let (polls, written_at) = shared;
            loop {
                // A poll that computes for five milliseconds, which the clock is told. The reader waits already.
                clock.advance(Duration::from_millis(5)).unwrap();
                polls.set(polls.get() + 1);
                if written_at.get() == 0 {
                    written_at.set(polls.get());
                    other.write_all(b"?").unwrap();
                }
                yield_now().await;
            }
        });
        let mut asked = Vec::new();
        while asked.len() < 20 {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
            asked.push(polls.get() - written_at.replace(0));
        }
        asked
    });
    // The first two batches are as long as ever: the one is not measured, and the other is seen to be too long.
    let asked = asked.unwrap();
    let is_asked = asked[0] <= 2 * BATCH && asked[1..].iter().all(|&polls| polls <= 2);
    assert!(is_asked, "polls until what was written was heard of: {asked:?}");
}

#[test]
fn spawns_from_other_threads_do_not_pile_up_whatever_their_tasks_do() {
    let _limit = Limit::new();
    // Long polls, and many short ones.
    for (poll, polls) in [(Duration::from_millis(5), 1), (Duration::from_micros(1), 20)] {
        let clock = Clock::manual();
        let reactor = Reactor::builder().clock(clock.clone()).build().unwrap();
        let handle = reactor.handle();
        for _ in 0..10_000 {
            let clock = clock.clone();
            drop(handle.spawn(move || async move {
                clock.advance(poll).unwrap();
                for _ in 1..polls {
                    yield_now().await;
                    clock.advance(poll).unwrap();
                }
            }));
        }
        let most = reactor.block_on(async {
            let mut most = 0;
            for _ in 0..100 {
                yield_now().await;
                most = most.max(stats().tasks as u64);
            }
            most
        });
        let most = most.unwrap();
        assert!(most <= 3 * BATCH, "{most} tasks at once, of {polls} polls of {poll:?}");
    }
}

#[test]
fn an_abort_does_not_wait_for_the_spawns_before_it() {
    run(async {
        let handle = mainspring::Handle::current().unwrap();
        let task = handle.spawn(std::future::pending::<()>);
        turns(1).await;
        let busy: Vec<_> = (0..2 * BATCH)
            .map(|_| {
                spawn(async {
                    while {
                        yield_now().await;
                        true
                    } {}
                })
            })
            .collect();
        (0..10_000).for_each(|_| drop(handle.spawn(|| async {})));
        task.abort();
        let start = stats().turns;
        while !task.is_finished() {
            yield_now().await;
        }
        let took = stats().turns - start;
        assert!(took <= BATCH, "{took} turns");
        busy.iter().for_each(mainspring::JoinHandle::abort);
    });
}
