//! What curl gets.

use super::program::Program;
use super::tool::{self, scratch};

fn curl(arguments: &[&str]) -> String {
    tool::run("curl", &[&["--silent", "--show-error", "--max-time", "60"], arguments].concat())
}

/// The part of a response before its body, and the body.
fn parts(response: &str) -> (&str, &str) {
    response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no empty line in {response:?}"))
}

#[test]
fn each_route_answers_with_its_status() {
    let program = Program::start(&[]);
    for (path, status, body) in [
        ("/", "200 OK", "Hello from Mainspring"),
        ("/plaintext", "200 OK", "Hello, World!"),
        ("/plaintext?a=b", "200 OK", "Hello, World!"),
        ("/slow?ms=1", "200 OK", "at last"),
        ("/slow?x=2&ms=1", "200 OK", "at last"),
        ("/slow", "400 Bad Request", ""),
        ("/slow?ms=", "400 Bad Request", ""),
        ("/slow?ms=-1", "400 Bad Request", ""),
        ("/slow?ms=soon", "400 Bad Request", ""),
        ("/slow?ms=99999999999999999999", "400 Bad Request", ""),
        ("/echo", "405 Method Not Allowed", ""),
        ("/stats", "200 OK", "\"accepted\":"),
        ("/nothing", "404 Not Found", ""),
    ] {
        let response = curl(&["-i", &program.url(path)]);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {response}");
        assert!(response.contains(body), "{path}: {response}");
        assert!(response.contains("\r\nDate: ") && response.contains(" GMT\r\n"), "{path}: {response}");
    }
}

#[test]
fn methods_that_a_path_lacks_are_answered_with_those_it_has() {
    let program = Program::start(&[]);
    for (method, path, allow) in
        [("GET", "/echo", "POST"), ("DELETE", "/", "GET, HEAD"), ("OPTIONS", "/stats", "GET, HEAD")]
    {
        let response = curl(&["-i", "-X", method, &program.url(path)]);
        assert!(response.starts_with("HTTP/1.1 405 "), "{method} {path}: {response}");
        assert!(response.contains(&format!("\r\nAllow: {allow}\r\n")), "{method} {path}: {response}");
    }
}

#[test]
fn head_tells_the_length_and_sends_no_body() {
    let program = Program::start(&[]);
    let whole = curl(&["-i", &program.url("/")]);
    let head = curl(&["--head", &program.url("/")]);
    let length = format!("\r\nContent-Length: {}\r\n", parts(&whole).1.len());
    assert!(head.contains(&length), "{head}");
    assert_eq!(parts(&head).1, "");
}

#[test]
fn a_body_comes_back_by_length_and_in_chunks() {
    let program = Program::start(&[]);
    let url = program.url("/echo");
    for extra in [&[] as &[&str], &["-H", "Transfer-Encoding: chunked"]] {
        let arguments = [&["-i", "-H", "Content-Type: text/x-own", "-d", "some words", &url], extra].concat();
        let response = curl(&arguments);
        let (head, body) = parts(&response);
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("Content-Type: text/x-own"), "{head}");
        assert_eq!(body, "some words");
    }
}

#[test]
fn a_large_body_is_asked_for_and_comes_back() {
    let program = Program::start(&[]);
    let (path, back) = (scratch("large-body"), scratch("large-body-back"));
    let body: Vec<u8> = (0..1_000_000_u32).map(|byte| (byte % 251) as u8 + 1).collect();
    std::fs::write(&path, &body).expect("the file is written");
    let sent = format!("@{}", path.display());
    for extra in [&[] as &[&str], &["-H", "Transfer-Encoding: chunked"]] {
        let back_name = back.display().to_string();
        let url = program.url("/echo");
        let fixed = ["-H", "Expect: 100-continue", "--data-binary", &sent, "-D", "-", "-o", &back_name, &url];
        let heads = curl(&[&fixed, extra].concat());
        assert!(heads.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{heads}");
        assert!(std::fs::read(&back).expect("curl has written it") == body, "the body has changed");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let program = Program::start(&[]);
    let path = scratch("body-beyond-the-limit");
    std::fs::write(&path, vec![b'x'; 2_000_000]).expect("the file is written");
    let (sent, url) = (format!("@{}", path.display()), program.url("/echo"));
    let response = curl(&["-i", "-H", "Expect: 100-continue", "--data-binary", &sent, &url]);
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

#[test]
fn http_1_0_closes_unless_it_asks_otherwise() {
    let program = Program::start(&[]);
    let response = curl(&["-i", "--http1.0", &program.url("/plaintext")]);
    assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
    let response = curl(&["-i", "--http1.0", "-H", "Connection: keep-alive", &program.url("/plaintext")]);
    assert!(response.contains("\r\nConnection: keep-alive\r\n"), "{response}");
}

#[test]
fn a_connection_is_used_again() {
    let program = Program::start(&[]);
    let url = program.url("/plaintext");
    let connects = curl(&["-w", "<%{num_connects}>", &url, &url, &url]);
    assert_eq!(connects, "Hello, World!<1>Hello, World!<0>Hello, World!<0>");
}

#[test]
fn plaintext_answers_every_path_alike() {
    let program = Program::start(&["--plaintext"]);
    for path in ["/", "/echo", "/nothing"] {
        let response = curl(&["-i", &program.url(path)]);
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nHello, World!"),
            "{response}"
        );
    }
}
