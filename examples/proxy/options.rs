//! The options of the proxy.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use examples::options::{Listen, duration};

/// A reverse proxy on Mainspring's own reactor
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// What is passed on: requests, or connections
    #[arg(long, value_enum, default_value_t = Mode::Http)]
    pub(crate) mode: Mode,
    /// Address of a server; once for each
    #[arg(long = "backend", value_name = "ADDRESS", required = true)]
    pub(crate) backends: Vec<SocketAddr>,
    /// How often a request, or the connecting of a connection, is tried at most
    #[arg(long, default_value_t = 3)]
    pub(crate) attempts: u32,
    /// How long one attempt may take
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Connections to each server, for requests
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// How long what is in flight may take once the proxy was asked to stop
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(crate) drain: Duration,
}

/// What a proxy passes on.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Requests of HTTP/1.1, each to a server of its own
    Http,
    /// Connections, whatever they carry
    Tcp,
}
