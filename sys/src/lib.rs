//! The operating system of Mainspring: an epoll and kqueue selector, its waker, sockets, pipes, clock and signals.
//!
//! All that touches the operating system stands here, and nothing here knows of tasks, timers or
//! protocols. The reactor above holds these concrete types; the crate works as well on its own.
//!
//! What a backend (`backend/epoll.rs`, `backend/kqueue.rs`: the same items in the same order) must provide:
//!
//! * `OsSelector`, which keeps the contract written on the trait [`Selector`];
//! * `Record`, what the kernel reports an event in, `event_of`, and `Report`, what an event means;
//! * `Alarm`, what a [`Waker`] writes to when the selector is asleep, safe to keep and to ring after
//!   the selector is gone.
//!
//! Which backend is compiled is chosen below, once; `--cfg mainspring_force_kqueue` makes it kqueue on Linux too, over
//! a stand-in for the system calls, for tests of the backend. The meaning of each readiness bit is on
//! [`Readiness`], as one table for both. One backend per system is compiled and named directly: a
//! choice at run time would put an indirect call beside every system call, and gain nothing.
//!
//! Whoever wants to learn how an event loop meets its kernel reads in this order: [`Selector`], the contract, and how
//! epoll and kqueue keep it; [`Mode`] and [`Readiness`], what is reported when; `backend/epoll.rs` beside
//! `backend/kqueue.rs`; `park.rs`, how a wake-up is never lost; and `tests/edges.rs`, what it comes to.

#[cfg(all(any(target_os = "linux", target_os = "android", target_os = "illumos"), not(mainspring_force_kqueue)))]
mod backend {
    mod epoll;
    mod epoll_wait;
    pub use epoll::OsSelector;
    #[cfg(mainspring_faults)]
    pub(crate) use epoll::ready;
    pub(crate) use epoll::{Alarm, Record, Report, event_of};
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
    mainspring_force_kqueue
))]
mod backend {
    mod kqueue;
    mod kqueue_call;
    mod kqueue_change;
    pub use kqueue::OsSelector;
    #[cfg(mainspring_faults)]
    pub(crate) use kqueue::ready;
    pub(crate) use kqueue::{Alarm, Record, Report, event_of};
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "illumos",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
compile_error!("mainspring-sys needs epoll (Linux, Android, illumos) or kqueue (Apple, the BSDs)");

#[cfg(not(target_pointer_width = "64"))]
compile_error!("mainspring-sys needs a 64-bit target: a token has 64 bits and kqueue keeps it in a pointer");

mod accept_error;
mod address;
mod affinity;
mod ancillary;
mod call;
mod change;
mod check;
mod clock;
mod conduit;
mod conduit_ends;
mod connect;
mod datagram;
mod datagram_options;
mod datagrams;
mod entropy;
mod errno;
mod event;
mod events;
#[cfg(mainspring_faults)]
pub mod faults;
pub mod fork;
mod inherited;
mod interest;
#[cfg(mainspring_force_kqueue)]
mod kqueue_double;
mod limits;
mod message;
mod messages;
mod mode;
mod nonblocking;
mod option_table;
mod park;
mod peer_credentials;
mod pipe;
mod process_descriptor;
mod readiness;
mod resolve;
mod seam;
mod selector;
mod server_options;
mod shortage;
pub mod signal;
mod sigpipe;
mod socket;
mod socket_options;
mod spare_descriptor;
mod sync;
mod timeout;
mod token;
mod unix_address;
mod unix_socket;
mod virtual_clock;
mod waker;

pub use accept_error::AcceptError;
pub use affinity::{set_thread_processors, thread_processors};
pub use ancillary::Received;
pub use backend::OsSelector;
pub use change::Change;
pub use clock::Clock;
pub use conduit::Conduit;
pub use conduit_ends::{Inlet, Outlet};
pub use connect::Connect;
pub use datagrams::{Datagram, Datagrams};
pub use entropy::entropy;
pub use event::Event;
pub use events::Events;
pub use inherited::{Inherited, inherited_listeners};
pub use interest::Interest;
pub use limits::{descriptor_limit, processors};
pub use mode::Mode;
pub use nonblocking::{set_blocking, set_nonblocking};
pub use peer_credentials::PeerCredentials;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use process_descriptor::process_descriptor;
pub use readiness::Readiness;
pub use resolve::resolve;
pub use selector::Selector;
pub use shortage::is_shortage;
pub use socket::Socket;
pub use spare_descriptor::SpareDescriptor;
pub use token::Token;
pub use unix_address::{abstract_address, abstract_name};
pub use virtual_clock::VirtualClock;
pub use waker::Waker;
