//! What each selector costs in instructions and in system calls, counted.
//!
//! Every work runs in a process of its own, twice with different counts. Of the instructions of a select, those of the
//! same work with a selector that does nothing are taken off: what remains is the select and the look at its events.

use std::io;
use std::process::Command;

use super::work::Work;
use super::{MIO, NOTHING, OURS, PEERS};
use crate::callgrind::{self, Profile};
use crate::report::Report;
use crate::server::is_installed;
use crate::strace;
use crate::table::Table;
use crate::verdict::Verdict;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// The operations of the two runs.
    pub(crate) operations: [usize; 2],
    /// How many of the peers, ourselves and mio first; the cells of the others stay empty.
    pub(crate) peers: usize,
}

/// What instructions are counted of.
const COUNTED: [Work; 6] = [
    Work::Look,
    Work::Ready { ready: 1, of: 1 },
    Work::Ready { ready: 100, of: 100 },
    Work::Register,
    Work::WakePending,
    Work::WakeBefore,
];

/// How many instructions more than mio's ours may be: those by which our events leave out the waker's own, which a user
/// of mio spends as well where there is a waker, and this one does not.
const INSTRUCTIONS_MORE: f64 = 2.0;

/// Prints the table of instructions; ours must be at most mio's, see [`INSTRUCTIONS_MORE`].
pub(super) fn instructions(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !is_installed(callgrind::TOOL) {
        verdict.skip("instructions of the selectors", callgrind::TOOL);
        return Ok(());
    }
    let [ours, mio, oneshot, edge] = PEERS;
    let mut table = Table::new(["instructions", ours, mio, oneshot, edge, "at most"]);
    for work in COUNTED {
        let without = match work {
            Work::Ready { .. } => instructions_of(NOTHING, work, size)?,
            _ => 0.0,
        };
        let counts = count(size, |peer| Ok(instructions_of(peer, work, size)? - without))?;
        add("Selectors: instructions", work, counts, report);
        let most = counts[MIO] + INSTRUCTIONS_MORE;
        verdict.at_most(&format!("instructions, {}", work.title()), counts[OURS], most);
        let [a, b, c, d] = counts.map(|count| shown(count, 1));
        table.row([work.title(), a, b, c, d, shown(most, 1)]);
    }
    println!("User-space instructions of the selectors\n\n{table}");
    Ok(())
}

fn instructions_of(peer: &str, work: Work, size: Size) -> io::Result<f64> {
    eprintln!("selectors: instructions, {peer}, {work}");
    let [few, many] = size.operations.map(|count| Profile::record(|tool| select(tool, peer, work, count)));
    Ok(many?.slope(&few?, size.operations[1] - size.operations[0]).instructions())
}

/// How many system calls ours may make.
enum Figure {
    Exactly(f64),
    AtMost(f64),
    PartOfMio(f64),
}

/// What system calls are counted of.
const CALLED: [(Work, Figure); 6] = [
    (Work::Look, Figure::Exactly(1.0)),
    (Work::Register, Figure::Exactly(2.0)),
    (Work::WakePending, Figure::Exactly(0.0)),
    // A selector that does not sleep is not written to, and one that has a token has no reason to wait.
    (Work::WakeBefore, Figure::Exactly(0.0)),
    // The wake and the wait; the wake alone if it comes before the wait.
    (Work::WakeAcross, Figure::AtMost(2.0)),
    // By chance: how often the one that is woken falls asleep during the storm.
    (Work::WakeStorm, Figure::PartOfMio(0.25)),
];

/// What threads that wait for each other, or memory that is asked for on the way, may add.
const CALLS_MORE: f64 = 0.02;

/// Prints the table of system calls.
pub(super) fn system_calls(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !is_installed(strace::TOOL) {
        verdict.skip("system calls of the selectors", strace::TOOL);
        return Ok(());
    }
    let [ours, mio, oneshot, edge] = PEERS;
    let mut table = Table::new(["system calls", ours, mio, oneshot, edge, "ours must be"]);
    for (work, figure) in CALLED {
        let counts = count(size, |peer| system_calls_of(peer, work, size))?;
        add("Selectors: system calls", work, counts, report);
        let what = format!("system calls, {}", work.title());
        let figure = match figure {
            Figure::Exactly(exactly) => {
                verdict.equal(&what, counts[OURS], exactly, CALLS_MORE);
                format!("{exactly}")
            }
            Figure::AtMost(most) => {
                verdict.at_most(&what, counts[OURS], most + CALLS_MORE);
                format!("at most {most}")
            }
            Figure::PartOfMio(part) => {
                verdict.at_most(&what, counts[OURS], counts[MIO] * part);
                format!("at most {part} of mio's")
            }
        };
        let [a, b, c, d] = counts.map(|count| shown(count, 2));
        table.row([work.title(), a, b, c, d, figure]);
    }
    println!("System calls of the selectors\n\n{table}");
    Ok(())
}

fn system_calls_of(peer: &str, work: Work, size: Size) -> io::Result<f64> {
    eprintln!("selectors: system calls, {peer}, {work}");
    let [few, many] = size.operations.map(|count| strace::record(|tool| select(tool, peer, work, count)));
    Ok(many?.slope(&few?, size.operations[1] - size.operations[0]).total())
}

/// A count of each peer, as many of them as are to be counted.
fn count(size: Size, mut of: impl FnMut(&str) -> io::Result<f64>) -> io::Result<[f64; PEERS.len()]> {
    let mut counts = [f64::NAN; PEERS.len()];
    for (peer, count) in PEERS.iter().zip(&mut counts).take(size.peers) {
        *count = of(peer)?;
    }
    Ok(counts)
}

/// What was counted, for the report.
fn add(figure: &str, work: Work, counts: [f64; PEERS.len()], report: &mut Report) {
    for (peer, count) in PEERS.iter().zip(counts).filter(|(_, count)| !count.is_nan()) {
        report.count(figure, peer, work.title(), count.max(0.0));
    }
}

/// With so many decimals; nothing for what was not counted, and 0 for what is below it by chance.
fn shown(count: f64, decimals: usize) -> String {
    if count.is_nan() { String::new() } else { format!("{:.decimals$}", count.max(0.0)) }
}

/// Lets this program do `work` under `tool`.
fn select(mut tool: Command, peer: &str, work: Work, count: usize) -> io::Result<()> {
    let status = tool.args(["select", peer, &work.to_string(), &count.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("`select` ended with {status}"))) }
}
