//! The rows: what each is called, what it does, and what it is meant to cost at most.
//!
//! The names are those of the minimal set that readers of other runtimes' benchmarks look for. Figures are nanoseconds
//! on the machine that the figures of the design come from; on another one the columns beside ours are the measure.

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
    /// So many tasks at a time.
    Lives(usize),
    PingPong,
    RoundTrip,
    LocalRoundTrip,
    Mpsc11,
    LocalMpsc11,
    MpscN1,
    MpscFull,
    Oneshot,
    RequestReply,
    Signals,
    Mutex,
    Semaphore,
    /// Among so many live sleeps.
    ArmAndCancel(usize),
    Clock,
    Reset,
    Deadline,
    /// Processor time.
    Fire,
    /// The same with a slack.
    FireWithSlack,
    /// How late, in this hundredth.
    Late(usize),
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
    /// Whether the figure leaves out the reading of the clock.
    pub(super) is_besides_the_clock: bool,
}

const fn row(name: &'static str, what: &'static str, work: Work, length: Length) -> Row {
    Row { name, what, work, length, figure: None, is_besides_the_clock: false }
}

impl Row {
    const fn at_most(mut self, nanoseconds: f64) -> Self {
        self.figure = Some(nanoseconds);
        self
    }

    const fn besides_the_clock(mut self, nanoseconds: f64) -> Self {
        self.is_besides_the_clock = true;
        self.at_most(nanoseconds)
    }
}

/// All of them, in the order of the table.
pub(super) const ROWS: [Row; 29] = [
    row("spawn", "start a task and await it", Work::Spawn, Length::Short).at_most(100.0),
    row("spawn_batch", "start 1,000 tasks, then await them, per task", Work::SpawnBatch, Length::Short),
    row("chained_spawn", "a task starts the next, 1,000 deep, per task", Work::ChainedSpawn, Length::Short),
    row("yield_1", "the only task gives way", Work::Yield1, Length::Short).at_most(25.0),
    row("yield_200", "200 tasks give way in turns", Work::Yield200, Length::Short),
    row("ping_pong", "a task starts another, two oneshots forth and back", Work::PingPong, Length::Sleeping),
    row("round_trip", "two tasks, two queues, forth and back", Work::RoundTrip, Length::Short),
    row(
        "local_round_trip",
        "ours: the same by queues of one thread; theirs: round_trip",
        Work::LocalRoundTrip,
        Length::Short,
    )
    .at_most(80.0),
    row("mpsc_1_1", "queue of 1,024, one sender, per value", Work::Mpsc11, Length::Short),
    row(
        "local_mpsc_1_1",
        "ours: the same by a queue of one thread; theirs: mpsc_1_1",
        Work::LocalMpsc11,
        Length::Short,
    )
    .at_most(30.0),
    row("mpsc_n_1", "queue that is never full, five senders, per value", Work::MpscN1, Length::Short),
    row("mpsc_full", "queue of 16, five senders, per value", Work::MpscFull, Length::Short),
    row("oneshot", "make, send, receive", Work::Oneshot, Length::Short).at_most(60.0),
    row("request_reply", "a queue to a task, a oneshot back", Work::RequestReply, Length::Short),
    row("notify", "two tasks signal each other, forth and back", Work::Signals, Length::Short),
    row("mutex", "lock and unlock, uncontended", Work::Mutex, Length::Short),
    row("semaphore", "take and give back, uncontended", Work::Semaphore, Length::Short),
    CLOCK,
    row("timer_1k", "arm and cancel, 1,000 live, clock read", Work::ArmAndCancel(1_000), Length::Short)
        .besides_the_clock(30.0),
    row("timer_100k", "the same, 100,000 live", Work::ArmAndCancel(100_000), Length::Short).besides_the_clock(30.0),
    row("timer_1m", "the same, 1,000,000 live", Work::ArmAndCancel(1_000_000), Length::Short).besides_the_clock(40.0),
    row("timer_reset", "move the deadline of an armed sleep", Work::Reset, Length::Short),
    row(
        "deadline",
        "ours: what a timeout adds to a read that waits; theirs: timer_reset",
        Work::Deadline,
        Length::Short,
    )
    .at_most(5.0),
    row("timers_fire", "a task that sleeps once, all in a second, processor time", Work::Fire, Length::Second),
    row("wake_latency", "two sleeping threads, one way", Work::WakeLatency, Length::Sleeping),
    row("remote_spawn_1", "a thread starts tasks here, per task", Work::RemoteSpawn(1), Length::Long),
    row("remote_spawn_4", "the same, 4 threads", Work::RemoteSpawn(4), Length::Long),
    row("remote_spawn_8", "the same, 8 threads", Work::RemoteSpawn(8), Length::Long),
    row("loop_count", "a turn of the loop: nothing to read, write, select, read", Work::Turn, Length::Long),
];

