//! The echo in time: processor time of the server per request, and requests in a second, beside the peers.
//!
//! One table for each shape of load, on one processor, and one on two. Connecting is no part of a turn: each has had an
//! answer on each connection before it begins.

use std::io;

use crate::beside;
use crate::load::{Load, REQUEST, Shape};
use crate::peers::Peer;
use crate::report::Report;
use crate::versions;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Of a turn, divided by what a request of the shape takes.
    pub(crate) requests: usize,
    /// How many of the shapes.
    pub(crate) shapes: usize,
    /// Whether others take part, which have to be built first.
    pub(crate) others: bool,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, requests: 40_000, shapes: SHAPES.len(), others: true };

/// A shape, how many requests fewer it has in a turn, and the buffer of each connection.
struct Row {
    shape: Shape,
    /// In the report.
    name: &'static str,
    /// How many times the requests of a turn, in per cent.
    per_cent: usize,
    /// Bytes of the buffer: so many that a read of all that is outstanding is a short one.
    buffer: usize,
}

const SHAPES: [Row; 6] = [
    Row { shape: Shape::of(50), name: "50", per_cent: 100, buffer: 512 },
    Row { shape: Shape::of(1), name: "1", per_cent: 10, buffer: 512 },
    Row { shape: Shape::of(1_000), name: "1,000", per_cent: 100, buffer: 512 },
    Row { shape: Shape::of(8_000), name: "8,000", per_cent: 100, buffer: 512 },
    Row {
        shape: Shape { connections: 50, depth: 16, bytes: REQUEST },
        name: "50 × 16",
        per_cent: 1_000,
        buffer: 2_048,
    },
    Row { shape: Shape { connections: 50, depth: 1, bytes: 16 << 10 }, name: "16 KiB", per_cent: 75, buffer: 32 << 10 },
];

/// On one processor, the client on another. Ourselves twice: what differs there is noise.
const ONE: [Peer; 11] = [
    Peer::other("mainspring, async", "echo-mainspring", &["async"]),
    Peer::other("the same once more", "echo-mainspring", &["async"]),
    Peer::other("mainspring, tick", "echo-mainspring", &["tick"]),
    Peer::other("hand-written loop", "echo-loop", &[]),
    Peer::other("mio", "echo-mio", &[]),
    Peer::other("tokio, current thread", "echo-tokio", &["current", "1"]),
    Peer::other("tokio, multi thread (1)", "echo-tokio", &["multi", "1"]),
    Peer::other("smol", "echo-smol", &["1"]),
    Peer::other("may", "echo-may", &["1"]),
    Peer::other("monoio, epoll", "echo-monoio", &["epoll"]),
    Peer::other("monoio, io_uring", "echo-monoio", &["uring"]),
];

/// On two, which the client shares. Ours are a `Server` of this program.
const TWO: [Peer; 7] = [
    Peer::own("mainspring, async, two reactors", &["serve", "async", "--threads", "2"]),
    Peer::own("the same once more", &["serve", "async", "--threads", "2"]),
    Peer::own("mainspring, by hand-off", &["serve", "async", "--threads", "2", "--sharing", "hand-off"]),
    Peer::other("tokio, two current threads", "echo-tokio", &["reuseport", "2"]).with_buffer(512),
    Peer::other("tokio, multi thread (2)", "echo-tokio", &["multi", "2"]).with_buffer(512),
    Peer::other("smol, two threads", "echo-smol", &["2"]).with_buffer(512),
    Peer::other("may, two workers", "echo-may", &["2"]).with_buffer(512),
];

/// Prints the tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    println!("{}\n", versions::of(&["mainspring", "mio", "tokio", "async-io", "may", "monoio"]));
    let chosen =
        |peers: &[Peer]| -> Vec<_> { peers.iter().filter(|peer| size.others || peer.is_light()).copied().collect() };
    for row in &SHAPES[..size.shapes] {
        let peers: Vec<_> = chosen(&ONE).into_iter().map(|peer| peer.with_buffer(row.buffer)).collect();
        table("on one processor, the client on another", "Echo", &peers, ("0", &[1]), row, size, report)?;
    }
    table(
        "on two processors, which the client shares",
        "Echo on two",
        &chosen(&TWO),
        ("0,1", &[0, 1]),
        &SHAPES[0],
        size,
        report,
    )
}

fn table(
    what: &str,
    figure: &str,
    peers: &[Peer],
    (servers, clients): (&str, &[usize]),
    row: &Row,
    size: Size,
    report: &mut Report,
) -> io::Result<()> {
    let Row { shape, per_cent, .. } = *row;
    let requests = size.requests * per_cent / 100;
    let Shape { connections, depth, bytes } = shape;
    eprintln!("echo: {} rounds of {requests} requests, {connections} connections, {what}", size.rounds);
    let measured = beside::start(peers, servers, clients)?.rounds(size.rounds, |server| {
        let mut load = Load::connect(server.address, shape)?;
        beside::turn(server, || load.echo(requests).map(|()| requests))
    })?;
    println!(
        "Echo of {bytes} bytes over {connections} connections, {depth} at a time on each, {what}\n\n{}",
        measured.table("request", figure, row.name, report)
    );
    Ok(())
}
