//! How the connections of one address come to several threads.
//!
//! Chosen for each server ([`ServerBuilder::sharing`](super::ServerBuilder::sharing)), because no way is best for all:
//! what balances costs a wake, what costs nothing trusts a hash, and what survives a restart has one queue. Whatever is
//! chosen, a request touches nothing that threads share: no lock and no atomic. What they do share (`load.rs`) is
//! written when a connection is accepted and when it is closed.

use mainspring_sys::Socket;

/// How the connections of one address are shared out to the threads of a server.
///
/// | | `ReusePort` | `HandOff` | `Exclusive` |
/// |---|---|---|---|
/// | listeners | one per thread, each with a queue | one, of the first thread | one, which every thread polls |
/// | who decides | the kernel, by a hash of the addresses | the thread that accepts, by the number of open connections | the kernel: a thread that sleeps |
/// | balance | that of the hash: of few connections one thread may have most | even: the thread with the fewest gets it | none: an idle server gives all to one thread, and a busy thread takes few |
/// | system calls of a connection | `accept4`, `epoll_ctl`, `close` | the same, and one `write` if the thread that gets it sleeps | the same, and an `accept4` in vain if another was faster |
/// | a connection while its thread is busy | waits for that thread, though others sleep | waits for that thread, and for the first one to accept it | waits if the thread was woken for it |
/// | a restart | a successor has to say `ReusePort`, and each process has queues of its own: one that ends without a drain resets what is queued, and one that drains may reset what comes in its last moment | the queue is that of the listener: whoever holds it too, a successor that it was passed to, loses nothing | as `HandOff` |
/// | where | TCP on Linux, DragonFly, FreeBSD; elsewhere most connections come to one thread | everywhere | everywhere; without epoll all threads are woken for each connection |
///
/// `cargo run --release -p benches -- syscalls` counts the system calls; `cargo test --test sharing -- --nocapture`
/// prints how 100 connections were shared out.
///
/// Sources: socket(7) for `SO_REUSEPORT`, epoll_ctl(2) for `EPOLLEXCLUSIVE`.
///
/// ```
/// use mainspring::{Server, server::Sharing};
///
/// let server = Server::builder().threads(2).sharing(Sharing::HandOff).bind("127.0.0.1:0")?;
/// println!("one listener at {}, which two threads share", server.local_addr());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Sharing {
    /// Each thread has a listener of its own, and all have the same address (`SO_REUSEPORT`).
    ReusePort,
    /// The first thread accepts, and hands each connection to the thread that has the fewest. Of equals the first
    /// thread is taken, which costs nothing: a server with one connection at a time never hands one off.
    HandOff,
    /// All threads wait at one listener, and each new connection wakes one of those that sleep (`EPOLLEXCLUSIVE`).
    Exclusive,
}

impl Default for Sharing {
    /// `ReusePort` where it spreads connections, else `HandOff`.
    fn default() -> Self {
        if Socket::REUSE_PORT_BALANCES { Self::ReusePort } else { Self::HandOff }
    }
}
