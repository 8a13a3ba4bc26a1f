//! Unix datagrams that go to an address, one by one or as a batch.
//!
//! While the queue of a receiver is full, a send waits; of a socket that is not connected to that receiver no event
//! tells when there is room (unix(7): it is writable for as long as its own buffer has room). So it is tried again
//! after a pause (`full_receivers.rs`), and makes its system call whatever another receiver has let the socket believe.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use mainspring_sys::Datagrams;

use super::leaf;
use super::unix_datagram::UnixDatagram;
use crate::direction::Direction;

impl UnixDatagram {
    /// Sends one datagram to the socket at a path. All of it is sent, or none. While the receiver's queue is full, it
    /// is tried again, after 100 µs and then twice as long each time up to 10 ms.
    ///
    /// This pause is the socket's: for as long as one receiver stays full, the others that fill up are tried again
    /// every 10 ms only. A receiver that may never read is best sent to through a socket of its own.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `NotFound`, and `ConnectionRefused` if nobody has the path open.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent unless the future says so.
    pub async fn send_to(&self, buffer: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(buffer, &SocketAddr::from_pathname(path)?).await
    }

    /// A try of [`send_to`](Self::send_to): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_to`.
    pub fn try_send_to(&self, buffer: &[u8], path: impl AsRef<Path>) -> io::Result<Option<usize>> {
        self.try_send_to_addr(buffer, &SocketAddr::from_pathname(path)?)
    }

    /// As [`send_to`](Self::send_to), to an address: an [abstract name](super::abstract_address), or where a datagram
    /// came from.
    ///
    /// # Errors
    ///
    /// As `send_to`; `InvalidInput` for an unnamed address.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent unless the future says so.
    pub fn send_to_addr(&self, buffer: &[u8], address: &SocketAddr) -> impl Future<Output = io::Result<usize>> {
        self.sending(move || self.send_one(buffer, address))
    }

    /// A try of [`send_to_addr`](Self::send_to_addr): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_to_addr`.
    pub fn try_send_to_addr(&self, buffer: &[u8], address: &SocketAddr) -> io::Result<Option<usize>> {
        self.try_sending(|| self.send_one(buffer, address))
    }

    /// Sends a batch, as [`UdpSocket::send_datagrams`](super::UdpSocket::send_datagrams).
    ///
    /// # Errors
    ///
    /// What is wrong with the first datagram, as of [`send_to`](Self::send_to); [`Datagrams::skip`] goes on behind it.
    ///
    /// # Cancel safety
    ///
    /// What was sent is no longer in the batch.
    pub fn send_datagrams(&self, batch: &mut Datagrams) -> impl Future<Output = io::Result<usize>> {
        self.sending(move || self.send_batch(batch))
    }

    /// A try of [`send_datagrams`](Self::send_datagrams): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_datagrams`.
    pub fn try_send_datagrams(&self, batch: &mut Datagrams) -> io::Result<Option<usize>> {
        self.try_sending(|| self.send_batch(batch))
    }

    /// Waits until `send` does not say "not yet".
    fn sending<T>(&self, send: impl FnMut() -> io::Result<T>) -> impl Future<Output = io::Result<T>> {
        let mut sending = leaf::writing(self.io.source(), send);
        poll_fn(move |cx| sending.poll_in_pause(cx))
    }

    /// A try of `send`.
    fn try_sending<T>(&self, send: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
        self.io.source().try_in_pause(Direction::Write, send)
    }

    fn send_one(&self, buffer: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.io.charged(self.full.send(&self.io, address, |socket| socket.send_to_unix(buffer, address)))
    }

    fn send_batch(&self, batch: &mut Datagrams) -> io::Result<usize> {
        let address = batch.iter().next().and_then(|first| first.unix_address());
        match address.filter(|address| !address.is_unnamed()) {
            Some(address) => self.full.send(&self.io, &address, |_| self.io.send_datagrams(batch)),
            None => self.io.unless_paused(|_| self.io.send_datagrams(batch)),
        }
    }
}
