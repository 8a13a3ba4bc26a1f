//! The cassandra example against a server that says what the test wants.
//!
//! No server is needed, nor any other program. The frames of clients below are those that `cassandra-driver` 3.30.1
//! from PyPI encodes, recorded once in this way:
//!
//! ```text
//! from cassandra.protocol import *
//! ProtocolHandler.encode_message(StartupMessage(cqlversion='3.0.0', options={}), 1, 4, None, False).hex()
//! ```
//!
//! and the like with `OptionsMessage()`, `AuthResponseMessage(b'\0user\0pass')`, `RegisterMessage([...])`,
//! `QueryMessage('SELECT key FROM system.local', ConsistencyLevel.ONE)`, `PrepareMessage('SELECT name FROM t WHERE id =
//! ?')` and `ExecuteMessage(b'\1\2\3\4', [b'\0\0\0\x2a', None], ConsistencyLevel.QUORUM)`. The frames of servers were
//! written out from the specification, and are understood by the `decode_message` of the same driver as what they are
//! called here.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod program;
}

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use examples::cassandra::{
    Codec, Consistency, Error, Event, Incoming, Outgoing, Request, Response, Rows, Session, Type, Value,
};
use mainspring::codec::{Buffer, Decoder, Encoder};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::service::Status;
use mainspring::task::JoinSet;
use mainspring::time::{sleep, timeout};
use mainspring::{spawn, unblock};

use util::program::{PATIENCE, example};

const OPTIONS: &str = "040000000500000000";
const STARTUP: &str = "0400000101000000160001000b43514c5f56455253494f4e0005332e302e30";
const REGISTER: &str = "040000020b000000310003000f544f504f4c4f47595f4348414e4745000d5354415455535f4348414e4745000d5343484\
    54d415f4348414e4745";
const QUERY: &str = "0400000307000000230000001c53454c454354206b65792046524f4d2073797374656d2e6c6f63616c000100";
const PREPARE: &str = "0400000409000000230000001f53454c454354206e616d652046524f4d2074205748455245206964203d203f";
const AUTHENTICATE_ME: &str = "040000060f0000000e0000000a00757365720070617373";
const EXECUTE: &str = "04007fff0a000000170004010203040004010002000000040000002affffffff";

const READY: &str = "840000000200000000";
const AUTHENTICATE: &str = "840000000300000031002f6f72672e6170616368652e63617373616e6472612e617574682e50617373776f7264417574686\
    56e74696361746f72";
const AUTH_SUCCESS: &str = "840000001000000004ffffffff";
const SUPPORTED: &str = "8400000006000000180001000b43514c5f56455253494f4e00010005332e342e35";
const VOID: &str = "84000000080000000400000001";
const ROWS: &str = "84000000080000008200000002000000010000000500026b7300017400026964000900046e616d65000d000474616773\
    0020000d0003626967000200026f6b000400000002000000040000002a00000003416461000000090000000100000001\
    61000000080000010000000000000000010100000004ffffffffffffffffffffffffffffffff0000000100";
const KEYSPACE: &str = "8400000008000000080000000300026b73";
const PREPARED: &str = "84000000080000003c00000004000401020304000000010000000100000001000000026b7300017400026964000900000001000\
    0000100026b7300017400046e616d65000d";
const CHANGED: &str = "84000000080000001b0000000500074352454154454400084b4559535041434500026b73";
const UNPREPARED: &str = "84000000000000001600002500000a756e6b6e6f776e206964000401020304";
const OVERLOADED: &str = "84000000000000000e000010010008746f6f2062757379";
const DOWN: &str = "8400ffff0c0000001e000d5354415455535f4348414e47450004444f574e047f00000100002352";
const NEW_NODE: &str = "8400ffff0c00000030000f544f504f4c4f47595f4348414e474500084e45575f4e4f44451000000000000000000000000000000\
    00100002352";
const CREATED: &str = "8400ffff0c00000026000d534348454d415f4348414e474500074352454154454400084b4559535041434500026b73";
const WARNED: &str = "8408000008000000140001000c6d696e64207468652067617000000001";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn encoded(stream: i16, request: Request) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    Codec::default().encode(Outgoing { stream, request }, &mut output)?;
    Ok(output)
}

