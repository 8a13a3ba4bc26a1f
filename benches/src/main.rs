//! Counts and times of Mainspring, beside a loop that is written by hand, and of its selector, beside its peers.
//!
//! `cargo run --release -p benches -- COMMAND`; `--help` lists the commands. Results are markdown tables on the
//! standard output, progress goes to the standard error.
//!
//! What is counted comes first: system calls (strace) and user-space instructions (callgrind) are the same on a busy
//! machine as on an idle one, so they are held to figures, and a command that finds one exceeded exits with 1. Times
//! are shown and never asserted; beside a peer they are ratios of one interleaved run (`interleaved.rs`). Every count
//! is a slope: the difference of two runs that differ in the number of operations alone, so that starting and stopping
//! cancel out. Reading a counter around the part that matters was turned down: it would be code in the very path that
//! is counted.
//!
//! The process starts itself again as the server (`serve`), so that the client and the tools stay out of what is
//! counted.
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
mod slow;
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
    if matches!(command, Command::All) {
        for part in arguments::parts() {
            let name = format!("{part:?}");
            // What cannot be run must not keep the rest from being measured.
            if let Err(error) = measure(part, rounds, &mut verdict, &mut report) {
                verdict.failed(format!("{name}: {error}"));
            }
        }
    } else {
        measure(command, rounds, &mut verdict, &mut report)?;
    }
    if let Some(path) = json {
        report.write(&path)?;
    }
    Ok(verdict)
}

fn measure(command: Command, rounds: Option<usize>, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let rounds = |of_figures: usize| rounds.unwrap_or(of_figures);
    match command {
        Command::All => unreachable!("it is its parts"),
        Command::Help => print!("{HELP}"),
        Command::Syscalls => {
            syscalls::run(syscalls::FULL, verdict, report)?;
            connections::run(connections::FULL, verdict, report)?;
        }
        Command::Instructions { profile } => instructions::run(instructions::FULL, profile, verdict, report)?,
        Command::Scale => scale::run(&scale::FULL, report)?,
        Command::Idle => idle::run(idle::FULL, verdict, report)?,
        Command::Filters => filters::run(filters::FULL, report)?,
        Command::Flood => flood::run(flood::Size { rounds: rounds(flood::FULL.rounds), ..flood::FULL }, report)?,
        Command::Slow => slow::run(slow::Size { rounds: rounds(slow::FULL.rounds), ..slow::FULL }, verdict, report)?,
        Command::Echo => echo::run(echo::Size { rounds: rounds(echo::FULL.rounds), ..echo::FULL }, report)?,
        Command::Http => {
            http::run(http::Size { rounds: rounds(http::FULL.rounds), ..http::FULL }, verdict, report)?;
        }
        Command::Churn => {
            churn::run(churn::Size { rounds: rounds(churn::FULL.rounds), ..churn::FULL }, verdict, report)?;
        }
        Command::Lean => lean::run(rounds(lean::BUILDS), verdict, report)?,
        Command::Datagrams => {
            datagrams::run(datagrams::Size { rounds: rounds(datagrams::FULL.rounds), ..datagrams::FULL }, report)?;
        }
        Command::Latency => {
            latency::run(latency::Size { rounds: rounds(latency::FULL.rounds), ..latency::FULL }, report)?
        }
        Command::Implicit => {
            let size = implicit::Size { rounds: rounds(implicit::FULL.rounds), ..implicit::FULL };
            implicit::run(size, verdict, report)?;
        }
        Command::Curves => curves::run(curves::Size { rounds: rounds(curves::FULL.rounds), ..curves::FULL }, report)?,
        Command::Relay => relay::run(relay::Size { rounds: rounds(relay::FULL.rounds), ..relay::FULL }, report)?,
        Command::Memory => memory::run(memory::FULL, verdict, report)?,
        Command::Timers => timers::run(timers::FULL, verdict, report)?,
        Command::Selectors => selectors::run(selectors::FULL, verdict, report)?,
        Command::Micro { quick } => micro::run(if quick { micro::QUICK } else { micro::FULL }, report)?,
        Command::Charts { folder, reports } => charts::run(&folder, &reports)?,
        Command::Quick => quick::run(verdict, report)?,
        Command::Serve { served, port } => serve::run(served, port)?,
        Command::ServeDatagrams(receiving) => serve::datagrams(receiving)?,
        Command::Hold { style, deadlines } => serve::hold(style, deadlines)?,
        Command::Load { server, connections, requests } => load::run(server, connections, requests)?,
        Command::Arm { live, count } => timers::arm(live, count)?,
        Command::Select { peer, work, count } => selectors::select(&peer, work, count)?,
    }
    Ok(())
}
