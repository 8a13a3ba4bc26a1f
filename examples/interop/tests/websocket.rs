//! tungstenite on Mainspring: against a client on a blocking socket of std, against itself on one reactor, and against
//! peers that dawdle or vanish.
#![forbid(unsafe_code)]
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{join, poll};
use interop::websocket::{accept, connect, echo, send, send_step};
use mainspring::channel::oneshot;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::server::{Connection, Drained, Server};
use mainspring::time::timeout;
use mainspring::{ready, run};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, WebSocket};

/// How long a test waits for anything; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request without which there is no handshake (RFC 6455 §1.3).
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An echo server on a thread of its own.
struct EchoServer {
    address: SocketAddr,
    /// Dropped to end the server.
    stop: oneshot::Sender<()>,
    /// How its connections ended, in that order.
    ends: mpsc::Receiver<Result<(), Error>>,
    thread: thread::JoinHandle<io::Result<Drained>>,
}

impl EchoServer {
    fn start(idle: Duration) -> Self {
        let server = Server::builder().idle(Some(idle)).drain(PATIENCE).bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let (ended, ends) = mpsc::channel();
        let make = move || {
            let ended = ended.clone();
            move |connection: Connection| {
                let ended = ended.clone();
                async move {
                    ended.send(echo(connection).await).unwrap();
                    Ok(())
                }
            }
        };
        let thread = thread::spawn(move || server.run(make, stopped));
        Self { address, stop, ends, thread }
    }

    fn connect(&self) -> net::TcpStream {
        let stream = net::TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn client(&self) -> WebSocket<net::TcpStream> {
        tungstenite::client("ws://localhost/", self.connect()).unwrap().0
    }

    /// How the next connection ended.
    fn end_of_one(&self) -> Result<(), Error> {
        self.ends.recv_timeout(PATIENCE).expect("a connection ends")
    }

    fn end(self) -> Drained {
        drop(self.stop);
        self.thread.join().unwrap().unwrap()
    }
}

/// Bytes of the longest message.
const LONGEST: usize = 4_000_000;

/// Bytes in which a lost, repeated or moved one shows; at most [`LONGEST`].
fn noise(count: usize) -> Bytes {
    static NOISE: LazyLock<Bytes> =
        LazyLock::new(|| (0..LONGEST as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect());
    NOISE.slice(..count)
}

/// A text of `count` bytes, with characters of all lengths as far as they fit.
fn text(count: usize) -> String {
    let mut text = "aé€𝄞".repeat(count / 10);
    text.push_str(&"x".repeat(count - text.len()));
    text
}

fn round_trip(client: &mut WebSocket<net::TcpStream>, message: &Message) {
    client.send(message.clone()).unwrap();
    let answer = client.read().unwrap();
    let (received, sent) = (answer.len(), message.len());
    assert!(answer == *message, "{received} of {sent} bytes came back, or others");
}

/// Closes from the client's side, and sees the answer and the end.
fn close(mut client: WebSocket<net::TcpStream>) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "enough".into() };
    client.close(Some(frame.clone())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Close(Some(frame)));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
}

/// Both ends on the running reactor, with little room in between.
async fn pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    for stream in [&client, &server] {
        stream.set_send_buffer_size(65_536).unwrap();
    }
    let (client, server) = join!(connect("ws://localhost/", client), accept(server));
    (client.unwrap(), server.unwrap())
}

/// Runs `test` on a reactor. A wake-up that is lost is a failure, and no hang.
fn soon<T>(test: impl Future<Output = T>) -> T {
    run(timeout(PATIENCE, test)).unwrap().expect("it ends")
}

#[test]
fn messages_of_all_lengths_come_back_as_texts_and_as_binaries() {
    let server = EchoServer::start(PATIENCE);
    let mut client = server.client();
    // Around each change of the length field (RFC 6455 §5.2), and more than any buffer holds.
    for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        round_trip(&mut client, &Message::text(text(length)));
        round_trip(&mut client, &Message::binary(noise(length)));
    }
    close(client);
    server.end_of_one().unwrap();
    assert_eq!(server.end().served, 1);
}

#[test]
fn a_ping_is_answered_by_a_pong_with_its_payload_in_the_order_of_the_messages() {
    let server = EchoServer::start(PATIENCE);
    let mut client = server.client();
    for length in [0, 1, 125] {
        client.send(Message::Ping(noise(length))).unwrap();
        assert_eq!(client.read().unwrap(), Message::Pong(noise(length)));
    }
    client.write(Message::text("before")).unwrap();
    client.write(Message::Ping(noise(7))).unwrap();
    client.write(Message::Pong(noise(3))).unwrap();
    client.send(Message::text("after")).unwrap();
    for expected in [Message::text("before"), Message::Pong(noise(7)), Message::text("after")] {
        assert_eq!(client.read().unwrap(), expected);
    }
    close(client);
    server.end_of_one().unwrap();
    server.end();
}