fn decoded(frame: &[u8]) -> io::Result<Option<Incoming>> {
    let mut buffer = Buffer::new();
    buffer.extend(frame);
    Codec::default().decode(&mut buffer)
}

fn response(hex: &str) -> Response {
    decoded(&bytes(hex)).unwrap().unwrap().response
}

#[test]
fn requests_are_the_bytes_that_the_driver_sends() {
    let statement = "SELECT name FROM t WHERE id = ?";
    let (user, password) = ("user".into(), "pass".into());
    let values = [Value::Int(42), Value::Null];
    for (stream, request, expected) in [
        (0, Request::Options, OPTIONS),
        (1, Request::Startup, STARTUP),
        (2, Request::Register, REGISTER),
        (3, Request::Query("SELECT key FROM system.local".into(), Consistency::One), QUERY),
        (4, Request::Prepare(statement.into()), PREPARE),
        (6, Request::Authenticate { user, password }, AUTHENTICATE_ME),
        (32767, Request::Execute([1, 2, 3, 4].into(), values.into(), Consistency::Quorum), EXECUTE),
    ] {
        assert_eq!(encoded(stream, request.clone()).unwrap(), bytes(expected), "{request:?}");
    }
    let values = vec![Value::Null; 70_000];
    let error = encoded(0, Request::Execute([].into(), values.into(), Consistency::One)).unwrap_err();
    assert!(error.to_string().contains("70000 are more than the protocol can say"), "{error}");
}

#[test]
fn responses_are_what_the_driver_takes_them_for() {
    assert_eq!(response(READY), Response::Ready);
    assert_eq!(response(AUTH_SUCCESS), Response::Authenticated);
    assert_eq!(response(SUPPORTED), Response::Supported);
    assert_eq!(response(VOID), Response::Void);
    assert_eq!(response(WARNED), Response::Void);
    assert_eq!(response(KEYSPACE), Response::Keyspace("ks".into()));
    assert_eq!(response(CHANGED), Response::Changed);
    assert_eq!(response(PREPARED), Response::Prepared([1, 2, 3, 4].into(), vec![Type::Int]));
    let class = "org.apache.cassandra.auth.PasswordAuthenticator";
    assert_eq!(response(AUTHENTICATE), Response::Authenticate(class.into()));
    let list = Value::Blob(vec![0, 0, 0, 1, 0, 0, 0, 1, b'a']);
    let first = vec![Value::Int(42), Value::Text("Ada".into()), list, Value::BigInt(1 << 40), Value::Boolean(true)];
    let second = vec![Value::Int(-1), Value::Null, Value::Null, Value::Null, Value::Boolean(false)];
    let columns = ["id", "name", "tags", "big", "ok"].map(String::from).into();
    assert_eq!(response(ROWS), Response::Rows(Rows { columns, rows: vec![first, second] }));
    let texts = [UNPREPARED, OVERLOADED].map(|frame| match response(frame) {
        Response::Error(failure) => (failure.to_string(), failure.is_retryable()),
        other => panic!("{other:?}"),
    });
    assert_eq!(texts[0], ("unknown id (error 0x2500)".to_owned(), false));
    assert_eq!(texts[1], ("too busy (error 0x1001)".to_owned(), true));
    for (frame, expected) in
        [(DOWN, "DOWN 127.0.0.1:9042"), (NEW_NODE, "NEW_NODE [::1]:9042"), (CREATED, "CREATED KEYSPACE ks")]
    {
        let incoming = decoded(&bytes(frame)).unwrap().unwrap();
        let Response::Event(event) = incoming.response else { panic!("{incoming:?}") };
        assert_eq!((incoming.stream, event.to_string()), (-1, expected.to_owned()));
    }
}

