//! Clients that are slow on purpose, and what they cost those that are not.
//!
//! First what they may do: thousands connect to the HTTP example with its default settings, send the head of a request
//! a byte a second, and go on until the server has closed each: how long it bore with them, and what they held of its
//! memory.
//!
//! Then what they cost others. Three of the example have the same requests to answer, each sent when it is due; one
//! also has the slow clients, which come before its turn and go after it. The client and the slow ones are one thread,
//! which sends their bytes when no request is due, so that a part of the difference is the client's own. The same is
//! tested in virtual time, where polls are counted (`tests/slow_clients.rs`).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::descriptor_limit;
use socket2::SockRef;

use crate::beside;
use crate::latency::Traffic;
use crate::memory::resident_bytes;
use crate::peers::Peer;
use crate::report::Report;
use crate::table::Table;
use crate::verdict::Verdict;

/// What good clients send, and slow ones begin to.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Good requests a second.
const RATE: usize = 5_000;

/// Between two bytes of a slow client.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// How long the example bears with a request that has begun: its default.
const RECEIVE: Duration = Duration::from_secs(30);

/// How much later, or earlier, a client may have been closed: it looks once a second, and thousands are closed at once.
const LATE_MAX: Duration = Duration::from_secs(3);

/// What a slow client may hold: the first read of a connection, and as much again for its task, its tables and its
/// timer.
const BYTES_MAX: f64 = 16_384.0;

/// What they may cost the good ones, times the row without them.
const FIGURE: f64 = 1.2;

const PEERS: [Peer; 3] = [
    Peer::example("none", "http", &["--plaintext"]),
    Peer::example("none, once more", "http", &["--plaintext"]),
    Peer::example("slow clients", "http", &["--plaintext"]),
];

/// Where among them the slow clients are.
const BESIDE: usize = 2;

/// How much is run.
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Of a turn.
    pub(crate) time: Duration,
    /// Slow clients.
    pub(crate) clients: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, time: Duration::from_secs(1), clients: 5_000 };

/// Prints both tables.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let Size { rounds, time, clients } = size;
    eprintln!("slow: {rounds} rounds of {time:?} with {clients} slow clients, then until they are closed");
    // The example serves as many connections as three quarters of the descriptors that it may have.
    let (limit, wanted) = (descriptor_limit()?, clients as u64 * 3 / 2);
    if limit < wanted {
        return Err(io::Error::other(format!(
            "{wanted} descriptors are needed, and {limit} may be open: see ulimit -n"
        )));
    }
    let servers = beside::start(&PEERS, "0", &[1])?;
    let address = servers.server(BESIDE).address;
    let answer = length(address)?;
    let before = resident_bytes(servers.server(BESIDE))?;
    let slow = Slow::connect(address, clients)?;
    // One that comes after them all is answered when they have been seen.
    length(address)?;
    let held = (resident_bytes(servers.server(BESIDE))? - before) / clients as f64;
    let [first, .., last] = slow.until_closed()?[..] else {
        return Err(io::Error::other("fewer than two slow clients"));
    };
    let [first, last] = [first, last].map(|lasted| lasted.as_secs_f64());
    let mut table = Table::new(["slow clients", "resident bytes of each", "closed after, s, the first", "the last"]);
    table.row([clients.to_string(), format!("{held:.0}"), format!("{first:.1}"), format!("{last:.1}")]);
    println!("What slow clients may do\n\n{table}");
    verdict.at_most("bytes of a slow client", held, BYTES_MAX);
    verdict.equal("seconds of the first slow client", first, RECEIVE.as_secs_f64(), LATE_MAX.as_secs_f64());
    verdict.equal("seconds of the last slow client", last, RECEIVE.as_secs_f64(), LATE_MAX.as_secs_f64());

    let traffic = Traffic { request: REQUEST, answer, rate: RATE, time };
    let [_, p99, _] = servers.contend(rounds, |place, server| {
        if place != BESIDE {
            return traffic.offer(server.address, || Ok(()));
        }
        let mut slow = Slow::connect(server.address, clients)?;
        let found = traffic.offer(server.address, || {
            slow.dribble();
            Ok(())
        });
        slow.leave()?;
        found
    })?;
    let mut table = Table::new(["beside", "p99, us", "times without", "at most"]);
    for (place, name) in servers.names().enumerate() {
        report.point("Slow clients: p99 of good requests, us", name, "5,000/s", p99.cost(place));
        let figure = if place == BESIDE { FIGURE.to_string() } else { String::new() };
        table.row([name.to_owned(), p99.cost(place).to_string(), p99.ratio(place).to_string(), figure]);
    }
    println!("Good requests beside {clients} slow clients, {RATE} a second\n\n{table}");
    servers.end()
}

