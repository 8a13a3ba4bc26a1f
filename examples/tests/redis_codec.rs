//! The codecs of redis without sockets: however the bytes are cut, and whatever they are.
#![forbid(unsafe_code)]

use std::fs;

use examples::redis::{Command, Replies, Reply, Request, Requests, Value, limits};
use mainspring::codec::{Buffer, Decoder, Encoder};

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

    /// Bytes that look like the protocol more often than not.
    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(20);
        (0..length).map(|_| b"\r\n$*:+-0123456789ab\x00\xff"[self.below(21)]).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Simple("x".repeat(self.below(30))),
            1 => Value::Error(format!("ERR {}", self.below(1_000))),
            2 => Value::Integer(self.below(usize::MAX) as i64),
            3 | 4 => Value::Bulk(self.bytes()),
            5 => Value::Nil,
            _ => Value::Array((0..self.below(5)).map(|_| self.value(depth - 1)).collect()),
        }
    }

    /// Cuts `bytes` into parts, up to as many bytes each as it draws.
    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = 1 + [0, 2, 30, 1_000][self.below(4)];
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at((1 + self.below(longest)).min(bytes.len()));
            parts.push(part);
            bytes = rest;
        }
        parts
    }
}

/// What a decoder finds in `parts`, which arrive one after the other, and what it says of the end.
fn decode<D: Decoder<Error = std::io::Error>>(mut codec: D, parts: &[&[u8]]) -> (Vec<D::Item>, Option<String>) {
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
    let end = codec.decode_eof(&mut buffer);
    (items, end.err().map(|error| error.to_string()))
}

fn encode(values: &[Value]) -> Vec<u8> {
    let (mut codec, mut bytes) = (Requests::new(), Vec::new());
    values.iter().for_each(|value| codec.encode(Reply::Value(value.clone()), &mut bytes).expect("it has an encoding"));
    bytes
}

#[test]
fn values_that_were_encoded_are_decoded_however_they_are_cut() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let values: Vec<_> = (0..20).map(|_| random.value(3)).collect();
        let bytes = encode(&values);
        assert_eq!(decode(Replies::new(), &[&bytes]), (values.clone(), None));
        assert_eq!(decode(Replies::new(), &random.cut(&bytes)), (values.clone(), None));
        // A part of the last one is not it, and is not nothing.
        let (found, end) = decode(Replies::new(), &random.cut(&bytes[..bytes.len() - 1]));
        assert_eq!(found, values[..19]);
        assert!(end.is_some_and(|end| end.contains("ended inside a frame")));
    }
}

#[test]
fn commands_that_were_encoded_are_decoded_however_they_are_cut() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let (mut codec, mut bytes, mut expected) = (Replies::new(), Vec::new(), Vec::new());
        for _ in 0..20 {
            if random.below(4) == 0 {
                // By hand, and lines that are no command.
                bytes.extend_from_slice(b"\r\n*0\r\n*-1\r\n\n get  key \r\n");
                expected.push(Request::Command(vec![b"get".to_vec(), b"key".to_vec()]));
                continue;
            }
            let arguments: Vec<_> = (0..random.below(5)).map(|_| random.bytes()).collect();
            codec.encode(Command::new("set").args(&arguments), &mut bytes).expect("it has an encoding");
            expected.push(Request::Command([vec![b"set".to_vec()], arguments].concat()));
        }
        assert_eq!(decode(Requests::new(), &[&bytes]), (expected.clone(), None));
        assert_eq!(decode(Requests::new(), &random.cut(&bytes)), (expected, None));
    }
}

#[test]
fn bytes_that_mean_nothing_mean_the_same_however_they_are_cut() {
    let mut malformed = 0;
    for seed in 0..5_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut bytes = encode(&[random.value(2), random.value(2), random.value(2)]);
        for _ in 0..1 + random.below(3) {
            let place = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[place] = b"\r\n$*:+-019"[random.below(10)],
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, b"\r\n$*:+-019"[random.below(10)]),
            }
        }
        let replies = decode(Replies::new(), &[&bytes]);
        malformed += usize::from(replies.1.as_ref().is_some_and(|end| end.contains("not a reply")));
        assert_eq!(decode(Replies::new(), &random.cut(&bytes)), replies);
        let requests = decode(Requests::new(), &[&bytes]);
        assert_eq!(decode(Requests::new(), &random.cut(&bytes)), requests);
        let bad = requests.0.iter().position(|request| matches!(request, Request::Malformed(_)));
        assert!(bad.is_none_or(|place| place + 1 == requests.0.len()), "an item behind what is no command");
    }
    assert!(malformed > 500, "{malformed} of 5,000 were malformed");
}

