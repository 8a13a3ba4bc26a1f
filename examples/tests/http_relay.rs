//! The codecs of the proxy without sockets: however the bytes are cut, and whatever they are.
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use examples::http::relay::{Answer, Arrived, Back, Forwarded, Front, Passed};
use examples::http::{Response, Status, limits};
use mainspring::codec::{Buffer, Decoder, Encoder};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// What clients send: each of the requests that servers are asked in the test of answers, and what has no meaning.
const REQUESTS: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: x\r\nX-Two: 2\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\nConnection: X-One\r\nX-One: 1\r\n\r\n",
    "\r\nPOST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "PUT /d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
];

/// What servers answer to a `GET`, a `HEAD` and a `GET`.
const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Two: 2\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
    "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nshort",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 17000000\r\n\r\n",
];

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) % bound as u64) as usize
    }

    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = 1 + [0, 2, 30][self.below(3)];
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at((1 + self.below(longest)).min(bytes.len()));
            parts.push(part);
            bytes = rest;
        }
        parts
    }

    /// Changes up to three bytes, half of the time.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(2) * (1 + self.below(3)) {
            let place = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[place] = b"\r\n: 01,9aH"[self.below(10)],
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, b"\r\n: 01,9aH"[self.below(10)]),
            }
        }
    }
}

/// What a decoder finds in `parts`, which arrive one after the other, and what it says of the end.
fn decode<D: Decoder<Error = io::Error>>(mut codec: D, parts: &[&[u8]]) -> (Vec<D::Item>, Option<String>) {
    let (mut buffer, mut items) = (Buffer::new(), Vec::new());
    for part in parts {
        buffer.extend(part);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error.to_string())),
            }
        }
    }
    loop {
        match codec.decode_eof(&mut buffer) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error.to_string())),
        }
    }
}

/// The one request in `bytes`.
fn request(bytes: &str) -> Rc<Forwarded> {
    match decode(Front::new(CLIENT), &[bytes.as_bytes()]).0.pop() {
        Some(Arrived::Request(request)) => Rc::new(request),
        other => panic!("{other:?}"),
    }
}

/// The codec of a connection on which a `GET`, a `HEAD` and a `GET` were sent.
fn asked() -> Back {
    let (mut back, mut output) = (Back::new(), Vec::new());
    for method in ["GET", "HEAD", "GET"] {
        let request = request(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"));
        back.encode(request, &mut output).expect("it has an encoding");
    }
    back
}

#[test]
fn requests_and_answers_are_the_same_however_they_are_cut() {
    let mut malformed = 0;
    for seed in 0..3_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut bytes = REQUESTS[random.below(REQUESTS.len())].as_bytes().to_vec();
        random.spoil(&mut bytes);
        // One that waits for leave to send its body is told so only if it does wait.
        let whole = decode(Front::new(CLIENT), &[&bytes]);
        assert_eq!(decode(Front::new(CLIENT), &random.cut(&bytes)), whole, "{}", bytes.escape_ascii());

        let mut bytes = ANSWERS[random.below(ANSWERS.len())].as_bytes().to_vec();
        random.spoil(&mut bytes);
        let whole = decode(asked(), &[&bytes]);
        malformed += usize::from(whole.1.is_some());
        assert_eq!(decode(asked(), &random.cut(&bytes)), whole, "{}", bytes.escape_ascii());
    }
    assert!(malformed > 500, "{malformed} of 3,000 had an error");
}

#[test]
fn answers_are_found_by_what_was_asked() {
    let statuses = |(items, end): (Vec<Passed>, Option<String>)| {
        (items.iter().map(|passed| (passed.status, passed.is_last)).collect::<Vec<_>>(), end)
    };
    type Expected = (&'static [(u16, bool)], Option<&'static str>);
    let expected: &[Expected] = &[
        (&[(200, false), (200, false), (204, false)], None),
        (&[(200, false), (304, false), (200, true)], None),
        (&[(404, false), (200, false), (200, true)], None),
        (&[], Some("closed inside an answer")),
        (&[], Some("changes the protocol")),
        (&[], Some("too long")),
    ];
    for (bytes, (answers, error)) in ANSWERS.iter().zip(expected) {
        let (found, end) = statuses(decode(asked(), &[bytes.as_bytes()]));
        assert_eq!(found, *answers, "{bytes:?}");
        assert!(end.as_deref().unwrap_or_default().contains(error.unwrap_or_default()), "{end:?}");
        assert_eq!(end.is_some(), error.is_some(), "{end:?}");
    }
}

