//! A reverse proxy in front of several servers: of HTTP/1.1 requests, or of TCP connections.
//!
//! ```text
//! cargo run --release --example proxy -- --backend 127.0.0.1:8081 --backend 127.0.0.1:8082
//! curl -i http://127.0.0.1:8080/
//! curl http://127.0.0.1:8080/-/statistics
//! cargo run --release --example proxy -- --mode tcp --backend 127.0.0.1:5432 --port 5433
//! ```
//!
//! Each request, or connection, goes to the better of two servers: the one that has answered faster, or has fewer. One
//! that fails is left alone for a while, and what it has not done is done by another. It prints `ready` on stdout once
//! it accepts connections, and everything else on stderr. Ctrl-C or SIGTERM ends it, after what is in flight, with the
//! statistics.
#![forbid(unsafe_code)]

mod backends;
mod http;
mod options;
mod tcp;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use examples::stop;
use mainspring::server::Server;

use options::{Mode, Options};

fn main() -> ExitCode {
    match serve(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> io::Result<()> {
    // Why no idle timeout: for HTTP the deadlines of the pipeline cover each phase of a connection, and of TCP one
    // direction may be silent for as long as the other is not.
    let builder = Server::builder().drain(options.drain).idle(None);
    let server = options.listen.bind(builder)?;
    eprintln!("listening on {}", server.local_addr());
    let drained = match options.mode {
        Mode::Http => {
            let make = move || {
                let proxy = http::Proxy::new(&options);
                let proxy = Rc::new(proxy.unwrap_or_else(|error| unreachable!("a server was asked for: {error}")));
                move |connection| proxy.clone().serve(connection)
            };
            server.run(make, stop())?
        }
        Mode::Tcp => {
            let make = move || {
                let proxy = Rc::new(tcp::Proxy::new(&options));
                move |connection| proxy.clone().serve(connection)
            };
            server.run(make, stop())?
        }
    };
    eprintln!(
        "stopped: {} connections served, {} of them finished while stopping, {} cut off",
        drained.served, drained.finished, drained.aborted
    );
    Ok(())
}
