//! What an operation costs as there is more of everything: connections, timers, tasks.
//!
//! Each curve is flat if the cost is that of the operation alone. Connections come in two: all of them busy, and ten
//! busy ones among so many that are idle, which shows what a turn of the loop pays for those that have nothing to say.
//! Timers and tasks are the works of `micro` with another number.
//!
//! 18,000 connections are what 20,000 descriptors allow for with room to spare, and less than the ports of one address,
//! so no client has to bind another one.

use std::io;

use mainspring_sys::descriptor_limit;

use crate::beside::{self, Running};
use crate::load::{Load, Shape};
use crate::micro;
use crate::peers::Peer;
use crate::report::Report;
use crate::table::Table;
use crate::versions;

/// Connections, as far as descriptors reach.
const CONNECTIONS: [usize; 6] = [10, 100, 1_000, 5_000, 10_000, 18_000];

/// Descriptors that a process needs for other things.
const RESERVE: usize = 100;

/// Connections that are busy among idle ones.
const BUSY: usize = 10;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Requests of a turn.
    pub(crate) requests: usize,
    /// The most timers, and the most tasks.
    pub(crate) timers: usize,
    pub(crate) tasks: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 5, requests: 20_000, timers: 10_000_000, tasks: 1_000_000 };

const PEERS: [Peer; 5] = [
    Peer::other("mainspring", "echo-mainspring", &["async"]).with_buffer(512),
    Peer::other("the same once more", "echo-mainspring", &["async"]).with_buffer(512),
    Peer::other("hand-written loop", "echo-loop", &[]).with_buffer(512),
    Peer::other("tokio", "echo-tokio", &["current", "1"]).with_buffer(512),
    Peer::other("smol", "echo-smol", &["1"]).with_buffer(512),
];

/// Prints the tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    println!("{}\n", versions::of(&["mainspring", "tokio", "async-io", "async-executor"]));
    let limit = descriptor_limit()? as usize - RESERVE;
    for is_busy in [true, false] {
        let what = if is_busy { "all of them busy" } else { "ten of them busy" };
        let servers = beside::start(&PEERS, "0", &[1])?;
        let mut table = Table::new(["connections", "mainspring", "again", "hand-written loop", "tokio", "smol"]);
        for connections in CONNECTIONS.into_iter().filter(|connections| *connections <= limit) {
            eprintln!("curves: {connections} connections, {what}");
            let costs = echo(&servers, connections, is_busy, size, report)?;
            let [first, again, by_hand, tokio, smol] = costs;
            table.row([connections.to_string(), first, again, by_hand, tokio, smol]);
        }
        servers.end()?;
        println!("Processor ns of the server per echoed request, by connections, {what}\n\n{table}");
    }
    micro::curves(micro::CURVES, size.timers, size.tasks, report)
}

/// A row: the cost of each server, with the middle half.
fn echo(
    servers: &Running,
    connections: usize,
    is_busy: bool,
    size: Size,
    report: &mut Report,
) -> io::Result<[String; PEERS.len()]> {
    let [cost] = servers.contend(size.rounds, |_, server| {
        let busy = if is_busy { connections } else { BUSY };
        let _idle = Load::connect(server.address, Shape::of(connections - busy))?;
        let mut load = Load::connect(server.address, Shape::of(busy))?;
        let requests = size.requests.max(2 * busy);
        let turn = beside::turn(server, || load.echo(requests).map(|()| requests))?;
        Ok([turn.processor.as_nanos() as f64 / requests as f64])
    })?;
    let figure = if is_busy { "Curve: busy connections" } else { "Curve: idle connections, ten busy" };
    for (index, server) in servers.names().enumerate() {
        report.point(&format!("{figure}, processor ns per request"), server, connections, cost.cost(index));
    }
    Ok(std::array::from_fn(|index| {
        let spread = cost.cost(index);
        format!("{:.0} [{:.0}-{:.0}]", spread.median, spread.low, spread.high)
    }))
}
