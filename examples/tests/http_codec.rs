//! The HTTP codec without sockets: however the bytes are cut, and whatever they are.
#![forbid(unsafe_code)]

use examples::http::{Http, Incoming, Method, Request, Response, Status, limits};
use mainspring::codec::{Buffer, Decoder, Encoder};

/// Streams of requests that between them reach every part of the decoder.
const STREAMS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a?b=c HTTP/1.1\r\nhost:y\r\n\r\n",
    "\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n",
    "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nContent-Type: a/b\r\naccept: a/b, Text/HTML;q=0.9\r\n\r\nabcGET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nGET /a\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/3.0\r\n\r\n",
];

/// Everything that the codec finds in `parts`, which arrive one after the other, and then the end.
fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Incoming> {
    let (mut codec, mut buffer, mut items) = (Http::new(), Buffer::new(), Vec::new());
    for part in parts {
        buffer.extend(part);
        while let Some(item) = codec.decode(&mut buffer).expect("bad input is an item") {
            items.push(item);
        }
        assert!(buffer.len() <= limits::REQUEST, "{} bytes are held", buffer.len());
    }
    while let Some(item) = codec.decode_eof(&mut buffer).expect("bad input is an item") {
        items.push(item);
    }
    assert!(buffer.is_empty(), "the decoder stopped before {buffer:?}");
    let refused = items.iter().position(|item| matches!(item, Incoming::Refused(_)));
    assert!(refused.is_none_or(|place| place + 1 == items.len()), "an item behind a refusal: {items:?}");
    items
}

/// Without those that depend on when the body comes.
fn without_interim(mut items: Vec<Incoming>) -> Vec<Incoming> {
    items.retain(|item| *item != Incoming::Continue);
    items
}

/// A generator of numbers that is good enough to break parsers (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn a_request_is_what_it_says() {
    let items = decode([STREAMS[3].as_bytes()]);
    let put = Request {
        method: Method::Put,
        target: "/a".into(),
        content_type: Some("a/b".into()),
        accepts_html: true,
        body: b"abc".to_vec(),
    };
    let get =
        Request { method: Method::Get, target: "/".into(), content_type: None, accepts_html: false, body: Vec::new() };
    assert_eq!(items, [Incoming::Request(put), Incoming::Request(get)]);
}

#[test]
fn nothing_is_read_behind_the_last_request() {
    assert_eq!(decode([STREAMS[1].as_bytes()]).len(), 2);
    assert_eq!(decode([STREAMS[4].as_bytes()])[1], Incoming::Refused(Status::BadRequest));
}

#[test]
fn any_cut_gives_the_same_items() {
    for stream in STREAMS {
        let bytes = stream.as_bytes();
        let whole = decode([bytes]);
        for cut in 0..=bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(without_interim(decode([left, right])), whole, "{stream:?} cut at {cut}");
        }
        assert_eq!(without_interim(decode(bytes.chunks(1))), whole, "{stream:?} byte by byte");
    }
}

#[test]
fn broken_bytes_give_the_same_items_however_they_are_cut() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed);
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    for _ in 0..20_000 {
        let mut bytes = STREAMS[random.below(STREAMS.len())].as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let place = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[place] = random.below(256) as u8,
                1 => bytes.insert(place, b" \t\r\n:;,0f"[random.below(9)]),
                2 => drop(bytes.remove(place)),
                _ => {
                    let end = place + random.below(bytes.len() - place);
                    bytes.extend_from_within(place..end);
                }
            }
        }
        let whole = without_interim(decode([&*bytes]));
        let cuts = bytes.chunks(1 + random.below(7));
        assert_eq!(without_interim(decode(cuts)), whole, "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_was_looked_at_in_vain_is_not_looked_at_again() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for begun in ["GET / HTTP/1.1\r\nHost", &format!("{head}1;a"), &format!("{head}1\r\na\r\n0\r\nA: b\r\nC")] {
        let (mut codec, mut buffer) = (Http::new(), Buffer::new());
        buffer.extend(begun.as_bytes());
        assert_eq!(codec.decode(&mut buffer).expect("no error"), None, "{begun:?}");
        assert_eq!(buffer.scanned(), begun.len(), "{begun:?}");
    }
}

