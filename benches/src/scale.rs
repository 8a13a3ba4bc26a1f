//! What a million connections need, and ten, and a hundred: from what one needs here.
//!
//! Three things are measured: what an idle connection with a deadline takes of the program (resident, above a smaller
//! run) and of the kernel (`Slab` of `/proc/meminfo`, both of its ends, since both are on this machine), and what a
//! small request takes of a processor. The rest is multiplication, and the limits of this system and of the framework,
//! so that it shows which wall is the first. Nothing of it was tried: a machine that holds ten million connections is
//! not what this runs on.

use std::env;
use std::fs;
use std::io;
use std::process::Command;

use crate::load::{self, Load, Shape};
use crate::memory;
use crate::report::Report;
use crate::schedstat::Ran;
use crate::serve::Served;
use crate::server::Server;
use crate::style::Style;
use crate::table::Table;

/// Tasks of a reactor, at most: what 24 bits of a number can name.
const TASKS_MAX: f64 = 16_777_215.0;

/// How much is run.
pub(crate) struct Size {
    /// Idle connections of the two runs.
    pub(crate) connections: [usize; 2],
    /// Requests, over 50 connections.
    pub(crate) requests: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { connections: [1_000, 9_000], requests: 400_000 };

/// What one connection takes, in bytes.
#[derive(Clone, Copy)]
struct Taken {
    program: f64,
    kernel: f64,
}

/// Prints the table.
pub(crate) fn run(size: &Size, report: &mut Report) -> io::Result<()> {
    let styles = [Style::Tick, Style::Async];
    let [tick, future] = styles.map(|style| each(style, size.connections));
    let (tick, future) = (tick?, future?);
    let request = request(size.requests)?;
    let kernel = tick.kernel.min(future.kernel);
    for (style, bytes) in [("program, tick", tick.program), ("program, async", future.program), ("kernel", kernel)] {
        report.count("Bytes of an idle connection with a deadline", style, "idle", bytes);
    }
    println!(
        "An idle connection with a deadline takes {:.0} bytes of the program as a tick task, {:.0} as a future, and\n\
         {kernel:.0} of the kernel for both of its ends; a request of {} bytes takes {:.2} us of a processor.\n",
        tick.program,
        future.program,
        load::REQUEST,
        request / 1e3,
    );
    let mut table = Table::new([
        "connections",
        "program, GB, tick",
        "async",
        "kernel, GB, both ends",
        "descriptors",
        "reactors, at least",
        "processors, a request each minute",
        "each second",
    ]);
    for millions in [1.0, 10.0, 100.0] {
        let connections = millions * 1e6;
        let gigabytes = |bytes: f64| format!("{:.1}", bytes * connections / 1e9);
        table.row([
            format!("{millions:.0} million"),
            gigabytes(tick.program),
            gigabytes(future.program),
            gigabytes(kernel),
            format!("{connections:.0}"),
            format!("{:.0}", (connections / TASKS_MAX).ceil()),
            format!("{:.2}", request * connections / 60e9),
            format!("{:.1}", request * connections / 1e9),
        ]);
    }
    println!("{table}\n{}", walls(tick, kernel));
    Ok(())
}

/// Which limit comes first here, at how many connections.
fn walls(tick: Taken, kernel: f64) -> String {
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<f64>().ok());
    let memory = meminfo("MemTotal").unwrap_or(f64::INFINITY);
    let mut walls = [
        ("descriptors of a process (fs.nr_open)", number("/proc/sys/fs/nr_open")),
        ("descriptors of the system (fs.file-max)", number("/proc/sys/fs/file-max")),
        ("watches of a user (fs.epoll.max_user_watches)", number("/proc/sys/fs/epoll/max_user_watches")),
        ("memory of this machine, both ends on it", Some(memory / (tick.program + kernel))),
        ("tasks of a reactor", Some(TASKS_MAX)),
        ("tasks of 4,096 reactors", Some(TASKS_MAX * 4096.0)),
    ];
    walls.sort_by(|one, other| one.1.unwrap_or(f64::INFINITY).total_cmp(&other.1.unwrap_or(f64::INFINITY)));
    let lines = walls.iter().filter_map(|(name, at)| at.map(|at| format!("* {at:.0}: {name}\n")));
    format!("Walls of this system, the first one first, in connections:\n\n{}", lines.collect::<String>())
}

/// What each connection takes, above those of a smaller run.
fn each(style: Style, [few, many]: [usize; 2]) -> io::Result<Taken> {
    let (one, other) = (all(style, few)?, all(style, many)?);
    let added = (many - few) as f64;
    Ok(Taken { program: (other.program - one.program) / added, kernel: (other.kernel - one.kernel) / added })
}

/// What so many idle connections take together.
fn all(style: Style, connections: usize) -> io::Result<Taken> {
    eprintln!("scale: {style}, {connections} connections");
    let before = meminfo("Slab")?;
    let server = Server::hold(Command::new(env::current_exe()?), style, true)?;
    let clients = memory::idle(server.address, connections)?;
    let program = memory::resident_bytes(&server)?;
    let kernel = meminfo("Slab")? - before;
    drop(clients);
    server.end()?;
    Ok(Taken { program, kernel })
}

/// Nanoseconds of a processor for a request.
fn request(requests: usize) -> io::Result<f64> {
    eprintln!("scale: {requests} requests");
    let server = Server::start(Command::new(env::current_exe()?), Served { style: Style::Async, threads: None })?;
    let mut load = Load::connect(server.address, Shape::of(50))?;
    let process = server.id().to_string();
    let before = Ran::of(&process)?;
    load.echo(requests)?;
    let ran = Ran::of(&process)?.since(before);
    drop(load);
    server.end()?;
    Ok(ran.time.as_nanos() as f64 / requests as f64)
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(name: &str) -> io::Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes: Option<f64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024.0)
        .ok_or_else(|| io::Error::other(format!("/proc/meminfo has no {name}")))
}
