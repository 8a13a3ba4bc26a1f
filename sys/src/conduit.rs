//! Bytes on their way from one stream to another, which the process does not look at.
//!
//! For a relay: the reactor fills a conduit from one stream and drains it into the other, each a socket or the end of a
//! pipe. On Linux the bytes stay in the kernel, where splice(2) moves pages into and out of pipes: between two sockets
//! there is a pipe in the middle, and where one end is a pipe already, they go from the one to the other at once.
//! Elsewhere, where a pipe cannot be had, for what cannot be spliced and past urgent data, it is a buffer that is read
//! into and written from. Which one it is, is decided here and nowhere else, and whoever uses it cannot tell.
//!
//! It is filled when it is empty and drained until it is, so that "not now" always means one of the ends: a pipe in the
//! middle that was full would answer the same. Writing into its rest at the same time was turned down for that reason.
//! Without a pipe in the middle poll(2) tells which end it was; to wait for both was turned down, since a readiness
//! that is there would be taken for gone.

use std::io;

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::call::Call;
use crate::conduit_ends::{Inlet, Outlet};
// A socket that is spliced to raises the signal like a pipe, splice(2) having no flag against it.
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sigpipe::without_signal;

/// Bytes that it takes at once: what a pipe of Linux holds by default, pipe(7).
const SIZE: usize = 64 * 1024;

/// Holds what was taken from one stream until another has it.
///
/// ```
/// use mainspring_sys::{Conduit, Socket, pipe};
///
/// let (sender, from) = Socket::unix_stream_pair()?;
/// let (receiver, to) = pipe()?;
/// sender.send(b"hello")?;
/// drop(sender);
/// let mut conduit = Conduit::new(&from, &to);
/// while conduit.fill()? {
///     while !conduit.is_empty() {
///         conduit.drain()?;
///     }
/// }
/// assert_eq!((conduit.moved(), receiver.read(&mut [0; 16])?), (5, 5));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Conduit<'a> {
    /// Where the bytes come from.
    from: Inlet<'a>,
    /// Where they go.
    to: Outlet<'a>,
    /// What they pass through.
    way: Way,
    /// How many are in it. Of the direct way, where none ever are: 1 if some have come that there was no room for.
    len: usize,
    /// How many have come out.
    moved: u64,
}

#[derive(Debug)]
enum Way {
    /// Nothing, since one of the ends is a pipe.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Direct,
    /// A pipe.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Pipe(crate::PipeReader, crate::PipeWriter),
    /// Memory, from the position on.
    Buffer(Box<[u8]>, usize),
}

impl Way {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn between(from: Inlet<'_>, to: Outlet<'_>) -> Self {
        match (from, to) {
            (Inlet::Socket(_), Outlet::Socket(_)) => {
                crate::pipe().map_or_else(|_| Self::buffer(), |(reader, writer)| Self::Pipe(reader, writer))
            }
            _ => Self::Direct,
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn between(_: Inlet<'_>, _: Outlet<'_>) -> Self {
        Self::buffer()
    }

    fn buffer() -> Self {
        Self::Buffer(vec![0; SIZE].into(), 0)
    }
}

impl<'a> Conduit<'a> {
    /// An empty one. Between two sockets it takes two descriptors; a process that has none left gets a buffer.
    #[must_use]
    pub fn new(from: impl Into<Inlet<'a>>, to: impl Into<Outlet<'a>>) -> Self {
        let (from, to) = (from.into(), to.into());
        Self { from, to, way: Way::between(from, to), len: 0, moved: 0 }
    }

    /// Whether there is nothing to be drained.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes have come out so far.
    #[must_use]
    pub const fn moved(&self) -> u64 {
        self.moved
    }

