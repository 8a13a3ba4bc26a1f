//! The works of timers and tasks with ever more of them: one column for each runtime, one row for each number.

use std::io;

use super::ours::Mainspring;
use super::row::{Work, contender};
use super::runtime::Runtime;
use super::smol::Smol;
use super::tokio::CurrentThread;
use super::{AGAIN, Size};
use crate::interleaved::{Contender, Interleaved};
use crate::report::Report;
use crate::table::Table;

/// Prints the two tables, with up to so many timers and tasks.
pub(crate) fn curves(size: Size, timers: usize, tasks: usize, report: &mut Report) -> io::Result<()> {
    let up_to =
        |from: usize, most: usize| (0..).map(move |power| from * 10_usize.pow(power)).take_while(move |n| *n <= most);
    let arm = up_to(100, timers).map(|live| (live, Work::ArmAndCancel(live), size.short));
    curve(
        "Arming and cancelling a sleep among so many that are live, ns; the clock is read for each",
        arm,
        "timers",
        size,
        report,
    )?;
    let live = up_to(10, tasks).map(|tasks| (tasks, Work::Lives(tasks), size.short.max(tasks)));
    curve("A task that starts, gives way ten times and ends, so many at a time, ns", live, "tasks", size, report)
}

fn curve(
    title: &str,
    points: impl Iterator<Item = (usize, Work, usize)>,
    figure: &str,
    size: Size,
    report: &mut Report,
) -> io::Result<()> {
    let mut table = Table::new([figure, Mainspring::NAME, "again", CurrentThread::NAME, Smol::NAME]);
    for (number, work, count) in points {
        eprintln!("curves: {number} {figure}");
        // New for each, so that what the one before has left is not in the way.
        let ours = [Mainspring::new()?, Mainspring::new()?];
        let (tokio, smol) = (CurrentThread::new()?, Smol::new()?);
        let mut contenders = [
            contender(&ours[0], work, count),
            contender(&ours[1], work, count).named(AGAIN),
            contender(&tokio, work, count),
            contender(&smol, work, count),
        ];
        let run = Interleaved::run(size.rounds, &mut contenders)?;
        let names = contenders.each_ref().map(Contender::name);
        for (index, name) in names.into_iter().enumerate() {
            report.point(&format!("Curve: {figure}, ns"), name, number, run.cost(index));
        }
        let cells = [0, 1, 2, 3].map(|index| {
            let cost = run.cost(index);
            format!("{:.1} [{:.1}-{:.1}]", cost.median, cost.low, cost.high)
        });
        let [first, again, tokio, smol] = cells;
        table.row([number.to_string(), first, again, tokio, smol]);
    }
    println!("{title}\n\n{table}");
    Ok(())
}
