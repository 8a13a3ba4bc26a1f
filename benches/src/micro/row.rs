//! The rows: what each is called, what it does, and what it is meant to cost at most.
//!
//! The names are those of the minimal set that readers of other runtimes' benchmarks look for. Figures are nanoseconds on
//! the machine that the figures of the design come from; on another one the columns beside ours are the measure.

use std::time::Duration;

use super::runtime::Runtime;
use super::timers::{self, Live};
use super::{channels, tasks, threads};
use crate::interleaved::Contender;

/// How much of a work is done in a turn, by how long one operation takes.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// Below a microsecond.
    Short,
    /// System calls.
    Long,
    /// Sleeping threads, or a batch that is one operation of the row's own kind.
    Sleeping,
    /// A turn that takes a second.
    Second,
}

/// A work.
#[derive(Clone, Copy)]
pub(super) enum Work {
    Spawn,
    SpawnBatch,
    ChainedSpawn,
    Yield1,
    Yield200,
    PingPong,
    RoundTrip,
    Mpsc11,
    MpscN1,
    MpscFull,
    Oneshot,
    RequestReply,
    Signals,
    Mutex,
    Semaphore,
    /// Among so many live sleeps.
    ArmAndCancel(usize),
    Reset,
    Fire,
    WakeLatency,
    /// By so many threads.
    RemoteSpawn(usize),
    Turn,
}

/// One row.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) work: Work,
    pub(super) length: Length,
    /// Nanoseconds, at most.
    pub(super) figure: Option<f64>,
}

const fn row(name: &'static str, what: &'static str, work: Work, length: Length) -> Row {
    Row { name, what, work, length, figure: None }
}

impl Row {
    const fn at_most(mut self, nanoseconds: f64) -> Self {
        self.figure = Some(nanoseconds);
        self
    }
}

/// All of them, in the order of the table.
pub(super) const ROWS: [Row; 25] = [
    row("spawn", "start a task and await it", Work::Spawn, Length::Short).at_most(100.0),
    row("spawn_batch", "start 1,000 tasks, then await them, per task", Work::SpawnBatch, Length::Short),
    row("chained_spawn", "a task starts the next, 1,000 deep, per task", Work::ChainedSpawn, Length::Short),
    row("yield_1", "the only task gives way", Work::Yield1, Length::Short).at_most(25.0),
    row("yield_200", "200 tasks give way in turns", Work::Yield200, Length::Short),
    row("ping_pong", "a task starts another, two oneshots forth and back", Work::PingPong, Length::Sleeping),
    row("round_trip", "two tasks, two queues, forth and back", Work::RoundTrip, Length::Short).at_most(80.0),
    row("mpsc_1_1", "queue of 1,024, one sender, per value", Work::Mpsc11, Length::Short),
    row("mpsc_n_1", "queue that is never full, five senders, per value", Work::MpscN1, Length::Short),
    row("mpsc_full", "queue of 16, five senders, per value", Work::MpscFull, Length::Short),
    row("oneshot", "make, send, receive", Work::Oneshot, Length::Short).at_most(60.0),
    row("request_reply", "a queue to a task, a oneshot back", Work::RequestReply, Length::Short),
    row("notify", "two tasks signal each other, forth and back", Work::Signals, Length::Short),
    row("mutex", "lock and unlock, uncontended", Work::Mutex, Length::Short),
    row("semaphore", "take and give back, uncontended", Work::Semaphore, Length::Short),
    row("timer_1k", "arm and cancel, 1,000 live, clock read", Work::ArmAndCancel(1_000), Length::Short),
    row("timer_100k", "the same, 100,000 live", Work::ArmAndCancel(100_000), Length::Short),
    row("timer_1m", "the same, 1,000,000 live", Work::ArmAndCancel(1_000_000), Length::Short),
    row("timer_reset", "move the deadline of an armed sleep", Work::Reset, Length::Short),
    row("timers_fire", "a task that sleeps once, all in a second, processor time", Work::Fire, Length::Second),
    row("wake_latency", "two sleeping threads, one way", Work::WakeLatency, Length::Sleeping),
    row("remote_spawn_1", "a thread starts tasks here, per task", Work::RemoteSpawn(1), Length::Long),
    row("remote_spawn_4", "the same, 4 threads", Work::RemoteSpawn(4), Length::Long),
    row("remote_spawn_8", "the same, 8 threads", Work::RemoteSpawn(8), Length::Long),
    row("loop_count", "a turn of the loop: nothing to read, write, select, read", Work::Turn, Length::Long),
];

