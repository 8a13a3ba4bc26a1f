//! An HTTP/1.1 service on Mainspring's own reactor: a `Service` behind a limit and a `Timeout`, on a pipelined
//! connection.
//!
//! ```text
//! cargo run --release --example http
//! curl -i http://127.0.0.1:8080/
//! ```
//!
//! A browser sees there what the reactor does, live. It prints `ready` on stdout once it accepts connections, and
//! everything else on stderr. Ctrl-C or SIGTERM ends it, after the requests in flight; a second Ctrl-C ends it at once.
//! `--help` names the options.
#![forbid(unsafe_code)]

mod app;
mod events;
mod figures;
mod options;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use examples::http::{self, Incoming, NotServed, Request, Response};
use examples::stop;
use mainspring::proto::Deadlines;
use mainspring::server::{Connection, Drained, Server};
use mainspring::service::{ConcurrencyLimit, Service, ServiceExt, service_fn};

use app::App;
use figures::Figures;
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
    let (in_flight, timeout) = (options.in_flight, options.timeout);
    let limit = move || ConcurrencyLimit::new(in_flight).waiters(in_flight);
    let drained = if options.plaintext {
        let hello = service_fn(async |_request: Request| Ok::<_, NotServed>(Response::text("Hello, World!")));
        run(server, move |_figures| http::stack(hello, limit(), timeout))?
    } else {
        run(server, move |figures| http::stack(App, limit(), timeout).filter(figures.requests.clone()))?
    };
    eprintln!(
        "stopped: {} connections served, {} of them finished while stopping, {} cut off",
        drained.served, drained.finished, drained.aborted
    );
    Ok(())
}

/// Serves until the program is asked to stop, with a service that `make` makes for each thread.
fn run<S>(server: Server, make: impl Fn(&Figures) -> S + Send + Clone + 'static) -> io::Result<Drained>
where
    S: Service<Incoming, Response = Response, Error = Infallible> + 'static,
{
    let make = move || {
        let figures = Rc::new(Figures::new());
        let service = Rc::new(make(&figures));
        move |connection| serve_connection(connection, Rc::clone(&service), Rc::clone(&figures))
    };
    server.run(make, stop())
}

async fn serve_connection<S>(connection: Connection, service: Rc<S>, figures: Rc<Figures>) -> io::Result<()>
where
    S: Service<Incoming, Response = Response, Error = Infallible>,
{
    let _open = figures.connection();
    let draining = connection.draining.clone();
    match http::serve(connection, &*service).await? {
        Some(stream) => events::send(&stream, draining, &figures).await,
        None => Ok(()),
    }
}

fn announce(address: SocketAddr) {
    eprintln!("listening on http://{address}");
    eprintln!("try:  curl -i http://{address}/");
    eprintln!("      curl -i http://{address}/echo -d 'some words'");
    eprintln!("      curl -i 'http://{address}/slow?ms=1000'");
    eprintln!("      curl -s http://{address}/stats");
    eprintln!("      and the same address in a browser: what the reactor does, live");
    eprintln!("stop: Ctrl-C");
}
