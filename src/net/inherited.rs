//! Listeners that were open before this program began: taken over from a service manager or a predecessor.
//!
//! What `LISTEN_FDS` announces, sd_listen_fds(3), checked and taken by `mainspring-sys`. They come as std's types,
//! which may go to any thread, and become a [`Server`](crate::Server)'s or a reactor's there. A type of this crate
//! would belong to a reactor, and the place for this call is before there is one.

use std::io;
use std::os::fd::OwnedFd;

/// A listener that was passed to this process.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inherited {
    /// What it is called in `LISTEN_FDNAMES`; `unknown` if there are no names.
    pub name: String,
    /// The listener, non-blocking and close-on-exec.
    pub listener: InheritedListener,
}

/// A listener of one of the kinds that can be passed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedListener {
    /// For [`ServerBuilder::listener`](crate::server::ServerBuilder::listener), or
    /// [`TcpListener::from_std`](super::TcpListener::from_std).
    Tcp(std::net::TcpListener),
    /// For [`ServerBuilder::unix_listener`](crate::server::ServerBuilder::unix_listener), or
    /// [`UnixListener::from_std`](super::UnixListener::from_std).
    Unix(std::os::unix::net::UnixListener),
}

/// Takes the listeners that were passed to this process by `LISTEN_FDS`, sd_listen_fds(3), in their order: none if
/// there are none, or `LISTEN_PID` names another process.
///
/// To be called at the start of the program, before anything else opens descriptors: from 3 on they are taken for what
/// was passed, and owned from then on. The environment stays as it is, since to change it is unsafe in a program with
/// threads: a program that starts others takes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` out of theirs
/// ([`Command::env_remove`](std::process::Command::env_remove)), and one that replaces itself by `exec` must.
///
/// # Errors
///
/// `InvalidData` for a count that is no number or more than 4,096, for as many names as there are not descriptors, and
/// for a descriptor that is no listening stream socket of IP or Unix; `NotFound` for one that is not open;
/// `AlreadyExists` if they were taken before. Nothing has been taken then, nor changed.
///
/// ```
/// # #[cfg(feature = "service")] {
/// use mainspring::{Server, net::{InheritedListener, inherited_listeners}};
///
/// let mut server = None;
/// for inherited in inherited_listeners()? {
///     match inherited.listener {
///         InheritedListener::Tcp(listener) => server = Some(Server::builder().threads(2).listener(listener)?),
///         other => println!("no use for {other:?}, which is called {}", inherited.name),
///     }
/// }
/// // Started by hand, it opens its own.
/// let server = server.map_or_else(|| Server::bind("127.0.0.1:0"), Ok)?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn inherited_listeners() -> io::Result<Vec<Inherited>> {
    let kinds = mainspring_sys::inherited_listeners()?.into_iter().map(|inherited| {
        let is_unix = inherited.socket.local_unix_addr().is_ok();
        let descriptor = OwnedFd::from(inherited.socket);
        let listener = match is_unix {
            true => InheritedListener::Unix(descriptor.into()),
            false => InheritedListener::Tcp(descriptor.into()),
        };
        Inherited { name: inherited.name, listener }
    });
    Ok(kinds.collect())
}
