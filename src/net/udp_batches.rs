//! Batches of UDP datagrams, one system call for up to 32.
//!
//! For whoever moves many: a server of DNS or QUIC, a collector of statistics. The batch ([`Datagrams`]) is the
//! caller's, owns its buffers and is used again and again; one that was received can be sent as it is, which answers
//! each datagram. The calls are those of `mainspring-sys`, which makes one for each datagram where the system has none
//! for many.
//!
//! They stand on the socket and not on a type around it, so that both ways mix; a stream of datagrams was turned down,
//! since each item would need a buffer of its own.

use std::future::Future;
use std::io;

use mainspring_sys::{Datagrams, Socket};

use super::leaf;
use super::registered::Registered;
use super::udp_socket::UdpSocket;
use crate::direction::Direction;

impl UdpSocket {
    /// Receives as many datagrams as are there and `batch` has room for, with one system call (recvmmsg(2)) where there
    /// is one, in the place of those that are in it. Returns how many, at least 1.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv). The batch is empty then.
    ///
    /// # Cancel safety
    ///
    /// Nothing is received unless the future returns it; what was in the batch is gone.
    ///
    /// ```
    /// use mainspring::net::{Datagrams, UdpSocket};
    ///
    /// mainspring::run(async {
    ///     let (server, client) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    ///     let mut batch = Datagrams::new(32, 1500);
    ///     for text in [b"one", b"two"] {
    ///         batch.push(text, Some(&server.local_addr()?))?;
    ///     }
    ///     while !batch.is_empty() {
    ///         client.send_datagrams(&mut batch).await?;
    ///     }
    ///     // An echo: each goes back to where it came from.
    ///     server.recv_datagrams(&mut batch).await?;
    ///     server.send_datagrams(&mut batch).await?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv_datagrams(&self, batch: &mut Datagrams) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(self.io.source(), move || self.io.recv_datagrams(batch))
    }

    /// A try of [`recv_datagrams`](Self::recv_datagrams): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_recv_datagrams(&self, batch: &mut Datagrams) -> io::Result<Option<usize>> {
        self.io.source().try_io(Direction::Read, || self.io.recv_datagrams(batch))
    }

    /// Sends datagrams of `batch` from the first on, with one system call (sendmmsg(2)) where there is one, and takes
    /// those that were sent out of it. Returns how many: at least 1, and 0 for an empty batch.
    ///
    /// # Errors
    ///
    /// What is wrong with the first datagram, as of [`send_to`](Self::send_to); [`Datagrams::skip`] goes on behind it.
    ///
    /// # Cancel safety
    ///
    /// What was sent is no longer in the batch.
    pub fn send_datagrams(&self, batch: &mut Datagrams) -> impl Future<Output = io::Result<usize>> {
        leaf::writing(self.io.source(), move || self.io.unless_paused(|_| self.io.send_datagrams(batch)))
    }

    /// A try of [`send_datagrams`](Self::send_datagrams): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_datagrams`.
    pub fn try_send_datagrams(&self, batch: &mut Datagrams) -> io::Result<Option<usize>> {
        self.io.source().try_io(Direction::Write, || self.io.unless_paused(|_| self.io.send_datagrams(batch)))
    }
}

/// The system calls of a batch, of every kind of socket. A poll is charged for the bytes, as of a single datagram.
impl Registered<Socket> {
    pub(super) fn recv_datagrams(&self, batch: &mut Datagrams) -> io::Result<usize> {
        let count = self.descriptor().recv_datagrams(batch)?;
        self.source().core().account.charge(bytes(batch));
        Ok(count)
    }

    pub(super) fn send_datagrams(&self, batch: &mut Datagrams) -> io::Result<usize> {
        let before = bytes(batch);
        let count = self.descriptor().send_datagrams(batch)?;
        self.source().core().account.charge(before - bytes(batch));
        Ok(count)
    }
}

/// How many bytes are in a batch.
fn bytes(batch: &Datagrams) -> usize {
    batch.iter().map(|datagram| datagram.bytes().len()).sum()
}
