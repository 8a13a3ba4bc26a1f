//! A small redis: strings, numbers and lists in memory, enough for `redis-cli` and `redis-benchmark`.
//!
//! ```text
//! cargo run --release --example redis_server
//! redis-cli set greeting hello
//! redis-benchmark -t set,get,incr -P 16 -q
//! ```
//!
//! It prints `ready` on stdout once it accepts connections, and everything else on stderr. Ctrl-C or SIGTERM ends it,
//! after the commands in flight. Nothing is written to disk. `--help` names the options.
#![forbid(unsafe_code)]

mod commands;
mod store;

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use examples::options::{Listen, duration};
use examples::redis::{Reply, Request, Requests, Value, limits};
use examples::stop;
use mainspring::codec::Framed;
use mainspring::proto::pipeline;
use mainspring::server::{Connection, Server};
use mainspring::service::Service;

use store::Store;

/// A small redis on Mainspring's own reactor
#[derive(Clone, Debug, Parser)]
#[command(mut_arg("port", |port| port.default_value("6379")))]
struct Options {
    #[command(flatten)]
    listen: Listen,
    /// What keys and values may take together, in MiB; then commands that add to it are refused
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    memory: usize,
    /// How long commands in flight may take once the server was asked to stop
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    drain: Duration,
}

/// What is stored, as a service of commands. Each is carried out at once, so they follow each other as they came.
struct Redis {
    /// Shared by the threads.
    store: Arc<Mutex<Store>>,
}

impl Service<Request> for Redis {
    type Response = Reply;
    type Error = Infallible;

    async fn call(&self, request: Request) -> Result<Reply, Infallible> {
        Ok(match request {
            Request::Command(words) => {
                // Why not an error: a command that has panicked has left the store whole, if not as it should be.
                let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                commands::execute(&mut store, words, Instant::now())
            }
            Request::Malformed(reason) => Reply::Last(Value::error(format!("ERR Protocol error: {reason}"))),
        })
    }
}

fn main() -> ExitCode {
    match serve(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redis_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> io::Result<()> {
    // Why no idle timeout: the deadlines of the pipeline cover each phase of a connection.
    let server = options.listen.bind(Server::builder().idle(None).drain(options.drain))?;
    eprintln!("listening on {}", server.local_addr());
    let store = Arc::new(Mutex::new(Store::new(options.memory.saturating_mul(1024 * 1024))));
    let make = move || {
        let store = store.clone();
        move |connection| serve_connection(connection, Redis { store: store.clone() })
    };
    let drained = server.run(make, stop())?;
    eprintln!(
        "stopped: {} connections served, {} of them finished while stopping, {} cut off",
        drained.served, drained.finished, drained.aborted
    );
    Ok(())
}

async fn serve_connection(connection: Connection, redis: Redis) -> io::Result<()> {
    // Answers are written when their batch is done, so there is nothing to wait for.
    connection.stream.set_nodelay(true)?;
    let framed = Framed::new(connection.stream, Requests::new()).max_frame(limits::FRAME);
    // Why one: its calls end at once, so more at a time are only more answers that wait for a peer who reads none.
    let server = pipeline::Server::new().max_in_flight(1).drain(connection.draining);
    server.serve(framed, &redis).await.map_err(io::Error::other)
}
