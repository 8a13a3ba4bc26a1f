//! Counts and times of Mainspring, beside a loop that is written by hand, and of its selector, beside its peers.
//!
//! `cargo run --release -p benches -- COMMAND`; `--help` lists the commands. Results are markdown tables on the standard
//! output, progress goes to the standard error.
//!
//! What is counted comes first: system calls (strace) and user-space instructions (callgrind) are the same on a busy
//! machine as on an idle one, so they are held to figures, and a command that finds one exceeded exits with 1. Times are
//! shown and never asserted; beside a peer they are ratios of one interleaved run (`interleaved.rs`). Every count is a
//! slope: the difference of two runs that differ in the number of operations alone, so that starting and stopping cancel
//! out. Reading a counter around the part that matters was turned down: it would be code in the very path that is counted.
//!
//! The process starts itself again as the server (`serve`), so that the client and the tools stay out of what is counted.
#![forbid(unsafe_code)]

mod arguments;
mod beside;
mod callgrind;
mod charts;
mod churn;
mod connections;
mod counts;
mod curves;
mod datagrams;
mod echo;
mod filters;
mod flood;
mod http;
mod idle;
mod implicit;
mod instructions;
mod interleaved;
mod latency;
mod lean;
mod load;
mod memory;
mod micro;
mod peers;
mod quick;
mod relay;
mod report;
mod scale;
mod schedstat;
mod scratch;
mod selectors;
mod serve;
mod server;
mod stopwatch;
mod strace;
mod style;
mod syscalls;
mod table;
mod timers;
mod verdict;
mod versions;

use std::io;
use std::process::ExitCode;

use arguments::{Command, HELP, Invocation};
use report::Report;
use verdict::Verdict;

fn main() -> ExitCode {
    let invocation = match arguments::parse() {
        Ok(invocation) => invocation,
        Err(error) => {
            eprintln!("benches: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    match run(invocation) {
        Ok(verdict) => verdict.report(),
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(Invocation { command, json, rounds }: Invocation) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut report = Report::default();
    let rounds = |of_figures: usize| rounds.unwrap_or(of_figures);
    match command {
        Command::Help => print!("{HELP}"),
        Command::Syscalls => {
            syscalls::run(syscalls::FULL, &mut verdict, &mut report)?;
            connections::run(connections::FULL, &mut verdict, &mut report)?;
        }
        Command::Instructions { profile } => instructions::run(instructions::FULL, profile, &mut verdict, &mut report)?,
        Command::Scale => scale::run(&scale::FULL, &mut report)?,
        Command::Idle => idle::run(idle::FULL, &mut verdict, &mut report)?,
        Command::Filters => filters::run(filters::FULL)?,
        Command::Flood => flood::run(flood::Size { rounds: rounds(flood::FULL.rounds), ..flood::FULL }, &mut report)?,
        Command::Echo => echo::run(echo::Size { rounds: rounds(echo::FULL.rounds), ..echo::FULL }, &mut report)?,
        Command::Http => {
            http::run(http::Size { rounds: rounds(http::FULL.rounds), ..http::FULL }, &mut verdict, &mut report)?;
        }
        Command::Churn => {
            churn::run(churn::Size { rounds: rounds(churn::FULL.rounds), ..churn::FULL }, &mut verdict, &mut report)?;
        }
        Command::Lean => lean::run(rounds(lean::BUILDS), &mut verdict, &mut report)?,
        Command::Datagrams => {
            datagrams::run(datagrams::Size { rounds: rounds(datagrams::FULL.rounds), ..datagrams::FULL }, &mut report)?;
        }
        Command::Latency => {
            latency::run(latency::Size { rounds: rounds(latency::FULL.rounds), ..latency::FULL }, &mut report)?
        }
        Command::Implicit => {
            let size = implicit::Size { rounds: rounds(implicit::FULL.rounds), ..implicit::FULL };
            implicit::run(size, &mut verdict, &mut report)?;
        }
        Command::Curves => {
            curves::run(curves::Size { rounds: rounds(curves::FULL.rounds), ..curves::FULL }, &mut report)?
        }
        Command::Relay => relay::run(relay::Size { rounds: rounds(relay::FULL.rounds), ..relay::FULL }, &mut report)?,
        Command::Memory => memory::run(memory::FULL, &mut verdict, &mut report)?,
        Command::Timers => timers::run(timers::FULL, &mut verdict, &mut report)?,
        Command::Selectors => selectors::run(selectors::FULL, &mut verdict, &mut report)?,
        Command::Micro { quick } => micro::run(if quick { micro::QUICK } else { micro::FULL }, &mut report)?,
        Command::Charts { folder, reports } => charts::run(&folder, &reports)?,
        Command::Quick => quick::run(&mut verdict, &mut report)?,
        Command::Serve { served, port } => serve::run(served, port)?,
        Command::ServeDatagrams(receiving) => serve::datagrams(receiving)?,
        Command::Hold { style, deadlines } => serve::hold(style, deadlines)?,
        Command::Load { server, connections, requests } => load::run(server, connections, requests)?,
        Command::Arm { live, count } => timers::arm(live, count)?,
        Command::Select { peer, work, count } => selectors::select(&peer, work, count)?,
    }
    if let Some(path) = json {
        report.write(&path)?;
    }
    Ok(verdict)
}
