//! Bad input: each has its status, and the connection closes behind it.

use super::peer::Peer;
use super::program::Program;

/// Sends each input on a connection of its own.
fn expect(table: &[(&str, u16)]) {
    let program = Program::start(&[]);
    for (input, status) in table {
        let mut peer = Peer::connect(&program);
        peer.send_in_vain(input);
        let answer = peer.answer();
        let shown: String = input.escape_debug().take(200).collect();
        assert_eq!(answer.status(), *status, "{shown}");
        assert_eq!(answer.field("Connection"), Some("close"), "{shown}");
        peer.finish();
        peer.expect_end();
    }
    let mut peer = Peer::connect(&program);
    peer.send("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(peer.answer().status(), 200, "the service lives on");
}

#[test]
fn request_lines() {
    expect(&[
        ("\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / \r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /ä HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/1.1\r\rHost: x\r\n\r\n", 400),
        ("GET / HTTP/1\r\n\r\n", 400),
        ("GET / HTTX/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/11.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ]);
}

#[test]
fn header_fields() {
    expect(&[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x:8a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n", 417),
    ]);
}

#[test]
fn lengths_and_codings() {
    let post = |fields: &str| format!("POST /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\nhello");
    let inputs: Vec<(String, u16)> = [
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: 5.0", 400),
        ("Content-Length:", 400),
        ("Content-Length: five", 400),
        ("Content-Length : 5", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding:\x0bchunked", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: chunked, chunked", 501),
        ("Transfer-Encoding: identity", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: \"chunked\"", 501),
        ("Transfer-Encoding:", 501),
        ("A: b", 411),
        ("Content-Length: 1048577", 413),
        ("Content-Length: 18446744073709551616", 413),
        ("Content-Length: 99999999999999999999999999", 413),
        ("Expect: 100-continue\r\nContent-Length: 1048577", 413),
    ]
    .map(|(fields, status)| (post(fields), status))
    .into();
    let mut table: Vec<(&str, u16)> = inputs.iter().map(|(input, status)| (&**input, *status)).collect();
    table.push(("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400));
    expect(&table);
}

#[test]
fn chunks() {
    let inputs: Vec<(String, u16)> = [
        ("\r\n", 400),
        ("x\r\n", 400),
        ("-1\r\n", 400),
        ("+1\r\na\r\n0\r\n\r\n", 400),
        ("0x1\r\na\r\n0\r\n\r\n", 400),
        (" 1\r\na\r\n0\r\n\r\n", 400),
        ("1 \r\na\r\n0\r\n\r\n", 400),
        ("1 ;a\r\na\r\n0\r\n\r\n", 400),
        (";a\r\n", 400),
        ("1\na\n0\n\n", 400),
        ("1\ra\r\n0\r\n\r\n", 400),
        ("1;a\rb\r\na\r\n0\r\n\r\n", 400),
        ("1\r\nab\r\n0\r\n\r\n", 400),
        ("1\r\na\n0\r\n\r\n", 400),
        ("1\r\na\r0\r\n\r\n", 400),
        ("10000000000000000\r\n", 400),
        ("fffffffffffffffff\r\n", 400),
        ("ffffffffffffffff\r\n", 413),
        ("100001\r\n", 413),
        ("0\r\nbad trailer\r\n\r\n", 400),
        ("0\r\nA: b\nC: d\r\n\r\n", 400),
        ("0\r\n A: b\r\n\r\n", 400),
    ]
    .map(|(chunks, status)| (chunked(chunks), status))
    .into();
    let table: Vec<(&str, u16)> = inputs.iter().map(|(input, status)| (&**input, *status)).collect();
    expect(&table);
}

#[test]
fn what_is_too_large() {
    let many = "A: b\r\n".repeat(100);
    let long = "x".repeat(20_000);
    let tiny_chunks = "1\r\na\r\n".repeat(400_000);
    let large_chunks = format!("10000\r\n{}\r\n", "x".repeat(65_536)).repeat(17);
    expect(&[
        (&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..9_000]), 414),
        (&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (&format!("GET /{long}"), 414),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), 431),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}"), 431),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (&chunked(&format!("1;{}\r\n", &long[..300])), 400),
        (&chunked(&format!("0\r\nA: {long}\r\n\r\n")), 431),
        (&chunked(&format!("0\r\n{many}A: b\r\n\r\n")), 431),
        (&chunked(&tiny_chunks), 413),
        (&chunked(&large_chunks), 413),
    ]);
}

#[test]
fn a_request_that_ends_in_the_middle() {
    let program = Program::start(&[]);
    for begun in ["GET / HT", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"] {
        let mut peer = Peer::connect(&program);
        peer.send(begun);
        peer.finish();
        assert_eq!(peer.answer().status(), 400, "{begun:?}");
        peer.expect_end();
    }
}

#[test]
fn requests_before_the_bad_one_are_answered() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    let good = "GET /slow?ms=50 HTTP/1.1\r\nHost: x\r\n\r\n";
    peer.send(format!("{good}nonsense\r\n\r\n{good}"));
    assert_eq!((peer.answer().status(), peer.answer().status()), (200, 400));
    peer.finish();
    peer.expect_end();
}

fn chunked(chunks: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}
