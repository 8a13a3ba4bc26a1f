//! The proxy among the examples, in front of real servers: what it passes on, and what it makes of those that fail.
#![forbid(unsafe_code)]
mod util {
    pub(crate) mod load;
    pub(crate) mod nginx;
    pub(crate) mod program;
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use util::load::{Load, Peer, THREADS};
use util::nginx::Nginx;
use util::program::{PATIENCE, Program};

/// How many connections a proxy accepts that has been told to end, at most: it does not take long to hear of it, and
/// each has a port.
const ACCEPTED_MAX: usize = 10_000;

/// Three servers called `a`, `b` and `c`, and the proxy in front of them.
fn start(test: &str, options: &[&str]) -> (Vec<Nginx>, Program) {
    let servers: Vec<_> = ["a", "b", "c"].iter().map(|name| Nginx::start(test, name)).collect();
    let addresses: Vec<_> = servers.iter().map(|server| server.address.to_string()).collect();
    let mut arguments: Vec<_> = addresses.iter().flat_map(|address| ["--backend", address]).collect();
    arguments.extend(options);
    let proxy = Program::start("proxy", &arguments);
    (servers, proxy)
}

#[test]
fn one_server_is_killed_and_started_again_and_another_one_becomes_slow() {
    let (mut servers, proxy) = start("proxy_drill", &[]);
    let load = Load::start(proxy.address);
    load.wait("every server is asked", |counts| counts.answers.iter().all(|&answers| answers > 50));

    servers[0].kill();
    let killed = load.counts();
    load.wait("the others go on", |counts| counts.asked() > killed.asked() + 2_000);
    let after = load.counts();
    let late = after.answers[0] - killed.answers[0];
    assert!(late <= THREADS, "{late} answers of a server that was killed");

    servers[0].restart();
    load.wait("it is asked again", |counts| counts.answers[0] > after.answers[0] + 50);

    servers[1].slow_down();
    let slow = load.counts();
    load.wait("the others go on", |counts| counts.asked() > slow.asked() + 3_000);
    let share = |place: usize| load.counts().answers[place] - slow.answers[place];
    println!("answers while `b` was slow: {}, {}, {}", share(0), share(1), share(2));
    assert!(share(1) * 10 < share(0) + share(2), "the slow one has had {} answers", share(1));

    let mut peer = Peer::connect(proxy.address);
    let statistics = String::from_utf8(peer.ask("GET", "/-/statistics").expect("an answer").body).expect("text");
    for server in &servers {
        let failed = |outcome: &str| {
            let name = format!("backend_calls_total{{backend=\"{}\",outcome=\"{outcome}\"}} ", server.address);
            let line = statistics.lines().find_map(|line| line.strip_prefix(&name)).expect("a count");
            line.parse::<u64>().expect("a number")
        };
        println!(
            "{}: {} good, {} failed, {} failed that may be tried again",
            server.name,
            failed("success"),
            failed("failure"),
            failed("retryable")
        );
    }

    // The proxy ends under load: what is in flight is answered, and no connection is cut off.
    let (status, said) = proxy.end_and_say("TERM", PATIENCE);
    assert!(status.success() && said.iter().any(|line| line.ends_with(", 0 cut off")), "{said:?}");
    let counts = load.end();
    println!("{counts:?}");
    assert_eq!(counts.cut_off, 0, "answers that were begun and not finished");
    assert_eq!(counts.failed_repeatable, 0, "requests that may be made again, and were not answered");
    // Those in flight when it was killed, and when its slow brother let go of its idle connections.
    assert!(counts.failed_others <= 2 * THREADS, "more have failed than were in flight");
}

#[test]
fn what_it_passes_on_is_what_was_sent() {
    let (servers, proxy) = start("proxy_passes", &[]);
    let mut peer = Peer::connect(proxy.address);
    let answer = peer.ask("GET", "/").expect("an answer");
    let name = &answer.body[..1];
    assert!(servers.iter().any(|server| server.name.as_bytes() == name), "{answer:?}");
    assert_eq!((answer.status, answer.body.len()), (200, 1_000));
    assert!(answer.head.contains("Server: nginx") && answer.head.contains("Via: 1.1 mainspring"), "{}", answer.head);

    peer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /-/statistics HTTP/1.0\r\n\r\n");
    let mut both = String::new();
    peer.stream.read_to_string(&mut both).expect("text, and the end");
    assert!(both.contains("Content-Length: 1000\r\n") && both.contains("proxy_calls_total"), "{both}");

    // What has two readings is refused, and reaches nobody.
    let mut peer = Peer::connect(proxy.address);
    peer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(peer.answer().expect("an answer").status, 400);
}

/// A server that answers each connection as it is told, and hands on the heads that it was sent.
fn scripted(answers: &'static [&'static str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (hand_on, heard) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let mut stream = listener.accept().expect("a connection").0;
            let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).expect("text") > 0, "{head:?}");
            }
            stream.write_all(answer.as_bytes()).expect("room");
            stream.shutdown(Shutdown::Write).expect("it is open");
            reader.read_to_end(&mut Vec::new()).expect("the end");
            hand_on.send(head).expect("the test waits");
        }
    });
    (address, heard)
}

