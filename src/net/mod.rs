//! Sockets, pipes and any other descriptor: what a network program waits for.
//!
//! Every operation comes in the styles of the crate: `try_*` for ticks (`None` is "not yet", and recorded), futures
//! (`accept`, `read`...), and std's `Read` and `Write` inside [`ready`](crate::ready) or a tick. All can be mixed on
//! one source. A source belongs to the reactor on whose thread it was made.
//!
//! | | makes connections | carries |
//! |---|---|---|
//! | TCP | [`TcpListener`], [`TcpStream::connect`] | [`TcpStream`]: bytes |
//! | UDP | | [`UdpSocket`]: datagrams |
//! | Unix | [`UnixListener`], [`UnixStream::connect`] | [`UnixStream`]: bytes, descriptors |
//! | Unix | | [`UnixDatagram`]: datagrams, descriptors |
//! | pipes | [`pipe()`] | [`PipeReader`], [`PipeWriter`]: bytes, one way |
//! | any other | | [`Source`]: whatever its operations carry |

mod addresses;
mod attempt;
mod connect;
mod connect_options;
mod full_receivers;
mod incoming;
mod inherited;
mod leaf;
mod listener;
mod passing;
mod pause;
mod pipe;
mod pooled;
mod race;
mod registered;
mod source;
mod splice;
mod std_io;
mod stream;
mod stream_socket;
mod tcp_listener;
mod tcp_options;
mod tcp_stream;
mod udp_batches;
mod udp_options;
mod udp_socket;
mod unix_connect;
mod unix_datagram;
mod unix_listen_options;
mod unix_listener;
mod unix_options;
mod unix_send_to;
mod unix_stream;

pub use addresses::{Addresses, ToAddresses};
pub use connect::Connecting;
pub use connect_options::ConnectOptions;
pub use incoming::Incoming;
pub use inherited::{Inherited, InheritedListener, inherited_listeners};
pub(crate) use listener::{BACKLOG, Listener};
pub use mainspring_sys::{Datagram, Datagrams, Interest, PeerCredentials, Received, abstract_address, abstract_name};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use source::Source;
pub use splice::{SpliceEnd, SpliceFrom, SpliceTo, splice, splice_bidirectional};
pub(crate) use stream::Stream;
pub use stream_socket::StreamSocket;
pub use tcp_listener::{ListenOptions, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_options::BindOptions;
pub use udp_socket::UdpSocket;
pub use unix_connect::UnixConnecting;
pub use unix_datagram::UnixDatagram;
pub use unix_listen_options::UnixListenOptions;
pub use unix_listener::UnixListener;
pub use unix_stream::UnixStream;
