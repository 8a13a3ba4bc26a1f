//! Shared by the example programs of this folder, and open to tests and benchmarks of them.
//!
//! [`http`] is HTTP/1.1 as a codec, [`dns`] a resolver, [`redis`] the protocol of redis and a client of it, [`rpc`]
//! remote calls, [`cassandra`] a client of that database, [`options`] what every server takes on its command line,
//! [`stop`] what ends one, [`Shared`] a connection for all calls at once.
#![forbid(unsafe_code)]

pub mod cassandra;
pub mod dns;
pub mod http;
pub mod options;
pub mod redis;
pub mod rpc;
mod shared;
mod stop;

pub use shared::Shared;
pub use stop::stop;