#[test]
fn what_is_longer_than_the_limit_is_refused_by_its_header() {
    let deep = "*1\r\n".repeat(limits::DEPTH + 1);
    let long = format!("+{}", "x".repeat(limits::LINE + 1));
    let long_error = format!("-{}\r\n", "x".repeat(limits::LINE));
    let replies: &[(&str, &str)] = &[
        ("$8388609\r\n", "invalid bulk length"),
        ("$-2\r\n", "invalid bulk length"),
        ("$99999999999999999999\r\n", "invalid bulk length"),
        ("$+1\r\na\r\n", "invalid bulk length"),
        ("$\r\n", "invalid bulk length"),
        ("*1048577\r\n", "invalid multibulk length"),
        ("*1048576\r\n*1\r\n", "too many values"),
        ("*-2\r\n", "invalid multibulk length"),
        (":1 2\r\n", "is not a number"),
        (":99999999999999999999\r\n", "is not a number"),
        ("$1\r\nabc", "has no end"),
        ("\r\n", "an empty line"),
        ("!1\r\n", "begins no value"),
        (&deep, "arrays within arrays"),
        (&long, "too big a line"),
        (&long_error, "too big a line"),
        ("*3\r\n$8388608\r\n", "ended inside a frame"),
    ];
    for (bytes, reason) in replies {
        let (items, end) = decode(Replies::new(), &[bytes.as_bytes()]);
        assert!(items.is_empty() && end.as_ref().is_some_and(|end| end.contains(reason)), "{end:?}, not {reason}");
    }
    let requests: &[(&str, &str)] = &[
        ("*1048577\r\n", "invalid multibulk length"),
        ("*x\r\n", "invalid multibulk length"),
        ("*1\r\n$8388609\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n:1\r\n", "expected '$', got ':'"),
        ("*1\r\n\r\n", "expected '$', got '\r'"),
        ("*1\r\n$1\r\nabc", "has no end"),
        (&long, "too big a line"),
    ];
    for (bytes, reason) in requests {
        let (items, end) = decode(Requests::new(), &[bytes.as_bytes(), b"*1\r\n$4\r\nPING\r\n"]);
        let [Request::Malformed(said)] = &items[..] else { panic!("{bytes:.20} gave {items:?}") };
        assert!(said.contains(reason) && end.is_none(), "{said:?}, {end:?}, not {reason}");
    }
    // Strings that are short enough, and too long together.
    let bulk = [b"$8388608\r\n".as_slice(), &vec![0; limits::BULK], b"\r\n"].concat();
    let (items, _) = decode(Requests::new(), &[b"*3\r\n", &bulk, &bulk]);
    assert_eq!(items, [Request::Malformed("too big a frame".into())]);
}

/// What the process may write to, in KiB, as the system counts it.
fn memory_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("the system counts it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_length_that_is_declared_allocates_next_to_nothing() {
    const PEERS: usize = 1_000;
    let before = memory_kib();
    let mut kept = Vec::new();
    for _ in 0..PEERS {
        let (mut replies, mut requests) = (Replies::new(), Requests::new());
        let (mut from_server, mut from_client) = (Buffer::new(), Buffer::new());
        from_server.extend(b"*500000\r\n*500000\r\n$8388608\r\n");
        from_client.extend(b"*1048576\r\n$8388608\r\n");
        assert_eq!(replies.decode(&mut from_server).expect("it is within the limits"), None);
        assert_eq!(requests.decode(&mut from_client).expect("it is within the limits"), None);
        kept.push((replies, requests, from_server, from_client));
    }
    // The four of each together; what other tests do meanwhile is less than the rest.
    let each = memory_kib().saturating_sub(before) / kept.len();
    println!("{each} KiB for each");
    assert!(each < 64, "{each} KiB for each");
}