#[test]
fn a_server_that_ends_says_going_away_and_hears_the_answer() {
    let server = EchoServer::start(PATIENCE);
    let mut client = server.client();
    round_trip(&mut client, &Message::text("hello"));
    let EchoServer { stop, thread, ends, .. } = server;
    drop(stop);
    let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("the first message is no close") };
    assert_eq!(frame.code, CloseCode::Away);
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    let drained = thread.join().unwrap().unwrap();
    assert_eq!((drained.finished, drained.aborted), (1, 0));
    ends.recv().unwrap().unwrap();
}

/// A socket in which one future reads while another writes.
type Shared = Rc<RefCell<WebSocket<TcpStream>>>;

/// Messages in each direction of a full-duplex exchange.
const MESSAGES: usize = 200;

/// Lengths from nothing to many times what the sockets hold, in no order.
fn numbered(number: usize) -> Bytes {
    let mut message = number.to_le_bytes().to_vec();
    message.extend_from_slice(&noise(number * 7919 % 50_000));
    message.into()
}

async fn send_all(socket: Shared) {
    for number in 0..MESSAGES {
        // The pong goes out inside the `read` of the other end, beside what that end sends.
        let ping = (number % 10 == 0).then(|| Message::Ping(noise(9)));
        for message in ping.into_iter().chain([Message::binary(numbered(number))]) {
            let mut message = Some(message);
            ready(|| send_step(&mut socket.borrow_mut(), &mut message)).await.unwrap();
        }
    }
}

async fn receive_all(socket: Shared) {
    let mut number = 0;
    while number < MESSAGES {
        match ready(|| socket.borrow_mut().read()).await.unwrap() {
            Message::Binary(bytes) => {
                assert!(bytes == numbered(number), "message {number} came as {} other bytes", bytes.len());
                number += 1;
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
}

/// Both directions of both ends: two futures at each socket, and no task of their own.
fn exchange(client: &Shared, server: &Shared) -> [LocalBoxFuture<'static, ()>; 4] {
    [
        send_all(client.clone()).boxed_local(),
        receive_all(client.clone()).boxed_local(),
        send_all(server.clone()).boxed_local(),
        receive_all(server.clone()).boxed_local(),
    ]
}

async fn shared_pair() -> (Shared, Shared) {
    let (client, server) = pair().await;
    (Rc::new(RefCell::new(client)), Rc::new(RefCell::new(server)))
}

/// Reads to the end of the closing handshake. Nothing but pings and pongs may be left.
async fn drain(socket: Shared) {
    loop {
        match ready(|| socket.borrow_mut().read()).await {
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
            Err(Error::ConnectionClosed) => return,
            other => panic!("unexpected: {other:?}"),
        }
    }
}

async fn close_both(client: Shared, server: Shared) {
    let closing = async {
        ready(|| client.borrow_mut().close(None)).await.unwrap();
        drain(client).await;
    };
    join!(closing, drain(server));
}

#[test]
fn two_hundred_messages_each_way_at_once_arrive_in_one_futures_unordered() {
    soon(async {
        let (client, server) = shared_pair().await;
        let mut futures: FuturesUnordered<_> = exchange(&client, &server).into_iter().collect();
        while futures.next().await.is_some() {}
        close_both(client, server).await;
    });
}

#[test]
fn two_hundred_messages_each_way_at_once_arrive_in_one_join() {
    soon(async {
        let (client, server) = shared_pair().await;
        let [a, b, c, d] = exchange(&client, &server);
        join!(a, b, c, d);
        close_both(client, server).await;
    });
}

#[test]
fn five_connections_exchange_at_once_in_one_futures_unordered() {
    soon(async {
        let mut pairs = Vec::new();
        let mut futures = FuturesUnordered::new();
        for _ in 0..5 {
            let (client, server) = shared_pair().await;
            futures.extend(exchange(&client, &server));
            pairs.push((client, server));
        }
        while futures.next().await.is_some() {}
        for (client, server) in pairs {
            close_both(client, server).await;
        }
    });
}

#[test]
fn a_message_whose_sending_was_dropped_arrives_once() {
    soon(async {
        let (mut client, mut server) = pair().await;
        let first = Message::binary(noise(LONGEST));
        assert!(poll!(pin!(send(&mut client, first.clone()))).is_pending(), "the sockets hold all of it");
        let sent = async {
            ready(|| client.flush()).await.unwrap();
            send(&mut client, Message::text("second")).await.unwrap();
        };
        let received = async {
            let one = ready(|| server.read()).await.unwrap();
            assert!(one == first, "{} bytes arrived, or others", one.len());
            assert_eq!(ready(|| server.read()).await.unwrap(), Message::text("second"));
        };
        join!(sent, received);
    });
}

#[test]
fn a_message_whose_reading_was_dropped_at_each_step_arrives_whole() {
    soon(async {
        let (mut client, mut server) = pair().await;
        let message = Message::binary(noise(300_000));
        let reading = async {
            loop {
                if let std::task::Poll::Ready(read) = poll!(ready(|| server.read())) {
                    break read.unwrap();
                }
                server.get_ref().readable().await.unwrap();
            }
        };
        let (sent, read) = join!(send(&mut client, message.clone()), reading);
        sent.unwrap();
        assert!(read == message, "{} bytes arrived, or others", read.len());
    });
}

/// Sends `bytes` one by one; a round trip of `other` in between lets the server have its turn.
fn trickle(stream: &mut net::TcpStream, bytes: &[u8], other: &mut WebSocket<net::TcpStream>) -> io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte])?;
        round_trip(other, &Message::text("x"));
    }
    Ok(())
}

