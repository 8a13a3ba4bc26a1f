//! WebSocket (RFC 6455) by tungstenite, directly on a [`TcpStream`], and the echo of the program `websocket_echo`.
//!
//! tungstenite is written for std's `Read` and `Write`, and keeps its place when it sees `WouldBlock`. So there is no
//! adapter between the two:
//!
//! | tungstenite | keeps its place in | driven by |
//! |---|---|---|
//! | the handshake | the `MidHandshake` that each step consumes and gives back | [`resume`] and [`attempt`] |
//! | `read`, `flush`, `close` | the `WebSocket` | [`ready`] |
//! | `write`, `send` | the `WebSocket`, which has taken the message when it says "not yet" | [`send`] |
//!
//! Its `Error` has the `io::Error` as its source, where `ready` finds "not yet" by itself.
//!
//! A connection holds one message, and reads no other while that is unwritten: the pace of a slow reader reaches its
//! sender. `futures` traits and the crates over them were turned down, since they would need a stream of their own.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use mainspring::io::{Attempt, resume};
use mainspring::net::TcpStream;
use mainspring::ready;
use mainspring::server::{Connection, Draining};
use mainspring::time::timeout;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::{HandshakeError, HandshakeRole, MidHandshake};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

/// How long a handshake may last in all, so that a peer which trickles has an end.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes of the largest message and of the largest frame, for there is one of them in memory per connection.
pub const MESSAGE_MAX: usize = 16 << 20;

/// How long a peer that is refused may take to hear of it, and reads of what it has sent meanwhile.
const GOODBYE: Duration = Duration::from_secs(2);
const LEFTOVERS_MAX: usize = 4096;

/// Bytes that are read at once, reserved for each connection. The crate's own 128 KiB are meant for few connections.
const READ_SIZE: usize = 16 * 1024;

/// Bytes beside a message that may be unwritten: its header, a pong and a close frame, of at most 14, 139 and 139
/// bytes.
const CONTROL_MAX: usize = 512;

/// The bounds of a connection. Messages are written at once, since each is flushed anyway.
pub(crate) fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_SIZE)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_MAX + CONTROL_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

/// What a step of a handshake came to, in the words of [`resume`].
///
/// # Errors
///
/// The one that ended the handshake.
pub fn attempt<R: HandshakeRole>(
    step: Result<R::FinalResult, HandshakeError<R>>,
) -> Result<Attempt<MidHandshake<R>, R::FinalResult>, Error> {
    match step {
        Ok(end) => Ok(Attempt::Done(end)),
        Err(HandshakeError::Interrupted(mid)) => Ok(Attempt::NotYet(mid)),
        Err(HandshakeError::Failure(error)) => Err(error),
    }
}

/// The server's side of a handshake.
///
/// # Errors
///
/// Those of tungstenite: a request that is no handshake, a peer that ends before it is complete, and whatever the
/// stream reports. A request of more than 64 reads with less than 128 bytes each on average is taken for an attack.
///
/// # Cancel safety
///
/// Not cancel safe: the connection is dropped with the future.
pub async fn accept(stream: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    let begin = || attempt(tungstenite::accept_with_config(stream, Some(bounds())));
    resume(begin, |mid| attempt(mid.handshake())).await
}

/// The client's side of a handshake, over a stream that is connected already. `url` is `ws://host/path`.
///
/// # Errors
///
/// Those of tungstenite: a URL that is none, an answer that is no handshake, a peer that ends before it is complete,
/// and whatever the stream reports.
///
/// # Cancel safety
///
/// Not cancel safe: the connection is dropped with the future.
pub async fn connect(url: &str, stream: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    let begin = || attempt(tungstenite::client::client_with_config(url, stream, Some(bounds())));
    let (socket, _response) = resume(begin, |mid| attempt(mid.handshake())).await?;
    Ok(socket)
}

/// A step that sends `message`, to be repeated by [`ready`] until it no longer says "not yet".
///
/// The first call hands the message over, whether or not it could be written; handing it over again would send it
/// twice. The calls after that flush.
///
/// # Errors
///
/// Those of tungstenite, among them `WriteBufferFull` with a message that was not taken.
pub fn send_step(socket: &mut WebSocket<TcpStream>, message: &mut Option<Message>) -> Result<(), Error> {
    match message.take() {
        Some(message) => socket.send(message),
        None => socket.flush(),
    }
}

/// Sends one message.
///
/// # Errors
///
/// As [`send_step`].
///
/// # Cancel safety
///
/// Once polled, the message is in the socket, and goes out with the next `read`, `flush` or message.
pub async fn send(socket: &mut WebSocket<TcpStream>, message: Message) -> Result<(), Error> {
    let mut message = Some(message);
    ready(|| send_step(socket, &mut message)).await
}

/// Accepts a WebSocket on `connection` and sends back its texts and binaries, until the peer closes it. When the server
/// drains, it is closed from this side as "going away" (RFC 6455 §7.4.1), and the answer awaited.
///
/// Pings are answered by tungstenite itself, with the read that follows.
///
/// # Errors
///
/// Those of [`accept`], `TimedOut` when it lasts over 10 s, and those of reading and sending. A closing handshake that
/// is complete is none. A peer that breaks the protocol is told so by the code of its error.
///
/// # Cancel safety
///
/// Not cancel safe: the connection is dropped with the future.
pub async fn echo(connection: Connection) -> Result<(), Error> {
    let Connection { stream, draining, .. } = connection;
    let mut socket = timeout(HANDSHAKE, accept(stream)).await.map_err(io::Error::from)??;
    match converse(&mut socket, draining).await {
        Err(Error::ConnectionClosed) => Ok(()),
        Err(error) => {
            // Why ignored: the peer may be gone, and the first error is the one that tells.
            let _ = timeout(GOODBYE, refuse(&mut socket, &error)).await;
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// The code with which RFC 6455 §7.4.1 has an error answered; none where there is nobody to tell.
fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}

/// Tells the peer what it has done, if that is worth telling, and gives it the time to read it: what is closed with
/// unread bytes is reset, and the telling lost.
async fn refuse(socket: &mut WebSocket<TcpStream>, error: &Error) -> Result<(), Error> {
    let Some(code) = code_of(error) else { return Ok(()) };
    ready(|| socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }))).await?;
    let stream = socket.get_ref();
    stream.shutdown(Shutdown::Write)?;
    for _ in 0..LEFTOVERS_MAX {
        if stream.read_pooled().await?.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Echoes until the end, which is always an error: `ConnectionClosed` when all went well.
async fn converse(socket: &mut WebSocket<TcpStream>, mut draining: Draining) -> Result<(), Error> {
    while let Some(message) = next(socket, &mut draining).await? {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            send(socket, message).await?;
        }
    }
    let reason = Utf8Bytes::from_static("the server ends");
    // Repeatable: from the second call on it flushes.
    ready(|| socket.close(Some(CloseFrame { code: CloseCode::Away, reason: reason.clone() }))).await?;
    loop {
        ready(|| socket.read()).await?;
    }
}

/// The next message; none once the server drains.
async fn next(socket: &mut WebSocket<TcpStream>, draining: &mut Draining) -> Result<Option<Message>, Error> {
    let mut reading = ready(|| socket.read());
    poll_fn(|cx| match Pin::new(&mut *draining).poll(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(None)),
        Poll::Pending => Pin::new(&mut reading).poll(cx).map(|message| message.map(Some)),
    })
    .await
}
