//! The echo in time: processor time of the server per request, and requests in a second, beside the peers.
//!
//! Every server runs from the start to the end, on a processor of its own where one is enough, and the client gives each a
//! turn in each round (`interleaved.rs`). Processor time comes first, and is that of all threads of the server, from
//! `schedstat.rs`: it does not count the time when somebody else had the processor. It is nearly all the kernel's; the part
//! of the program is from `/proc/PID/stat`, which samples, so it is a figure of the whole run.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::process::{self, Command, Stdio};
use std::time::Instant;

use crate::interleaved::{Contender, Interleaved};
use crate::load;
use crate::peers::{self, Peer};
use crate::schedstat::Ran;
use crate::server::Server;
use crate::table::Table;
use crate::versions;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    pub(crate) connections: usize,
    /// Requests per turn.
    pub(crate) requests: usize,
    /// Whether others take part, which have to be built first.
    pub(crate) others: bool,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, connections: 50, requests: 40_000, others: true };

/// On one processor, the client on another. Ourselves twice: what differs there is noise.
const ONE: [Peer; 11] = [
    Peer::own("mainspring, async", &["serve", "async"]),
    Peer::own("the same once more", &["serve", "async"]),
    Peer::own("mainspring, tick", &["serve", "tick"]),
    Peer::own("hand-written loop", &["serve", "loop"]),
    Peer::other("mio", "echo-mio", &[]),
    Peer::other("tokio, current thread", "echo-tokio", &["current", "1"]),
    Peer::other("tokio, multi thread (1)", "echo-tokio", &["multi", "1"]),
    Peer::other("smol", "echo-smol", &["1"]),
    Peer::other("may", "echo-may", &["1"]),
    Peer::other("monoio, epoll", "echo-monoio", &["epoll"]),
    Peer::other("monoio, io_uring", "echo-monoio", &["uring"]),
];

/// On two, which the client shares.
const TWO: [Peer; 7] = [
    Peer::threads("mainspring, async, two reactors", &["serve", "async", "--threads", "2"]),
    Peer::threads("the same once more", &["serve", "async", "--threads", "2"]),
    Peer::threads("mainspring, by hand-off", &["serve", "async", "--threads", "2", "--sharing", "hand-off"]),
    Peer::other("tokio, two current threads", "echo-tokio", &["reuseport", "2"]),
    Peer::other("tokio, multi thread (2)", "echo-tokio", &["multi", "2"]),
    Peer::other("smol, two threads", "echo-smol", &["2"]),
    Peer::other("may, two workers", "echo-may", &["2"]),
];

/// Prints both tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size) -> io::Result<()> {
    let [one, two] = [&ONE[..], &TWO[..]].map(|peers| peers.iter().filter(|peer| size.others || peer.is_own()));
    let [one, two] = [one, two].map(|peers| peers.copied().collect::<Vec<_>>());
    peers::build(&one)?;
    println!("{}\n", versions::of(&["mainspring", "mio", "tokio", "async-io", "may", "monoio"]));
    pin(process::id(), "1")?;
    table("on one processor, the client on another", &one, "0", size)?;
    pin(process::id(), "0,1")?;
    table("on two processors, which the client shares", &two, "0,1", size)
}

/// Moves a process of ours to processors, as taskset(1) names them.
fn pin(process: u32, processors: &str) -> io::Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-p", "-c", processors, &process.to_string()]);
    match taskset.stdout(Stdio::null()).status()? {
        status if status.success() => Ok(()),
        _ => Err(io::Error::other(format!("could not run on the processors {processors}: two are needed"))),
    }
}

fn table(what: &str, peers: &[Peer], processors: &str, size: Size) -> io::Result<()> {
    let Size { rounds, connections, requests, .. } = size;
    eprintln!("echo: {rounds} rounds of {requests} requests, {what}");
    let servers: Vec<Server> = peers.iter().map(|peer| peer.start(processors)).collect::<io::Result<_>>()?;
    let seconds = RefCell::new(vec![Vec::new(); peers.len()]);
    let mut contenders: Vec<_> = peers
        .iter()
        .zip(&servers)
        .enumerate()
        .map(|(index, (peer, server))| {
            let seconds = &seconds;
            Contender::new(peer.name, move || {
                let process = server.id().to_string();
                let (before, start) = (Ran::of(&process)?, Instant::now());
                load::echo(server.address, connections, requests)?;
                seconds.borrow_mut()[index].push(start.elapsed().as_secs_f64());
                Ok(Ran::of(&process)?.since(before).time.as_nanos() as f64 / requests as f64)
            })
        })
        .collect();
    let processor = Interleaved::run(rounds, &mut contenders)?;
    drop(contenders);
    // The first round is not counted.
    let elapsed = Interleaved::of(seconds.into_inner().into_iter().map(|turns| turns[1..].to_vec()).collect());
    let mut table = Table::new([
        "server",
        "processor ns per request",
        "times the first",
        "of them the program's",
        "requests per second",
        "time, times the first",
    ]);
    for (index, (peer, server)) in peers.iter().zip(servers).enumerate() {
        let own = own_part(server.id())?;
        table.row([
            peer.name.to_owned(),
            format!("{:.0}", processor.cost(index).median),
            processor.ratio(index).to_string(),
            format!("{:.0}", processor.cost(index).median * own),
            format!("{:.0}", requests as f64 / elapsed.cost(index).median),
            elapsed.ratio(index).to_string(),
        ]);
        server.end()?;
    }
    println!("Echo of {} bytes over {connections} connections, {what}\n\n{table}", load::REQUEST);
    Ok(())
}

/// The part of the processor time so far that was not the kernel's, from 0 to 1.
fn own_part(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Field 2 is a name in parentheses, and may hold anything. Of the rest the first is field 3; 14 and 15 are the clock
    // ticks of the program and of the kernel, proc_pid_stat(5).
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |place| rest.split_whitespace().nth(place).and_then(|word: &str| word.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(own), Some(kernel)) => Ok(own / (own + kernel).max(1.0)),
        _ => Err(io::Error::other(format!("no times in {stat:?}"))),
    }
}
