//! Shared by the example programs of this folder, and open to tests and benchmarks of them.
//!
//! [`http`] is HTTP/1.1 as a codec, [`options`] what every server takes on its command line, [`stop`] what ends one.
#![forbid(unsafe_code)]

pub mod http;
pub mod options;
mod stop;

pub use stop::stop;
