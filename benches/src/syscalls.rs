//! System calls per echoed request, of a saturated server.
//!
//! The least is a read and a write, and a part of a select: the more requests one select finds, the smaller.
//!
//! The waits depend on the client: with 50 connections of which all have a request outstanding, one finds between 20
//! and 50 of them. So the figure leaves room for one wait in ten requests, and none for a second read.

use std::io;

use crate::counts::Slope;
use crate::load;
use crate::report::Report;
use crate::serve::Served;
use crate::server;
use crate::strace;
use crate::style::Style;
use crate::table::Table;
use crate::verdict::Verdict;

/// The most system calls per request: one read, one write, and one select for ten requests. By hand it is 2.05.
const FIGURE: f64 = 2.10;

/// Below this a count is left out of the table.
const SHOWN: f64 = 0.005;

/// How much is run.
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// Requests of the two runs.
    pub(crate) requests: [usize; 2],
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { connections: 50, requests: [10_000, 30_000] };

/// Prints the table.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !server::is_installed(strace::TOOL) {
        verdict.skip("system calls per request", strace::TOOL);
        return Ok(());
    }
    let mut table = Table::new(["style", "per request", "by name", "at most"]);
    for served in Served::all() {
        let slope = measure(served, &size)?;
        let total = slope.total();
        report.count("System calls per echoed request", &served.to_string(), "50 connections", total);
        let shown = slope.sorted().into_iter().filter(|(_, count)| *count >= SHOWN);
        let names: Vec<_> = shown.map(|(name, count)| format!("{name} {count:.3}")).collect();
        let figure = if served.style == Style::Loop { String::new() } else { format!("{FIGURE:.2}") };
        table.row([served.to_string(), format!("{total:.3}"), names.join(", "), figure]);
        if served.style != Style::Loop {
            verdict.at_most(&format!("system calls per request, {served}"), total, FIGURE);
        }
    }
    println!("System calls per echoed request, {} connections per thread\n\n{table}", size.connections);
    Ok(())
}

fn measure(served: Served, size: &Size) -> io::Result<Slope> {
    let [few, many] = size.requests.map(|requests| {
        eprintln!("syscalls: {served}, {requests} requests");
        strace::count(served, |server| load::echo(server, size.connections * served.threads(), requests))
    });
    Ok(many?.slope(&few?, size.requests[1] - size.requests[0]))
}
