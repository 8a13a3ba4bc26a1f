//! The echo on `mainspring-sys` alone, as one writes it for one purpose: the floor under every other style.
//!
//! Each connection is registered by hand, for reading, edge-triggered, and has a buffer of its own. A read that comes
//! back short has taken all there was, unless the peer has closed, so the read that would say so is not made. What is
//! left out is what makes it a floor: a client with one request of 64 bytes outstanding never fills a socket, so a
//! write that is cut short is an error here, and nobody waits to write.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Socket, Token};
use slab::Slab;

use super::{BUFFER, announce};

/// Connections that wait to be accepted, as many as Mainspring lets wait.
const BACKLOG: i32 = 4096;

/// Events per select, as many as Mainspring takes.
const EVENTS: usize = 1024;

/// The listener's; connections have their slot.
const LISTENER: Token = Token(u64::MAX - 1);

/// The slot of the first connection.
const LEASH: usize = 0;

struct Connection {
    socket: Socket,
    buffer: [u8; BUFFER],
}

impl Connection {
    /// Answers what has come. False when the peer has closed.
    #[inline]
    fn echo(&mut self, closed: bool) -> io::Result<bool> {
        loop {
            let count = match self.socket.recv(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            if self.socket.send(&self.buffer[..count])? < count {
                return Err(io::ErrorKind::WriteZero.into());
            }
            if count < self.buffer.len() && !closed {
                return Ok(true);
            }
        }
    }
}

pub(super) fn serve(address: SocketAddr) -> io::Result<()> {
    let selector = OsSelector::new()?;
    let listener = Socket::listen(address, BACKLOG, false)?;
    listener.set_nodelay(true)?;
    selector.register(listener.as_fd(), LISTENER, Interest::READABLE, Mode::Edge)?;
    announce(listener.local_addr()?)?;

    let mut connections = Slab::new();
    let mut events = Events::with_capacity(EVENTS);
    loop {
        selector.select(&mut events, None)?;
        for event in events.iter() {
            if event.token() == LISTENER {
                accept(&selector, &listener, &mut connections)?;
                continue;
            }
            let slot = event.token().0 as usize;
            // An error of one connection ends that connection.
            if !connections[slot].echo(event.is_read_closed()).unwrap_or(false) {
                connections.remove(slot);
                if slot == LEASH {
                    return Ok(());
                }
            }
        }
    }
}

/// Takes all connections that wait.
fn accept(selector: &OsSelector, listener: &Socket, connections: &mut Slab<Connection>) -> io::Result<()> {
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let entry = connections.vacant_entry();
        selector.register(socket.as_fd(), Token(entry.key() as u64), Interest::READABLE, Mode::Edge)?;
        entry.insert(Connection { socket, buffer: [0; BUFFER] });
    }
}
