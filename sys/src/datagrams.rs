//! A batch of datagrams, sent or received with one system call.
//!
//! Made once by whoever moves many datagrams, and used again and again: it owns the buffers, lengths and
//! addresses, and a call allocates nothing. sendmmsg(2) and recvmmsg(2), or one system call each on Apple,
//! DragonFly and illumos.
//!
//! A batch that was received can be sent as it is, which answers each datagram; the addresses are kept as
//! the system wrote them. Its own buffers, and not those of the caller: the headers point into them, and so
//! they are built anew for each call, on the stack, from what does not move.
//!
//! Left out: segmentation by the kernel (`UDP_SEGMENT`, `UDP_GRO`), which is Linux's alone and makes one
//! message many datagrams, so that each count here would mean something else.

use std::array;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr as UnixAddress;
use std::slice;

use crate::address::Address;
use crate::message::{Incoming, Outgoing};
use crate::messages::{receive_all, send_all};
use crate::{Socket, unix_address};

/// Up to [`CAPACITY_MAX`](Self::CAPACITY_MAX) datagrams, in order. See [`Socket::recv_datagrams`].
///
/// ```
/// use mainspring_sys::{Datagrams, Socket};
///
/// let any_port = "127.0.0.1:0".parse().unwrap();
/// let (client, server) = (Socket::udp(&any_port)?, Socket::udp(&any_port)?);
/// client.bind(&any_port)?;
/// server.bind(&any_port)?;
///
/// let mut batch = Datagrams::new(16, 1500);
/// for text in [b"one", b"two"] {
///     batch.push(text, Some(&server.local_addr()?))?;
/// }
/// client.send_datagrams(&mut batch)?;
/// assert!(batch.is_empty());
///
/// server.recv_datagrams(&mut batch)?;
/// assert!(batch.iter().all(|datagram| datagram.address() == client.local_addr().ok()));
/// // Each goes back to where it came from.
/// server.send_datagrams(&mut batch)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Datagrams {
    /// `room` bytes for each datagram.
    bytes: Box<[u8]>,
    /// In bytes, at least 1.
    room: usize,
    /// What is known of each datagram; as many as the batch has room for.
    slots: Box<[Slot]>,
    /// Where each came from or goes to. Apart, because the system writes into them during a call.
    addresses: Box<[Address]>,
    /// The first datagram that has not been sent.
    first: usize,
    /// The end of the datagrams.
    end: usize,
}

/// What is known of one datagram besides its bytes and its address.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// In bytes, not more than there is room for.
    length: usize,
    /// Set if the datagram that was received was longer than the room.
    truncated: bool,
}

impl Datagrams {
    /// The most datagrams of one batch, in items. What one system call costs is divided by as much; more gains little,
    /// and holds the thread for longer.
    pub const CAPACITY_MAX: usize = 32;

    /// An empty batch of up to `capacity` datagrams, at least 1 and at most
    /// [`CAPACITY_MAX`](Self::CAPACITY_MAX), with `room` bytes for each, at least 1: no more than 65,507 are of use for
    /// UDP. It allocates all that it will need.
    ///
    /// # Panics
    ///
    /// When that is more bytes than can be counted.
    pub fn new(capacity: usize, room: usize) -> Self {
        let (capacity, room) = (capacity.clamp(1, Self::CAPACITY_MAX), room.max(1));
        let Some(bytes) = capacity.checked_mul(room) else {
            panic!("{capacity} datagrams of {room} bytes are too many")
        };
        Self {
            bytes: vec![0; bytes].into(),
            room,
            slots: vec![Slot::default(); capacity].into(),
            addresses: vec![Address::EMPTY; capacity].into(),
            first: 0,
            end: 0,
        }
    }

    /// How many datagrams there is room for in an empty batch.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many bytes there is room for in each.
    pub fn room(&self) -> usize {
        self.room
    }

    /// How many datagrams are in it.
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// True if none is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all datagrams.
    pub fn clear(&mut self) {
        (self.first, self.end) = (0, 0);
    }

    /// Adds a datagram at the end, a copy of `bytes`, to an address or to whom the socket is connected to.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is longer than the room for one, or if the batch is full: room is there again when all
    /// have been sent.
    pub fn push(&mut self, bytes: &[u8], address: Option<&SocketAddr>) -> io::Result<()> {
        self.push_any(bytes, address.map_or(Address::EMPTY, Address::from))
    }

    /// As [`push`](Self::push), to the Unix datagram socket of this address.
    ///
    /// # Errors
    ///
    /// Those of `push`, and `InvalidInput` for an unnamed address.
    pub fn push_unix(&mut self, bytes: &[u8], address: &UnixAddress) -> io::Result<()> {
        self.push_any(bytes, Address::of_unix_path(&unix_address::to_path(address)?))
    }

