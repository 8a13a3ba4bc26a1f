//! The same service on hyper and one reactor of Mainspring: `http-hyper-mainspring default|pipelined|timed`.
//!
//! `timed` has hyper's timeout for the head of a request in force, which the others leave off as the one on tokio does.
//! The rest is as there: `ready PORT` is printed, and the first connection is the leash.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::env;
use std::io::{self, Write};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use mainspring::hyper::Timer;
use mainspring::io::Pollable;
use mainspring::net::{TcpListener, TcpStream};

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

async fn serve(stream: TcpStream, http: http1::Builder) {
    // Why ignored: wrk ends its connections in the middle of a request.
    let _ = http.serve_connection(Pollable::new(stream), service_fn(hello)).await;
}

async fn accept(listener: TcpListener, http: http1::Builder) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        mainspring::spawn(serve(stream, http.clone()));
    }
}

fn main() -> io::Result<()> {
    let mut http = http1::Builder::new();
    match env::args().nth(1).as_deref() {
        Some("default") => {}
        Some("pipelined") => {
            http.pipeline_flush(true);
        }
        Some("timed") => {
            http.timer(Timer);
        }
        _ => return Err(io::Error::other("usage: http-hyper-mainspring default|pipelined|timed")),
    }
    mainspring::run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (leash, _) = listener.accept().await?;
        mainspring::spawn(accept(listener, http));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })?
}
