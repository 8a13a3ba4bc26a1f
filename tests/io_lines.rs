//! `lines` and `read_to_end`: what has a bound, and what survives a future that is dropped.
mod util {
    pub(crate) mod checked;
    #[allow(dead_code)]
    pub(crate) mod connection;
    pub(crate) mod random;
    pub(crate) mod trickle;
}

use std::io::{BufReader, ErrorKind};
use std::task::{Context, Waker};

use mainspring::Stats;
use mainspring::io::{self, Lines};

use util::checked::checked;
use util::connection::{connection, pattern};
use util::random::Random;
use util::trickle::Trickle;

/// Polls `future` until it waits, drops it, and expects its wait to be gone.
fn abandon(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(Stats::current().unwrap().waits, 1);
    drop(future);
    assert_eq!(Stats::current().unwrap().waits, 0);
}

#[test]
fn lines_that_come_byte_by_byte_are_whole() {
    checked(async {
        let mut lines = io::lines(BufReader::new(Trickle::of("é\n\r\n\n𝄞 last\r\nend".as_bytes()).await), 9);
        for expected in ["é", "", "", "𝄞 last", "end"] {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn a_line_of_which_half_was_read_by_a_dropped_future_is_whole() {
    checked(async {
        let (client, server) = connection().await;
        let mut lines = io::lines(BufReader::new(&server), 64);
        for part in ["grü", "ße", ", wel"] {
            client.write_all(part.as_bytes()).await.unwrap();
            server.peek(&mut [0]).await.unwrap();
            abandon(lines.next_line());
        }
        client.write_all(b"t\nnext").await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "grüße, welt");
    });
}

#[test]
fn a_line_that_is_too_long_is_reported_once_and_passed_over() {
    checked(async {
        for capacity in [1, 3, 64] {
            let text = b"12345678\r\n123456789\nafter\n123456789abcdefgh\n\xff\nlast";
            let mut lines = io::lines(BufReader::with_capacity(capacity, &text[..]), 8);
            let mut next = async || lines.next_line().await.map_err(|error| error.kind());
            assert_eq!(next().await, Ok(Some("12345678".into())));
            assert_eq!(next().await, Err(ErrorKind::InvalidData));
            assert_eq!(next().await, Ok(Some("after".into())));
            assert_eq!(next().await, Err(ErrorKind::InvalidData));
            assert_eq!(next().await, Err(ErrorKind::InvalidData), "no UTF-8");
            assert_eq!(next().await, Ok(Some("last".into())));
            assert_eq!(next().await, Ok(None));
        }
    });
}

/// The lines of `text`, with a limit, by the naive way.
fn oracle(text: &[u8], limit: usize) -> Vec<Option<String>> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let whole = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (line.len() <= limit).then(|| String::from_utf8(line.to_vec()).unwrap())
    };
    lines.into_iter().map(whole).collect()
}

#[test]
fn random_texts_give_the_same_lines_as_the_naive_way() {
    let seed = 0x11_7e5;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    checked(async {
        for _ in 0..2000 {
            let text: Vec<u8> = (0..random.below(40)).map(|_| b"abc\r\r\n\n"[random.below(7)]).collect();
            let (limit, capacity) = (random.below(6), 1 + random.below(8));
            let mut lines: Lines<_> = io::lines(BufReader::with_capacity(capacity, &text[..]), limit);
            let mut seen = Vec::new();
            loop {
                match lines.next_line().await {
                    Ok(None) => break,
                    Ok(line) => seen.push(line),
                    Err(_) => seen.push(None),
                }
            }
            assert_eq!(seen, oracle(&text, limit), "{:?}, limit {limit}, {capacity}", String::from_utf8_lossy(&text));
        }
    });
}

#[test]
fn read_to_end_takes_as_much_as_its_limit_and_no_more() {
    checked(async {
        let sent = pattern(50_000);
        for (limit, is_enough) in [(usize::MAX, true), (50_000, true), (49_999, false), (1, false), (0, false)] {
            let mut bytes = b"before ".to_vec();
            let read = io::read_to_end(&mut &sent[..], &mut bytes, limit).await;
            assert_eq!(bytes.len(), 7 + limit.min(50_000), "what was read stands there in any case");
            assert!(bytes[7..] == sent[..limit.min(50_000)]);
            match read {
                Ok(count) => assert!(is_enough && count == 50_000),
                Err(error) => assert!(!is_enough && error.kind() == ErrorKind::InvalidData, "{error}"),
            }
        }
        assert_eq!(io::read_to_end(&mut &b""[..], &mut Vec::new(), 0).await.unwrap(), 0);
    });
}

#[test]
fn what_a_dropped_read_to_end_has_read_stands_in_the_vector() {
    checked(async {
        let (client, server) = connection().await;
        let mut bytes = Vec::new();
        for part in ["one ", "two ", "three"] {
            client.write_all(part.as_bytes()).await.unwrap();
            server.peek(&mut [0]).await.unwrap();
            abandon(io::read_to_end(&mut &server, &mut bytes, 64));
            assert_eq!(Stats::current().unwrap().buffers, 0);
        }
        drop(client);
        assert_eq!(io::read_to_end(&mut &server, &mut bytes, 64).await.unwrap(), 0);
        assert_eq!(bytes, b"one two three");
    });
}
