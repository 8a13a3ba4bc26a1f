//! A stream whose close does not destroy the last response (RFC 9112, section 9.6).
//!
//! A socket that is closed while the peer is still sending answers with a reset, and a reset may throw away what the
//! peer has not read: a 413 would never arrive. So the writing side closes first, and what still comes is read and
//! thrown away, within bounds of bytes and time. If the last read found nothing, no more is waited for here than by any
//! server of the library, which reads what has come since. The same goes for a server that drains, which waits for no
//! peer that is silent.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::Duration;

use mainspring::codec::HalfClose;
use mainspring::net::TcpStream;
use mainspring::server::Draining;

use super::limits;

/// How long the peer may say nothing before it is no longer waited for. nginx's default.
const SILENCE: Duration = Duration::from_secs(5);

/// A TCP stream that lingers.
#[derive(Debug)]
pub struct Lingering {
    stream: TcpStream,
    /// Whether the server drains; a connection is woken when that begins.
    draining: Draining,
    /// Set if the last read found nothing, cleared if it found something.
    quiet: bool,
    /// How many bytes are still thrown away.
    left: usize,
}

impl Lingering {
    /// Takes over the closing of `stream`, and its read timeout from then on.
    pub const fn new(stream: TcpStream, draining: Draining) -> Self {
        Self { stream, draining, quiet: true, left: limits::LINGERING }
    }

    /// The stream, which then closes as any other.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl Read for Lingering {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let answer = Read::read(&mut self.stream, buffer);
        self.quiet = !matches!(answer, Ok(1..));
        answer
    }
}

impl Write for Lingering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.stream, bytes)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut self.stream, buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.stream)
    }
}

impl HalfClose for Lingering {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()?;
        if self.quiet {
            return Ok(());
        }
        self.stream.set_read_timeout(Some(SILENCE))?;
        let mut thrown_away = [0; 4096];
        while self.left > 0 {
            match Read::read(&mut self.stream, &mut thrown_away) {
                Ok(0) => break,
                Ok(count) => self.left = self.left.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.draining.is_draining() => {
                    return Err(error);
                }
                // The peer is gone, or silent for long enough, or silent and the server drains.
                Err(_) => break,
            }
        }
        self.quiet = true;
        Ok(())
    }
}
