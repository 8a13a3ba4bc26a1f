//! Mainspring beside tokio (both flavours), smol and monoio: what tasks, channels, timers and wakes cost.
//!
//! One interleaved run per row ([`crate::interleaved`]), ourselves twice. The works ([`micro::tasks`](self::tasks) and
//! its siblings) are generic over [`Runtime`]: the same code for all, each with what it is documented to be used with.
//! Times are shown and never asserted; under the table stands which figures of the design were met in this run, and
//! where ours was above tokio's.
//!
//! Turned down: the benchmark suites that the runtimes publish themselves, each of which measures with its own harness,
//! in its own process, at another moment.
mod channels;
mod curves;
#[cfg(target_os = "linux")]
mod monoio;
mod ours;
mod row;
mod runtime;
mod signal;
mod smol;
mod tasks;
mod threads;
mod timers;
mod tokio;

use std::fmt::Write;
use std::io;

#[cfg(target_os = "linux")]
use self::monoio::Monoio;
use self::ours::Mainspring;
use self::row::{Length, ROWS, Row, TIMERS, Work, by_hand, contender, takes_part};
use self::runtime::Runtime;
use self::smol::Smol;
use self::tokio::{CurrentThread, MultiThread};
use crate::interleaved::{Contender, Interleaved, Spread};
use crate::report::Report;
use crate::table::Table;
use crate::versions;

pub(crate) use self::curves::curves;

/// What the second of the two that are ourselves is called.
const AGAIN: &str = "mainspring again";

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    rounds: usize,
    /// Operations per turn, by length.
    short: usize,
    long: usize,
    sleeping: usize,
    /// Timers that fire within the second, and how often that is done.
    fired: usize,
    seconds: usize,
    /// The most sleeps that are live.
    live: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size =
    Size { rounds: 31, short: 20_000, long: 3_200, sleeping: 400, fired: 1_000_000, seconds: 3, live: 1_000_000 };

/// For whoever wants to see whether it has changed.
pub(crate) const QUICK: Size =
    Size { rounds: 7, short: 4_000, long: 1_600, sleeping: 100, fired: 10_000, seconds: 1, live: 100_000 };

/// For curves.
pub(crate) const CURVES: Size = Size { rounds: 7, ..FULL };

/// For the table about timers.
pub(crate) const TIMERS_FULL: Size = Size { fired: 100_000, ..FULL };

/// What one row came to.
struct Measured {
    row: &'static Row,
    /// The runtimes that took part: nanoseconds, and how many times ours that is.
    contenders: Vec<(&'static str, Spread, Spread)>,
    /// The same of what did it without a runtime.
    by_hand: Vec<(&'static str, Spread, Spread)>,
}

/// Prints the table.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    table("Tasks, channels and timers beside other runtimes", "Micro", measure(size, &ROWS)?, report);
    Ok(())
}

/// Prints the rows about timers, for the command that counts their instructions.
pub(crate) fn timers(size: Size, report: &mut Report) -> io::Result<()> {
    table("Timers beside those of other runtimes", "Timers", measure(size, &TIMERS)?, report);
    Ok(())
}

fn table(title: &str, figure: &str, measured: Vec<Measured>, report: &mut Report) {
    println!("{}", to_text(title, &measured));
    for Measured { row, contenders, by_hand } in measured {
        for (name, nanoseconds, ratio) in contenders.into_iter().chain(by_hand) {
            report.point(&format!("{figure}: nanoseconds"), name, row.name, nanoseconds);
            report.point(&format!("{figure}: times ours"), name, row.name, ratio);
        }
    }
}

fn measure(size: Size, rows: &'static [Row]) -> io::Result<Vec<Measured>> {
    let ours = [Mainspring::new()?, Mainspring::new()?];
    let (current, multi, smol) = (CurrentThread::new()?, MultiThread::new()?, Smol::new()?);
    #[cfg(target_os = "linux")]
    let monoio = Monoio::new()?;
    let mut measured = Vec::new();
    for row in rows.iter().filter(|row| size.has(row.work)) {
        let (count, rounds) = size.of(row.length);
        eprintln!("micro: {}, {rounds} rounds of {count}", row.name);
        let mut contenders = vec![
            contender(&ours[0], row.work, count),
            contender(&ours[1], row.work, count).named(AGAIN),
            contender(&current, row.work, count),
            contender(&multi, row.work, count),
            contender(&smol, row.work, count),
        ];
        #[cfg(target_os = "linux")]
        if takes_part(&monoio, row.work) {
            contenders.push(contender(&monoio, row.work, count));
        }
        let runtimes = contenders.len();
        contenders.extend(by_hand(row.work, count));
        let run = Interleaved::run(rounds, &mut contenders)?;
        let names = contenders.iter().map(Contender::name).enumerate();
        let mut contenders: Vec<_> = names.map(|(nth, name)| (name, run.cost(nth), run.ratio(nth))).collect();
        let by_hand = contenders.split_off(runtimes);
        measured.push(Measured { row, contenders, by_hand });
    }
    Ok(measured)
}

impl Size {
    /// Operations per turn, and turns.
    const fn of(&self, length: Length) -> (usize, usize) {
        match length {
            Length::Short => (self.short, self.rounds),
            Length::Long => (self.long, self.rounds),
            Length::Sleeping => (self.sleeping, self.rounds),
            Length::Second => (self.fired, self.seconds),
        }
    }

