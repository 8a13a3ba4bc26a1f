//! The `hyper` example as others see it: curl, h2load and wrk, in both versions of HTTP, peers that dawdle, and the
//! end.
//!
//! h2load is of nghttp2, an implementation that has nothing in common with the one under test, and refuses what breaks
//! the protocol. A checker of conformance is not among the packages that these tests may use: h2spec is to be had as Go
//! alone.
#![forbid(unsafe_code)]

mod util;

use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use util::PATIENCE;
use util::program::Program;
use util::tool::{self, curl, scratch};

/// How curl is told which version to speak, and how the answer begins.
const VERSIONS: [(&str, &str); 2] = [("--http1.1", "HTTP/1.1 "), ("--http2-prior-knowledge", "HTTP/2 ")];

#[test]
fn both_versions_answer_each_route_on_one_port() {
    let program = Program::start("hyper", &[]);
    for (version, start) in VERSIONS {
        for (path, status, body) in [
            ("/", "200", "Hello, World!"),
            ("/slow?ms=1", "200", "at last"),
            ("/slow?ms=soon", "400", "wanted"),
            ("/slow?ms=99999999", "400", "wanted"),
            ("/slow", "400", "wanted"),
            ("/echo", "405", ""),
            ("/nothing", "404", ""),
        ] {
            let answer = curl(&["-i", version, &program.url(path)]);
            assert!(answer.starts_with(&format!("{start}{status}")), "{version} {path}: {answer}");
            assert!(answer.contains(body) && answer.contains(" GMT\r\n"), "{version} {path}: {answer}");
        }
        let head = curl(&["--head", version, &program.url("/")]);
        assert!(head.contains("content-length: 13\r\n") && head.ends_with("\r\n\r\n"), "{version}: {head}");
        let denied = curl(&["-i", version, "-X", "PUT", &program.url("/echo")]);
        assert!(denied.contains("allow: POST\r\n"), "{version}: {denied}");
    }
}

#[test]
fn bodies_of_all_sizes_come_back() {
    let program = Program::start("hyper", &[]);
    for (version, _) in VERSIONS {
        // Around a read, a frame and a window of HTTP/2.
        for size in [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 3_000_000] {
            let (path, back) = (scratch("hyper-body"), scratch("hyper-body-back"));
            let body: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8).collect();
            std::fs::write(&path, &body).unwrap();
            let sent = format!("@{}", path.display());
            curl(&[version, "--data-binary", &sent, "-o", &back.display().to_string(), &program.url("/echo")]);
            assert!(std::fs::read(&back).unwrap() == body, "{version}, {size} bytes");
        }
    }
}

#[test]
fn a_connection_is_used_again() {
    let program = Program::start("hyper", &[]);
    let url = program.url("/");
    let connects = curl(&["-w", "<%{num_connects}>", &url, &url, &url]);
    assert_eq!(connects, "Hello, World!<1>Hello, World!<0>Hello, World!<0>");
    // Why not curl: that of Debian 12 cannot use one of HTTP/2 without TLS again, whatever the server.
    tool::run(Command::new("h2load").args(["-n", "10", "-c", "1", "-m", "1", &url]), "nghttp2-client");
    program.terminate();
    assert_eq!(program.end().1, "served 2 connections, of which 0 failed");
}

#[test]
fn h2load_has_each_of_its_requests_answered() {
    let program = Program::start("hyper", &["--threads", "2"]);
    for extra in [&[] as &[&str], &["--h1"]] {
        let mut command = Command::new("h2load");
        command.args(["-n", "5000", "-c", "20", "-m", "20", "-T", "60"]).args(extra).arg(program.url("/"));
        let printed = tool::run(&mut command, "nghttp2-client");
        assert!(printed.contains("5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{extra:?}: {printed}");
        assert!(printed.contains("status codes: 5000 2xx"), "{extra:?}: {printed}");
    }
}

#[test]
fn wrk_finds_no_fault() {
    let program = Program::start("hyper", &["--threads", "2"]);
    // An answer that comes late is none of its errors here.
    let options = ["-c", "50", "-t", "2", "-d", "2s", "--timeout", "60s"];
    let printed = tool::run(Command::new("wrk").args(options).arg(program.url("/")), "wrk");
    let requests = printed.lines().find_map(|line| line.trim().split_once(" requests in ")).map(|(count, _)| count);
    assert!(requests.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0)), "{printed}");
    assert!(!printed.contains("Socket errors") && !printed.contains("Non-2xx"), "{printed}");
}

/// How long the end of a connection takes to be seen, once nothing more is sent.
fn until_closed(stream: &mut impl Read, since: Instant) -> Duration {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    since.elapsed()
}

#[test]
fn the_timeout_for_a_head_fires_whether_its_peer_is_silent_or_trickles() {
    let limit = Duration::from_secs(1);
    let program = Program::start("hyper", &["--head", "1s"]);
    let since = Instant::now();
    let mut silent = program.connect();
    silent.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let took = until_closed(&mut silent, since);
    assert!(took >= limit, "{took:?}");
    assert!(program.wait_for("timeout").contains("header"));

    // A byte at a time, each of which would put off a timeout of the socket.
    let mut trickling = program.connect();
    let since = Instant::now();
    let mut sent = 0;
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n".iter().cycle() {
        if trickling.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        assert!(since.elapsed() < PATIENCE, "{sent} bytes were taken");
        // Why a pause: this is the peer that is slow.
        thread::sleep(Duration::from_millis(5));
    }
    assert!(since.elapsed() >= limit && sent > 10, "{sent} bytes in {:?}", since.elapsed());
    program.wait_for("timeout");

    // Idle between two requests is the same wait.
    let mut idle = program.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let since = Instant::now();
    assert!(until_closed(&mut idle, since) >= limit);
}

#[test]
fn a_peer_that_does_not_say_which_version_it_speaks_is_closed_when_it_has_been_idle() {
    let program = Program::start("hyper", &["--idle", "200ms"]);
    for start in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let since = Instant::now();
        let mut peer = program.connect();
        peer.write_all(start).unwrap();
        assert!(until_closed(&mut peer, since) >= Duration::from_millis(200), "{start:?}");
    }
}

#[test]
fn what_is_in_flight_is_answered_when_the_server_ends_and_nothing_else() {
    for (version, _) in VERSIONS {
        let program = Program::start("hyper", &["--threads", "2"]);
        let url = program.url("/slow?ms=700");
        let asking = thread::spawn(move || curl(&[version, &url]));
        // Idle, and one that has asked before.
        let mut idle = program.connect();
        let mut used = program.connect();
        used.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        used.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        program.wait_for("/slow: an answer in 700 ms");
        program.terminate();
        program.wait_for("stopping on SIGTERM");
        let since = Instant::now();
        until_closed(&mut used, since);
        // Less than the ten seconds that what is in flight may take.
        assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
        assert_eq!(asking.join().unwrap(), "at last", "{version}");
        let _ = until_closed(&mut idle, since);
        let (status, last) = program.end();
        assert!(status.success(), "{status}");
        assert!(last.starts_with("served 3 connections"), "{version}: {last}");
    }
}

#[test]
fn what_is_no_http_is_an_error_of_its_own_connection_alone() {
    let program = Program::start("hyper", &[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, but more than nine bytes",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let mut peer = program.connect();
        peer.write_all(bytes).unwrap();
        until_closed(&mut peer, Instant::now());
        assert_eq!(curl(&[&program.url("/")]), "Hello, World!");
    }
}
