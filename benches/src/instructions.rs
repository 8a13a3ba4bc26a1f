//! User-space instructions, and calls for memory, per echoed request of a saturated server.
//!
//! What the kernel does is nearly all of a request and the same for everybody; this is the part that is ours. The floor
//! is the hand-written loop in the same run. Figures are for x86-64 in the default release profile.
//! How many requests one select finds moves them by one or two, since its cost is shared among those.
//!
//! On several threads the C library's system calls take longer, since they are cancellation points, pthreads(7), and
//! ask whether their thread is to end. That is the same for everybody; so what is not the C library's is counted apart,
//! and must be the same on two threads as on one.

use std::io;

use crate::callgrind::{self, Cost, Profile};
use crate::counts::Slope;
use crate::load;
use crate::report::Report;
use crate::serve::{Served, Threads};
use crate::server::{self, Server};
use crate::style::Style;
use crate::table::Table;
use crate::verdict::Verdict;

/// The most instructions per request of a tick task, and what is aimed at.
const TICK: (f64, f64) = (310.0, 220.0);

/// The most instructions per request of a future, and what is aimed at.
const ASYNC: (f64, f64) = (350.0, 350.0);

/// The most calls for memory per request: none, but for what is rounded.
const ALLOCATIONS: f64 = 0.005;

/// What the C library adds to a request: its system calls, and what they do where there are several threads.
const LIBC: [&str; 5] = ["recv", "send", "epoll_wait", "__pthread_enable_asynccancel", "__pthread_disable_asynccancel"];

/// How many more instructions there may be on two threads than on one: the part of a select that falls to a request.
/// Callgrind runs one thread at a time, and a select of either finds fewer of them.
const TOLERANCE: f64 = 20.0;

/// Rows of a profile.
const ROWS: usize = 40;

/// How much is run.
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// Requests of the two runs.
    pub(crate) requests: [usize; 2],
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { connections: 50, requests: [10_000, 30_000] };

/// Prints the table, and with `profile` where the instructions are.
pub(crate) fn run(size: Size, profile: bool, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !server::is_installed(callgrind::TOOL) {
        verdict.skip("instructions per request", callgrind::TOOL);
        return Ok(());
    }
    let mut table =
        Table::new(["style", "instructions", "without libc", "times the loop", "calls for memory", "at most", "aim"]);
    let mut profiles = String::new();
    let (mut floor, mut on_one_thread) = (f64::NAN, f64::NAN);
    for served in Served::all() {
        let cost = measure(served, &size)?;
        let instructions = cost.instructions();
        let own = instructions - cost.functions.sum(|name| LIBC.contains(&name));
        report.count("Instructions per echoed request", &served.to_string(), "50 connections", instructions);
        let figure = match (served.style, served.threads) {
            (Style::Tick, None) => Some(TICK),
            (Style::Async, None) => Some(ASYNC),
            _ => None,
        };
        match served {
            Served { style: Style::Loop, .. } => floor = instructions,
            Served { threads: Some(Threads { count: 1, .. }), .. } => on_one_thread = own,
            Served { threads: Some(_), .. } => {
                let name = format!("instructions per request, {served}, without libc");
                verdict.at_most(&name, own, on_one_thread + TOLERANCE);
            }
            _ => {}
        }
        let [most, aim] = figure.map_or_else(Default::default, |(most, aim)| [most, aim].map(|n| format!("{n:.0}")));
        table.row([
            served.to_string(),
            format!("{instructions:.0}"),
            format!("{own:.0}"),
            format!("{:.2}", instructions / floor),
            format!("{:.3}", cost.allocations()),
            most,
            aim,
        ]);
        if let Some((most, _)) = figure {
            verdict.at_most(&format!("instructions per request, {served}"), instructions, most);
            verdict.at_most(&format!("calls for memory per request, {served}"), cost.allocations(), ALLOCATIONS);
        }
        if profile {
            profiles += &describe(served, &cost);
        }
    }
    println!("User-space instructions per echoed request, {} connections per thread\n\n{table}", size.connections);
    print!("{profiles}");
    Ok(())
}

fn measure(served: Served, size: &Size) -> io::Result<Cost> {
    let [few, many] = size.requests.map(|requests| {
        eprintln!("instructions: {served}, {requests} requests");
        Profile::record(|tool| {
            let server = Server::start(tool, served)?;
            load::echo(server.address, size.connections * served.threads(), requests)?;
            server.end()
        })
    });
    Ok(many?.slope(&few?, size.requests[1] - size.requests[0]))
}

/// Where the instructions of one server are.
fn describe(served: Served, cost: &Cost) -> String {
    let functions =
        format!("Instructions per request by function, {served}\n\n{}\n", rows("function", &cost.functions));
    if !cost.has_lines() {
        return functions;
    }
    functions + &format!("Instructions per request by source line, {served}\n\n{}\n", rows("line", &cost.lines))
}

fn rows(what: &str, slope: &Slope) -> Table {
    let mut table = Table::new(["instructions", what]);
    for (name, count) in slope.sorted().into_iter().take(ROWS).filter(|(_, count)| *count >= 0.5) {
        table.row([format!("{count:.1}"), format!("`{name}`")]);
    }
    table
}
