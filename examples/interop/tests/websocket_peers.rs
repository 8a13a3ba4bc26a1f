//! WebSockets against two independent libraries, `websockets` of PyPI and `ws` of npm, both ways: their clients and our
//! echo server, our client and their servers. `.ci/websocket-peers` brings them.
#![forbid(unsafe_code)]

mod util;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use interop::websocket::{connect, send};
use mainspring::net::TcpStream;
use mainspring::ready;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error, Message, WebSocket};
use util::program::Program;
use util::{soon, tool};

/// A library: its command, the folder with its package, and what tells the command of it.
struct Library {
    command: &'static str,
    extension: &'static str,
    folder: &'static str,
    package: &'static str,
    variable: &'static str,
}

const PYTHON: Library =
    Library { command: "python3", extension: "py", folder: "python", package: "websockets", variable: "PYTHONPATH" };

const NODE: Library =
    Library { command: "node", extension: "cjs", folder: "node/node_modules", package: "ws", variable: "NODE_PATH" };

impl Library {
    /// A command that runs this library's script of that name.
    fn script(&self, name: &str) -> Command {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let folder: PathBuf = target.join("peers").join(self.folder);
        let package = folder.join(self.package);
        assert!(package.exists(), "{} is missing: run .ci/websocket-peers, which installs it", package.display());
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name).with_extension(self.extension);
        let mut command = Command::new(self.command);
        command.arg(script).env(self.variable, folder).stdin(Stdio::null());
        command
    }
}

/// Checks of a script.
const CHECKS: usize = 13;

fn clients_of(library: &Library) {
    let program = Program::start("websocket_echo", &["--threads", "2"]);
    let mut command = library.script("client");
    let printed = tool::run(command.arg(format!("ws://{}/", program.address)), library.command);
    println!("{} as a client:\n{printed}", library.package);
    assert!(!printed.contains("FAILED"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("ok ")).count(), CHECKS, "{printed}");
}

#[test]
fn the_client_of_websockets_finds_our_server_right() {
    clients_of(&PYTHON);
}

#[test]
fn the_client_of_ws_finds_our_server_right() {
    clients_of(&NODE);
}

/// A server of a library, which is killed when the test is over.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start(library: &Library) -> Self {
        let child = library.script("server").stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{} cannot be run, install it: {error}", library.command));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{}: no port in {line:?}", library.package)) }
    }

    async fn client(&self) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        connect("ws://localhost/", stream).await.unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Socket = WebSocket<TcpStream>;

async fn read(socket: &mut Socket) -> Result<Message, Error> {
    loop {
        match ready(|| socket.read()).await? {
            // Answered by tungstenite itself.
            Message::Ping(_) => {}
            message => return Ok(message),
        }
    }
}

async fn round_trip(socket: &mut Socket, message: Message) {
    send(socket, message.clone()).await.unwrap();
    let answer = read(socket).await.unwrap();
    assert!(answer == message, "{} of {} bytes came back, or others", answer.len(), message.len());
}

/// Says what the server is to do.
async fn tell(socket: &mut Socket, command: String) {
    send(socket, Message::text(command)).await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short one")], payload].concat()
}

async fn lengths(peer: &Peer) {
    let mut socket = peer.client().await;
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000, 16 << 20] {
        round_trip(&mut socket, Message::binary(vec![0xa5; length])).await;
        round_trip(&mut socket, Message::text("ä".repeat(length / 2) + &"x".repeat(length % 2))).await;
    }
}

/// Fragments of ours, with a ping between them: its pong comes before the message.
async fn fragments(peer: &Peer) {
    let mut socket = peer.client().await;
    let pieces = ["", "one ", "ä𝄞", " three", ""];
    for (number, piece) in pieces.iter().enumerate() {
        let code = OpCode::Data(if number == 0 { Data::Text } else { Data::Continue });
        let piece = Frame::message(piece.as_bytes().to_vec(), code, number + 1 == pieces.len());
        send(&mut socket, Message::Frame(piece)).await.unwrap();
        if number + 1 < pieces.len() {
            send(&mut socket, Message::Ping(vec![number as u8; 125].into())).await.unwrap();
            assert_eq!(read(&mut socket).await.unwrap(), Message::Pong(vec![number as u8; 125].into()));
        }
    }
    assert_eq!(read(&mut socket).await.unwrap(), Message::text("one ä𝄞 three"));
}

