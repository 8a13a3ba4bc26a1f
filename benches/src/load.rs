//! The client: requests in a closed loop, exactly as many as asked for.
//!
//! It knows nothing of how the server is written. Every connection has one request of 64 bytes outstanding for as long as
//! there are requests left, so the server always has all connections to choose from but the one whose answer is on its
//! way: it is saturated, because whatever counts its calls or instructions makes it the slower of the two. Answers are
//! compared with what was sent.
//!
//! A loop over an edge-triggered selector and one thread. A thread per connection was turned down: with 50 of them the
//! scheduler and not the server would decide how many requests wait.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};

/// The length of a request and of its answer, in bytes.
pub(crate) const REQUEST: usize = 64;

/// A server that says nothing for so long has failed. Under callgrind an answer takes a millisecond.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Events per select.
const EVENTS: usize = 1024;

struct Client {
    stream: TcpStream,
    request: [u8; REQUEST],
    answer: [u8; REQUEST],
    /// How much of the answer has come.
    received: usize,
    /// When the request was sent.
    sent: Instant,
}

impl Client {
    fn connect(server: SocketAddr, index: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: [index as u8; REQUEST], answer: [0; REQUEST], received: 0, sent: Instant::now() })
    }

    fn send(&mut self) -> io::Result<()> {
        self.received = 0;
        self.sent = Instant::now();
        self.stream.write_all(&self.request)
    }

    /// Reads what has come of the answer; true if that was the rest.
    fn receive(&mut self) -> io::Result<bool> {
        while self.received < REQUEST {
            match self.stream.read(&mut self.answer[self.received..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.answer != self.request {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not the request"));
        }
        Ok(true)
    }
}

/// Sends `requests` requests over `connections` connections, and closes them when all are answered.
///
/// # Errors
///
/// `TimedOut` for a server that says nothing for 20 s, `InvalidData` for an answer that is not the request, and those of
/// the sockets.
pub(crate) fn echo(server: SocketAddr, connections: usize, requests: usize) -> io::Result<()> {
    echo_timed(server, connections, requests, |_| ())
}

/// The same; `answered` is told how long each request has taken.
pub(crate) fn echo_timed(
    server: SocketAddr,
    connections: usize,
    requests: usize,
    mut answered: impl FnMut(Duration),
) -> io::Result<()> {
    let selector = OsSelector::new()?;
    let mut clients = Vec::with_capacity(connections);
    for index in 0..connections {
        let client = Client::connect(server, index)?;
        client.stream.set_nonblocking(true)?;
        selector.register(client.stream.as_fd(), Token(index as u64), Interest::READABLE, Mode::Edge)?;
        clients.push(client);
    }

    let mut unsent = requests;
    for client in clients.iter_mut().take(requests) {
        client.send()?;
        unsent -= 1;
    }
    let mut unanswered = requests;
    let mut events = Events::with_capacity(EVENTS);
    while unanswered > 0 {
        selector.select(&mut events, Some(SILENCE_MAX))?;
        if events.is_empty() {
            let message = format!("the server has said nothing for 20 s, and {unanswered} requests are not answered");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        for event in events.iter() {
            let client = &mut clients[event.token().0 as usize];
            // A client without a request outstanding has nothing to receive.
            if client.received < REQUEST && client.receive()? {
                unanswered -= 1;
                answered(client.sent.elapsed());
                if unsent > 0 {
                    client.send()?;
                    unsent -= 1;
                }
            }
        }
    }
    Ok(())
}

/// Makes `connections` connections one after the other; each sends one request, takes the answer and closes.
///
/// # Errors
///
/// As [`echo`].
pub(crate) fn churn(server: SocketAddr, connections: usize) -> io::Result<()> {
    for index in 0..connections {
        let mut client = Client::connect(server, index)?;
        client.stream.set_read_timeout(Some(SILENCE_MAX))?;
        client.send()?;
        if !client.receive()? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server has said nothing for 20 s"));
        }
    }
    Ok(())
}

/// The command: the leash, then [`echo`]; the server ends with it.
pub(crate) fn run(server: SocketAddr, connections: usize, requests: usize) -> io::Result<()> {
    let _leash = TcpStream::connect(server)?;
    let start = Instant::now();
    echo(server, connections, requests)?;
    eprintln!("{requests} requests over {connections} connections in {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}