#[test]
fn whatever_bytes_arrive_is_no_panic_and_no_memory() {
    let frames = [READY, AUTHENTICATE, ROWS, PREPARED, UNPREPARED, DOWN, NEW_NODE, CREATED, WARNED, KEYSPACE];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut wrong = 0;
    for round in 0..50_000 {
        let mut frame = bytes(frames[round % frames.len()]);
        for _ in 0..=random(3) {
            // The length stays, so that all of it is looked at.
            let place = 9 + random(frame.len().max(10) - 9);
            if let Some(byte) = frame.get_mut(place) {
                *byte = random(256) as u8;
            }
        }
        wrong += usize::from(decoded(&frame).is_err());
    }
    assert!((5_000..50_000).contains(&wrong), "{wrong} of 50,000 are malformed");
    // Two billion rows, which have no columns and so no bytes.
    let many = bytes("840000000800000010000000020000000400000000 7fffffff".replace(' ', "").as_str());
    assert!(decoded(&many).is_err());
    // A column that is a list of lists of lists, and so on, of integers; and no rows.
    let nested = |depth: usize| {
        let body = format!("00000002{}{}000900000000", "00000001".repeat(2) + &"0000".repeat(3), "0020".repeat(depth));
        decoded(&bytes(&format!("8400000008{:08x}{body}", body.len() / 2)))
    };
    assert!(nested(7).is_ok());
    assert!(nested(8).is_err() && nested(5_000).is_err());
    // Another version, and more than is allowed.
    assert!(decoded(&bytes("830000000200000000")).is_err());
    assert!(decoded(&bytes("840000000210000000")).is_err());
}

/// Runs on a reactor, within a time.
fn run(test: impl Future<Output = ()>) {
    mainspring::run(timeout(PATIENCE, test)).unwrap().expect("in time");
}

/// The server's end of a connection.
struct Peer(TcpStream);

impl Peer {
    /// A request: its stream id, and all of it with that id as zero.
    async fn request(&self) -> (i16, Vec<u8>) {
        let mut frame = vec![0; 9];
        mainspring::io::read_exact(&mut &self.0, &mut frame).await.unwrap();
        let length = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
        frame.resize(9 + length as usize, 0);
        mainspring::io::read_exact(&mut &self.0, &mut frame[9..]).await.unwrap();
        let stream = i16::from_be_bytes([frame[2], frame[3]]);
        frame[2..4].fill(0);
        (stream, frame)
    }

