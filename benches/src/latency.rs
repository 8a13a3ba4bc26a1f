//! Latency at a fixed rate: requests are sent when they are due, whether or not those before have been answered.
//!
//! A closed loop waits for a slow answer and so leaves out the requests that would have met the same delay. Here each
//! request has a moment at which it is due, all the same time apart, and its latency is from that moment to the last
//! byte of its answer, also if it was sent late: nothing is omitted. The client has a processor to itself and never
//! sleeps, since a wake-up takes as long as an answer.
//!
//! All latencies of a turn are kept and sorted, so the percentiles are exact; of the rounds the median is shown.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};

use crate::beside;
use crate::load::REQUEST;
use crate::peers::Peer;
use crate::report::Report;
use crate::table::Table;
use crate::versions;

/// Connections, which take turns.
const CONNECTIONS: usize = 50;

/// Requests per second: a tenth of what a server manages on a quiet machine, and half of it.
const RATES: [(usize, &str); 2] = [(10_000, "10,000/s"), (40_000, "40,000/s")];

/// The most bytes that are read at once.
const BUFFER: usize = 4096;

/// A server that is so far behind has failed.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// What is shown of the latencies, in parts of 1,000.
const PARTS: [(usize, &str); 3] = [(500, "p50"), (990, "p99"), (999, "p99.9")];

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Of a turn.
    pub(crate) time: Duration,
    /// Whether others take part, which have to be built first.
    pub(crate) others: bool,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, time: Duration::from_secs(1), others: true };

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

/// Prints a table for each rate.
///
/// # Errors
///
/// When a server does not start or answer, or falls behind by 10 s.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    println!("{}\n", versions::of(&["mainspring", "mio", "tokio", "async-io", "may", "monoio"]));
    let peers: Vec<_> = PEERS.into_iter().filter(|peer| size.others || peer.is_light()).collect();
    for (rate, name) in RATES {
        eprintln!("latency: {} rounds of {:?}, {rate} a second", size.rounds, size.time);
        let servers = beside::start(&peers, "0", &[1])?;
        let traffic = Traffic { request: &[7; REQUEST], answer: REQUEST, rate, time: size.time };
        let found = servers.contend(size.rounds, |_, server| traffic.offer(server.address, || Ok(())))?;
        let mut table = Table::new(["server", "p50, us", "times the first", "p99, us", "times", "p99.9, us", "times"]);
        for (index, server) in servers.names().enumerate() {
            let cells = found.each_ref().map(|part| (part.cost(index), part.ratio(index)));
            let [(p50, half), (p99, most), (p999, nearly_all)] = cells;
            table.row([
                server.to_owned(),
                format!("{:.0}", p50.median),
                half.to_string(),
                format!("{:.0}", p99.median),
                most.to_string(),
                format!("{:.0}", p999.median),
                nearly_all.to_string(),
            ]);
            for ((_, part), (cost, _)) in PARTS.iter().zip(cells) {
                report.point(&format!("Latency, us: {part}"), server, name, cost);
            }
        }
        servers.end()?;
        println!("Latency of {rate} requests a second, each sent when it is due, {CONNECTIONS} connections\n\n{table}");
    }
    Ok(())
}

struct Client {
    stream: TcpStream,
    /// When those were due that are not answered, the oldest first.
    due: VecDeque<Instant>,
    /// Bytes of the next answer that have come.
    partial: usize,
}

/// Requests that are sent when they are due, over connections that take turns.
pub(crate) struct Traffic<'a> {
    pub(crate) request: &'a [u8],
    /// Bytes of an answer.
    pub(crate) answer: usize,
    /// Requests a second.
    pub(crate) rate: usize,
    /// For how long.
    pub(crate) time: Duration,
}

impl Traffic<'_> {
    /// The latencies of p50, p99 and p99.9, in microseconds; `meanwhile` is called when no request is due.
    ///
    /// # Errors
    ///
    /// When the server falls behind, when a connection fails, and those of `meanwhile`.
    pub(crate) fn offer(
        &self,
        server: SocketAddr,
        mut meanwhile: impl FnMut() -> io::Result<()>,
    ) -> io::Result<[f64; 3]> {
        let selector = OsSelector::new()?;
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for index in 0..CONNECTIONS {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            selector.register(stream.as_fd(), Token(index as u64), Interest::READABLE, Mode::Level)?;
            clients.push(Client { stream, due: VecDeque::new(), partial: 0 });
        }
        let count = self.rate * self.time.as_millis() as usize / 1_000;
        let apart = Duration::from_secs(1) / self.rate as u32;
        let mut latencies = Vec::with_capacity(count);
        let mut events = Events::with_capacity(CONNECTIONS);
        let mut buffer = [0; BUFFER];
        let start = Instant::now();
        let mut sent = 0;
        while latencies.len() < count {
            let now = Instant::now();
            let due = start + apart * sent as u32;
            if sent < count && due <= now {
                let client = &mut clients[sent % CONNECTIONS];
                client.stream.write_all(self.request)?;
                client.due.push_back(due);
                sent += 1;
                // One that is late is sent before anything is read.
                continue;
            }
            if now - start > self.time + BEHIND_MAX {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!("{sent} requests sent, {} answered", latencies.len()),
                ));
            }
            meanwhile()?;
            selector.select(&mut events, Some(Duration::ZERO))?;
            for event in events.iter() {
                let client = &mut clients[event.token().0 as usize];
                let bytes = match client.stream.read(&mut buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => client.partial + count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                };
                client.partial = bytes % self.answer;
                let now = Instant::now();
                latencies.extend(client.due.drain(..bytes / self.answer).map(|due| now - due));
            }
        }
        latencies.sort_unstable();
        Ok(PARTS.map(|(part, _)| latencies[count * part / 1_000].as_secs_f64() * 1e6))
    }
}
