//! Where the connections of one thread come from.
//!
//! An [`Entrance`] is made for each thread when a server starts, by the way in which connections are shared out, and
//! goes to that thread; there it becomes one or two [`Door`]s of the reactor, each with a loop that takes connections.
//! They are two types because what is registered with a reactor stays on its thread.

use std::io;
use std::iter;
use std::os::fd::AsFd;
use std::sync::Arc;

use mainspring_sys::Socket;

use super::Sharing;
use super::bound::Bound;
use super::handoff::{Exchange, Handed};
use super::load::Load;
use crate::channel::mpsc;
use crate::core::Core;
use crate::net::Listener;

/// Where the connections of one thread come from, before that thread has a reactor.
pub(super) enum Entrance<A> {
    /// A listener of its own.
    Own(Bound<Socket>),
    /// A listener that other threads have too, or other processes.
    Shared(Bound<Socket>),
    /// The listener, for all threads, and those that were handed off and came back.
    First(Bound<Socket>, Exchange<A>, mpsc::Receiver<Handed<A>>),
    /// What the first thread hands off.
    Other(mpsc::Receiver<Handed<A>>),
}

impl<A> Entrance<A> {
    /// One for each thread.
    pub(super) fn all(
        mut sockets: Vec<Bound<Socket>>,
        sharing: Sharing,
        threads: usize,
        load: &Arc<Load>,
    ) -> io::Result<Vec<Self>> {
        if sharing == Sharing::ReusePort {
            return Ok(sockets.into_iter().map(Self::Own).collect());
        }
        let Some(socket) = sockets.pop() else { return Ok(Vec::new()) };
        if sharing == Sharing::HandOff {
            let (exchange, inboxes) = Exchange::new(load, threads);
            let mut inboxes = inboxes.into_iter();
            let first = inboxes.next().map(|inbox| Self::First(socket, exchange, inbox));
            return Ok(first.into_iter().chain(inboxes.map(Self::Other)).collect());
        }
        let duplicate = |_| {
            let duplicate = |socket: &Socket| Socket::from_fd(socket.as_fd().try_clone_to_owned()?);
            socket.and(duplicate).map(Self::Shared)
        };
        let others: io::Result<Vec<_>> = (1..threads).map(duplicate).collect();
        Ok(iter::once(Self::Shared(socket)).chain(others?).collect())
    }

    /// On its thread.
    pub(super) fn open(self, core: &Core) -> io::Result<Vec<Door<A>>> {
        let exclusive = |socket| Listener::exclusive(core, socket);
        Ok(match self {
            Self::Own(socket) => vec![Door::Listener(socket.map(|socket| Listener::new(core, socket))?, None)],
            Self::Shared(socket) => vec![Door::Listener(socket.map(exclusive)?, None)],
            Self::First(socket, exchange, inbox) => {
                vec![Door::Listener(socket.map(exclusive)?, Some(exchange)), Door::Inbox(inbox)]
            }
            Self::Other(inbox) => vec![Door::Inbox(inbox)],
        })
    }
}

/// Where connections come from, on one thread.
pub(super) enum Door<A> {
    /// A listener, whose connections are served here, or where the exchange sends them.
    Listener(Bound<Listener>, Option<Exchange<A>>),
    /// What another thread has accepted.
    Inbox(mpsc::Receiver<Handed<A>>),
}
