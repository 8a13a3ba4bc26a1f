//! Arming and cancelling a sleep, among few and among many live ones.
//!
//! What a timeout costs that does not expire: made, polled once, dropped, in a task of a reactor. It is O(1), so the
//! instructions must be the same however many are live; the times differ by what the caches hold. The reactor's clock
//! is a virtual one, so that what is counted is the timer and not the reading of the clock, which is shown beside it.
//!
//! Live sleeps are spread over ten hours, so that they stand on several levels of the wheel.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::process::Command;
use std::task::Poll;
use std::time::{Duration, Instant};

use mainspring::Reactor;
use mainspring::time::{Clock, Sleep, sleep};

use crate::callgrind::{self, Profile};
use crate::micro;
use crate::report::Report;
use crate::server;
use crate::stopwatch::Times;
use crate::table::Table;
use crate::verdict::Verdict;

/// Over what time the live sleeps are spread, in seconds.
const SPREAD: u64 = 36_000;

/// How much more instructions may be needed among the most live sleeps than among the fewest.
const GROWTH: f64 = 1.1;

/// How much is run.
pub(crate) struct Size {
    /// How many sleeps are live: few, and many.
    pub(crate) live: [usize; 2],
    /// Sleeps that are armed and cancelled, in the two runs of a slope.
    pub(crate) counted: [usize; 2],
    /// Sleeps that are armed and cancelled in a round that is timed.
    pub(crate) timed: usize,
    pub(crate) rounds: usize,
    /// The same beside other runtimes; not in the quick form, where `micro` has it.
    pub(crate) peers: Option<micro::Size>,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size {
    live: [1_000, 1_000_000],
    counted: [10_000, 30_000],
    timed: 100_000,
    rounds: 15,
    peers: Some(micro::TIMERS_FULL),
};

/// Prints the table.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let counts = server::is_installed(callgrind::TOOL);
    if !counts {
        verdict.skip("instructions per sleep", callgrind::TOOL);
    }
    let mut table =
        Table::new(["live sleeps", "instructions", "ns, best", "ns, median", "at most", "clock reading, ns"]);
    let mut instructions = Vec::new();
    for live in size.live {
        eprintln!("timers: {live} live sleeps");
        let counted = if counts { Some(count(live, size.counted)?) } else { None };
        let times = measure(live, &size)?;
        table.row([
            live.to_string(),
            counted.map_or_else(String::new, |count| format!("{count:.0}")),
            format!("{:.1}", times.best),
            format!("{:.1}", times.median),
            "30".to_owned(),
            format!("{:.1}", clock_reading(&size)?.best),
        ]);
        if let Some(count) = counted {
            report.count("Instructions to arm and cancel a sleep", "mainspring", live, count);
        }
        instructions.extend(counted);
    }
    println!("Arming and cancelling a sleep\n\n{table}");
    if let Some(peers) = size.peers {
        micro::timers(peers, report)?;
    }
    if let [few, many] = instructions[..] {
        verdict.at_most("instructions per sleep, many live to few", many / few, GROWTH);
    }
    Ok(())
}

/// Instructions per sleep.
fn count(live: usize, counts: [usize; 2]) -> io::Result<f64> {
    let [few, many] = counts.map(|count| {
        Profile::record(|mut tool: Command| {
            let status = tool.args(["arm", &live.to_string(), &count.to_string()]).status()?;
            if status.success() { Ok(()) } else { Err(io::Error::other(format!("`arm` ended with {status}"))) }
        })
    });
    Ok(many?.slope(&few?, counts[1] - counts[0]).instructions())
}

/// The command `arm`: what [`count`] counts.
pub(crate) fn arm(live: usize, count: usize) -> io::Result<()> {
    reactor()?.block_on(async {
        let _live = live_sleeps(live).await;
        arm_and_cancel(count).await;
    })
}

fn measure(live: usize, size: &Size) -> io::Result<Times> {
    reactor()?.block_on(async {
        let _live = live_sleeps(live).await;
        let mut times = Vec::with_capacity(size.rounds);
        for _ in 0..size.rounds {
            let start = Instant::now();
            arm_and_cancel(size.timed).await;
            times.push(start.elapsed());
        }
        let mut times = times.into_iter();
        Times::of(size.rounds, size.timed, |_| Ok(times.next().unwrap_or_default()))
    })?
}

fn clock_reading(size: &Size) -> io::Result<Times> {
    let clock = Clock::os();
    Times::of(size.rounds, size.timed, |readings| {
        let start = Instant::now();
        for _ in 0..readings {
            std::hint::black_box(clock.now());
        }
        Ok(start.elapsed())
    })
}

fn reactor() -> io::Result<Reactor> {
    Reactor::builder().clock(Clock::manual()).build()
}

/// So many sleeps that have been polled once.
async fn live_sleeps(count: usize) -> Vec<Sleep> {
    let step = SPREAD * 1_000_000_000 / count as u64;
    let mut sleeps: Vec<_> = (1..=count as u64).map(|nth| sleep(Duration::from_nanos(nth * step))).collect();
    poll_fn(|cx| {
        for sleep in &mut sleeps {
            assert!(Pin::new(sleep).poll(cx).is_pending(), "the clock stands still, and a sleep has ended");
        }
        Poll::Ready(())
    })
    .await;
    sleeps
}

/// Makes a sleep of 30 s, polls it once and drops it, so many times.
async fn arm_and_cancel(count: usize) {
    poll_fn(|cx| {
        for _ in 0..count {
            let mut timeout = sleep(Duration::from_secs(30));
            assert!(Pin::new(&mut timeout).poll(cx).is_pending(), "the clock stands still, and a sleep has ended");
        }
        Poll::Ready(())
    })
    .await;
}
