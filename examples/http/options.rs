//! The options of the HTTP service.

use std::time::Duration;

use clap::Parser;
use examples::options::{Listen, duration};

/// An HTTP/1.1 service on Mainspring's own reactor
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// How long the service may work on a request; then it is answered with 504
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How many requests are at work on each thread; as many more wait, and further ones are answered with 503
    #[arg(long, default_value_t = 10_000, value_name = "REQUESTS")]
    pub(crate) in_flight: usize,
    /// How long a request that has begun may take to arrive; then it is answered with 408
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub(crate) receive: Duration,
    /// How long requests in flight may take once the service was asked to stop
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Answer every path with 'Hello, World!', for benchmarks
    #[arg(long)]
    pub(crate) plaintext: bool,
}
