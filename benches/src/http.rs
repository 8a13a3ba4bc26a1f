//! Plain text over HTTP/1.1: our example beside hyper, nginx and the least that can answer, with wrk(1) as the client.
//! Before the times come the instructions of our example and of that least (`counted.rs`).
//!
//! The example is a service behind a timeout, with deadlines for each phase of a connection; hyper is as its
//! documentation writes it, on one thread of tokio and on a reactor of ours, there also with its timeout for the head
//! of a request; nginx is one process that returns the text from its settings. The hand-written loop parses each
//! request with httparse, as the example does, looks at nothing of it, and answers with the same bytes each: the floor
//! for the same work. It formats no date, knows no path and refuses nothing but what httparse refuses. Its work is also
//! done in tasks, one of ours and one of tokio's for each connection: what a runtime adds, without a server. All send
//! as many headers but nginx, which has two more.

mod counted;

use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

use crate::beside::{self, Turn};
use crate::callgrind;
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::scratch::Scratch;
use crate::server::{self, Server};
use crate::verdict::Verdict;
use crate::versions;

/// What must be installed.
const CLIENT: &str = "wrk";
const NGINX: &str = "nginx";

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Of a turn.
    pub(crate) seconds: usize,
    /// The first of the shapes that is run; those after it are.
    pub(crate) from: usize,
    /// Whether others take part, which have to be built first.
    pub(crate) others: bool,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 9, seconds: 2, from: 0, others: true };

/// Connections, and how many requests are sent together on each.
const SHAPES: [(usize, usize, &str); 3] = [(64, 1, "64"), (1_000, 1, "1,000"), (64, 16, "64 × 16")];

const PEERS: [Peer; 11] = [
    Peer::example("mainspring, example http", "http", &["--plaintext"]),
    Peer::example("the same once more", "http", &["--plaintext"]),
    Peer::other("hand-written loop", "http-loop", &[]).with_buffer(4_096),
    Peer::other("its work in a task, mainspring", "http-task", &[]).with_buffer(4_096),
    Peer::other("its work in a task, tokio", "http-tokio", &[]).with_buffer(4_096),
    Peer::other("hyper, tokio", "http-hyper", &["default"]),
    Peer::other("hyper, tokio, pipeline_flush", "http-hyper", &["pipelined"]),
    Peer::other("hyper, mainspring", "http-hyper-mainspring", &["default"]),
    Peer::other("hyper, mainspring, pipeline_flush", "http-hyper-mainspring", &["pipelined"]),
    Peer::other("hyper, mainspring, head timeout", "http-hyper-mainspring", &["timed"]),
    Peer::nginx("nginx, one process"),
];

/// The same on hyper: over us, and over tokio.
const HYPER: [[&str; 2]; 2] =
    [["hyper, mainspring", "hyper, tokio"], ["hyper, mainspring, pipeline_flush", "hyper, tokio, pipeline_flush"]];

/// Sends as many requests together as its argument says.
const PIPELINE: &str = "init = function(args)
    local requests = {}
    for i = 1, tonumber(args[1]) do requests[i] = wrk.format() end
    all = table.concat(requests)
end
request = function() return all end
";

/// Prints the counts, and a table for each shape.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !server::is_installed(CLIENT) {
        verdict.skip("HTTP", CLIENT);
        return Ok(());
    }
    let mut peers: Vec<_> = PEERS.into_iter().filter(|peer| size.others || peer.is_light()).collect();
    if size.others && !server::is_installed(NGINX) {
        verdict.skip("HTTP by nginx", NGINX);
        peers.pop();
    }
    println!("{}\n", versions::of(&["mainspring", "hyper", "hyper-util", "tokio"]));
    peers::build(&peers)?;
    if server::is_installed(callgrind::TOOL) {
        counted::run(report)?;
    } else {
        verdict.skip("instructions per HTTP request", callgrind::TOOL);
    }
    for (connections, depth, name) in SHAPES.into_iter().skip(size.from) {
        eprintln!("http: {} rounds of {} s, {connections} connections, {depth} at a time", size.rounds, size.seconds);
        let work = |server: &Server| load(server, connections, depth, size.seconds);
        let measured = beside::start(&peers, "0", &[1])?.rounds(size.rounds, work)?;
        println!(
            "HTTP, {connections} connections, {depth} requests at a time on each, server and client on a processor each\n\n{}",
            measured.table("request", "HTTP", name, report)
        );
        for [ours, theirs] in HYPER {
            if let Some([rate, worth]) = measured.rates_beside(ours, theirs) {
                println!(
                    "{ours}, times {theirs}: {rate} requests per second, {worth} requests for the same processor time"
                );
            }
        }
        println!();
    }
    Ok(())
}

/// What wrk has had answered, and how long it says that took: its own start is no part of it.
fn load(server: &Server, connections: usize, depth: usize, seconds: usize) -> io::Result<Turn> {
    let script = Scratch::new(CLIENT);
    fs::write(script.path(), PIPELINE)?;
    let mut elapsed = Duration::ZERO;
    let turn = beside::turn(server, || {
        let mut client = Command::new(CLIENT);
        client.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s")]);
        if depth > 1 {
            client.arg("-s").arg(script.path());
        }
        client.arg(format!("http://{}/", server.address));
        if depth > 1 {
            client.args(["--", &depth.to_string()]);
        }
        let output = client.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let answered = parse(&text).filter(|_| output.status.success());
        let (requests, took) =
            answered.ok_or_else(|| io::Error::other(format!("wrk ended with {}, and said {text:?}", output.status)))?;
        elapsed = took;
        Ok(requests)
    })?;
    Ok(Turn { elapsed, ..turn })
}

/// The numbers of `1234 requests in 2.00s, 1.23MB read` and `Requests/sec: 617.00`; none if anything went wrong.
fn parse(output: &str) -> Option<(usize, Duration)> {
    let is_wrong = output.contains("Non-2xx") || output.contains("Socket errors");
    let (before, _) = output.split_once(" requests in ")?;
    let requests = before.rsplit(char::is_whitespace).next()?.parse().ok()?;
    let (_, rate) = output.split_once("Requests/sec:")?;
    let rate: f64 = rate.split_whitespace().next()?.parse().ok()?;
    (!is_wrong && rate > 0.0).then(|| (requests, Duration::from_secs_f64(requests as f64 / rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 2s test @ http://127.0.0.1:8099/\n  1 threads and 64 connections\n  \
        1234 requests in 2.00s, 1.23MB read\nRequests/sec:    617.00\nTransfer/sec:      1.00MB\n";

    #[test]
    fn what_wrk_says_is_understood() {
        assert_eq!(parse(OUTPUT), Some((1234, Duration::from_secs(2))));
        assert_eq!(parse(&OUTPUT.replace("Requests/sec", "  Socket errors: connect 3\nRequests/sec")), None);
        assert_eq!(parse("unable to connect"), None);
    }
}
