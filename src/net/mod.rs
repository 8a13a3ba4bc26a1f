//! Sockets: what a network program waits for.
//!
//! Every operation comes in the styles of the crate: `try_*` for ticks (`None` is "not yet", and recorded), futures
//! (`accept`, `read`...), and std's `Read` and `Write` inside [`ready`](crate::ready) or a tick. All can be mixed on one
//! socket. A socket belongs to the reactor on whose thread it was made.

mod addresses;
mod connect;
mod incoming;
mod leaf;
mod std_io;
mod tcp_listener;
mod tcp_options;
mod tcp_stream;

pub use addresses::{Addresses, ToAddresses};
pub use connect::Connecting;
pub use incoming::Incoming;
pub(crate) use tcp_listener::BACKLOG;
pub use tcp_listener::{ListenOptions, TcpListener};
pub use tcp_stream::TcpStream;
