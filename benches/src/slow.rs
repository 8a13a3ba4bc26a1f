//! Clients that are slow on purpose, and what they cost those that are not.
//!
//! Three of the HTTP example, each with its default settings. All have the same requests to answer, each sent when it is due;
//! one also has thousands of connections on which the head of a request comes a byte at a time. The client and the slow ones are
//! one thread, which sends their bytes when no request is due. Whom the server has closed comes back before the next turn.
//!
//! Then all of them come anew and go on until the server has closed each: how long it bore with them, and what they held of its
//! memory. The same is tested in virtual time, where polls are counted (`tests/slow_clients.rs`).

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

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
const BYTE_EVERY: Duration = Duration::from_secs(2);

/// How long the example bears with a request that has begun: its default.
const RECEIVE: Duration = Duration::from_secs(30);

/// How much later a client may have been closed: it looks when it sends a byte, and thousands are closed at once.
const LATE_MAX: Duration = Duration::from_secs(3);

/// What a slow client may hold: the first read of a connection, and as much again for its task, its tables and its timer.
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
    let servers = beside::start(&PEERS, "0", &[1])?;
    let answer = length(servers.server(BESIDE).address)?;
    let traffic = Traffic { request: REQUEST, answer, rate: RATE, time };
    let before = resident_bytes(servers.server(BESIDE))?;
    let slow = RefCell::new(Slow::connect(servers.server(BESIDE).address, clients)?);
    // One that comes after them all is answered when they have been seen.
    length(servers.server(BESIDE).address)?;
    let held = (resident_bytes(servers.server(BESIDE))? - before) / clients as f64;
    let [_, p99, _] = servers.contend(rounds, |place, server| {
        let mut slow = slow.borrow_mut();
        if place == BESIDE {
            slow.come_back()?;
            return traffic.offer(server.address, || slow.dribble());
        }
        traffic.offer(server.address, || Ok(()))
    })?;
    let mut table = Table::new(["beside", "p99, us", "times without", "at most"]);
    for (place, name) in servers.names().enumerate() {
        report.point("Slow clients: p99 of good requests, us", name, "5,000/s", p99.cost(place));
        let figure = if place == BESIDE { FIGURE.to_string() } else { String::new() };
        table.row([name.to_owned(), p99.cost(place).to_string(), p99.ratio(place).to_string(), figure]);
    }
    println!("Good requests beside {clients} slow clients, {RATE} a second\n\n{table}");

    let mut slow = slow.into_inner();
    slow.come_anew()?;
    let lasted = slow.until_closed()?;
    let mut table = Table::new(["slow clients", "resident bytes of each", "closed after, s, the first", "the last"]);
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    table.row([clients.to_string(), format!("{held:.0}"), seconds(lasted[0]), seconds(lasted[clients - 1])]);
    println!("What slow clients may do\n\n{table}");
    verdict.at_most("bytes of a slow client", held, BYTES_MAX);
    verdict.at_most("seconds of a slow client", lasted[clients - 1].as_secs_f64(), (RECEIVE + LATE_MAX).as_secs_f64());
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
    server: SocketAddr,
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
        let mut slow = Self { server, clients, next: 0, due: Instant::now() };
        slow.clients.iter_mut().for_each(Dribbler::dribble);
        Ok(slow)
    }

    /// The next one sends a byte, if it is due.
    fn dribble(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.due <= now {
            // Why not from when it was due: what was missed between two turns is not to be made up for.
            self.due = now + BYTE_EVERY / self.clients.len() as u32;
            self.clients[self.next].dribble();
            self.next = (self.next + 1) % self.clients.len();
        }
        Ok(())
    }

    /// Those that are closed come back.
    fn come_back(&mut self) -> io::Result<()> {
        for client in &mut self.clients {
            if client.is_closed() {
                *client = Dribbler::connect(self.server)?;
                client.dribble();
            }
        }
        Ok(())
    }

    /// All come anew.
    fn come_anew(&mut self) -> io::Result<()> {
        let count = self.clients.len();
        self.clients.clear();
        *self = Self::connect(self.server, count)?;
        Ok(())
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
            thread::sleep(BYTE_EVERY / 2);
        }
        lasted.sort_unstable();
        Ok(lasted)
    }
}