    /// A response, of the request of this stream id.
    async fn say(&self, stream: i16, hex: &str) {
        let mut frame = bytes(hex);
        frame[2..4].copy_from_slice(&stream.to_be_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// Takes this request, wherever it was recorded, and answers.
    async fn expect(&self, request: &str, answer: &str) -> i16 {
        let (stream, frame) = self.request().await;
        let mut expected = bytes(request);
        expected[2..4].fill(0);
        assert_eq!(frame, expected);
        self.say(stream, answer).await;
        stream
    }
}

/// A session that has begun, and the server's end of it.
async fn session() -> (Session, mainspring::channel::mpsc::Receiver<Event>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let starting = spawn(Session::start(stream, None));
    let peer = Peer(listener.accept().await.unwrap().0);
    peer.expect(STARTUP, READY).await;
    peer.expect(REGISTER, READY).await;
    let (session, events) = starting.await.unwrap().unwrap();
    (session, events, peer)
}

#[test]
fn a_server_that_asks_who_is_there_is_told_and_one_that_may_not_be_told_is_left() {
    run(async {
        for credentials in [Some(("user".to_owned(), "pass".to_owned())), None] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let starting = spawn(Session::start(stream, credentials.clone()));
            let peer = Peer(listener.accept().await.unwrap().0);
            peer.expect(STARTUP, AUTHENTICATE).await;
            if credentials.is_none() {
                let error = starting.await.unwrap().unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
                continue;
            }
            peer.expect(AUTHENTICATE_ME, AUTH_SUCCESS).await;
            peer.expect(REGISTER, READY).await;
            assert_eq!(starting.await.unwrap().unwrap().0.status(), Status::Open);
        }
    });
}

#[test]
fn answers_in_any_order_find_their_requests_and_events_go_elsewhere() {
    run(async {
        let (session, mut events, peer) = session().await;
        let mut asking = JoinSet::new();
        for number in 0..100 {
            let session = session.clone();
            asking.spawn(async move {
                let rows = session.query(&format!("SELECT {number}"), Consistency::One).await.unwrap();
                assert_eq!(rows.rows, [[Value::Int(number)]]);
            });
        }
        let mut asked = Vec::new();
        for _ in 0..100 {
            let (stream, frame) = peer.request().await;
            let statement = String::from_utf8(frame[13..frame.len() - 3].to_vec()).unwrap();
            asked.push((stream, statement.strip_prefix("SELECT ").unwrap().parse::<i32>().unwrap()));
        }
        assert_eq!(session.in_flight(), 100);
        for (place, (stream, number)) in asked.into_iter().rev().enumerate() {
            if place % 10 == 0 {
                peer.say(-1, [DOWN, NEW_NODE, CREATED][place / 10 % 3]).await;
            }
            let column = "00000002 00000001 00000001 0001 6b 0001 74 0001 6e 0009 00000001 00000004".replace(' ', "");
            peer.say(stream, &format!("840000000800000023{column}{number:08x}")).await;
        }
        while let Some(end) = asking.join_next().await {
            end.unwrap();
        }
        let node = SocketAddr::from(([127, 0, 0, 1], 9042));
        assert_eq!(events.recv().await, Some(Event::Status("DOWN".into(), node)));
        assert!(matches!(events.recv().await, Some(Event::Topology(..))));
        assert!(matches!(events.recv().await, Some(Event::Schema(..))));
        assert_eq!((events.len(), session.missed(), session.in_flight()), (7, 0, 0));
    });
}

#[test]
fn events_that_nobody_takes_are_dropped_and_counted() {
    run(async {
        let (session, events, peer) = session().await;
        for _ in 0..100 {
            peer.say(-1, DOWN).await;
        }
        let asking = session.clone();
        let query = spawn(async move { asking.query("SELECT key FROM system.local", Consistency::One).await });
        peer.expect(QUERY, VOID).await;
        assert_eq!(query.await.unwrap().unwrap(), Rows::default());
        assert_eq!((events.len(), session.missed()), (64, 36));
    });
}

#[test]
fn a_statement_is_prepared_once_for_all_and_again_if_the_server_has_forgotten_it() {
    run(async {
        let (session, _events, peer) = session().await;
        let statement = "SELECT name FROM t WHERE id = ?";
        let execute = "040000000a0000001300040102030400 04 01 0001 000000040000002a".replace(' ', "");
        let mut asking = JoinSet::new();
        let mut ask = || {
            let session = session.clone();
            asking.spawn(async move { session.execute(statement, &[Value::Int(42)], Consistency::Quorum).await });
        };
        // Three at once.
        (0..3).for_each(|_| ask());
        peer.expect(PREPARE, PREPARED).await;
        for _ in 0..3 {
            peer.expect(&execute, ROWS).await;
        }
        // A server that was started anew.
        ask();
        peer.expect(&execute, UNPREPARED).await;
        peer.expect(PREPARE, PREPARED).await;
        peer.expect(&execute, ROWS).await;
        // One that forgets for ever is not asked for ever.
        ask();
        peer.expect(&execute, UNPREPARED).await;
        peer.expect(PREPARE, PREPARED).await;
        peer.expect(&execute, UNPREPARED).await;
        let mut failed = 0;
        while let Some(end) = asking.join_next().await {
            match end.unwrap() {
                Ok(rows) => assert_eq!(rows.rows.len(), 2),
                Err(error) => {
                    assert_eq!(error.to_string(), "unknown id (error 0x2500)");
                    failed += 1;
                }
            }
        }
        assert_eq!(failed, 1);
        let error = session.execute(statement, &[], Consistency::One).await.unwrap_err();
        assert!(matches!(error, Error::Values(0, 1)), "{error}");
    });
}

#[test]
fn a_request_that_is_dropped_keeps_its_id_until_it_is_answered() {
    run(async {
        let (session, _events, peer) = session().await;
        let asking = session.clone();
        let dropped = spawn(async move { asking.query("SELECT key FROM system.local", Consistency::One).await });
        let (first, _) = peer.request().await;
        dropped.abort();
        assert!(dropped.await.is_err());
        assert_eq!(session.in_flight(), 1);
        // More requests than there are ids, 500 at once: 17 bytes each.
        for _ in 0..70 {
            let mut asking = JoinSet::new();
            for _ in 0..500 {
                let session = session.clone();
                asking.spawn(async move { session.query("a", Consistency::One).await });
            }
            let mut requests = vec![0; 500 * 17];
            mainspring::io::read_exact(&mut &peer.0, &mut requests).await.unwrap();
            let mut answers = Vec::new();
            for request in requests.chunks(17) {
                assert_ne!(request[2..4], first.to_be_bytes());
                let start = answers.len();
                answers.extend(bytes(VOID));
                answers[start + 2..start + 4].copy_from_slice(&request[2..4]);
            }
            peer.0.write_all(&answers).await.unwrap();
            while let Some(end) = asking.join_next().await {
                end.unwrap().unwrap();
            }
        }
        // The late answer goes to nobody.
        peer.say(first, OVERLOADED).await;
        let asking = session.clone();
        let query = spawn(async move { asking.query("SELECT key FROM system.local", Consistency::One).await });
        peer.expect(QUERY, KEYSPACE).await;
        assert!(query.await.unwrap().is_ok());
        assert_eq!(session.in_flight(), 0);
    });
}

#[test]
fn what_is_lost_says_whether_it_may_be_made_again() {
    run(async {
        let (session, _events, peer) = session().await;
        let asking = session.clone();
        let query = spawn(async move { asking.query("SELECT key FROM system.local", Consistency::One).await });
        peer.expect(QUERY, OVERLOADED).await;
        assert!(query.await.unwrap().unwrap_err().is_retryable());
        let asking = session.clone();
        let query = spawn(async move { asking.query("SELECT key FROM system.local", Consistency::One).await });
        let _ = peer.request().await;
        drop(peer);
        let error = query.await.unwrap().unwrap_err();
        assert!(!error.is_retryable(), "it may have been done: {error}");
        assert_eq!(session.status(), Status::Closed);
        let error = session.query("a", Consistency::One).await.unwrap_err();
        assert!(error.is_retryable(), "it was not sent: {error}");
    });
}

/// Runs the program beside a server that is in the hands of the test.
async fn program(arguments: &[&str], address: SocketAddr) -> Output {
    let mut command: Command = example("cassandra");
    command.args(["--server", &address.to_string()]).args(arguments);
    unblock(move || command.output().unwrap()).await.unwrap()
}

#[test]
fn the_program_prints_rows_and_says_what_has_failed() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn(async move {
            for answer in [ROWS, OVERLOADED] {
                let peer = Peer(listener.accept().await.unwrap().0);
                peer.expect(STARTUP, AUTHENTICATE).await;
                peer.expect(AUTHENTICATE_ME, AUTH_SUCCESS).await;
                peer.expect(REGISTER, READY).await;
                peer.expect(QUERY, answer).await;
                // Until the program has gone.
                let _ = peer.0.read(&mut [0]).await;
            }
            // One that says nothing.
            let (_stream, _) = listener.accept().await.unwrap();
            sleep(PATIENCE).await;
        });
        let arguments = ["--user", "user", "--password", "pass", "SELECT key FROM system.local"];
        let output = program(&arguments, address).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let rows = "42\tAda\t0x000000010000000161\t1099511627776\ttrue\n-1\tnull\tnull\tnull\tfalse\n";
        assert_eq!((text(&output.stdout), text(&output.stderr)), (rows.to_owned(), String::new()));
        let output = program(&arguments, address).await;
        assert_eq!(text(&output.stderr), "cassandra: too busy (error 0x1001)\n");
        assert_eq!(output.status.code(), Some(1));
        let start = std::time::Instant::now();
        let output = program(&["--timeout", "200ms", "SELECT 1"], address).await;
        assert_eq!(text(&output.stderr), "cassandra: it is not done within 200ms\n");
        assert!(start.elapsed() >= Duration::from_millis(200));
        serving.abort();
    });
}
