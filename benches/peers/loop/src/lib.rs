//! The floor: a loop by hand on epoll(7), with nothing beneath it but the C library.
//!
//! Each connection is registered once, edge-triggered, for both directions, and has a buffer of so many bytes. A read
//! that comes back short has taken all there was, unless the peer has closed, so the read that would say so is not
//! made. Prints `ready PORT`, and ends when its first connection does.
//!
//! This is the one program of the benchmarks with unsafe code: a floor that stood on `mainspring-sys` would hide what
//! that costs, and any other crate for epoll would be a peer and not a floor.

mod epoll;

use std::env;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use epoll::{Epoll, Event};

/// Events of a wait: as of the other servers.
const EVENTS: usize = 1024;

/// The listener's number; connections have that of their slot, the first of them slot 0.
const LISTENER: u64 = u64::MAX;

/// One side of a connection.
pub trait Conversation {
    /// One that begins, with a buffer of so many bytes.
    fn new(stream: TcpStream, buffer: usize) -> Self;

    /// Goes on for as long as there is something to read or room to write. False when it is over.
    ///
    /// # Errors
    ///
    /// When the connection has failed, which ends it and no other.
    fn go_on(&mut self, closed: bool) -> io::Result<bool>;
}

fn serve<C: Conversation>(buffer: usize) -> io::Result<()> {
    let epoll = Epoll::new()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    epoll::prepare(&listener)?;
    epoll.add(listener.as_fd(), LISTENER)?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let mut connections: Vec<Option<C>> = Vec::new();
    let mut free = Vec::new();
    let mut events = vec![Event::default(); EVENTS];
    loop {
        for event in epoll.wait(&mut events)? {
            if event.number() == LISTENER {
                while let Some(stream) = accepted(epoll::accept(&listener))? {
                    let slot = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    epoll.add(stream.as_fd(), slot as u64)?;
                    connections[slot] = Some(C::new(stream, buffer));
                }
                continue;
            }
            let slot = event.number() as usize;
            let Some(connection) = &mut connections[slot] else { continue };
            // An error of one connection ends that connection.
            if !connection.go_on(event.is_closed()).unwrap_or(false) {
                connections[slot] = None;
                free.push(slot);
                if slot == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// The connection, or none if nobody waits.
fn accepted(result: io::Result<TcpStream>) -> io::Result<Option<TcpStream>> {
    match result {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Serves with buffers of as many bytes as the one argument of the program says.
///
/// # Errors
///
/// For other arguments, with `usage`, and those of epoll(7).
pub fn run<C: Conversation>(usage: &str) -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [buffer] = &arguments[..] else { return Err(io::Error::other(usage)) };
    serve::<C>(buffer.parse().map_err(io::Error::other)?)
}