/// What the timer rows have in them besides the timer.
const CLOCK: Row = row("clock", "read the clock: in each row of timers but timer_reset", Work::Clock, Length::Short);

/// The rows of the table that is about timers alone.
pub(super) const TIMERS: [Row; 7] = [
    CLOCK,
    row("insert_cancel_10k", "arm and cancel, 10,000 live, clock read", Work::ArmAndCancel(10_000), Length::Short)
        .besides_the_clock(30.0),
    row("insert_cancel_1m", "the same, 1,000,000 live", Work::ArmAndCancel(1_000_000), Length::Short)
        .besides_the_clock(40.0),
    row("fire", "a task that sleeps once, all in a second, processor time", Work::Fire, Length::Second)
        .at_most(1_000.0),
    row("fire_slack", "ours: fire with a slack of a millisecond; theirs: fire", Work::FireWithSlack, Length::Second),
    row("late_p50", "those of fire, how late at the median", Work::Late(50), Length::Second).at_most(100_000.0),
    row("late_p99", "the same, how late is 1 in 100", Work::Late(99), Length::Second),
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
        Work::Lives(tasks) => Contender::new(R::NAME, move || each(runtime.run(tasks::lives::<R>(tasks, count)))),
        Work::PingPong => Contender::new(R::NAME, move || each(runtime.run(tasks::ping_pong::<R>(count)))),
        Work::RoundTrip => Contender::new(R::NAME, move || each(runtime.run(channels::round_trip::<R>(count)))),
        Work::LocalRoundTrip => Contender::new(R::NAME, move || each(runtime.local_round_trip(count))),
        Work::Mpsc11 => Contender::new(R::NAME, move || each(runtime.run(channels::mpsc_1_1::<R>(count)))),
        Work::LocalMpsc11 => Contender::new(R::NAME, move || each(runtime.local_mpsc_1_1(count))),
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
        Work::Clock => Contender::new(R::NAME, move || each(runtime.block_on(timers::clock::<R>(count)))),
        Work::Deadline => Contender::new(R::NAME, move || runtime.deadline(count).and_then(each)),
        Work::Fire => Contender::new(R::NAME, move || Ok(timers::fire(runtime, count)?.processor.as_secs_f64() * 1e9)),
        Work::FireWithSlack => {
            Contender::new(R::NAME, move || Ok(runtime.fire_with_slack(count)?.processor.as_secs_f64() * 1e9))
        }
        Work::Late(hundredth) => {
            Contender::new(R::NAME, move || Ok(timers::fire(runtime, count)?.late(hundredth).as_secs_f64() * 1e9))
        }
        Work::WakeLatency => Contender::new(R::NAME, move || each(threads::wake_latency(runtime, count)?)),
        Work::RemoteSpawn(threads) => {
            Contender::new(R::NAME, move || each(threads::remote_spawn(runtime, threads, count)?))
        }
        Work::Turn => Contender::new(R::NAME, move || each(runtime.block_on(threads::turn::<R>(count))?)),
    }
}

/// Those who do a work without a runtime, beside which it is seen what is the kernel's.
pub(super) fn by_hand(work: Work, count: usize) -> Vec<Contender<'static>> {
    let each = move |elapsed: Duration| elapsed.as_secs_f64() * 1e9 / count as f64;
    match work {
        Work::WakeLatency => vec![
            Contender::new("the selector and its waker", move || threads::wake_by_selector(count).map(each)),
            Contender::new("std's park", move || threads::wake_by_park(count).map(each)),
        ],
        _ => Vec::new(),
    }
}

/// Whether a runtime takes part in a row.
pub(super) fn takes_part<R: Runtime>(runtime: &R, work: Work) -> bool {
    !matches!(work, Work::RemoteSpawn(_)) || runtime.remote().is_some()
}
