//! DNS: a client that asks name servers, and the endpoints of a service as a stream of changes.
//!
//! | | |
//! |---|---|
//! | [`Name`], [`Record`], [`Question`], [`Answer`] | what is said |
//! | [`transport`] | how it goes over UDP and TCP |
//! | [`Checked`] | ids that nobody can guess, and answers that were asked for |
//! | [`Server`] | one name server as a service: by datagram, and by connection for what does not fit |
//! | [`Client`] | all of them as one, with retries and timeouts |
//! | [`Changes`] | where a service is, as a stream for a balancer |

mod checked;
mod client;
mod endpoints;
mod message;
mod name;
mod record;
mod server;
pub mod transport;

pub use checked::Checked;
pub use client::{Client, Settings};
pub use endpoints::{Changes, Refresh, Target};
pub use message::{Answer, Code, Malformed, Query, Question, decode, encode};
pub use name::Name;
pub use record::{Data, Kind, Record};
pub use server::Server;
