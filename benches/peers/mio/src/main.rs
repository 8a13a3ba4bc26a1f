//! The echo on mio, as its own examples write it: `echo-mio BUFFER`.
//!
//! Edge-triggered, so each event is followed until the system says "not yet". Prints `ready PORT`, and ends when its
//! first connection does.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

/// Events of a select: as of the other servers.
const EVENTS: usize = 1024;

/// The listener's; connections have their slot, the first of them slot 0.
const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Answers what has come. False when the peer has closed.
    fn echo(&mut self) -> io::Result<bool> {
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.stream.write_all(&self.buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }
}

fn main() -> io::Result<()> {
    let buffer = env::args().nth(1).ok_or_else(|| io::Error::other("usage: echo-mio BUFFER"))?;
    let buffer = buffer.parse().map_err(io::Error::other)?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let mut connections = Slab::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Some(mut stream) = accepted(listener.accept())? {
                    stream.set_nodelay(true)?;
                    let entry = connections.vacant_entry();
                    poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
                    entry.insert(Connection { stream, buffer: vec![0; buffer] });
                }
                continue;
            }
            let slot = event.token().0;
            // An error of one connection ends that connection.
            if !connections[slot].echo().unwrap_or(false) {
                // To close it ends its registration, without a call.
                drop(connections.remove(slot));
                if slot == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// The connection, or none if nobody waits.
fn accepted(result: io::Result<(TcpStream, SocketAddr)>) -> io::Result<Option<TcpStream>> {
    match result {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
