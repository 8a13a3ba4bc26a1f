//! System calls of a child process, mostly a server, by strace(1).
//!
//! `strace -c` counts calls and failed calls by name, and prints a summary when the process ends. It says nothing about
//! which error a call failed with; on the paths that are counted here that is always `EAGAIN`.
//!
//! It stops the process at each call, which makes it slower than any client, and changes no count but that of the
//! waits.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::Command;

use crate::counts::Counts;
use crate::scratch::Scratch;
use crate::serve::Served;
use crate::server::Server;

/// What must be installed.
pub(crate) const TOOL: &str = "strace";

/// Follows the name of a call that failed.
pub(crate) const FAILED: &str = " failed";

/// Whether a call of this name waits. How many there are depends on when things arrive.
pub(crate) fn is_wait(name: &str) -> bool {
    matches!(name, "epoll_wait" | "epoll_pwait" | "epoll_pwait2")
}

/// Runs a server while `load` works on it, and counts its system calls.
pub(crate) fn count(served: Served, load: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<Counts> {
    record(|tool| {
        let server = Server::start(tool, served)?;
        load(server.address)?;
        server.end()
    })
}

/// Runs this program under strace; `run` starts it and waits for its end.
pub(crate) fn record(run: impl FnOnce(Command) -> io::Result<()>) -> io::Result<Counts> {
    let own = env::current_exe()?;
    summarize(|mut tool| {
        tool.arg(own);
        run(tool)
    })
}

/// Runs any program under strace; `run` gets the command up to where its path is to follow.
pub(crate) fn summarize(run: impl FnOnce(Command) -> io::Result<()>) -> io::Result<Counts> {
    let summary = Scratch::new(TOOL);
    let mut tool = Command::new(TOOL);
    tool.args(["-c", "-f", "-o"]).arg(summary.path());
    run(tool)?;
    parse(&summary.read()?)
}

/// The rows `% time, seconds, usecs/call, calls, [errors], syscall` between two rules.
fn parse(summary: &str) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let is_rule = |line: &&str| !line.starts_with("------");
    for row in summary.lines().skip_while(is_rule).skip(1).take_while(is_rule) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let (calls, errors, name) = match cells[..] {
            [_, _, _, calls, name] => (calls.parse(), Ok(0), name),
            [_, _, _, calls, errors, name] => (calls.parse(), errors.parse(), name),
            _ => return Err(unclear(row)),
        };
        let (Ok(calls), Ok(errors)) = (calls, errors) else { return Err(unclear(row)) };
        let calls: u64 = calls;
        counts.add(name, calls.checked_sub(errors).ok_or_else(|| unclear(row))?);
        if errors > 0 {
            counts.add(format!("{name}{FAILED}"), errors);
        }
    }
    Ok(counts)
}

fn unclear(row: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot make sense of this row of strace: {row:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           1       500         2 recvfrom
 40.00    0.000400           1       498           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           1       998         2 total
";

    #[test]
    fn failed_calls_are_counted_apart() {
        let slope = parse(SUMMARY).unwrap().slope(&Counts::default(), 1);
        assert_eq!(slope.sorted(), [("recvfrom", 498.0), ("sendto", 498.0), ("recvfrom failed", 2.0)]);
    }

    #[test]
    fn a_row_that_is_not_understood_is_an_error() {
        assert!(parse(&SUMMARY.replace("498", "many")).is_err());
    }
}
