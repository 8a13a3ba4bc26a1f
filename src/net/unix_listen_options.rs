//! Settings of a Unix listener, and then the listener.
//!
//! As [`ListenOptions`](super::ListenOptions) of TCP, with what there is to set here: the queue. A type of its own,
//! since an address is a path or a name, and none of TCP's options means anything on a Unix socket.

use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use mainspring_sys::Socket;

use super::listener::BACKLOG;
use super::unix_listener::UnixListener;
use crate::attempted::in_words;
use crate::core::Core;

/// Settings of a [`UnixListener`]; made by [`UnixListener::options`].
///
/// ```
/// use mainspring::net::UnixListener;
///
/// # let folder = std::env::temp_dir().join(format!("mainspring-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("socket");
/// mainspring::run(async {
///     let listener = UnixListener::options().backlog(128).bind(&path)?;
///     assert!(listener.try_accept()?.is_none());
///     std::io::Result::Ok(())
/// })??;
/// # std::fs::remove_dir_all(&folder)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing before `bind`"]
pub struct UnixListenOptions {
    /// Connections that the system keeps until they are accepted; more than `i32::MAX` is cut to that.
    backlog: u32,
}

impl UnixListenOptions {
    pub(super) const fn new() -> Self {
        Self { backlog: BACKLOG }
    }

    /// How many connections the system keeps until they are accepted: 4,096 by default, at most `i32::MAX`; Linux cuts
    /// it to `net.core.somaxconn`. With zero it keeps one at a time, there. Who finds the queue full waits, or hears
    /// that.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Makes the file of a path, and listens there, on the reactor that is running on this thread.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the path exists, also if nobody listens there any more; `NotFound`, `PermissionDenied` and
    /// whatever else `bind(2)` reports, with the path in the text and the system's own error as the `source`;
    /// `InvalidInput` for a path that is too long (107 bytes on Linux) or empty; when no reactor is running on this
    /// thread.
    pub fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let core = Core::running("a UnixListener")?;
        UnixListener::register(&core, self.open_path(path.as_ref(), || Ok(()))?.0)
    }

    /// The listening socket, which belongs to no reactor yet, and what `made` makes when the file is there and nobody
    /// can connect yet. That is dropped before the socket if an error comes after it.
    pub(crate) fn open_path<T>(&self, path: &Path, made: impl FnOnce() -> io::Result<T>) -> io::Result<(Socket, T)> {
        let open = || {
            let address = SocketAddr::from_pathname(path)?;
            let socket = Socket::unix_stream()?;
            socket.bind_unix(&address)?;
            let made = made()?;
            socket.start_listening(self.system_backlog())?;
            Ok((socket, made))
        };
        open().map_err(|error| in_words(format!("cannot listen on {}", path.display()), error))
    }

    /// Listens at an address, which may be an [abstract name](super::abstract_address).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_addr(self, address: &SocketAddr) -> io::Result<UnixListener> {
        let core = Core::running("a UnixListener")?;
        UnixListener::register(&core, Socket::listen_unix(address, self.system_backlog())?)
    }

    fn system_backlog(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }
}
