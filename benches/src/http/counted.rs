//! User-space instructions, and calls for memory, of a request: of the example, of the loop that does nothing but
//! parse, and of a task that does the same.
//!
//! The client takes turns with the server: requests on all connections, and then all the answers. So the counts are the
//! same on a busy machine. The answers of a server have one length, which the first one tells.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::PEERS;
use crate::callgrind::Profile;
use crate::peers::Peer;
use crate::report::Report;
use crate::table::Table;

/// As wrk(1) asks.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// The end of a head, and the length of the body that follows.
const END: &[u8] = b"\r\n\r\n";
const BODY: usize = b"Hello, World!".len();

/// A head is shorter than this.
const HEAD_MAX: usize = 512;

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Connections, how many requests are sent together on each, and how many rounds are counted.
const CONNECTIONS: usize = 50;
const SHAPES: [(usize, [usize; 2]); 2] = [(1, [20, 60]), (16, [5, 15])];

/// Prints the table.
///
/// # Errors
///
/// When a server does not start or answer.
pub(super) fn run(report: &mut Report) -> io::Result<()> {
    let mut table = Table::new(["server", "requests together", "instructions", "times the loop", "calls for memory"]);
    for (depth, rounds) in SHAPES {
        let [ours, _, floor, task, ..] = &PEERS;
        let mut least = f64::NAN;
        for peer in [floor, task, ours] {
            eprintln!("http: counting {}, {depth} together", peer.name);
            let [few, many] = rounds.map(|rounds| record(peer, depth, rounds));
            let cost = many?.slope(&few?, (rounds[1] - rounds[0]) * CONNECTIONS * depth);
            // The floor comes first, and is 1 of itself.
            least = least.min(cost.instructions());
            table.row([
                peer.name.to_owned(),
                depth.to_string(),
                format!("{:.0}", cost.instructions()),
                format!("{:.2}", cost.instructions() / least),
                format!("{:.3}", cost.allocations().abs()),
            ]);
            report.count("Instructions per HTTP request", peer.name, depth, cost.instructions());
        }
    }
    println!("User-space instructions per HTTP request, {CONNECTIONS} connections\n\n{table}");
    Ok(())
}

fn record(peer: &Peer, depth: usize, rounds: usize) -> io::Result<Profile> {
    Profile::record_any(|tool| {
        let server = peer.start_by(tool)?;
        ask(server.address, depth, rounds)?;
        server.terminate()
    })
}

/// So many rounds of requests.
fn ask(server: SocketAddr, depth: usize, rounds: usize) -> io::Result<()> {
    let connect = |_| {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(stream)
    };
    let mut streams = (0..CONNECTIONS).map(connect).collect::<io::Result<Vec<_>>>()?;
    let mut answers = vec![0; first_answer(&mut streams[0])? * depth];
    let requests = REQUEST.repeat(depth);
    for _ in 0..rounds {
        streams.iter_mut().try_for_each(|stream| stream.write_all(&requests))?;
        streams.iter_mut().try_for_each(|stream| stream.read_exact(&mut answers))?;
    }
    Ok(())
}

/// How long an answer is.
fn first_answer(stream: &mut TcpStream) -> io::Result<usize> {
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(END) && head.len() < HEAD_MAX {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    stream.read_exact(&mut [0; BODY])?;
    Ok(head.len() + BODY)
}
