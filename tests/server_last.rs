//! Who is told that an answer is the last one of its connection: the codec, before it encodes that one and no other.
#![cfg(feature = "service")]

mod util;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use mainspring::codec::{Buffer, Decoder, Encoder, Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::server::{Connection, Drained, ServerBuilder, Serving};
use mainspring::service::{Service, service_fn};
use mainspring::spawn;
use mainspring::time::{Instant, sleep};
use mainspring::{JoinHandle, Server};

use util::runtime::{Random, in_virtual_time, read_to_end, turns, until};

const SECOND: Duration = Duration::from_secs(1);

/// Lines, and a mark on the last. The answer to "quit" is the last by its own word, that to "raw" the last of this
/// protocol.
#[derive(Default)]
struct Marked {
    lines: Lines,
    is_last: bool,
    /// What the last answer was.
    answered: String,
}

const MARK: &str = ", the last";

impl Decoder for Marked {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<String>> {
        self.lines.decode(buffer)
    }
}

impl Encoder<String> for Marked {
    type Error = io::Error;

    fn encode(&mut self, line: String, output: &mut Vec<u8>) -> io::Result<()> {
        self.answered.clone_from(&line);
        self.lines.encode(if self.is_last { line + MARK } else { line }, output)
    }

    fn is_last(&self) -> bool {
        ["quit", "raw"].contains(&self.answered.as_str())
    }

    fn leaves_open(&self) -> bool {
        self.answered == "raw"
    }