#[test]
fn limits_are_the_same_however_the_bytes_are_cut() {
    let head = |size: usize| {
        let start = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
        format!("{start}{}\r\n\r\n", "x".repeat(size - start.len() - 4))
    };
    let target = |size: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(size - 1));
    let body =
        |size: usize| format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size));
    let chunk = |size: usize| {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size))
    };
    // All that is allowed at once: the longest head, as much framing as body, the longest trailer.
    let framed = |size: usize| {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nA: ";
        let head = format!("{head}{}\r\n\r\n", "x".repeat(limits::HEAD - head.len() - 4));
        let trailer = format!("A: {}\r\n\r\n", "x".repeat(limits::HEAD - 7));
        format!("{head}{}0\r\n{trailer}", small_chunks(size - 3))
    };
    for (within, beyond, status) in [
        (head(limits::HEAD), head(limits::HEAD + 1), Status::HeaderFieldsTooLarge),
        (target(limits::TARGET), target(limits::TARGET + 1), Status::UriTooLong),
        (body(limits::BODY), body(limits::BODY + 1), Status::ContentTooLarge),
        (chunk(limits::BODY), chunk(limits::BODY + 1), Status::ContentTooLarge),
        (framed(limits::CHUNKED_BODY), framed(limits::CHUNKED_BODY + 1), Status::ContentTooLarge),
    ] {
        for size in [1_000, 60_000, usize::MAX] {
            assert!(matches!(*decode(within.as_bytes().chunks(size)), [Incoming::Request(_)]), "{status:?}");
            assert_eq!(decode(beyond.as_bytes().chunks(size)), [Incoming::Refused(status)]);
        }
    }
}

/// Chunks of a byte each, with extensions, which take so many bytes together.
fn small_chunks(size: usize) -> String {
    let chunk = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 7));
    let (count, rest) = (size / 250 - 1, size % 250 + 250);
    chunk(250).repeat(count) + &chunk(rest / 2) + &chunk(rest - rest / 2)
}

#[test]
fn a_chunk_that_would_make_it_too_much_is_refused_before_it_arrives() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (size, framing) = (limits::BODY / 2, small_chunks(limits::CHUNKED_BODY - limits::BODY / 4));
    let bytes = format!("{head}{framing}{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size));
    assert_eq!(decode(bytes.as_bytes().chunks(60_000)), [Incoming::Refused(Status::ContentTooLarge)]);
}

#[test]
fn a_content_type_cannot_smuggle_a_field() {
    let (mut codec, mut buffer, mut output) = (Http::new(), Buffer::new(), Vec::new());
    buffer.extend(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(codec.decode(&mut buffer).is_ok_and(|item| item.is_some()));
    let response = Response::ok("a/b\r\nSet-Cookie: c=d".to_string(), b"".as_slice());
    codec.encode(response, &mut output).expect("a response is due");
    assert!(!output.windows(10).any(|bytes| bytes == b"Set-Cookie"), "{}", output.escape_ascii());
    assert!(codec.encode(Response::text("another"), &mut output).is_err(), "nobody asked for it");
}

#[test]
fn the_last_response_says_close_whatever_its_request_asked_for_and_no_interim_one_does() {
    let (mut codec, mut buffer, mut output) = (Http::new(), Buffer::new(), Vec::new());
    buffer.extend(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    while codec.decode(&mut buffer).is_ok_and(|item| item.is_some()) {}
    let mut encode = |codec: &mut Http, response| {
        output.clear();
        codec.encode(response, &mut output).expect("a response is due");
        (output.windows(19).any(|bytes| bytes == b"Connection: close\r\n"), codec.is_last())
    };
    assert_eq!(encode(&mut codec, Response::text("first")), (false, false));
    codec.before_last();
    assert_eq!(encode(&mut codec, Response::of(Status::Continue)), (false, false));
    assert_eq!(encode(&mut codec, Response::text("last")), (true, true));
}
