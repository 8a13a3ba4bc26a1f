//! The echo server that is measured, in each style.
//!
//! Started as a process of its own, mostly under a tool that counts. It prints `ready PORT` and serves until its first
//! connection, the **leash**, ends: so it needs no signal, no thread and no counter of requests, each of which would
//! show in what is counted (a second thread alone makes every cancellation point of the C library slower), and it ends
//! with its client, however that ends.

mod datagrams;
mod futures;
mod hand_written;
mod held;
mod served;
mod threads;
mod ticks;

pub(crate) use datagrams::{Receiving, serve as datagrams};
pub(crate) use held::hold;
pub(crate) use served::Served;
pub(crate) use threads::{Threads, Way};

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use crate::style::Style;

/// The buffer of each connection, in bytes: eight requests, so that a read of one request is a short one.
const BUFFER: usize = 512;

/// Serves on `port` until the leash ends; 0 takes a free one.
pub(crate) fn run(Served { style, threads }: Served, port: u16) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if let Some(threads) = threads {
        return threads::serve(address, style, threads);
    }
    match style {
        Style::Loop => hand_written::serve(address),
        Style::Tick => ticks::serve(address),
        Style::Async => futures::serve(address),
    }
}

/// Tells whoever started this process where it listens.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "ready {}", address.port())?;
    output.flush()
}