    fn before_last(&mut self) {
        assert!(!self.is_last, "the last answer was announced twice");
        self.is_last = true;
    }
}

async fn serve<S>(connection: Connection, in_flight: usize, service: &S) -> io::Result<()>
where
    S: Service<String, Response = String, Error = io::Error>,
{
    let (stream, server) = connection.pipeline()?;
    let server = server.max_in_flight(in_flight);
    server.serve(Framed::new(stream, Marked::default()), service).await.map_err(io::Error::other)
}

/// Answers with the request: to a number after so many seconds, to anything else at once.
async fn answer(line: String) -> io::Result<String> {
    if let Ok(seconds) = line.parse::<u32>() {
        sleep(seconds * SECOND).await;
    }
    Ok(line)
}

/// A connection whose parts come at once: what the kernel holds back comes by a clock that is not the reactor's.
async fn open(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Serves a connection with `in_flight` requests at a time, whose first bytes are read.
async fn connect(builder: ServerBuilder, in_flight: usize, first: &[u8]) -> (TcpStream, Serving) {
    let server = builder.bind("127.0.0.1:0").unwrap();
    let stream = open(&server).await;
    let serving =
        server.serve(move |connection| async move { serve(connection, in_flight, &service_fn(answer)).await }).unwrap();
    stream.write_all(first).await.unwrap();
    until(|| serving.connections() == 1).await;
    turns(4).await;
    (stream, serving)
}

fn drain(serving: Serving) -> JoinHandle<Drained> {
    spawn(serving.drain(60 * SECOND))
}

/// What comes until the end, after which the drain has cut nothing off.
async fn rest(stream: TcpStream, draining: JoinHandle<Drained>) -> String {
    let rest = read_to_end(&stream).await.unwrap();
    drop(stream);
    let drained = draining.await.unwrap();
    assert_eq!((drained.finished, drained.aborted, drained.failed), (1, 0, 0));
    String::from_utf8(rest).unwrap()
}

/// The next bytes, which are all that has come.
async fn read(stream: &TcpStream) -> String {
    let mut buffer = [0; 64];
    let count = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn of_the_requests_in_flight_at_a_drain_the_youngest_has_the_last_answer() {
    for (requests, answers) in [
        ("1\n", "1, the last\n"),
        ("1\n2\n", "1\n2, the last\n"),
        ("2\n1\n", "2\n1, the last\n"),
        ("1\nat once\n", "1\nat once, the last\n"),
    ] {
        in_virtual_time(async {
            let (stream, serving) = connect(Server::builder(), 32, requests.as_bytes()).await;
            assert_eq!(rest(stream, drain(serving)).await, answers);
        });
    }
}

#[test]
fn of_the_requests_that_wait_in_the_socket_at_a_drain_the_youngest_has_the_last_answer() {
    let lines: String = (0..200).map(|number| format!("number {number}\n")).collect();
    for in_flight in [1, 2, 3, 32] {
        for first in ["1\n", "1\n1\n1\n", "at once\n"] {
            in_virtual_time(async {
                let (stream, serving) = connect(Server::builder(), in_flight, first.as_bytes()).await;
                stream.try_write(lines.as_bytes()).unwrap();
                let expected = format!("{first}{}{MARK}\n", lines.trim_end());
                assert_eq!(rest(stream, drain(serving)).await, expected, "{in_flight} in flight");
            });
        }
    }
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request_which_has_the_last() {
    for in_flight in [1, 32] {
        in_virtual_time(async {
            let (stream, serving) = connect(Server::builder(), in_flight, b"1\nha").await;
            let draining = drain(serving);
            assert_eq!(read(&stream).await, "1\n");
            stream.write_all(b"lf\nand whole\nand a part").await.unwrap();
            assert_eq!(rest(stream, draining).await, "half\nand whole, the last\n");
        });
    }
}

#[test]
fn a_connection_that_is_old_says_so_in_its_last_answer() {
    in_virtual_time(async {
        let (stream, _serving) = connect(Server::builder().max_age(Some(3 * SECOND)), 32, b"1\n").await;
        assert_eq!(read(&stream).await, "1\n");
        stream.write_all(b"5\n1\n").await.unwrap();
        assert_eq!(read_to_end(&stream).await.unwrap(), b"5\n1, the last\n");
    });
}

#[test]
fn a_peer_that_has_sent_its_last_request_reads_so_in_its_last_answer() {
    in_virtual_time(async {
        let (stream, _serving) = connect(Server::builder(), 32, b"1\n2\n").await;
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&stream).await.unwrap(), b"1\n2, the last\n");
    });
}

#[test]
fn no_answer_is_the_last_of_a_connection_that_goes_on() {
    in_virtual_time(async {
        let (stream, serving) = connect(Server::builder(), 2, b"1\n2\n1\nat once\n").await;
        let mut answers = String::new();
        while answers.lines().count() < 4 {
            answers += &read(&stream).await;
        }
        assert_eq!(answers, "1\n2\n1\nat once\n");
        // One that had its answer before the drain cannot be told any more.
        assert_eq!(rest(stream, drain(serving)).await, "");
    });
}

#[test]
fn what_stands_behind_an_answer_that_is_the_last_by_its_own_word_is_not_begun() {
    for drains in [false, true] {
        in_virtual_time(async {
            let begun = Rc::new(RefCell::new(Vec::new()));
            let calls = begun.clone();
            let service = Rc::new(service_fn(move |line: String| {
                calls.borrow_mut().push(line.clone());
                answer(line)
            }));
            let server = Server::bind("127.0.0.1:0").unwrap();
            let stream = open(&server).await;
            let serving = server.serve(move |connection| {
                let service = service.clone();
                async move { serve(connection, 1, &*service).await }
            });
            let serving = serving.unwrap();
            stream.write_all(b"1\nquit\ndelete all\n").await.unwrap();
            until(|| !begun.borrow().is_empty()).await;
            let draining = drains.then(|| drain(serving));
            assert_eq!(read_to_end(&stream).await.unwrap(), b"1\nquit\n");
            assert_eq!(*begun.borrow(), ["1", "quit"], "drains: {drains}");
            drop((stream, draining));
        });
    }
}

#[test]
fn what_was_read_behind_an_answer_that_hands_the_connection_over_is_handed_over() {
    for drains in [false, true] {
        in_virtual_time(async {
            let handed = Rc::new(RefCell::new(None));
            let over = handed.clone();
            let server = Server::bind("127.0.0.1:0").unwrap();
            let stream = open(&server).await;
            let serving = server.serve(move |connection| {
                let over = over.clone();
                async move {
                    let (stream, server) = connection.pipeline()?;
                    let mut framed = Framed::new(stream, Marked::default());
                    let served = server.max_in_flight(1).serve(&mut framed, &service_fn(answer)).await;
                    let (_stream, _codec, buffer) = framed.into_parts();
                    over.replace(Some(buffer.as_slice().to_vec()));
                    served.map_err(io::Error::other)
                }
            });
            let serving = serving.unwrap();
            stream.write_all(b"1\nraw\nearly words\nand more").await.unwrap();
            until(|| serving.connections() == 1).await;
            turns(4).await;
            let draining = drains.then(|| drain(serving));
            assert_eq!(read_to_end(&stream).await.unwrap(), b"1\nraw\n");
            until(|| handed.borrow().is_some()).await;
            assert_eq!(handed.take().unwrap(), b"early words\nand more", "drains: {drains}");
            drop((stream, draining));
        });
    }
}

/// How often each thing happened, to show that the rounds reached it.
#[derive(Debug, Default)]
struct Seen {
    marked: usize,
    /// Rounds whose last answer was there before the drain.
    unmarked: usize,
    cut_short: usize,
    complete: usize,
}

/// A connection with random requests, in random parts, and a drain at some time.
async fn round(random: &mut Random, seen: &mut Seen) {
    let requests = 1 + random.below(12);
    let milliseconds = |random: &mut Random, most| Duration::from_millis(random.below(most) as u64);
    let times: Vec<_> = (0..requests).map(|_| milliseconds(random, 4)).collect();
    let in_flight = 1 + random.below(4);

    // When each call has ended.
    let ended = Rc::new(RefCell::new(vec![None; requests]));
    let begun = Rc::new(Cell::new(0));
    let (ends, count) = (ended.clone(), begun.clone());
    let service = Rc::new(service_fn(move |line: String| {
        let number: usize = line.parse().unwrap();
        let (time, ends) = (times[number], ends.clone());
        count.set(count.get() + 1);
        async move {
            if !time.is_zero() {
                sleep(time).await;
            }
            ends.borrow_mut()[number] = Some(Instant::now());
            io::Result::Ok(line)
        }
    }));
    let server = Server::bind("127.0.0.1:0").unwrap();
    let stream = Rc::new(open(&server).await);
    let serving = server.serve(move |connection| {
        let service = service.clone();
        async move { serve(connection, in_flight, &*service).await }
    });

    // The whole requests that were sent.
    let sent = Rc::new(Cell::new(0));
    let (writer, whole) = (stream.clone(), sent.clone());
    let text: String = (0..requests).map(|number| format!("{number}\n")).collect();
    let mut parts = Vec::new();
    let mut left = text.as_bytes();
    while !left.is_empty() {
        let (part, behind) = left.split_at(1 + random.below(left.len().min(6)));
        parts.push((part.to_vec(), [Duration::ZERO, milliseconds(random, 3)][random.below(2)]));
        left = behind;
    }
    let writing = spawn(async move {
        for (part, pause) in parts {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            if writer.write_all(&part).await.is_err() {
                break;
            }
            whole.set(whole.get() + part.iter().filter(|&&byte| byte == b'\n').count());
        }
    });
    let reading = spawn(async move {
        let (mut all, mut buffer) = (Vec::new(), [0; 64]);
        // A peer that sends on may meet a reset behind the end.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(all).unwrap()
    });
    sleep(milliseconds(random, 12)).await;
    let (owed, at) = (sent.get(), Instant::now());
    let drained = serving.unwrap().drain(60 * SECOND).await;
    assert_eq!((drained.aborted, drained.failed), (0, 0), "{drained:?}");
    writing.await.unwrap();

    let answers = reading.await.unwrap();
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(answers.len(), begun.get(), "{answers:?}");
    assert!(answers.len() >= owed, "{owed} requests were there, and have {answers:?}");
    let Some((last, others)) = answers.split_last() else { return };
    assert!(others.iter().enumerate().all(|(number, answer)| *answer == number.to_string()), "{answers:?}");
    let number = others.len();
    let is_marked = *last == format!("{number}{MARK}");
    assert!(is_marked || *last == number.to_string(), "{answers:?}");
    let is_late = ended.borrow()[number].unwrap() > at;
    assert!(is_marked || !is_late, "the answer was there after the drain, and is {last:?}");
    seen.marked += usize::from(is_marked);
    seen.unmarked += usize::from(!is_marked);
    seen.cut_short += usize::from(answers.len() < requests);
    seen.complete += usize::from(answers.len() == requests);
}

#[test]
fn whenever_a_drain_comes_the_last_answer_says_so_and_no_other_does() {
    let mut random = Random::new();
    let mut seen = Seen::default();
    for _ in 0..500 {
        in_virtual_time(round(&mut random, &mut seen));
    }
    let Seen { marked, unmarked, cut_short, complete } = seen;
    assert!(marked.min(unmarked).min(cut_short).min(complete) > 10, "{seen:?}");
}
