//! What one connection can carry, sent by a bare socket.

use super::peer::Peer;
use super::program::Program;

const GET: &str = "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn two_requests_in_one_write_are_answered_in_one() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send(format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{GET}"));
    let bytes = String::from_utf8(peer.read_once()).expect("text");
    assert_eq!(bytes.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{bytes}");
    assert!(bytes.contains("events\nHTTP/1.1") && bytes.ends_with("Hello, World!"), "{bytes}");
}

#[test]
fn nothing_stands_between_the_answer_to_head_and_the_next() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send(format!("HEAD /plaintext HTTP/1.1\r\nHost: x\r\n\r\n{GET}HEAD / HTTP/1.1\r\n\r\n"));
    peer.finish();
    let answers = String::from_utf8(peer.read_to_end()).expect("text");
    let parts: Vec<&str> = answers.split("\r\n\r\n").collect();
    let [head, get, refusal, rest] = *parts else { panic!("{parts:?}") };
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n"), "{answers}");
    assert!(get.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");
    // Without its body: a refusal of `HEAD` has none either.
    assert!(refusal.starts_with("Hello, World!HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n"), "{answers}");
    assert_eq!(rest, "", "{answers}");
}

#[test]
fn answers_keep_the_order_of_the_requests() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    let slow = |ms: u32| format!("GET /slow?ms={ms} HTTP/1.1\r\nHost: x\r\n\r\n");
    let echo = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\necho";
    peer.send([&slow(300), GET, &slow(1), echo].concat());
    let bodies: Vec<Vec<u8>> = (0..4).map(|_| peer.answer().body).collect();
    assert_eq!(bodies, [b"at last\n".as_slice(), b"Hello, World!", b"at last\n", b"echo"]);
}

#[test]
fn a_hundred_requests_in_one_write_are_all_answered() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send(GET.repeat(100));
    for _ in 0..100 {
        assert_eq!(peer.answer().body, b"Hello, World!");
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    let request =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n";
    for byte in request.bytes().chain(GET.bytes()) {
        peer.send([byte]);
    }
    assert_eq!(peer.answer().body, b"abc");
    assert_eq!(peer.answer().body, b"Hello, World!");
}

#[test]
fn a_peer_that_sends_no_more_is_still_answered() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send(format!("GET /slow?ms=100 HTTP/1.1\r\nHost: x\r\n\r\n{GET}"));
    peer.finish();
    assert_eq!(peer.answer().body, b"at last\n");
    assert_eq!(peer.answer().body, b"Hello, World!");
    peer.expect_end();
}

#[test]
fn the_connection_lives_on_after_a_time_out_and_after_errors_of_the_application() {
    let program = Program::start(&["--timeout", "50ms"]);
    let mut peer = Peer::connect(&program);
    for (target, status) in [("/slow?ms=60000", 504), ("/nothing", 404), ("/slow?ms=x", 400), ("/echo", 405)] {
        peer.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let answer = peer.answer();
        assert_eq!((answer.status(), answer.field("Connection")), (status, None), "{target}");
    }
    peer.send(GET);
    assert_eq!(peer.answer().body, b"Hello, World!");
}

#[test]
fn close_is_honoured_and_what_follows_it_is_not_read() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send(format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n{GET}"));
    assert_eq!(peer.answer().field("Connection"), Some("close"));
    peer.expect_end();
}

#[test]
fn http_1_0_is_kept_alive_if_it_asks() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    for _ in 0..2 {
        peer.send("GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = peer.answer();
        assert_eq!((answer.status(), answer.field("Connection")), (200, Some("keep-alive")));
    }
    peer.send("GET /plaintext HTTP/1.0\r\n\r\n");
    assert_eq!(peer.answer().field("Connection"), Some("close"));
    peer.expect_end();
}

#[test]
fn a_body_is_asked_for_once_and_only_if_none_of_it_has_come() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
    peer.send(head);
    assert_eq!(peer.answer().head, "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("he");
    peer.send("llo");
    assert_eq!(peer.answer().body, b"hello");

    peer.send(format!("{head}hello"));
    let answer = peer.answer();
    assert_eq!((answer.status(), &*answer.body), (200, b"hello".as_slice()));

    peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(peer.answer().status(), 200);
}

#[test]
fn every_shape_of_chunks_is_joined() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    for (chunks, body) in [
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "ab"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("a\r\n0123456789\r\n0;last\r\n\r\n", "0123456789"),
        ("3;name=\"value\"\r\n\r\n\n\r\n0\r\n\r\n", "\r\n\n"),
        ("00000000000000000001\r\nx\r\n0\r\nTrailer: yes\r\nMore: yes\r\n\r\n", "x"),
    ] {
        peer.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}"));
        assert_eq!(peer.answer().body.escape_ascii().to_string(), body.escape_default().to_string(), "{chunks:?}");
    }
}

#[test]
fn the_rest_of_a_request_that_does_not_come_is_answered_with_408() {
    let program = Program::start(&["--receive", "100ms"]);
    for begun in ["G", "GET / HTTP/1.1\r\nHost: x\r\n", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"]
    {
        let mut peer = Peer::connect(&program);
        peer.send(begun);
        let answer = peer.answer();
        assert_eq!((answer.status(), answer.field("Connection")), (408, Some("close")), "{begun:?}");
        peer.expect_end();
    }
}

#[test]
fn a_refusal_reaches_a_peer_that_sends_on() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n");
    peer.send(vec![b'x'; 8_000_000]);
    assert_eq!(peer.answer().status(), 413);
    peer.finish();
    peer.expect_end();
}
