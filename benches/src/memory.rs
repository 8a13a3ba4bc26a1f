//! User-space memory per idle connection, without a buffer.
//!
//! Two counts. The bytes that the program asked its allocator for and still has, by valgrind, which is exact: a slope
//! between two runs that differ in the number of connections, chosen so that the tables which double are nearly full in
//! both: 24 bytes per connection are theirs, and up to as many more elsewhere. And the resident memory of the process,
//! which has the allocator's rounding and the pages in it, at 9,000 connections.
//!
//! Each connection has echoed one request before, so whatever is made at first use has been made. A counting allocator
//! in this program was turned down: it takes `unsafe`, and it would count the client.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::report::Report;
use crate::scratch::Scratch;
use crate::server::{self, Server};
use crate::style::Style;
use crate::table::Table;
use crate::verdict::Verdict;

/// What must be installed.
const TOOL: &str = "valgrind";

/// The most bytes in use per connection: of a tick task, and of a future.
const TICK: f64 = 256.0;
const ASYNC: f64 = 460.0;

/// How much is run.
pub(crate) struct Size {
    /// Connections of the two runs that are counted; a little below powers of two, where the tables are full.
    pub(crate) counted: [usize; 2],
    /// Connections for the resident memory, and those of the run that is taken off.
    pub(crate) resident: [usize; 2],
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { counted: [1_000, 4_000], resident: [1_000, 9_000] };

/// Prints the table.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let counts = server::is_installed(TOOL);
    if !counts {
        verdict.skip("bytes in use per idle connection", TOOL);
    }
    let mut table = Table::new(["style", "bytes in use", "allocations", "at most", "resident bytes"]);
    for (style, figure) in [(Style::Tick, TICK), (Style::Async, ASYNC)] {
        let mut cells = [String::new(), String::new()];
        if counts {
            let [few, many] = size.counted.map(|connections| in_use(style, connections));
            let (few, many) = (few?, many?);
            let added = (size.counted[1] - size.counted[0]) as f64;
            let (bytes, blocks) = ((many.0 - few.0) / added, (many.1 - few.1) / added);
            cells = [format!("{bytes:.0}"), format!("{blocks:.2}")];
            report.count("Bytes in use per idle connection", style.name(), "idle", bytes);
            verdict.at_most(&format!("bytes in use per idle connection, {style}"), bytes, figure);
        }
        let [few, many] = size.resident.map(|connections| resident(style, connections));
        let resident = (many? - few?) / (size.resident[1] - size.resident[0]) as f64;
        report.count("Resident bytes per idle connection", style.name(), "idle", resident);
        let [bytes, blocks] = cells;
        table.row([style.to_string(), bytes, blocks, format!("{figure:.0}"), format!("{resident:.0}")]);
    }
    let [_, resident] = size.resident;
    println!("User-space memory per idle connection; resident at {resident} connections\n\n{table}");
    Ok(())
}

/// Bytes and blocks that a server with so many idle connections has in use when it ends.
fn in_use(style: Style, connections: usize) -> io::Result<(f64, f64)> {
    eprintln!("memory: {style}, {connections} connections under {TOOL}");
    let log = Scratch::new(TOOL);
    let mut file = std::ffi::OsString::from("--log-file=");
    file.push(log.path());
    let mut tool = Command::new(TOOL);
    tool.args(["--leak-check=no", "--max-threads=16"]).arg(file).arg(env::current_exe()?);
    let server = Server::hold(tool, style, false)?;
    let clients = idle(server.address, connections)?;
    server.end()?;
    drop(clients);
    let text = log.read()?;
    parse(&text).ok_or_else(|| io::Error::other(format!("cannot make sense of the summary of {TOOL}: {text:?}")))
}

/// The numbers of `in use at exit: 1,234 bytes in 5 blocks`.
fn parse(log: &str) -> Option<(f64, f64)> {
    let (_, rest) = log.split_once("in use at exit: ")?;
    let (bytes, rest) = rest.split_once(" bytes in ")?;
    let (blocks, _) = rest.split_once(" blocks")?;
    let number = |text: &str| text.replace(',', "").parse().ok();
    Some((number(bytes)?, number(blocks)?))
}

/// The resident bytes of a server with so many idle connections.
fn resident(style: Style, connections: usize) -> io::Result<f64> {
    eprintln!("memory: {style}, {connections} connections");
    let server = Server::hold(Command::new(env::current_exe()?), style, false)?;
    let clients = idle(server.address, connections)?;
    let bytes = resident_bytes(&server)?;
    server.end()?;
    drop(clients);
    Ok(bytes)
}

/// The resident bytes of a server, what is mapped from files left out.
pub(crate) fn resident_bytes(server: &Server) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    let kilobytes: Option<f64> = kilobytes.and_then(|text| text.trim().parse().ok());
    Ok(kilobytes.ok_or_else(|| io::Error::other("no RssAnon in the status of a process"))? * 1024.0)
}

/// Connections that have echoed one byte each, and do nothing since.
pub(crate) fn idle(server: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let connect = |_| {
        let mut client = TcpStream::connect(server)?;
        client.write_all(b"x")?;
        client.read_exact(&mut [0])?;
        Ok(client)
    };
    (0..count).map(connect).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_summary_of_valgrind_is_understood() {
        let log = "==7== HEAP SUMMARY:\n==7==     in use at exit: 1,234,567 bytes in 8,901 blocks\n";
        assert_eq!(super::parse(log), Some((1_234_567.0, 8_901.0)));
        assert_eq!(super::parse("==7== HEAP SUMMARY:"), None);
    }
}
