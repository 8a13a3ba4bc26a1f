//! Clients of a service under test, on threads of their own with the blocking sockets of std: nothing that is made to
//! fail touches them. What each sends depends on the connection and the place, so what is lost, doubled or mixed up
//! shows.
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::http;

/// Threads.
const CLIENTS: usize = 3;
/// Connections of each thread, one after the other.
const CONNECTIONS: usize = 8;
/// All of them.
pub(crate) const PEERS: usize = CLIENTS * CONNECTIONS;
/// Requests of a connection.
pub(crate) const ROUNDS: usize = 3;
/// Bytes of a request: more than one read of the services takes.
const LENGTH: usize = 1_500;
/// All bytes of a connection, each way.
pub(crate) const BYTES: usize = ROUNDS * LENGTH;
/// Longer than any answer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// What is sent comes back, a request at a time.
    Echo,
    /// HTTP/1.1, two requests at once and then one.
    Http,
}

/// How a connection ended, as its client saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// Everything was answered, and then came the end.
    Whole,
    /// It ended before that; all that had come was right.
    Cut,
    /// It was not made.
    Refused,
    /// No answer came, nor an end.
    Stuck,
}

/// Connects until all are done, and says how each ended.
pub(crate) fn start(protocol: Protocol, address: SocketAddr) -> JoinHandle<Vec<Seen>> {
    thread::spawn(move || {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                thread::spawn(move || {
                    let keys = (0..CONNECTIONS).map(|connection| (client * CONNECTIONS + connection) as u64);
                    keys.map(|key| connect(protocol, address, key)).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client found what it sent")).collect()
    })
}

/// The other way round: echoes a connection at a time on a thread of its own, until the process ends.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Why ignored: a client that gave up has reset the connection.
            let _ = stream.try_clone().and_then(|mut copy| io::copy(&mut copy, &mut stream));
        }
    });
    address
}

fn connect(protocol: Protocol, address: SocketAddr, key: u64) -> Seen {
    let Ok(mut stream) = TcpStream::connect(address) else { return Seen::Refused };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    let outcome = match protocol {
        Protocol::Echo => send_and_compare(&mut stream, key),
        Protocol::Http => ask(&mut stream, key),
    };
    match outcome {
        Ok(()) => Seen::Whole,
        Err(error) => {
            let hangs = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            if hangs { Seen::Stuck } else { Seen::Cut }
        }
    }
}

fn send_and_compare(stream: &mut TcpStream, key: u64) -> io::Result<()> {
    let all = bytes(key);
    let mut buffer = [0; LENGTH];
    for round in all.chunks(LENGTH) {
        stream.write_all(round)?;
        let mut come = 0;
        while come < round.len() {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            assert_eq!(buffer[..count], round[come..][..count], "connection {key}, from byte {come} of a round");
            come += count;
        }
    }
    end(stream)
}

fn ask(stream: &mut TcpStream, key: u64) -> io::Result<()> {
    let all = bytes(key);
    for batch in all.chunks(2 * LENGTH) {
        let requests = batch.chunks(LENGTH).map(http::request).collect::<Vec<_>>().concat();
        stream.write_all(&requests)?;
        for body in batch.chunks(LENGTH) {
            assert_eq!(http::answer(stream)?, body, "connection {key}");
        }
    }
    end(stream)
}

/// Nothing follows.
fn end(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let more = stream.read(&mut [0; 16])?;
    assert_eq!(more, 0, "more came than was sent");
    Ok(())
}

/// What a connection sends: its part of one long pattern, in which no two windows of eight bytes are equal.
fn bytes(key: u64) -> &'static [u8] {
    static ALL: OnceLock<Vec<u8>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let words = (0_u64..).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        words.take(PEERS * BYTES).collect()
    });
    &all[key as usize * BYTES..][..BYTES]
}
