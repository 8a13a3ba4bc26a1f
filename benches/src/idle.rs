//! What a reactor does while 9,000 connections do nothing: nothing.
//!
//! Each connection has echoed one byte, and waits for the next; in half of the rows with a deadline of five minutes, as
//! [`Server`](mainspring::Server) sets it. The process must not be given a processor within the ten seconds, so it
//! makes no system call: no timer of its own wakes it, and neither does a deadline that is still far.

use std::env;
use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::memory;
use crate::report::Report;
use crate::schedstat::Ran;
use crate::server::Server;
use crate::style::Style;
use crate::table::Table;
use crate::verdict::Verdict;

/// How long a server has not run when its connections are taken for settled.
const SETTLED: Duration = Duration::from_millis(500);

/// How often that is looked for.
const LOOKS_MAX: usize = 20;

/// How much is run.
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// In which nothing may happen.
    pub(crate) window: Duration,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { connections: 9_000, window: Duration::from_secs(10) };

/// Prints the table.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let Size { connections, window } = size;
    let mut table = Table::new(["style", "deadline", "times it ran", "processor time, ns", "at most"]);
    for (style, deadlines) in [(Style::Tick, false), (Style::Tick, true), (Style::Async, false), (Style::Async, true)] {
        let deadline = if deadlines { "5 min" } else { "none" };
        eprintln!("idle: {style}, {connections} connections, deadline {deadline}");
        let server = Server::hold(Command::new(env::current_exe()?), style, deadlines)?;
        let clients = memory::idle(server.address, connections)?;
        let ran = while_idle(&server, window)?;
        drop(clients);
        server.end()?;
        let nanoseconds = ran.time.as_nanos();
        table.row([
            style.to_string(),
            deadline.to_owned(),
            ran.times.to_string(),
            nanoseconds.to_string(),
            "0".to_owned(),
        ]);
        report.count("Idle: times it ran", style.name(), deadline, ran.times as f64);
        verdict.at_most(&format!("times that an idle server ran, {style}, deadline {deadline}"), ran.times as f64, 0.0);
    }
    println!("{connections} idle connections for {} s\n\n{table}", window.as_secs());
    Ok(())
}

/// What the server has had of the processors within `window`, once its connections have settled.
fn while_idle(server: &Server, window: Duration) -> io::Result<Ran> {
    let process = server.id().to_string();
    let mut before = Ran::of(&process)?;
    for _ in 0..LOOKS_MAX {
        thread::sleep(SETTLED);
        let now = Ran::of(&process)?;
        if std::mem::replace(&mut before, now) == now {
            break;
        }
    }
    thread::sleep(window);
    Ok(Ran::of(&process)?.since(before))
}