    fn push_any(&mut self, bytes: &[u8], address: Address) -> io::Result<()> {
        let (length, room, capacity) = (bytes.len(), self.room, self.capacity());
        if length > room {
            let message = format!("could not add a datagram of {length} bytes to a batch with room for {room} in each");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if self.end == capacity {
            let message = format!("could not add a datagram to a batch with room for {capacity}: it is full");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.bytes[self.end * room..][..length].copy_from_slice(bytes);
        self.slots[self.end] = Slot { length, truncated: false };
        self.addresses[self.end] = address;
        self.end += 1;
        Ok(())
    }

    /// Drops the first `count` datagrams, or all if there are fewer: those that were sent, or one that was refused.
    pub fn skip(&mut self, count: usize) {
        self.first += count.min(self.len());
        if self.first == self.end {
            self.clear();
        }
    }

    /// The datagrams in their order.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        (self.first..self.end).map(|index| Datagram {
            bytes: self.bytes_of(index),
            address: &self.addresses[index],
            truncated: self.slots[index].truncated,
        })
    }

    fn bytes_of(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.room..][..self.slots[index].length]
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One datagram of a batch.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    bytes: &'a [u8],
    address: &'a Address,
    truncated: bool,
}

impl<'a> Datagram<'a> {
    /// What was sent or received.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where it came from or goes to, if that is an address of IP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.internet().ok()
    }

    /// Where it came from or goes to, if that is a Unix address. That of an unbound sender is unnamed.
    pub fn unix_address(&self) -> Option<UnixAddress> {
        self.address.unix().ok()
    }

    /// True if it was longer than there was room for: the rest is lost.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("length", &self.bytes.len())
            .field("address", &self.address())
            .field("truncated", &self.truncated)
            .finish()
    }
}

impl Socket {
    /// Sends the datagrams of a batch from the first on, and takes those that were sent out of it; says how many.
    /// Fewer than all is no error: the rest is still there, and the next call says why, if the reason lasts.
    ///
    /// # Errors
    ///
    /// That of the first datagram, as of [`send_to`](Self::send_to): `WouldBlock`, or what is wrong with it
    /// (`EMSGSIZE`, `NetworkUnreachable`...), and then [`Datagrams::skip`] goes on behind it. An error that the socket
    /// tells once (`ConnectionRefused`) may be lost in the middle of a batch, sendmmsg(2).
    pub fn send_datagrams(&self, batch: &mut Datagrams) -> io::Result<usize> {
        let count = batch.len();
        if count == 0 {
            return Ok(0);
        }
        let mut indices = batch.first..batch.end;
        let buffers: [_; Datagrams::CAPACITY_MAX] =
            array::from_fn(|_| IoSlice::new(indices.next().map_or(&[], |index| batch.bytes_of(index))));
        let mut addresses = batch.addresses[batch.first..batch.end].iter();
        let mut messages: [_; Datagrams::CAPACITY_MAX] = array::from_fn(|index| {
            let message = Outgoing::new(slice::from_ref(&buffers[index]));
            addresses.next().map_or_else(|| Outgoing::new(&[]), |address| message.to(address))
        });
        let sent = send_all(self.as_fd(), &mut messages[..count])?;
        batch.skip(sent);
        Ok(sent)
    }

    /// Receives as many datagrams as are there and as the batch has room for, in the place of those that are in it;
    /// says how many, at least 1. One that is longer than the room is cut and says so.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from): `WouldBlock` if there is none. The batch is empty then.
    pub fn recv_datagrams(&self, batch: &mut Datagrams) -> io::Result<usize> {
        batch.clear();
        let capacity = batch.capacity();
        let mut rooms = batch.bytes.chunks_exact_mut(batch.room);
        let mut buffers: [_; Datagrams::CAPACITY_MAX] =
            array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        let mut parts = buffers.chunks_exact_mut(1).zip(batch.addresses.iter_mut());
        let mut messages: [_; Datagrams::CAPACITY_MAX] = array::from_fn(|_| match parts.next() {
            Some((buffer, address)) => Incoming::new(buffer).with_address(address),
            None => Incoming::new(&mut []),
        });
        let received = receive_all(self.as_fd(), &mut messages[..capacity])?;
        let lengths = messages.each_ref().map(Incoming::address_length);
        for (slot, message) in batch.slots.iter_mut().zip(&messages[..received]) {
            *slot = Slot { length: message.length(), truncated: message.has(libc::MSG_TRUNC) };
        }
        for (address, length) in batch.addresses.iter_mut().zip(&lengths[..received]) {
            address.set_length(*length);
        }
        batch.end = received;
        Ok(received)
    }
}
