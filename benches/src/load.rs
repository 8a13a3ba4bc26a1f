//! The client: requests in a closed loop, exactly as many as asked for.
//!
//! It knows nothing of how the server is written. Every connection has as many requests outstanding as its depth is,
//! one if nothing else is said, for as long as there are requests left, so the server always has all connections to
//! choose from but the one whose answer is on its way: it is saturated, because whatever counts its calls or
//! instructions makes it the slower of the two. Answers are compared with what was sent.
//!
//! A loop over an edge-triggered selector and one thread. A thread per connection was turned down: with 50 of them the
//! scheduler and not the server would decide how many requests wait.

mod client;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Mode, OsSelector, Selector, Token};

use self::client::Client;

/// The length of a request and of its answer, in bytes.
pub(crate) const REQUEST: usize = 64;

/// A server that says nothing for so long has failed. Under callgrind an answer takes a millisecond.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Events per select.
const EVENTS: usize = 1024;

/// What a client keeps outstanding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Requests of a connection that are sent together, and answered before the next are sent.
    pub(crate) depth: usize,
    /// Bytes of a request, and of its answer.
    pub(crate) bytes: usize,
}

impl Shape {
    /// Small requests, one at a time on each connection.
    pub(crate) const fn of(connections: usize) -> Self {
        Self { connections, depth: 1, bytes: REQUEST }
    }
}

/// Connections that are open.
pub(crate) struct Load {
    shape: Shape,
    selector: OsSelector,
    clients: Vec<Client>,
}

impl Load {
    /// Makes the connections, all of which have been accepted when this returns, since each has had an answer.
    ///
    /// # Errors
    ///
    /// As [`echo`](Self::echo).
    pub(crate) fn connect(server: SocketAddr, shape: Shape) -> io::Result<Self> {
        let mut load = Self::connect_only(server, shape)?;
        load.echo(shape.connections * shape.depth)?;
        Ok(load)
    }

    /// The same, but nothing is sent, so that what is counted is exact.
    fn connect_only(server: SocketAddr, shape: Shape) -> io::Result<Self> {
        let selector = OsSelector::new()?;
        let mut clients = Vec::with_capacity(shape.connections);
        for index in 0..shape.connections {
            let client = Client::connect(server, index, shape)?;
            client.stream.set_nonblocking(true)?;
            let interest = client.interest();
            selector.register(client.stream.as_fd(), Token(index as u64), interest, Mode::Edge)?;
            clients.push(client);
        }
        Ok(Self { shape, selector, clients })
    }

    /// Sends so many requests, and returns when all are answered.
    ///
    /// # Errors
    ///
    /// `TimedOut` for a server that says nothing for 20 s, `InvalidData` for an answer that is not the request, and
    /// those of the sockets.
    pub(crate) fn echo(&mut self, requests: usize) -> io::Result<()> {
        self.echo_timed(requests, |_| ())
    }

    /// The same; `answered` is told how long each request has taken, those that are sent together once.
    pub(crate) fn echo_timed(&mut self, requests: usize, mut answered: impl FnMut(Duration)) -> io::Result<()> {
        let batches = requests / self.shape.depth;
        let mut unsent = batches;
        for client in self.clients.iter_mut().take(batches) {
            client.send()?;
            unsent -= 1;
        }
        let mut unanswered = batches;
        let mut events = Events::with_capacity(EVENTS);
        while unanswered > 0 {
            self.selector.select(&mut events, Some(SILENCE_MAX))?;
            if events.is_empty() {
                let message = format!("the server has said nothing for 20 s, and {unanswered} are not answered");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            for event in events.iter() {
                let client = &mut self.clients[event.token().0 as usize];
                if client.go_on()? {
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
}

/// Sends `requests` requests over `connections` connections, and closes them when all are answered.
///
/// # Errors
///
/// As [`Load::echo`].
pub(crate) fn echo(server: SocketAddr, connections: usize, requests: usize) -> io::Result<()> {
    echo_timed(server, connections, requests, |_| ())
}

/// The same; `answered` is told how long each request has taken.
pub(crate) fn echo_timed(
    server: SocketAddr,
    connections: usize,
    requests: usize,
    answered: impl FnMut(Duration),
) -> io::Result<()> {
    Load::connect_only(server, Shape::of(connections))?.echo_timed(requests, answered)
}

/// Makes `connections` connections, of which so many are under way at a time; each sends one request, takes the answer
/// and closes.
///
/// # Errors
///
/// As [`echo`].
pub(crate) fn churn(server: SocketAddr, connections: usize, under_way: usize) -> io::Result<()> {
    let mut clients = VecDeque::with_capacity(under_way);
    for index in 0..connections {
        let mut client = Client::connect(server, index, Shape::of(1))?;
        client.stream.set_read_timeout(Some(SILENCE_MAX))?;
        client.send()?;
        clients.push_back(client);
        if clients.len() == under_way {
            clients.pop_front().map_or(Ok(()), Client::end)?;
        }
    }
    clients.into_iter().try_for_each(Client::end)
}

/// The command: the leash, then [`echo`]; the server ends with it.
pub(crate) fn run(server: SocketAddr, connections: usize, requests: usize) -> io::Result<()> {
    let _leash = TcpStream::connect(server)?;
    let start = Instant::now();
    echo(server, connections, requests)?;
    eprintln!("{requests} requests over {connections} connections in {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Result, copy};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::{Load, Shape};

    #[test]
    fn requests_of_each_shape_are_answered() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let echo = |stream: TcpStream| thread::spawn(move || copy(&mut &stream, &mut &stream));
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(echo(stream))));
        for (depth, bytes) in [(1, 64), (16, 64), (1, 16 << 10)] {
            let mut answered = 0;
            let mut load = Load::connect(address, Shape { connections: 5, depth, bytes })?;
            load.echo_timed(20 * depth, |_| answered += 1)?;
            assert_eq!(answered, 20);
        }
        Ok(())
    }
}