    const fn has(&self, work: Work) -> bool {
        !matches!(work, Work::ArmAndCancel(live) if live > self.live)
    }
}

fn packages() -> String {
    versions::of(&["mainspring", "tokio", "smol", "async-executor", "async-channel", "async-lock", "monoio"])
}

fn to_text(title: &str, measured: &[Measured]) -> String {
    let mut table = Table::new([
        "row",
        "ours, ns",
        "ours again",
        CurrentThread::NAME,
        MultiThread::NAME,
        Smol::NAME,
        "monoio",
        "at most",
        "what",
    ]);
    let (mut hands, mut figures) = (String::new(), String::new());
    let clock = measured.iter().find(|measured| matches!(measured.row.work, Work::Clock));
    let clock = clock.map_or(0.0, |measured| measured.contenders[0].1.median);
    for Measured { row, contenders, by_hand } in measured {
        let of = |name: &str| contenders.iter().find(|(contender, ..)| *contender == name);
        let beside = |name: &str| {
            of(name).map_or_else(String::new, |(_, nanoseconds, ratio)| format!("{:.1}: {ratio}", nanoseconds.median))
        };
        let (_, ours, _) = contenders[0];
        table.row([
            row.name.to_owned(),
            format!("{:.1} [{:.1}-{:.1}]", ours.median, ours.low, ours.high),
            beside(AGAIN),
            beside(CurrentThread::NAME),
            beside(MultiThread::NAME),
            beside(Smol::NAME),
            beside("monoio"),
            row.figure.map_or_else(String::new, |figure| {
                format!("{figure:.0}{}", if row.is_besides_the_clock { " and clock" } else { "" })
            }),
            row.what.to_owned(),
        ]);
        for (name, nanoseconds, ratio) in by_hand {
            let _ = writeln!(hands, "{} by hand, {name}: {:.1}: {ratio}", row.name, nanoseconds.median);
        }
        let counted = if row.is_besides_the_clock { ours.median - clock } else { ours.median };
        if let Some(figure) = row.figure.filter(|figure| counted > *figure) {
            let _ = writeln!(figures, "above its figure: {}, {counted:.1} ns, at most {figure:.0}", row.name);
        }
        for name in [CurrentThread::NAME, MultiThread::NAME] {
            if let Some((.., ratio)) = of(name).filter(|(.., ratio)| ratio.high < 1.0) {
                let _ = writeln!(figures, "above {name}: {}, of which that has {ratio}", row.name);
            }
        }
    }
    if figures.is_empty() {
        figures = "every figure is met, and no row is above tokio's\n".to_owned();
    }
    format!(
        "{title}: nanoseconds per operation, median; then how many times ours that is, with\n\
         the middle half of the rounds. \"Ours again\" is the same code: what it shows is noise.\n\
         {}\n\n{table}\n{hands}{figures}",
        packages()
    )
}