/// Fragments of theirs; the next one is not sent before the ping between them was answered.
async fn pieces(peer: &Peer) {
    let mut socket = peer.client().await;
    tell(&mut socket, "pieces".into()).await;
    assert_eq!(read(&mut socket).await.unwrap(), Message::text("onetwothree"));
    let cut = [frame(0x01, b"\xf0"), frame(0x00, b"\x9d\x84"), frame(0x89, b"x"), frame(0x80, b"\x9e")].concat();
    tell(&mut socket, format!("raw {}", hex(&cut))).await;
    assert_eq!(read(&mut socket).await.unwrap(), Message::text("𝄞"));
    round_trip(&mut socket, Message::text("after")).await;
}

/// All that may be sent, but for 1014, which tungstenite does not know.
const CODES: [u16; 15] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999];

async fn closes(peer: &Peer) {
    for code in CODES.map(CloseCode::from) {
        // From this side.
        let mut socket = peer.client().await;
        let ours = CloseFrame { code, reason: "reason ä".into() };
        ready(|| socket.close(Some(ours.clone()))).await.unwrap();
        let Message::Close(Some(answer)) = read(&mut socket).await.unwrap() else { panic!("{code}: no close") };
        assert_eq!(answer.code, code);
        assert!(matches!(read(&mut socket).await, Err(Error::ConnectionClosed)), "{code}");
        // From the other.
        let mut socket = peer.client().await;
        tell(&mut socket, format!("close {code}")).await;
        let Message::Close(Some(theirs)) = read(&mut socket).await.unwrap() else { panic!("{code}: no close") };
        assert_eq!((theirs.code, theirs.reason.as_str()), (code, "as told"));
        assert!(matches!(read(&mut socket).await, Err(Error::ConnectionClosed)), "{code}");
    }
}

async fn invalid_text(peer: &Peer) {
    for text in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"good, then \xfe", b"cut \xe2\x82"] {
        let mut socket = peer.client().await;
        tell(&mut socket, format!("raw {}", hex(&frame(0x81, text)))).await;
        let end = read(&mut socket).await;
        assert!(matches!(end, Err(Error::Utf8(_))), "{text:?}: {end:?}");
    }
}

async fn breaches(peer: &Peer) {
    for (bytes, what) in [
        (vec![0x81, 0x81, 0, 0, 0, 0, b'x'], "masked"),
        (frame(0x83, b""), "a reserved opcode"),
        (frame(0xc1, b"x"), "a reserved bit"),
        (frame(0x80, b"x"), "a continuation of nothing"),
        ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), "a message inside another"),
        (frame(0x09, b""), "a ping in pieces"),
        ([&[0x89, 126, 0, 126][..], &[0; 126]].concat(), "a ping that is too long"),
    ] {
        let mut socket = peer.client().await;
        tell(&mut socket, format!("raw {}", hex(&bytes))).await;
        match read(&mut socket).await {
            Err(Error::Protocol(error)) if error != ProtocolError::ResetWithoutClosingHandshake => {}
            end => panic!("{what}: {end:?}"),
        }
    }
}

async fn byte_by_byte(peer: &Peer) {
    let mut socket = peer.client().await;
    let bytes = [frame(0x81, "slowly: ä𝄞".as_bytes()), frame(0x89, b"ping"), frame(0x82, &[7; 125])].concat();
    tell(&mut socket, format!("slowly {}", hex(&bytes))).await;
    assert_eq!(read(&mut socket).await.unwrap(), Message::text("slowly: ä𝄞"));
    assert_eq!(read(&mut socket).await.unwrap(), Message::binary(vec![7; 125]));
    round_trip(&mut socket, Message::text("after")).await;
}

fn servers_of(library: &Library) {
    let peer = Peer::start(library);
    println!("{} as a server:", library.package);
    soon(async {
        lengths(&peer).await;
        println!("ok messages of all lengths, to 16 MiB");
        fragments(&peer).await;
        println!("ok our fragments, pings between them");
        pieces(&peer).await;
        println!("ok their fragments, pings between them");
        closes(&peer).await;
        println!("ok each close code, from either side");
        invalid_text(&peer).await;
        println!("ok invalid UTF-8");
        breaches(&peer).await;
        println!("ok breaches of the protocol");
        byte_by_byte(&peer).await;
        println!("ok a byte at a time");
    });
}

#[test]
fn our_client_finds_the_server_of_websockets_right() {
    servers_of(&PYTHON);
}

#[test]
fn our_client_finds_the_server_of_ws_right() {
    servers_of(&NODE);
}
