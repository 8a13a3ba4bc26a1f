//! Connections on their way from the thread that accepts to the one that serves.
//!
//! A connection goes as a socket that was never registered anywhere, through a channel to the accept loop of the other
//! thread, and is registered there: one `epoll_ctl`, as if it had been accepted there. The channel wakes the other
//! reactor if it sleeps, once for as many as come before it looks. It needs no bound of its own: each connection on the
//! way has its place within the limit of the server.
//!
//! None is lost with a thread that ends: what it has not taken comes back to the thread that accepts, and is served
//! there.

use std::sync::Arc;

use mainspring_sys::Socket;

use super::load::{Load, Place};
use crate::channel::mpsc;

/// A connection that has been accepted, with the address of its peer and its place, and belongs to no reactor.
pub(super) type Accepted<A> = (Socket, A, Place);

/// Where the thread that accepts sends connections.
pub(super) struct Exchange<A> {
    /// The inbox of each thread, the own one first, to which those come back that nobody takes.
    inboxes: Vec<mpsc::Sender<Handed<A>>>,
    /// Who has how many.
    load: Arc<Load>,
}

/// A connection on its way. Dropped without having been taken, it goes back.
pub(super) struct Handed<A> {
    /// None once it was taken.
    accepted: Option<Accepted<A>>,
    /// The inbox of the thread that accepts.
    home: mpsc::Sender<Self>,
}

impl<A> Exchange<A> {
    /// The exchange, and the inbox of each thread.
    pub(super) fn new(load: &Arc<Load>, workers: usize) -> (Self, Vec<mpsc::Receiver<Handed<A>>>) {
        let (inboxes, receivers) = (0..workers).map(|_| mpsc::unbounded()).unzip();
        (Self { inboxes, load: load.clone() }, receivers)
    }

    /// Sends the connection to `worker`. Gives it back if that one has ended, and is never to be chosen again.
    pub(super) fn send(&self, worker: usize, mut accepted: Accepted<A>) -> Result<(), Accepted<A>> {
        // From now on, so that the next one is not sent there too.
        accepted.2.assign(worker);
        let handed = Handed { accepted: Some(accepted), home: self.inboxes[0].clone() };
        match self.inboxes[worker].try_send(handed).map_err(|error| error.into_inner().take()) {
            Err(Some(accepted)) => {
                self.load.retire(worker);
                Err(accepted)
            }
            _ => Ok(()),
        }
    }
}

impl<A> Handed<A> {
    /// The connection. It is there unless it was taken before.
    pub(super) fn take(mut self) -> Option<Accepted<A>> {
        self.accepted.take()
    }
}

impl<A> Drop for Handed<A> {
    fn drop(&mut self) {
        let Some(accepted) = self.accepted.take() else { return };
        let back = Self { accepted: Some(accepted), home: self.home.clone() };
        if let Err(error) = self.home.try_send(back) {
            // That thread has ended too, and the server with it: the connection is closed.
            drop(error.into_inner().take());
        }
    }
}