#[test]
fn fields_of_a_connection_stay_on_their_side() {
    let (address, heard) = scripted(&[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 299 Odd Enough\r\nTransfer-Encoding: chunked\r\nConnection: close, X-One\r\nX-One: 1\r\nX-Two: 2\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nX-Two: 2\r\n\r\nuntil the end",
    ]);
    let proxy = Program::start("proxy", &["--backend", &address]);
    let mut peer = Peer::connect(proxy.address);
    peer.write(b"POST http://there/a?b HTTP/1.1\r\nHost: elsewhere\r\nConnection: X-One, Host, keep-alive\r\nX-One: 1\r\nX-Two: 2\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    let answer = peer.answer().expect("an answer");
    assert_eq!((answer.status, &*answer.body), (299, &b"abc"[..]));
    assert!(answer.head.starts_with("HTTP/1.1 299 Odd Enough\r\n") && answer.head.contains("X-Two: 2"));
    assert!(!answer.head.contains("X-One") && !answer.head.contains("chunked"), "{}", answer.head);
    assert_eq!(peer.ask("GET", "/").expect("an answer").body, b"until the end");
    let heard = heard.recv_timeout(PATIENCE).expect("it was asked");
    assert!(heard.starts_with("POST /a?b HTTP/1.1\r\n"), "{heard}");
    for (field, is_there) in [
        ("Host: there\r\n", true),
        ("elsewhere", false),
        ("X-Two: 2\r\n", true),
        ("Content-Length: 1\r\n", true),
        ("X-Forwarded-For: 127.0.0.1\r\n", true),
        ("X-One", false),
        ("chunked", false),
        ("Connection", false),
    ] {
        assert_eq!(heard.contains(field), is_there, "{field:?} in {heard}");
    }
}

#[test]
fn what_cannot_be_passed_on_is_answered_and_made_again_only_if_it_may_be() {
    const BROKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";
    let (address, heard) = scripted(&[
        BROKEN,
        BROKEN,
        BROKEN,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ]);
    let proxy = Program::start("proxy", &["--backend", &address]);
    let mut peer = Peer::connect(proxy.address);
    assert_eq!(peer.ask("GET", "/").expect("an answer").status, 502, "after three attempts");
    for _ in 0..2 {
        assert_eq!(peer.ask("POST", "/").expect("an answer").status, 502, "after one");
    }
    let methods: Vec<_> = (0..5).map(|_| heard.recv_timeout(PATIENCE).expect("it was asked")[..4].to_owned()).collect();
    assert_eq!(methods, ["GET ", "GET ", "GET ", "POST", "POST"]);
    assert!(heard.recv_timeout(PATIENCE).is_err(), "nobody listens any more");
    let nobody = peer.ask("GET", "/").expect("an answer");
    assert_eq!(nobody.status, 503, "nobody is there: {}", nobody.head);
}

#[test]
fn a_server_that_does_not_answer_meets_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let proxy = Program::start("proxy", &["--backend", &address, "--timeout", "100ms", "--attempts", "1"]);
    let start = Instant::now();
    assert_eq!(Peer::connect(proxy.address).ask("GET", "/").expect("an answer").status, 504);
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[test]
fn connections_are_passed_on_whatever_they_carry() {
    let (mut servers, proxy) = start("proxy_tcp", &["--mode", "tcp"]);
    let ask = || {
        let mut stream = TcpStream::connect(proxy.address).expect("the proxy listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text, and the end");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        answer.split("\r\n\r\n").nth(1).and_then(|body| body.get(..1)).expect("a name").to_owned()
    };
    let mut names: Vec<_> = (0..100).map(|_| ask()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["a", "b", "c"]);
    servers[0].kill();
    assert!((0..200).all(|_| ask() != "a"), "a server that was killed has answered");
    servers[0].restart();
    let start = Instant::now();
    while ask() != "a" {
        assert!(start.elapsed() < PATIENCE, "it is never asked again");
    }

    // Those that are open go on while the proxy ends, up to its limit.
    let mut open = Peer::connect(proxy.address);
    assert_eq!(open.ask("GET", "/").expect("an answer").status, 200);
    let ending = thread::spawn(move || proxy.end_and_say("TERM", PATIENCE));
    let (address, start) = (open.stream.get_ref().peer_addr().expect("an address"), Instant::now());
    let mut accepted = 0;
    while TcpStream::connect(address).is_ok() {
        accepted += 1;
        assert!(accepted < ACCEPTED_MAX && start.elapsed() < PATIENCE, "it listens on, and has accepted {accepted}");
        thread::yield_now();
    }
    assert_eq!(open.ask("GET", "/").expect("an answer").status, 200);
    drop(open);
    let (status, said) = ending.join().expect("no panic");
    assert!(status.success(), "{said:?}");
    let line =
        said.iter().find(|line| line.starts_with(&servers[0].address.to_string())).expect("a line for each server");
    let failed = line.split(", ").find_map(|part| part.strip_suffix(" failed that may be tried again"));
    let failed: usize = failed.and_then(|count| count.parse().ok()).expect("a count");
    assert!((1..=10).contains(&failed), "one that could not be reached was asked {failed} times");
}
