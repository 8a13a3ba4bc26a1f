//! A task that floods does not delay the others beyond a bound, counted in polls and operations and not in time.
mod util;

use mainspring::channel::mpsc;
use mainspring::sync::Semaphore;
use mainspring::task::JoinSet;
use mainspring::tick::{Tick, schedule};
use mainspring::{spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::thread;
use util::runtime::{half_std, run, stats};

/// Polls between two calls of the selector while tasks are runnable: 8 batches of 64.
const UNASKED_MAX: u64 = 8 * 64;

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
