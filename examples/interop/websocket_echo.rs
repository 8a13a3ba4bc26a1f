//! A WebSocket echo server: tungstenite over a stream of Mainspring, with no adapter in between.
//!
//! ```text
//! cargo run --release -p interop --example websocket_echo -- --threads 2
//! websocat ws://127.0.0.1:7001
//! ```
//!
//! Each text and each binary message comes back, up to 16 MiB. Ctrl-C or SIGTERM closes the connections as "going
//! away", and ends the program when the peers have answered, or after 2 seconds. How the two libraries meet stands in
//! [`interop::websocket`].
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use clap::{Parser, value_parser};
use interop::websocket::echo;
use mainspring::server::{Connection, Server};
use mainspring::signal::{ctrl_c, terminate};

/// How long the peers may take to answer when the server closes.
const CLOSING: Duration = Duration::from_secs(2);

/// Sends back the messages that it receives.
#[derive(Parser)]
struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 7001)]
    port: u16,
    /// Threads, each with a reactor of its own
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=1024))]
    threads: u16,
}

/// Says that the server is ready, and waits for Ctrl-C or SIGTERM.
async fn stop() {
    let (mut interrupt, mut terminate) = (ctrl_c(), terminate());
    println!("ready");
    let stopped = poll_fn(|cx| match Pin::new(&mut interrupt).poll(cx) {
        Poll::Pending => Pin::new(&mut terminate).poll(cx),
        ready => ready,
    });
    if let Err(error) = stopped.await {
        eprintln!("websocket_echo: cannot wait for a signal: {error}");
    }
}

async fn serve(connection: Connection) -> io::Result<()> {
    let peer = connection.peer;
    echo(connection).await.map_err(|error| {
        eprintln!("{peer}: {error}");
        io::Error::other(error)
    })
}

fn run(options: &Options) -> io::Result<()> {
    let builder = Server::builder().threads(options.threads.into()).drain(CLOSING);
    let server = builder.bind((options.host.as_str(), options.port))?;
    eprintln!("websocket echo on {}", server.local_addr());
    let drained = server.run(|| serve, stop())?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("websocket_echo: {error}");
            ExitCode::FAILURE
        }
    }
}
