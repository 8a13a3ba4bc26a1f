//! The get example against a server that says what the test wants.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod program;
}

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use util::program::example;

/// Gets `path` from a server that answers with `answer`, and returns what came of it and the request as it arrived.
fn get(path: &str, arguments: &[&str], answer: impl FnOnce(TcpStream) + Send + 'static) -> (Output, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut head = String::new();
        let mut reader = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return head;
            }
        }
        answer(reader.into_inner());
        head
    });
    let output = example("get").arg(format!("http://{address}{path}")).args(arguments).output().unwrap();
    // In place of a program that has ended before it connected, so that nobody waits for it.
    drop(TcpStream::connect(address));
    let head = server.join().unwrap();
    assert!(head.ends_with("\r\n\r\n"), "it asked {head:?}, ended with {}: {}", output.status, text(&output.stderr));
    (output, head)
}

/// An answer that is written in parts of `size` bytes.
fn parts(answer: &'static str, size: usize) -> impl FnOnce(TcpStream) {
    // Why ignored: a client that has read enough goes away.
    move |mut stream| {
        for part in answer.as_bytes().chunks(size) {
            if stream.write_all(part).is_err() {
                return;
            }
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
#[should_panic = "it asked \"\", ended with exit status: 2: error: unexpected argument '--nonsense'"]
fn a_program_that_ends_early_fails_its_test_with_what_it_said() {
    get("/", &["--nonsense"], parts("", 1));
}

#[test]
fn a_body_arrives_by_length_by_chunks_and_until_the_end_whatever_the_parts() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world and more that is not read",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello world",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\nhello world",
    ];
    for answer in answers {
        for size in [1, 7, 1000] {
            let (output, request) = get("/a?b=c#d", &[], parts(answer, size));
            assert_eq!(text(&output.stdout), "hello world", "{answer:?} in parts of {size}");
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert!(text(&output.stderr).starts_with("HTTP/1."), "the head is on stderr");
            assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"), "{request:?}");
        }
    }
    let (output, request) = get("", &[], parts("HTTP/1.1 204 No Content\r\n\r\n", 1000));
    assert_eq!((text(&output.stdout), output.status.success()), ("", true));
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request:?}");
}

#[test]
fn an_answer_that_is_a_failure_is_one_for_the_shell_as_well() {
    let failures = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nwhere", "where", "status 404"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "", "ended inside the body, after 5 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "", "ended inside a chunk"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!", "", "longer than its size, 5"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "", "longer than 67108864 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", "\"gzip\" is not known"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "", "two lengths, \"1\" and \"2\""),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", "", "\"+1\" is not the length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 68000000\r\n\r\n", "", "longer than 67108864 bytes"),
        ("SSH-2.0-OpenSSH\r\n", "", "not HTTP/1.1"),
        ("", "", "ended inside the head, after 0 bytes"),
    ];
    for (answer, body, message) in failures {
        let (output, _) = get("/", &[], parts(answer, 1000));
        assert_eq!(text(&output.stdout), body);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(message), "{answer:?} gave {:?}", text(&output.stderr));
    }
}

#[test]
fn a_server_that_does_not_finish_meets_the_timeout() {
    let start = Instant::now();
    let (output, _) = get("/", &["--timeout", "200ms"], |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").unwrap();
        // Until the client has gone.
        let _ = BufReader::new(stream).read_line(&mut String::new());
    });
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no whole answer within 200ms"), "{}", text(&output.stderr));
}

#[test]
fn nobody_there_and_nonsense_are_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!("http://{free}/");
    let cases: [(&[&str], i32, &str); 9] = [
        (&[&refused], 1, "Connection refused"),
        (&[&refused, "--timeout", "2m"], 1, "Connection refused"),
        (&["https://example.org/"], 2, "does not begin with http://"),
        (&["http://example.org:99999/"], 2, "\"99999\" is not a port"),
        (&["http://:80/"], 2, "\"\" is not a host"),
        (&["http://user@example.org/"], 2, "\"user@example.org\" is not a host"),
        (&["http://::1/"], 2, "is not a host"),
        (&["http://example.org/a b"], 2, "' ' has to be escaped"),
        (&["http://example.org/", "--timeout", "-1s"], 2, "-1"),
    ];
    for (arguments, code, message) in cases {
        let output = example("get").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(message), "{arguments:?} gave {:?}", text(&output.stderr));
        assert_eq!(output.stdout, b"");
    }
}
