//! hyper's servers and clients on one reactor, written as hyper's documentation writes them: a connection is a future,
//! and what it needs beside itself is spawned.
#![forbid(unsafe_code)]

mod util;

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use mainspring::hyper::{Executor, Timer};
use mainspring::io::Pollable;
use mainspring::net::{TcpListener, TcpStream, UnixStream};
use mainspring::time::Instant;
use mainspring::{spawn, testing};
use util::soon;

/// Bytes of a body that is many frames, reads and windows.
const LARGE: usize = 2_000_000;

async fn echo(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, hyper::Error>>, hyper::Error> {
    match request.uri().path() {
        "/shout" => {
            let body = request.into_body().map_frame(|frame| frame.map_data(|data| data.to_ascii_uppercase().into()));
            Ok(Response::new(body.boxed()))
        }
        _ => Ok(Response::new(request.into_body().boxed())),
    }
}

fn post(path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(path).header("host", "localhost").body(Full::new(body)).unwrap()
}

fn noise(count: usize) -> Bytes {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_server_and_a_client_of_http_1_over_tcp() {
    soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = Pollable::new(stream);
                spawn(async move {
                    let mut builder = server::conn::http1::Builder::new();
                    builder.timer(Timer).serve_connection(stream, service_fn(echo)).await.unwrap();
                });
            }
        });
        let stream = Pollable::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
        let connection = spawn(connection);
        for body in [Bytes::new(), Bytes::from_static(b"x"), noise(LARGE)] {
            let answer = sender.send_request(post("/", body.clone())).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(answer.into_body().collect().await.unwrap().to_bytes() == body, "{} bytes", body.len());
        }
        let answer = sender.send_request(post("/shout", "in pieces".into())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "IN PIECES");
        drop(sender);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_hundred_streams_of_http_2_at_once_in_tasks_that_are_not_send() {
    soon(async {
        let (left, right) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        let service = service_fn(move |request| {
            counted.set(counted.get() + 1);
            echo(request)
        });
        let mut builder = server::conn::http2::Builder::new(Executor);
        let serving = spawn(builder.timer(Timer).serve_connection(Pollable::new(left), service));
        let mut builder = client::conn::http2::Builder::new(Executor);
        builder.timer(Timer).keep_alive_interval(Duration::from_secs(1));
        let (sender, connection) = builder.handshake(Pollable::new(right)).await.unwrap();
        let connection = spawn(connection);
        let requests = (0..100).map(|number| {
            let mut sender = sender.clone();
            async move {
                let body = noise(number * 3_001);
                let answer = sender.send_request(post("http://localhost/", body.clone())).await.unwrap();
                assert!(answer.into_body().collect().await.unwrap().to_bytes() == body, "stream {number}");
            }
        });
        join_all(requests).await;
        assert_eq!(calls.get(), 100);
        drop(sender);
        connection.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
    });
}

/// Answers that it goes on with another protocol.
async fn switch(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let wanted = &request.headers()["upgrade"];
    let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", wanted);
    Ok(answer.body(Empty::new()).unwrap())
}

#[test]
fn a_connection_that_changes_its_protocol_gives_its_socket_back_with_what_was_read_of_it() {
    soon(async {
        let (left, right) = UnixStream::pair().unwrap();
        left.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly")
            .await
            .unwrap();
        let connection =
            server::conn::http1::Builder::new().timer(Timer).serve_connection(Pollable::new(right), service_fn(switch));
        let parts = connection.without_shutdown().await.unwrap();
        let stream = parts.io.into_inner();
        stream.write_all(&parts.read_buf).await.unwrap();

        let mut answer = vec![0; 1024];
        let mut said = String::new();
        while !said.ends_with("\r\n\r\nearly") {
            let count = left.read(&mut answer).await.unwrap();
            assert!(count > 0, "{said}");
            said.push_str(std::str::from_utf8(&answer[..count]).unwrap());
        }
        assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
        // hyper has let go of it: bytes go both ways.
        left.write_all(b"late").await.unwrap();
        let count = stream.read(&mut answer).await.unwrap();
        assert_eq!(answer[..count], *b"late");
    });
}

/// What a connection came to, as text.
fn said(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

#[test]
fn the_timeout_of_half_a_minute_for_a_head_is_in_force_by_the_timer_alone() {
    testing::run(async {
        let (left, right) = UnixStream::pair().unwrap();
        right.write_all(b"GET / HTTP/1.1\r\nHost: lo").await.unwrap();
        let start = Instant::now();
        let mut builder = server::conn::http1::Builder::new();
        let end = builder.timer(Timer).serve_connection(Pollable::new(left), service_fn(nothing)).await;
        assert!(end.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), 30);
    });
}

#[test]
fn each_request_of_a_connection_has_the_time_for_its_head_anew() {
    testing::run(async {
        let (left, right) = UnixStream::pair().unwrap();
        let start = Instant::now();
        let serving = spawn(async move {
            let mut builder = server::conn::http1::Builder::new();
            builder.timer(Timer).serve_connection(Pollable::new(left), service_fn(nothing)).await
        });
        for _ in 0..5 {
            mainspring::time::sleep(Duration::from_secs(20)).await;
            right.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut answer = [0; 256];
            let count = right.read(&mut answer).await.unwrap();
            assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
        }
        assert!(serving.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), 5 * 20 + 30);
    });
}

#[test]
fn a_peer_of_http_2_that_vanishes_is_found_out_by_a_ping() {
    testing::run(async {
        let (left, right) = UnixStream::pair().unwrap();
        // Its preface and its settings, and nothing after that.
        right.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let start = Instant::now();
        let mut builder = server::conn::http2::Builder::new(Executor);
        builder.timer(Timer).keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
        let end = builder.serve_connection(Pollable::new(left), service_fn(nothing)).await;
        let said = said(&end.unwrap_err());
        assert!(said.contains("keep-alive") || said.contains("timed out"), "{said}");
        assert_eq!(start.elapsed().as_secs(), 40);
    });
}