#[test]
fn a_handshake_that_starts_byte_by_byte_is_taken_up_at_each_of_them() {
    let server = EchoServer::start(PATIENCE);
    let mut other = server.client();
    let mut slow = server.connect();
    // tungstenite bears 64 short reads.
    let (bytes, rest) = REQUEST.split_at(60);
    trickle(&mut slow, bytes, &mut other).unwrap();
    slow.write_all(rest).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        slow.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "not the accept key of RFC 6455 §1.3: {answer}");
    let role = tungstenite::protocol::Role::Client;
    let mut slow = WebSocket::from_raw_socket(slow, role, None);
    round_trip(&mut slow, &Message::text("at last"));
    close(slow);
    close(other);
    assert_eq!(server.end().served, 2);
}

#[test]
fn a_handshake_that_is_byte_by_byte_to_the_end_is_refused_as_an_attack() {
    let server = EchoServer::start(PATIENCE);
    let mut other = server.client();
    let mut slow = server.connect();
    // Why ignored: the server may have closed already.
    let _ = trickle(&mut slow, REQUEST, &mut other);
    assert!(matches!(server.end_of_one(), Err(Error::AttackAttempt)));
    close(other);
    server.end_of_one().unwrap();
    server.end();
}

#[test]
fn a_client_that_vanishes_in_the_handshake_is_an_error() {
    let server = EchoServer::start(PATIENCE);
    for length in [0, 1, 60, REQUEST.len() - 1] {
        server.connect().write_all(&REQUEST[..length]).unwrap();
        let end = server.end_of_one();
        assert!(matches!(end, Err(Error::Protocol(ProtocolError::HandshakeIncomplete))), "{length} bytes: {end:?}");
    }
    soon(async {
        let stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_linger(Some(Duration::ZERO)).unwrap();
        stream.write_all(&REQUEST[..60]).await.unwrap();
    });
    let Err(Error::Io(error)) = server.end_of_one() else { panic!("a reset is an I/O error") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(server.end().served, 5);
}

#[test]
fn a_client_that_falls_silent_in_the_handshake_times_out() {
    let server = EchoServer::start(Duration::from_millis(20));
    let mut silent = server.connect();
    silent.write_all(&REQUEST[..60]).unwrap();
    let Err(Error::Io(error)) = server.end_of_one() else { panic!("a timeout is an I/O error") };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    server.end();
}

#[test]
fn a_server_that_vanishes_in_the_handshake_is_an_error() {
    soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let vanishing = async {
            let (server, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                assert_eq!(server.read(&mut byte).await.unwrap(), 1);
                request.push(byte[0]);
            }
            server.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgr").await.unwrap();
        };
        let (end, ()) = join!(connect("ws://localhost/", client), vanishing);
        assert!(matches!(end, Err(Error::Protocol(ProtocolError::HandshakeIncomplete))), "{end:?}");
    });
}

#[test]
fn the_program_says_ready_echoes_and_ends_by_a_signal() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("examples").join("websocket_echo");
    let mut child = Command::new(program)
        .args(["--port", "0", "--threads", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept to the end: a program cannot write to a pipe that nobody holds.
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert_eq!(first, "ready\n");

    let stream = net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut client, _) = tungstenite::client("ws://localhost/", stream).unwrap();
    round_trip(&mut client, &Message::text("hello"));
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(matches!(client.read().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Away));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "served 1 connections, of which 0 failed\n");
    assert!(child.wait().unwrap().success());
}
