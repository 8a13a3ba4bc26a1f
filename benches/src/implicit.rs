//! What it costs that interest is implicit: the same echo from the bare selector up to a service on a pipelined
//! connection.
//!
//! Each line is one step further from the operating system: a loop by hand on `mainspring-sys`, which registers what it
//! waits for itself; a tick task, whose interest is what its last tick was refused; a future; a `Service` behind a
//! `Timeout` that the future calls; and the same service on frames, behind the deadlines of a pipelined connection.
//! In instructions and system calls, which are exact, and in time, in one interleaved run.

use std::io;
use std::process::Command;

use crate::beside;
use crate::callgrind::{self, Profile};
use crate::load::{self, Load, Shape};
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::server;
use crate::strace;
use crate::table::Table;
use crate::verdict::Verdict;

/// The most instructions per request of a service behind a timeout, and its row.
const INSTRUCTIONS: f64 = 700.0;
const SERVICE: &str = "service behind a timeout";

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// Requests of the two runs of each count.
    pub(crate) counted: [usize; 2],
    pub(crate) rounds: usize,
    /// Requests of a turn.
    pub(crate) requests: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { connections: 50, counted: [10_000, 30_000], rounds: 11, requests: 40_000 };

const PEERS: [Peer; 6] = [
    Peer::plain("loop by hand", &["serve", "loop"]),
    Peer::plain("the same once more", &["serve", "loop"]),
    Peer::plain("tick task", &["serve", "tick"]),
    Peer::plain("async task", &["serve", "async"]),
    Peer::other(SERVICE, "echo-service", &["service"]),
    Peer::other("the same, pipelined", "echo-service", &["pipeline"]),
];

/// Prints both tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if server::is_installed(callgrind::TOOL) && server::is_installed(strace::TOOL) {
        count(size, verdict, report)?;
    } else {
        verdict.skip("instructions and system calls by style", "valgrind or strace");
    }
    eprintln!("implicit: {} rounds of {} requests", size.rounds, size.requests);
    let measured = beside::start(&PEERS, "0", &[1])?.rounds(size.rounds, |server| {
        let mut load = Load::connect(server.address, Shape::of(size.connections))?;
        beside::turn(server, || load.echo(size.requests).map(|()| size.requests))
    })?;
    println!(
        "The same in time, server and client on a processor each\n\n{}",
        measured.table("request", "Implicit", "64 B", report)
    );
    Ok(())
}

fn count(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let Size { connections, counted, .. } = size;
    peers::build(&PEERS)?;
    let units = counted[1] - counted[0];
    let mut table = Table::new(["style", "instructions", "calls for memory", "system calls", "at most"]);
    // Counts need no second time.
    for peer in PEERS.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, peer)| peer) {
        let serve = |tool: Command, requests: usize| {
            let server = peer.start_by(tool)?;
            load::echo(server.address, connections, requests)?;
            server.end()
        };
        eprintln!("implicit: counting {}", peer.name);
        let [few, many] = counted.map(|requests| Profile::record_any(|tool| serve(tool, requests)));
        let cost = many?.slope(&few?, units);
        let [few, many] = counted.map(|requests| strace::summarize(|tool| serve(tool, requests)));
        let calls = many?.slope(&few?, units).total();
        let figure = if peer.name == SERVICE { format!("{INSTRUCTIONS:.0}") } else { String::new() };
        table.row([
            peer.name.to_owned(),
            format!("{:.0}", cost.instructions()),
            format!("{:.3}", cost.allocations().abs()),
            format!("{calls:.3}"),
            figure,
        ]);
        report.count("Implicit: instructions per request", peer.name, "64 B", cost.instructions());
        report.count("Implicit: system calls per request", peer.name, "64 B", calls);
        if peer.name == SERVICE {
            verdict.at_most("instructions per request, service", cost.instructions(), INSTRUCTIONS);
        }
    }
    println!("What an echoed request costs, {connections} connections\n\n{table}");
    Ok(())
}