/// One who does a work `count` times in each turn, and says what one time cost.
pub(super) fn contender<'a, R: Runtime>(runtime: &'a R, work: Work, count: usize) -> Contender<'a> {
    let each = move |elapsed: Duration| Ok(elapsed.as_secs_f64() * 1e9 / count as f64);
    match work {
        Work::Spawn => Contender::new(R::NAME, move || each(runtime.spawn_and_join(count))),
        Work::SpawnBatch => Contender::new(R::NAME, move || each(runtime.spawn_batch(count))),
        Work::ChainedSpawn => Contender::new(R::NAME, move || each(runtime.run(tasks::chained_spawn::<R>(count)))),
        Work::Yield1 => Contender::new(R::NAME, move || each(runtime.run(tasks::yield_1::<R>(count)))),
        Work::Yield200 => Contender::new(R::NAME, move || each(runtime.run(tasks::yield_200::<R>(count)))),
        Work::PingPong => Contender::new(R::NAME, move || each(runtime.run(tasks::ping_pong::<R>(count)))),
        Work::RoundTrip => Contender::new(R::NAME, move || each(runtime.run(channels::round_trip::<R>(count)))),
        Work::Mpsc11 => Contender::new(R::NAME, move || each(runtime.run(channels::mpsc_1_1::<R>(count)))),
        Work::MpscN1 => Contender::new(R::NAME, move || each(runtime.run(channels::mpsc_n_1::<R>(count)))),
        Work::MpscFull => Contender::new(R::NAME, move || each(runtime.run(channels::mpsc_full::<R>(count)))),
        Work::Oneshot => Contender::new(R::NAME, move || each(runtime.run(channels::oneshot::<R>(count)))),
        Work::RequestReply => Contender::new(R::NAME, move || each(runtime.run(channels::request_reply::<R>(count)))),
        Work::Signals => Contender::new(R::NAME, move || each(runtime.signals(count))),
        Work::Mutex => Contender::new(R::NAME, move || each(runtime.block_on(channels::mutex::<R>(count)))),
        Work::Semaphore => Contender::new(R::NAME, move || each(runtime.block_on(channels::semaphore::<R>(count)))),
        Work::ArmAndCancel(live) => {
            let mut sleeps = None;
            Contender::new(R::NAME, move || {
                each(runtime.block_on(async {
                    if sleeps.is_none() {
                        sleeps = Some(Live::<R>::new(live).await);
                    }
                    timers::arm_and_cancel::<R>(count).await
                }))
            })
        }
        Work::Reset => Contender::new(R::NAME, move || each(runtime.block_on(timers::reset::<R>(count)))),
        Work::Fire => Contender::new(R::NAME, move || each(timers::fire(runtime, count)?)),
        Work::WakeLatency => Contender::new(R::NAME, move || each(threads::wake_latency(runtime, count)?)),
        Work::RemoteSpawn(threads) => {
            Contender::new(R::NAME, move || each(threads::remote_spawn(runtime, threads, count)?))
        }
        Work::Turn => Contender::new(R::NAME, move || each(runtime.block_on(threads::turn::<R>(count))?)),
    }
}

/// Whether a runtime takes part in a row.
pub(super) fn takes_part<R: Runtime>(runtime: &R, work: Work) -> bool {
    !matches!(work, Work::RemoteSpawn(_)) || runtime.remote().is_some()
}
