//! Making a descriptor of any kind non-blocking, and blocking again.
//!
//! What this crate makes is so from birth; this is for what was made elsewhere: the ends of a child's pipes, a
//! terminal, a device, the connection of another library. It is a property of the open file and not of the descriptor,
//! open(2), so it is seen by all who have a duplicate, in other processes too. That is why nothing here undoes it on
//! the way out, unless it is asked to: whoever set it first cannot know who relies on it by now.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::SockRef;

use crate::call::Call;
use crate::check::attempt;

/// Makes a descriptor non-blocking, `O_NONBLOCK`.
///
/// # Errors
///
/// fcntl(2).
///
/// ```
/// use std::{io::Read, os::fd::AsFd, os::unix::net::UnixStream};
///
/// let (mut stream, _peer) = UnixStream::pair()?;
/// mainspring_sys::set_nonblocking(stream.as_fd())?;
/// assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    attempt(Call::Mode, || SockRef::from(&fd).set_nonblocking(true))
}

/// Makes a descriptor blocking: for what a program is to inherit that knows of nothing else.
///
/// # Errors
///
/// fcntl(2).
///
/// ```
/// use std::os::fd::{AsFd, OwnedFd};
/// use std::{io::Read, thread};
///
/// let (reader, writer) = mainspring_sys::pipe()?;
/// let reader = OwnedFd::from(reader);
/// mainspring_sys::set_blocking(reader.as_fd())?;
/// let writing = thread::spawn(move || writer.write(b"hello"));
/// assert_eq!(std::fs::File::from(reader).read(&mut [0; 16])?, 5);
/// # writing.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_blocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    attempt(Call::Mode, || SockRef::from(&fd).set_nonblocking(false))
}
