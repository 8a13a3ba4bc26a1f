//! Streams that a selector watches, and the means to make one of them readable.
//!
//! Both ends of each pair are watched, so that ten thousand sources are ten thousand descriptors and not twice as many.
//! A source becomes readable by a byte that is written to the other end of its pair.

use std::borrow::Borrow;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use super::peer::Peer;

/// Sources with the tokens 0, 1, 2...
pub(super) struct Streams<P: Peer> {
    watched: Vec<P::Source>,
    /// The other end of the last source, if there is an odd number of them.
    odd: Option<UnixStream>,
}

impl<P: Peer> Streams<P> {
    /// Makes `count` of them, and registers them.
    pub(super) fn register(peer: &mut P, count: usize) -> io::Result<Self> {
        let mut streams = Self { watched: Vec::with_capacity(count), odd: None };
        while streams.watched.len() < count {
            let (one, other) = UnixStream::pair()?;
            for stream in [one, other] {
                stream.set_nonblocking(true)?;
                let token = streams.watched.len();
                if token < count {
                    streams.watched.push(peer.register(stream, token)?);
                } else {
                    streams.odd = Some(stream);
                }
            }
        }
        Ok(streams)
    }

    /// Deregisters and closes them.
    pub(super) fn deregister(self, peer: &mut P) -> io::Result<()> {
        self.watched.into_iter().try_for_each(|source| peer.deregister(source).map(drop))
    }

    /// Makes a source readable.
    #[inline]
    pub(super) fn write(&self, token: usize) -> io::Result<()> {
        let other = self.watched.get(token ^ 1).map(Borrow::borrow);
        let Some(mut other) = other.or(self.odd.as_ref()) else { return Err(io::ErrorKind::NotFound.into()) };
        other.write_all(b"x")
    }

    /// Reads what [`write`](Self::write) wrote.
    #[inline]
    pub(super) fn read(&self, token: usize) -> io::Result<()> {
        let mut stream: &UnixStream = self.watched[token].borrow();
        stream.read_exact(&mut [0])
    }

    /// Asks for the next event of a source, of those that have to be asked.
    #[inline]
    pub(super) fn rearm(&self, peer: &mut P, token: usize) -> io::Result<()> {
        peer.rearm(&self.watched[token], token)
    }
}
