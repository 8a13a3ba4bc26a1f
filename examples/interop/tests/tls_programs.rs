//! The `tls` and `tls_get` examples against the system's openssl and curl.
#![forbid(unsafe_code)]

mod util;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use util::certificate::{LOCALHOST, STRANGER, text};
use util::program::{Program, example};
use util::tool::{self, curl};

/// Starts the server.
fn start(options: &[&str]) -> Program {
    let (certificate, key) = &*LOCALHOST;
    Program::start("tls", &[&["--cert", text(certificate), "--key", text(key)], options].concat())
}

/// A line for `openssl s_client`, and then what it is to wait for in the output.
fn s_client(program: &Program, options: &[&str], script: &[(&str, &str)]) -> String {
    // What it says of new keys goes to stderr.
    let mut command = Command::new("sh");
    command.args(["-c", "exec openssl \"$@\" 2>&1", "sh"]);
    command.args(["s_client", "-connect", &program.address.to_string(), "-servername", "localhost"]);
    command
        .args(["-CAfile", text(&LOCALHOST.0), "-verify_return_error", "-verify_hostname", "localhost"])
        .args(options);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child =
        child.as_mut().unwrap_or_else(|error| panic!("openssl cannot be run, install the package `openssl`: {error}"));
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    for (line, awaited) in script {
        input.write_all(line.as_bytes()).unwrap();
        loop {
            let before = seen.len();
            let count = output.read_line(&mut seen).unwrap();
            assert!(count > 0, "openssl has ended, and {awaited:?} is not in {seen}");
            if seen[before..].contains(awaited) {
                break;
            }
        }
    }
    drop(input);
    let _ = output.read_to_string(&mut seen);
    child.wait().unwrap();
    seen
}

const REQUEST: &str = "GET / HTTP/1.1\nHost: localhost\n\n";

#[test]
fn openssl_gets_an_answer_in_both_versions_of_tls() {
    let program = start(&[]);
    for (option, version) in [("-tls1_3", "TLSv1_3"), ("-tls1_2", "TLSv1_2")] {
        let hello = format!("Hello over {version}");
        let seen = s_client(&program, &[option, "-crlf"], &[(REQUEST, &hello)]);
        assert!(seen.contains("Verify return code: 0 (ok)"), "{seen}");
        assert!(seen.contains("HTTP/1.1 200 OK"), "{seen}");
    }
}

#[test]
fn openssl_updates_its_keys_and_asks_for_new_ones_and_goes_on() {
    let program = start(&[]);
    // `k` is an update of its own keys, `K` asks for the other side's as well.
    let script = [
        (REQUEST, "Hello over TLSv1_3"),
        ("k\n", "KEYUPDATE"),
        (REQUEST, "Hello over TLSv1_3"),
        ("K\n", "KEYUPDATE"),
        (REQUEST, "Hello over TLSv1_3"),
        (REQUEST, "Hello over TLSv1_3"),
    ];
    let seen = s_client(&program, &["-tls1_3", "-crlf", "-msg"], &script);
    assert_eq!(seen.matches("HTTP/1.1 200 OK").count(), 4, "{seen}");
    let updates = |mark| seen.lines().filter(|line| line.contains(mark) && line.contains("KeyUpdate")).count();
    assert_eq!((updates(">>>"), updates("<<<")), (2, 1), "{seen}");
}

#[test]
fn curl_gets_both_versions_of_http_over_both_versions_of_tls() {
    let program = start(&["--threads", "2"]);
    let url = format!("https://localhost:{}/", program.address.port());
    let ca = ["--cacert", text(&LOCALHOST.0), "--ipv4", "-i"];
    for (tls, version) in [(&["--tlsv1.3"][..], "TLSv1_3"), (&["--tls-max", "1.2"], "TLSv1_2")] {
        for (http, start) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200")] {
            let answer = curl(&[&ca, tls, &[http, &url]].concat());
            assert!(answer.starts_with(start), "{answer}");
            assert!(answer.ends_with(&format!("Hello over {version}\n")), "{answer}");
        }
    }
    // A connection of HTTP/2 is used again.
    let connects = curl(&[&ca[..3], &["-w", "<%{num_connects}>", &url, &url]].concat());
    assert_eq!(connects, "Hello over TLSv1_3\n<1>Hello over TLSv1_3\n<0>");
    // And one that does not trust the certificate hears of it, and nobody else.
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "60", "--ipv4", "--cacert", text(&STRANGER.0), &url]);
    assert_eq!(tool::output(&mut command, "curl").status.code(), Some(60));
    program.wait_for("UnknownCA");
    assert!(curl(&[&ca, &[url.as_str()][..]].concat()).contains("200"));
}

#[test]
fn a_peer_that_vanishes_in_the_middle_of_its_handshake_is_closed_in_time_and_disturbs_nobody() {
    let program = start(&["--handshake", "2s"]);
    let since = Instant::now();
    let mut silent = program.connect();
    silent.write_all(b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03").unwrap();
    let mut gone = program.connect();
    gone.write_all(b"\x16\x03\x01\x01\x00\x01").unwrap();
    drop(gone);
    let hello = s_client(&program, &["-crlf"], &[(REQUEST, "Hello over TLSv1_3")]);
    assert!(hello.contains("200 OK"));
    let mut rest = Vec::new();
    // Why ignored: closing with unread bytes is a reset.
    let _ = silent.read_to_end(&mut rest);
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    program.wait_for("the deadline has elapsed");
    program.terminate();
    let (status, last) = program.end();
    assert!(status.success());
    assert_eq!(last, "served 3 connections, of which 2 failed");
}

/// `openssl s_server`, which is killed when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn s_server(options: &[&str]) -> (Server, u16) {
    let (certificate, key) = &*LOCALHOST;
    // A port that was free a moment ago: openssl does not tell which one it takes by itself.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www"]);
    command.args(["-cert", text(certificate), "-key", text(key)]).args(options);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child =
        child.unwrap_or_else(|error| panic!("openssl cannot be run, install the package `openssl`: {error}"));
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ACCEPT") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "openssl s_server has ended");
    }
    // Kept reading, so that it never has to wait.
    thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
    (Server(child), port)
}

fn tls_get(ca: &str, host: &str, port: u16) -> std::process::Output {
    let mut command = Command::new(example("tls_get"));
    command.args(["--ca", ca, host, &port.to_string(), "/"]).output().unwrap()
}

#[test]
fn the_client_gets_a_page_of_openssls_server_in_both_versions() {
    for (option, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let (_server, port) = s_server(&[option]);
        let output = tls_get(text(&LOCALHOST.0), "localhost", port);
        let page = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(page.starts_with("HTTP/1.0 200 ok") && page.contains(version), "{page}");
    }
}

#[test]
fn the_client_refuses_a_stranger_and_a_wrong_name() {
    let (_server, port) = s_server(&[]);
    for (ca, host) in [(&STRANGER.0, "localhost"), (&LOCALHOST.0, "127.0.0.1")] {
        let output = tls_get(text(ca), host, port);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("invalid peer certificate"), "{host}: {said}");
    }
}

#[test]
fn the_example_says_which_file_is_wrong() {
    let (certificate, key) = &*LOCALHOST;
    for (cert, key, said) in [
        ("/nonexistent.pem", text(key), "/nonexistent.pem"),
        (text(key), text(key), "no certificate"),
        (text(certificate), text(certificate), text(certificate)),
    ] {
        let output = Command::new(example("tls")).args(["--port", "0", "--cert", cert, "--key", key]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{stderr}");
    }
}
