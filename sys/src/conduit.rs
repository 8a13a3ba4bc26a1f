//! Bytes on their way from one stream socket to another, which the process does not look at.
//!
//! For a relay: the reactor fills a conduit from one socket and drains it into the other. On Linux it is a pipe that
//! splice(2) moves pages into and out of, so the bytes are never copied into the process; elsewhere, where a pipe
//! cannot be had, and for a socket that cannot be spliced, it is a buffer with recv(2) and send(2). Which one it is,
//! is decided here and nowhere else, and whoever uses it cannot tell.
//!
//! It is filled when it is empty and drained until it is, so that "not now" always means the socket: a pipe that was
//! full would answer the same. Writing into a pipe's rest at the same time was turned down for that reason.

use std::io;

use crate::Socket;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::call::Call;

/// Bytes that it takes at once: what a pipe of Linux holds by default, pipe(7).
const SIZE: usize = 64 * 1024;

/// Holds what was taken from one socket until another has it.
///
/// ```
/// use mainspring_sys::{Conduit, Socket};
///
/// let (sender, from) = Socket::unix_stream_pair()?;
/// let (to, receiver) = Socket::unix_stream_pair()?;
/// sender.send(b"hello")?;
/// let mut conduit = Conduit::new();
/// assert_eq!(conduit.fill(&from)?, 5);
/// while !conduit.is_empty() {
///     conduit.drain(&to)?;
/// }
/// assert_eq!(receiver.recv(&mut [0; 16])?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Conduit {
    /// Where the bytes are.
    way: Way,
    /// How many there are.
    len: usize,
}

#[derive(Debug)]
enum Way {
    /// In a pipe.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Pipe(crate::PipeReader, crate::PipeWriter),
    /// In memory, from the position on.
    Buffer(Box<[u8]>, usize),
}

impl Way {
    /// A pipe where there are some and one can be had.
    fn new() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Ok((reader, writer)) = crate::pipe() {
            return Self::Pipe(reader, writer);
        }
        Self::buffer()
    }

    fn buffer() -> Self {
        Self::Buffer(vec![0; SIZE].into(), 0)
    }
}

impl Conduit {
    /// An empty one. A pipe takes two descriptors; a process that has none left gets a buffer.
    #[must_use]
    pub fn new() -> Self {
        Self { way: Way::new(), len: 0 }
    }

    /// How many bytes are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes what the stream socket has received, up to 64 KiB, and says how much that was; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is not empty; those of [`Socket::recv`]; splice(2).
    pub fn fill(&mut self, from: &Socket) -> io::Result<usize> {
        if self.len > 0 {
            let message = format!("could not fill a conduit that still holds {} bytes", self.len);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.len = match &mut self.way {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Pipe(_, writer) => match splicing::splice(Call::FillConduit, from, writer, SIZE) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    // The protocol of this socket does not know how.
                    self.way = Way::buffer();
                    return self.fill(from);
                }
                result => result?,
            },
            Way::Buffer(bytes, start) => {
                *start = 0;
                from.recv(bytes)?
            }
        };
        Ok(self.len)
    }

    /// Sends what there is room for, and says how much that was; what is left stays for the next call.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::send`], without `SIGPIPE`; splice(2).
    pub fn drain(&mut self, to: &Socket) -> io::Result<usize> {
        if self.len == 0 {
            return Ok(0);
        }
        let count = match &mut self.way {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Pipe(reader, _) => {
                let len = self.len;
                // A socket that is spliced to raises the signal, splice(2) having no flag against it.
                crate::sigpipe::without_signal(|| splicing::splice(Call::DrainConduit, reader, to, len))?
            }
            Way::Buffer(bytes, start) => {
                let count = to.send(&bytes[*start..*start + self.len])?;
                *start += count;
                count
            }
        };
        self.len -= count;
        Ok(count)
    }
}

impl Default for Conduit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod splicing {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::ptr;

    use crate::call::Call;
    use crate::check::check;
    use crate::seam::cut;

    /// Moves up to `len` bytes; one of the two is a pipe.
    pub(super) fn splice(call: Call, from: &impl AsFd, to: &impl AsFd, len: usize) -> io::Result<usize> {
        let (from, to, len) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd(), cut(call, len));
        let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
        // SAFETY: the descriptors are open, and no memory is passed: both positions are null.
        let make = || unsafe { libc::splice(from, ptr::null_mut(), to, ptr::null_mut(), len, flags) };
        Ok(check(call, make)? as usize)
    }
}