/// Bytes of an answer, of which all are alike.
fn length(server: SocketAddr) -> io::Result<usize> {
    let mut client = TcpStream::connect(server)?;
    client.write_all(&REQUEST.repeat(2))?;
    client.shutdown(std::net::Shutdown::Write)?;
    let mut both = Vec::new();
    client.read_to_end(&mut both)?;
    Ok(both.len() / 2)
}

/// Clients that send a byte now and then.
struct Slow {
    clients: Vec<Dribbler>,
    /// Whose turn it is, and when.
    next: usize,
    due: Instant,
}

struct Dribbler {
    stream: TcpStream,
    since: Instant,
    /// Bytes of the request that are sent: never all.
    sent: usize,
}

impl Dribbler {
    fn connect(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, since: Instant::now(), sent: 0 })
    }

    /// Sends a byte, unless only the last one is left.
    fn dribble(&mut self) {
        if self.sent + 1 < REQUEST.len() {
            // Why ignored: that it is closed is asked for elsewhere.
            let _ = (&self.stream).write(&REQUEST[self.sent..=self.sent]);
            self.sent += 1;
        }
    }

    /// Whether the server has ended the connection, or has said that it will.
    fn is_closed(&mut self) -> bool {
        !matches!(self.stream.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

impl Slow {
    /// All of them, each of which has sent its first byte.
    fn connect(server: SocketAddr, count: usize) -> io::Result<Self> {
        let clients = (0..count).map(|_| Dribbler::connect(server)).collect::<io::Result<_>>()?;
        let mut slow = Self { clients, next: 0, due: Instant::now() };
        slow.clients.iter_mut().for_each(Dribbler::dribble);
        Ok(slow)
    }

    /// The next one sends a byte, if it is due.
    fn dribble(&mut self) {
        let now = Instant::now();
        if self.due <= now {
            self.due = now + BYTE_EVERY / self.clients.len() as u32;
            self.clients[self.next].dribble();
            self.next = (self.next + 1) % self.clients.len();
        }
    }

    /// All reset their connections, so that their ports are free for the next turn.
    fn leave(self) -> io::Result<()> {
        let reset = |client: &Dribbler| SockRef::from(&client.stream).set_linger(Some(Duration::ZERO));
        self.clients.iter().try_for_each(reset)
    }

    /// Goes on until all are closed, and says how long each lasted, ascending.
    fn until_closed(mut self) -> io::Result<Vec<Duration>> {
        let count = self.clients.len();
        let mut lasted = Vec::with_capacity(count);
        let deadline = Instant::now() + 2 * RECEIVE;
        while !self.clients.is_empty() {
            if Instant::now() > deadline {
                let message = format!("{} of {count} slow clients are not closed", self.clients.len());
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            self.clients.retain_mut(|client| {
                client.dribble();
                let is_closed = client.is_closed();
                if is_closed {
                    lasted.push(client.since.elapsed());
                }
                !is_closed
            });
            thread::sleep(BYTE_EVERY);
        }
        lasted.sort_unstable();
        Ok(lasted)
    }
}
