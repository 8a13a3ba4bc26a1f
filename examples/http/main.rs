//! An HTTP/1.1 service on Mainspring's own reactor: a `Service` behind a limit and a `Timeout`, on a pipelined connection.
//!
//! ```text
//! cargo run --release --example http
//! curl -i http://127.0.0.1:8080/
//! ```
//!
//! It prints `ready` on stdout once it accepts connections, and everything else on stderr. Ctrl-C or SIGTERM ends it,
//! after the requests in flight; a second Ctrl-C ends it at once. `--help` names the options.
#![forbid(unsafe_code)]

mod app;
mod options;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use examples::http;
use examples::stop;
use mainspring::proto::Deadlines;
use mainspring::server::Server;
use mainspring::service::ConcurrencyLimit;

use app::App;
use options::Options;

/// What a response may take beyond the request's own time: to be written, and to wait for those before it.
const GRACE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match serve(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> io::Result<()> {
    let deadlines = Deadlines {
        partial_frame: options.receive,
        request: options.timeout.saturating_add(GRACE),
        ..Deadlines::default()
    };
    let server = options.listen.bind(Server::builder().deadlines(deadlines).drain(options.drain))?;
    announce(server.local_addr());
    let make = move || {
        let limit = ConcurrencyLimit::new(options.in_flight).waiters(options.in_flight);
        let service = Rc::new(http::stack(App::new(options.plaintext), limit, options.timeout));
        move |connection| {
            let service = Rc::clone(&service);
            async move { http::serve(connection, &*service).await }
        }
    };
    let drained = server.run(make, stop())?;
    eprintln!(
        "stopped: {} connections served, {} of them finished while stopping, {} cut off",
        drained.served, drained.finished, drained.aborted
    );
    Ok(())
}

fn announce(address: SocketAddr) {
    eprintln!("listening on http://{address}");
    eprintln!("try:  curl -i http://{address}/");
    eprintln!("      curl -i http://{address}/echo -d 'some words'");
    eprintln!("      curl -i 'http://{address}/slow?ms=1000'");
    eprintln!("      curl -s http://{address}/stats");
    eprintln!("stop: Ctrl-C");
}
