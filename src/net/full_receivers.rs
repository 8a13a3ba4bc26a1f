//! The receivers of a Unix datagram socket whose queues are full.
//!
//! A send to an address says `EAGAIN` while the queue of its receiver is full, and no event tells when there is room:
//! it is tried again after a pause, longer each time. What was found out about one receiver says nothing about another,
//! so a pause holds for those that were found full since it began, and one with room is sent to at once. But the pause
//! is the socket's, and a receiver that never reads keeps it long: another, which fills up and has room again, is tried
//! as seldom for as long.
//!
//! Each receiver is tried once for each pause. More often would spin: on Linux a send that fails causes an event of its
//! own, since what it had taken from the buffer of its socket is given back. A pause for each receiver was turned down:
//! a socket that answers thousands would keep thousands of timers, or wake all who wait at the end of each pause.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use mainspring_sys::{Socket, abstract_name};

use super::pause::Pause;
use super::registered::Registered;
use crate::direction::Direction;

/// The first pause, nanoseconds: a receiver takes the ten datagrams that Linux queues in less.
const PAUSE_MIN: u64 = 100_000;

/// The longest pause, nanoseconds: a receiver that is stuck costs a hundred tries a second.
const PAUSE_MAX: u64 = 10_000_000;

/// Receivers that are told apart, in items, up to 128 KiB: tries that fail between two pauses. With more, all wait for
/// the next one.
const RECEIVERS_MAX: usize = 1024;

/// A receiver: its path, or its abstract name.
type Name = (bool, Vec<u8>);

/// Those that were found full, and the pause that they are given.
pub(super) struct FullReceivers {
    /// Until they are tried again.
    pause: Pause,
    /// Who was found full since the last pause began, and has taken nothing since.
    full: RefCell<BTreeSet<Name>>,
}

impl FullReceivers {
    pub(super) const fn new() -> Self {
        Self { pause: Pause::new(PAUSE_MIN, PAUSE_MAX), full: RefCell::new(BTreeSet::new()) }
    }

    /// Sends to `address`, unless it was found full during the present pause.
    pub(super) fn send<T>(
        &self,
        io: &Registered<Socket>,
        address: &SocketAddr,
        send: impl FnOnce(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        // A wait that has expired makes its last try in any case.
        let pauses = io.source().is_paused(Direction::Write) && io.source().is_ready(Direction::Write);
        if pauses && self.is_full(address) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent = send(io.descriptor()).map_err(|error| io.put_off(error));
        match &sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.found_full(io, address),
            _ => self.found_other(address),
        }
        sent
    }

    fn is_full(&self, address: &SocketAddr) -> bool {
        let full = self.full.borrow();
        full.len() >= RECEIVERS_MAX || full.contains(&name(address))
    }

    #[cold]
    fn found_full(&self, io: &Registered<Socket>, address: &SocketAddr) {
        let mut full = self.full.borrow_mut();
        if self.pause.start(io.source(), Direction::Write) {
            full.clear();
        }
        full.insert(name(address));
    }

    /// It has taken something, or has gone. The next pause is a short one, unless others are full still.
    #[inline]
    fn found_other(&self, address: &SocketAddr) {
        let mut full = self.full.borrow_mut();
        if !full.is_empty() {
            full.remove(&name(address));
        }
        if full.is_empty() {
            self.pause.reset();
        }
    }
}

fn name(address: &SocketAddr) -> Name {
    match address.as_pathname() {
        Some(path) => (false, path.as_os_str().as_bytes().to_vec()),
        None => (true, abstract_name(address).unwrap_or_default().to_vec()),
    }
}