#[test]
fn nothing_that_comes_before_a_request_is_part_of_the_answer_to_it() {
    // A whole one is found out by the connection, which has nobody to give it to.
    for stray in ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "H", "\r\n"] {
        let (items, error) = decode(Back::new(), &[stray.as_bytes()]);
        assert!(items.is_empty() && error.as_deref().unwrap_or_default().contains("nothing was asked"), "{error:?}");
        // Nor behind the last one.
        let behind = format!("{}{stray}", ANSWERS[0]);
        let (items, error) = decode(asked(), &[behind.as_bytes()]);
        assert!(items.len() == 3 && error.as_deref().unwrap_or_default().contains("nothing was asked"), "{error:?}");
    }
}

/// What a client gets that has sent `request`, when a server has answered it so.
fn passed_on(request: &str, answer: &str) -> String {
    let (mut front, mut buffer, mut output) = (Front::new(CLIENT), Buffer::new(), Vec::new());
    buffer.extend(request.as_bytes());
    let Ok(Some(Arrived::Request(request))) = front.decode(&mut buffer) else { panic!("{request:?} is no request") };
    let mut back = Back::new();
    back.encode(Rc::new(request), &mut Vec::new()).expect("it has an encoding");
    let (mut answers, error) = decode(back, &[answer.as_bytes()]);
    let passed = answers.pop().unwrap_or_else(|| panic!("{error:?}"));
    front.encode(Answer::Passed(passed), &mut output).expect("it has an encoding");
    String::from_utf8(output).expect("text")
}

#[test]
fn an_answer_has_the_form_that_its_client_can_read() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\nKeep-Alive: 5\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let expected =
        "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 3\r\nVia: 1.1 mainspring\r\nConnection: close\r\n\r\nabc";
    assert_eq!(passed_on(old, chunked), expected);
    let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nVia: 1.1 mainspring\r\n\r\n";
    assert_eq!(passed_on(head, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), expected);
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let expected = "HTTP/1.1 204 No Content\r\nVia: 1.1 mainspring\r\n\r\n";
    assert_eq!(passed_on(get, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"), expected);
    let expected = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nVia: 1.1 mainspring\r\n\r\n";
    assert_eq!(passed_on(get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), expected);
}

#[test]
fn the_last_answer_of_a_connection_says_close() {
    for answer in
        [Answer::Passed(decode(asked(), &[ANSWERS[0].as_bytes()]).0.remove(0)), Answer::Own(Response::text("x"))]
    {
        let (mut front, mut buffer, mut output) = (Front::new(CLIENT), Buffer::new(), Vec::new());
        buffer.extend(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        front.decode(&mut buffer).expect("it is a request");
        front.before_last();
        front.encode(answer, &mut output).expect("it has an encoding");
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains("\r\nConnection: close\r\n") && front.is_last(), "{output}");
    }
}

#[test]
fn the_proxy_says_itself_what_nobody_else_can() {
    let (mut front, mut buffer, mut output) = (Front::new(CLIENT), Buffer::new(), Vec::new());
    buffer.extend(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    front.decode(&mut buffer).expect("it is a request");
    front.encode(Answer::Own(Response::of(Status::BadGateway)), &mut output).expect("it has an encoding");
    assert!(output.starts_with(b"HTTP/1.1 502 Bad Gateway\r\n"));
    assert!(front.encode(Answer::Own(Response::text("more")), &mut output).is_err(), "nothing was asked");
    const { assert!(limits::WHOLE_ANSWER > 2 * limits::ANSWER) };
}
