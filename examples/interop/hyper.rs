//! HTTP/1.1 and HTTP/2 on one port: hyper, on the reactors of Mainspring.
//!
//! ```text
//! cargo run --release -p interop --example hyper -- --threads 2
//! curl -i http://127.0.0.1:8080/
//! curl -i --http2-prior-knowledge http://127.0.0.1:8080/
//! ```
//!
//! `/` answers, `/echo` sends back what is posted to it, `/slow?ms=1000` waits first. Ctrl-C or SIGTERM lets what is in
//! flight finish, for 10 seconds. How hyper comes to a connection stands in [`interop::hyper`].
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use examples::options::{Listen, duration};
use examples::stop;
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use interop::hyper::{builder, serve};
use mainspring::server::{Connection, Server};
use mainspring::time::sleep;

/// How long `/slow` waits at most.
const SLOWEST: u64 = 60_000;

/// Serves HTTP/1.1 and HTTP/2 on one port.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    listen: Listen,
    /// How long the head of a request may take
    #[arg(long, default_value = "30s", value_parser = duration)]
    head: Duration,
    /// How long a peer may be silent
    #[arg(long, default_value = "5m", value_parser = duration)]
    idle: Duration,
}

/// What is said here, or what was sent.
type Answer = Response<Either<Full<Bytes>, Incoming>>;

fn say(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

fn allow(methods: &'static str) -> Answer {
    let mut answer = say(StatusCode::METHOD_NOT_ALLOWED, "");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let is_head = request.method() == Method::HEAD;
    let is_read = request.method() == Method::GET || is_head;
    let mut answer = match request.uri().path() {
        "/" if is_read => say(StatusCode::OK, "Hello, World!"),
        "/slow" if is_read => {
            let wanted = request.uri().query().and_then(|query| query.strip_prefix("ms=")?.parse().ok());
            match wanted.filter(|ms| *ms <= SLOWEST) {
                Some(ms) => {
                    eprintln!("/slow: an answer in {ms} ms");
                    sleep(Duration::from_millis(ms)).await;
                    say(StatusCode::OK, "at last")
                }
                None => say(StatusCode::BAD_REQUEST, "wanted is ?ms= and at most 60000\n"),
            }
        }
        "/echo" if request.method() == Method::POST => Response::new(Either::Right(request.into_body())),
        "/" | "/slow" => allow("GET, HEAD"),
        "/echo" => allow("POST"),
        _ => say(StatusCode::NOT_FOUND, ""),
    };
    // Why not left to hyper: it keeps the body of an answer to HEAD back in HTTP/1.1, and sends it in HTTP/2.
    if is_head {
        let length = answer.body().size_hint().exact();
        answer.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length))));
        *answer.body_mut() = Either::Left(Full::default());
    }
    Ok(answer)
}

fn run(options: &Options) -> io::Result<()> {
    let server = options.listen.bind(Server::builder().idle(Some(options.idle)))?;
    eprintln!("listening on http://{}", server.local_addr());
    let mut http = builder();
    http.http1().header_read_timeout(options.head);
    let make = move || {
        let http = http.clone();
        move |connection: Connection| {
            let http = http.clone();
            async move {
                let peer = connection.peer;
                let served = serve(&http, connection, service_fn(answer)).await;
                served.inspect_err(|error| eprintln!("{peer}: {error}"))
            }
        }
    };
    let drained = server.run(make, stop())?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hyper: {error}");
            ExitCode::FAILURE
        }
    }
}
