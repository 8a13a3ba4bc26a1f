//! Connections that come and go: connect, one request, its answer, close. And storms of them, which come all at once.
//!
//! First the system calls of a server per connection, the request's own read and write among them (strace, a slope
//! between two numbers of connections that come one at a time). Then both in time, beside the peers. The client
//! connects, sends, reads and closes with blocking calls, and has so many connections under way at a time that the
//! server never waits for it; it closes first, so the server has to find the end by a read.

use std::io;

use crate::beside;
use crate::load::{self, Load, Shape};
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::server;
use crate::strace::{self, FAILED};
use crate::table::Table;
use crate::verdict::Verdict;
use crate::versions;

/// Connections that are under way at a time.
const UNDER_WAY: usize = 64;

/// Connections of a storm: fewer than may wait to be accepted with any server, 128 with mio's and smol's as they are
/// made by default. One that comes when there is no room asks again after a second, and nothing else would be measured.
const STORM: usize = 120;

/// The system calls of a connection that do something: accept, registration, the read and the write of the request, the
/// read that sees the end, close.
const FLOOR: f64 = 6.0;

/// What happens to a connection, each at most one wait of its own: it comes, its request does, it ends.
const EVENTS: f64 = 3.0;

/// How many system calls more or fewer may come of memory that is asked for on the way, and of the last connection.
const TOLERANCE: f64 = 0.05;

/// Below this a count is left out of the table.
const SHOWN: f64 = 0.005;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Connections of the two runs that are counted.
    pub(crate) counted: [usize; 2],
    pub(crate) rounds: usize,
    /// Connections of a turn that come one after the other.
    pub(crate) connections: usize,
    /// Storms of a turn.
    pub(crate) storms: usize,
    /// Whether others take part, which have to be built first.
    pub(crate) others: bool,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { counted: [200, 600], rounds: 11, connections: 5_000, storms: 40, others: true };

/// What the names of our rows begin with.
const OURS: &str = "mainspring";

/// Ourselves twice.
const PEERS: [Peer; 9] = [
    Peer::other("mainspring, async", "echo-mainspring", &["async"]).with_buffer(512),
    Peer::other("the same once more", "echo-mainspring", &["async"]).with_buffer(512),
    Peer::other("mainspring, tick", "echo-mainspring", &["tick"]).with_buffer(512),
    Peer::other("hand-written loop", "echo-loop", &[]).with_buffer(512),
    Peer::other("mio", "echo-mio", &[]).with_buffer(512),
    Peer::other("tokio, current thread", "echo-tokio", &["current", "1"]).with_buffer(512),
    Peer::other("smol", "echo-smol", &["1"]).with_buffer(512),
    Peer::other("may", "echo-may", &["1"]).with_buffer(512),
    Peer::other("monoio, epoll", "echo-monoio", &["epoll"]).with_buffer(512),
];

/// Prints the three tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let peers: Vec<_> = PEERS.into_iter().filter(|peer| size.others || peer.is_light()).collect();
    println!("{}\n", versions::of(&["mainspring", "mio", "tokio", "async-io", "may", "monoio"]));
    if server::is_installed(strace::TOOL) {
        count(&peers, size.counted, verdict, report)?;
    } else {
        verdict.skip("system calls per connection", strace::TOOL);
    }
    eprintln!("churn: {} rounds of {} connections", size.rounds, size.connections);
    let measured = beside::start(&peers, "0", &[1])?.rounds(size.rounds, |server| {
        beside::turn(server, || load::churn(server.address, size.connections, UNDER_WAY).map(|()| size.connections))
    })?;
    println!(
        "Connect, one request, close; {UNDER_WAY} under way at a time\n\n{}",
        measured.table("connection", "Churn", "churn", report)
    );
    eprintln!("churn: {} rounds of {} storms", size.rounds, size.storms);
    let measured = beside::start(&peers, "0", &[1])?.rounds(size.rounds, |server| {
        // They are closed when the turn is over.
        let mut open = Vec::with_capacity(size.storms);
        beside::turn(server, || {
            for _ in 0..size.storms {
                open.push(Load::connect(server.address, Shape::of(STORM))?);
            }
            Ok(size.storms * STORM)
        })
    })?;
    println!(
        "{STORM} connections at once, each with one request; closing them is left out\n\n{}",
        measured.table("connection", "Accept storm", "storm", report)
    );
    Ok(())
}

fn count(peers: &[Peer], counted: [usize; 2], verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    peers::build(peers)?;
    let mut table = Table::new(["server", "per connection", "of these do something", "by name"]);
    // Counts need no second time.
    for peer in peers.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, peer)| peer) {
        let [few, many] = counted.map(|connections| {
            eprintln!("churn: {}, {connections} connections under {}", peer.name, strace::TOOL);
            strace::summarize(|tool| {
                let server = peer.start_by(tool)?;
                load::churn(server.address, connections, 1)?;
                server.end()
            })
        });
        let slope = many?.slope(&few?, counted[1] - counted[0]);
        let shown = slope.sorted().into_iter().filter(|(_, count)| *count >= SHOWN);
        let names: Vec<_> = shown.map(|(name, count)| format!("{name} {count:.2}")).collect();
        // What waits, and what finds nothing, depends on whether the client or the server is held up.
        let [vain_accepts, vain_reads] = ["accept4", "recvfrom"].map(|name| slope.of(&format!("{name}{FAILED}")));
        let waits = slope.sum(strace::is_wait);
        let done = slope.total() - waits - vain_accepts - vain_reads;
        table.row([peer.name.to_owned(), format!("{:.2}", slope.total()), format!("{done:.2}"), names.join(", ")]);
        report.count("Churn: system calls per connection", peer.name, "churn", slope.total());
        if peer.name.starts_with(OURS) {
            let name = peer.name;
            verdict.equal(&format!("system calls per connection that do something, {name}"), done, FLOOR, TOLERANCE);
            verdict.at_most(&format!("accept4, nobody there, per connection, {name}"), vain_accepts, 1.0 + TOLERANCE);
            verdict.at_most(&format!("read, nothing there, per connection, {name}"), vain_reads, 1.0 + TOLERANCE);
            verdict.at_most(&format!("waits per connection, {name}"), waits, EVENTS + TOLERANCE);
        }
    }
    println!("System calls per connection that comes, is answered once and goes, one at a time\n\n{table}");
    Ok(())
}
