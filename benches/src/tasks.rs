//! What the parts of an executor cost: spawning, yielding, waking, channels. Nanoseconds, shown and never asserted.
//!
//! All on one reactor and one thread, with nothing in the selector. The last column is what each is meant to cost at
//! most on the machine that the figures of the design come from; on another one, compare with another runtime there.
//! Every operation checks its result, so that none of it can be optimised away.

use std::io;
use std::time::{Duration, Instant};

use mainspring::channel::{mpsc, oneshot};
use mainspring::{Reactor, spawn, yield_now};

use crate::stopwatch::Times;
use crate::table::Table;

/// Tasks that are spawned before the first is joined.
const BATCH: usize = 1000;

/// How much is run.
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Operations per round.
    pub(crate) operations: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 15, operations: 100_000 };

/// Prints the table.
pub(crate) fn run(size: Size) -> io::Result<()> {
    eprintln!("tasks: {} rounds of {} operations", size.rounds, size.operations);
    let reactor = Reactor::new()?;
    let mut table = Table::new(["operation", "ns, best", "ns, median", "at most"]);
    let mut row = |name: &str, at_most: &str, times: Times| {
        table.row([name.to_owned(), format!("{:.1}", times.best), format!("{:.1}", times.median), at_most.to_owned()]);
    };
    let Size { rounds, operations } = size;
    row("spawn and join", "100", Times::of(rounds, operations, |count| reactor.block_on(spawn_and_join(count)))?);
    row(
        "spawn 1000, then join all",
        "",
        Times::of(rounds, operations, |count| reactor.block_on(spawn_many(count / BATCH)))?,
    );
    row("yield", "25", Times::of(rounds, operations, |count| reactor.block_on(yields(count)))?);
    row(
        "oneshot: make, send, receive",
        "60",
        Times::of(rounds, operations, |count| reactor.block_on(oneshots(count)))?,
    );
    row(
        "mpsc: round trip between two tasks",
        "80",
        Times::of(rounds, operations, |count| reactor.block_on(round_trips(count)))?,
    );
    row(
        "mpsc(1024): per message between two tasks",
        "",
        Times::of(rounds, operations, |count| reactor.block_on(messages(count)))?,
    );
    println!("Tasks and channels on one reactor\n\n{table}");
    Ok(())
}

async fn spawn_and_join(count: usize) -> Duration {
    let start = Instant::now();
    for nth in 0..count {
        assert_eq!(spawn(async move { nth }).await.ok(), Some(nth));
    }
    start.elapsed()
}

async fn spawn_many(batches: usize) -> Duration {
    let mut tasks = Vec::with_capacity(BATCH);
    let start = Instant::now();
    for _ in 0..batches {
        tasks.extend((0..BATCH).map(|nth| spawn(async move { nth })));
        for (nth, task) in tasks.drain(..).enumerate() {
            assert_eq!(task.await.ok(), Some(nth));
        }
    }
    start.elapsed()
}

async fn yields(count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        yield_now().await;
    }
    start.elapsed()
}

async fn oneshots(count: usize) -> Duration {
    let start = Instant::now();
    for nth in 0..count {
        let (sender, receiver) = oneshot::channel();
        assert_eq!(sender.send(nth), Ok(()));
        assert_eq!(receiver.await, Ok(nth));
    }
    start.elapsed()
}

async fn round_trips(count: usize) -> Duration {
    let (to, mut requests) = mpsc::bounded(1);
    let (back, mut answers) = mpsc::bounded(1);
    let other = spawn(async move {
        while let Some(request) = requests.recv().await {
            if back.send(request).await.is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    for nth in 0..count {
        assert!(to.send(nth).await.is_ok());
        assert_eq!(answers.recv().await, Some(nth));
    }
    let elapsed = start.elapsed();
    drop(to);
    assert!(other.await.is_ok());
    elapsed
}

async fn messages(count: usize) -> Duration {
    let (sender, mut receiver) = mpsc::bounded(1024);
    let start = Instant::now();
    let other = spawn(async move {
        for nth in 0..count {
            assert!(sender.send(nth).await.is_ok());
        }
    });
    let mut received = 0;
    while let Some(nth) = receiver.recv().await {
        assert_eq!(nth, received);
        received += 1;
    }
    let elapsed = start.elapsed();
    assert_eq!(received, count);
    assert!(other.await.is_ok());
    elapsed
}
