//! Who the process at the other end of a Unix stream is.
//!
//! For a server that decides by user whom it serves. The system vouches for it: what it was when the peer
//! called connect(2), listen(2) or socketpair(2), and not what the process has become since.

use std::io;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos")))]
use std::os::fd::AsRawFd;

use crate::Socket;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos")))]
use crate::{call::Call, check::check};

/// The user, group and process of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PeerCredentials {
    /// The effective user id.
    pub user: u32,
    /// The effective group id.
    pub group: u32,
    /// The process id, where the system tells it: Linux, Android and Apple. It may be another process's by now.
    pub process: Option<i32>,
}

impl Socket {
    /// Who is at the other end of a connected Unix stream socket: `SO_PEERCRED`, or getpeereid(3).
    ///
    /// # Errors
    ///
    /// For a socket that is not a Unix stream, or is not connected; `Unsupported` on illumos.
    ///
    /// ```
    /// let (left, _right) = mainspring_sys::Socket::unix_stream_pair()?;
    /// let peer = left.peer_credentials()?;
    /// println!("user {} of group {}", peer.user, peer.group);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // As of a `ucred`: process, user, group. Linux answers also for what has no peer, with the user -1.
            let [process, user, group] = self.numbers(libc::SOL_SOCKET, libc::SO_PEERCRED)?;
            if user == -1 {
                return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
            }
            Ok(PeerCredentials { user: user as u32, group: group as u32, process: Some(process) })
        }
        #[cfg(target_os = "illumos")]
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the peer's credentials are not told on this system"));
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "illumos")))]
        {
            let (mut user, mut group) = (0, 0);
            // SAFETY: both are writable.
            check(Call::Option, || unsafe { libc::getpeereid(self.as_raw_fd(), &mut user, &mut group) })?;
            #[cfg(target_vendor = "apple")]
            let process = self.numbers(libc::SOL_LOCAL, libc::LOCAL_PEERPID).ok().map(|[process]| process);
            #[cfg(not(target_vendor = "apple"))]
            let process = None;
            Ok(PeerCredentials { user, group, process })
        }
    }
}
