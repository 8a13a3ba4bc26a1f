//! Plain text over HTTP/1.1 on hyper and one thread of tokio, as hyper's own documentation writes it:
//! `http-hyper default|pipelined`.
//!
//! `pipelined` sets the option that hyper has for pipelining: what many answers make up is flushed together. Prints
//! `ready PORT`, and ends when its first connection does.
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
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

async fn serve(stream: TcpStream, pipelined: bool) {
    // Why ignored: wrk ends its connections in the middle of a request.
    let _ =
        http1::Builder::new().pipeline_flush(pipelined).serve_connection(TokioIo::new(stream), service_fn(hello)).await;
}

async fn accept(listener: TcpListener, pipelined: bool) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, pipelined));
    }
}

fn main() -> io::Result<()> {
    let pipelined = match env::args().nth(1).as_deref() {
        Some("default") => false,
        Some("pipelined") => true,
        _ => return Err(io::Error::other("usage: http-hyper default|pipelined")),
    };
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (mut leash, _) = listener.accept().await?;
        tokio::spawn(accept(listener, pipelined));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })
}