    /// Takes what has come, up to 64 KiB; false at the end of the stream. Where it needs no room of its own, what has
    /// come may be out already.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is not empty; `WouldBlock` when nothing has come; those of reading, and where it needs no
    /// room of its own those of writing too; splice(2).
    pub fn fill(&mut self) -> io::Result<bool> {
        if self.len > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "could not fill a conduit that is not empty"));
        }
        self.len = match &mut self.way {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Direct => match without_signal(|| splicing::splice(Call::FillConduit, self.from, self.to, SIZE)) {
                Ok(0) => return self.fill_at_end(),
                Ok(count) => {
                    self.moved += count as u64;
                    return Ok(true);
                }
                Err(error) if splicing::is_put_off(&error) => {
                    let ready = splicing::ready(self.from, libc::POLLIN | libc::POLLPRI)?;
                    if ready & libc::POLLPRI != 0 {
                        return self.fill_by_reading();
                    }
                    if ready == 0 {
                        return Err(error);
                    }
                    // Something has come, and cannot go on.
                    1
                }
                Err(error) => return self.fill_otherwise(error),
            },
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Pipe(_, writer) => match splicing::splice(Call::FillConduit, self.from, &*writer, SIZE) {
                Ok(0) => return self.fill_at_end(),
                Ok(count) => count,
                Err(error) => return self.fill_otherwise(error),
            },
            Way::Buffer(bytes, start) => {
                *start = 0;
                self.from.read(bytes)?
            }
        };
        Ok(self.len > 0)
    }

    /// Goes on with a buffer, if the error says that one of the ends does not know how to be spliced.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn fill_otherwise(&mut self, error: io::Error) -> io::Result<bool> {
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
        self.fill_by_reading()
    }

    /// splice(2) has come to the end, or to urgent data in front of it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn fill_at_end(&mut self) -> io::Result<bool> {
        match self.from {
            Inlet::Socket(socket) if socket.peek(&mut [0])? > 0 => self.fill_by_reading(),
            _ => Ok(false),
        }
    }

    /// From now on through a buffer: recv(2) goes past urgent data, at which splice(2) stops.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn fill_by_reading(&mut self) -> io::Result<bool> {
        self.way = Way::buffer();
        self.fill()
    }

    /// Writes what there is room for; what is left stays for the next call.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; those of writing, without `SIGPIPE`; splice(2).
    pub fn drain(&mut self) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let count = match &mut self.way {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Direct => {
                match without_signal(|| splicing::splice(Call::DrainConduit, self.from, self.to, SIZE)) {
                    Ok(count) => self.moved += count as u64,
                    // There is room by now, or what had come has gone elsewhere: the next call of `fill` knows.
                    Err(error)
                        if error.kind() == io::ErrorKind::WouldBlock
                            && splicing::ready(self.to, libc::POLLOUT)? != 0 => {}
                    Err(error) => return Err(error),
                }
                self.len = 0;
                return Ok(());
            }
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Pipe(reader, _) => {
                without_signal(|| splicing::splice(Call::DrainConduit, &*reader, self.to, self.len))?
            }
            Way::Buffer(bytes, start) => {
                let count = self.to.write(&bytes[*start..*start + self.len])?;
                *start += count;
                count
            }
        };
        self.len -= count;
        self.moved += count as u64;
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod splicing {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::ptr;

    use libc::pollfd;

    use crate::call::Call;
    use crate::check::check;
    use crate::is_shortage;
    use crate::seam::cut;

    /// What is asked of the system.
    enum Ask<'a> {
        /// To move up to so many bytes from the one to the other.
        Move(i32, i32, usize),
        /// Whether there is an event.
        Poll(&'a mut pollfd),
    }

    fn ask(call: Call, ask: Ask<'_>) -> io::Result<usize> {
        let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
        // SAFETY: the descriptors are open. splice(2) is passed no memory, since both positions are null; poll(2) one
        // record, which is readable and writable.
        let make = || unsafe {
            match ask {
                Ask::Move(from, to, len) => libc::splice(from, ptr::null_mut(), to, ptr::null_mut(), len, flags),
                Ask::Poll(record) => libc::poll(record, 1, 0) as isize,
            }
        };
        Ok(check(call, make)? as usize)
    }

    /// Moves up to `len` bytes; one of the two is a pipe.
    pub(super) fn splice(call: Call, from: impl AsFd, to: impl AsFd, len: usize) -> io::Result<usize> {
        ask(call, Ask::Move(from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd(), cut(call, len)))
    }

    /// Which of `events` an end has, or that it has failed.
    pub(super) fn ready(end: impl AsFd, events: i16) -> io::Result<i16> {
        let mut record = pollfd { fd: end.as_fd().as_raw_fd(), events, revents: 0 };
        ask(Call::PollConduit, Ask::Poll(&mut record))?;
        Ok(record.revents)
    }

    /// Whether a splice may succeed later.
    pub(super) fn is_put_off(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::WouldBlock || is_shortage(error)
    }
}
