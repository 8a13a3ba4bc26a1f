//! Pages and a WebSocket on one port: a request is answered with a page, or becomes the handshake.
//!
//! A browser gets the page first, and opens its WebSocket from there to the same host, on a connection of its own. So a
//! connection has one request here: a page closes it, and a handshake turns it into a [`WebSocket`], which takes over
//! what was read beyond the head.
//!
//! The parts of the handshake are tungstenite's, which has them apart from I/O. Its own `accept` was turned down, since
//! it answers what is no handshake with an error.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use mainspring::io::read_pooled;
use mainspring::net::TcpStream;
use mainspring::server::Draining;
use mainspring::time::timeout;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::protocol::Role;
use tungstenite::{Error, WebSocket};

use crate::websocket::bounds;

/// Bytes of the head of a request, at most.
const HEAD_MAX: usize = 16 * 1024;

/// How long a head may take to arrive in all.
const HEAD: Duration = Duration::from_secs(10);

/// What there is to look at.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its path, from the root.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// What it is.
    pub body: &'static str,
}

/// Reads the one request of a connection. A handshake for `socket` is completed and returned; anything else is
/// answered, with one of `pages` if there is one, and that is all: none. So is a connection without a request when the
/// server drains, as browsers have them in reserve.
///
/// # Errors
///
/// `TimedOut` when the request takes over 10 s, those of tungstenite about a handshake that is none, those of the
/// stream.
///
/// # Cancel safety
///
/// Not cancel safe: the connection is dropped with the future.
pub async fn enter(
    mut stream: TcpStream,
    draining: &mut Draining,
    socket: &str,
    pages: &[Page],
) -> Result<Option<WebSocket<TcpStream>>, Error> {
    stream.set_nodelay(true)?;
    let Some(head) = unless(draining, timeout(HEAD, read_head(&mut stream))).await else { return Ok(None) };
    let Some((request, rest)) = head.map_err(io::Error::from)?? else { return Ok(None) };
    let Some(request) = request else {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
        return end(&stream).await;
    };
    if request.uri().path() == socket && request.headers().contains_key("Sec-WebSocket-Key") {
        let mut answer = Vec::new();
        write_response(&mut answer, &create_response(&request)?)?;
        stream.write_all(&answer).await?;
        return Ok(Some(WebSocket::from_partially_read(stream, rest, Role::Server, Some(bounds()))));
    }
    let found = pages.iter().find(|page| page.path == request.uri().path());
    let (status, kind, body) =
        found.map_or(("404 Not Found", "text/plain", ""), |page| ("200 OK", page.kind, page.body));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    end(&stream).await
}

/// What `future` comes to; none if the server drains before that.
async fn unless<F: Future>(draining: &mut Draining, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => Pin::new(&mut *draining).poll(cx).map(|()| None),
        ready => ready.map(Some),
    })
    .await
}

/// The request, none if it is none, and the bytes behind it; nothing at all from a peer that only came to look.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<(Option<Request>, Vec<u8>)>> {
    let mut read = Vec::new();
    loop {
        let arrived = read_pooled(stream).await?;
        if arrived.is_empty() {
            return if read.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        read.extend_from_slice(&arrived);
        match Request::try_parse(&read) {
            Ok(Some((length, request))) => return Ok(Some((Some(request), read.split_off(length)))),
            Ok(None) if read.len() < HEAD_MAX => {}
            Ok(None) | Err(_) => return Ok(Some((None, Vec::new()))),
        }
    }
}

/// Ends a connection with its answer, and waits until the peer has read it.
async fn end(stream: &TcpStream) -> Result<Option<WebSocket<TcpStream>>, Error> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(HEAD))?;
    // One read: a peer that sends more than it was asked for is reset.
    stream.read_pooled().await?;
    Ok(None)
}
