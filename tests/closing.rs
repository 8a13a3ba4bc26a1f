//! How a served connection ends whose peer has sent more than was read: what was written arrives, and nobody holds the
//! end up for ever.
#![cfg(feature = "service")]

mod util;

use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use mainspring::codec::{Buffer, Decoder, Encoder, Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::proto::multiplex::{self, Frame, Role};
use mainspring::proto::pipeline;
use mainspring::service::service_fn;
use mainspring::time::Instant;
use mainspring::{JoinHandle, spawn};

use util::runtime::{in_virtual_time, pair, read_to_end, run, turns};

/// Bytes of an answer: more than a peer takes that does not read, and less than the system holds for both sides.
const ANSWER: usize = 1_000_000;

/// Bytes behind the last thing that is read: more than one read takes.
const UNREAD: usize = 20_000;

/// What is neither a line nor a message.
const MALFORMED: &[u8] = b"\xff\n";

/// Answers `much` with as much as that, and all else with itself.
async fn answer(line: String) -> io::Result<String> {
    Ok(if line == "much" { "x".repeat(ANSWER) } else { line })
}

fn lines() -> Lines {
    Lines::new().max_length(ANSWER + 10)
}

/// Whether the connection has ended without an error of its own: with the one of the malformed message.
type Served = JoinHandle<bool>;

/// Serves a connection in one of the protocols.
type Serve = fn(TcpStream) -> Served;

fn pipeline(stream: TcpStream) -> Served {
    spawn(async move { is_malformed(pipeline::serve(Framed::new(stream, lines()), &service_fn(answer))).await })
}

fn multiplex(stream: TcpStream) -> Served {
    let service = service_fn(async |Numbered(id, line): Numbered| io::Result::Ok(Numbered(id, answer(line).await?)));
    spawn(async move { is_malformed(multiplex::serve(Framed::new(stream, Numbers(lines())), &service)).await })
}

async fn is_malformed<F>(served: F) -> bool
where
    F: Future<Output = Result<(), multiplex::ServeError<io::Error, io::Error>>>,
{
    let end = served.await;
    matches!(end, Err(multiplex::ServeError::Transport(error)) if error.kind() == io::ErrorKind::InvalidData)
}

/// A line with an id in front.
struct Numbered(u64, String);

impl Frame for Numbered {
    const IDS: RangeInclusive<u64> = 0..=9;

    fn role(&self) -> Role {
        Role::Call(self.0)
    }

    fn set_id(&mut self, id: u64) {
        self.0 = id;
    }
}

struct Numbers(Lines);

impl Decoder for Numbers {
    type Item = Numbered;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Numbered>> {
        let Some(line) = self.0.decode(buffer)? else { return Ok(None) };
        let number = line.split_once(' ').and_then(|(id, line)| Some(Numbered(id.parse().ok()?, line.to_owned())));
        number.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Encoder<Numbered> for Numbers {
    type Error = io::Error;

    fn encode(&mut self, Numbered(id, line): Numbered, output: &mut Vec<u8>) -> io::Result<()> {
        self.0.encode(format!("{id} {line}"), output)
    }
}

#[test]
fn an_answer_that_was_written_arrives_although_its_peer_has_sent_more_than_was_read() {
    let kinds: [(&[u8], Serve, usize); 2] =
        [(b"much\n", pipeline, ANSWER + 1), (b"7 much\n", multiplex, 2 + ANSWER + 1)];
    for (request, serve, length) in kinds {
        run(async {
            let (client, stream) = pair().await;
            client.write_all(&[request, MALFORMED, &[b'x'; UNREAD]].concat()).await.unwrap();
            let served = serve(stream);
            turns(4).await;
            let received = read_to_end(&client).await.map(|bytes| bytes.len());
            assert_eq!(received.unwrap(), length);
            drop(client);
            assert!(served.await.unwrap());
        });
    }
}

#[test]
fn a_peer_that_stays_is_waited_for_only_if_it_has_sent_more_and_no_longer_than_for_an_answer() {
    for (unread, seconds) in [(0, 0), (UNREAD, 60)] {
        in_virtual_time(async {
            let (client, stream) = pair().await;
            client.write_all(&[b"hello\n", MALFORMED, &vec![b'x'; unread]].concat()).await.unwrap();
            let start = Instant::now();
            let served = pipeline(stream);
            assert_eq!(read_to_end(&client).await.unwrap(), b"hello\n");
            assert!(served.await.unwrap());
            assert_eq!(start.elapsed().as_secs(), seconds, "with {unread} bytes unread");
        });
    }
}

#[test]
fn a_peer_that_never_stops_sending_is_cut_off_after_some_megabytes() {
    run(async {
        let (client, stream) = pair().await;
        client.write_all(&[MALFORMED, &[b'x'; UNREAD]].concat()).await.unwrap();
        let (start, served) = (Instant::now(), pipeline(stream));
        let (mut written, more) = (0, vec![b'x'; 1 << 16]);
        while written < 1 << 30 && client.write_all(&more).await.is_ok() {
            written += more.len();
        }
        assert!(served.await.unwrap());
        assert!((16 << 20..64 << 20).contains(&written), "{written} bytes");
        assert!(start.elapsed() < Duration::from_secs(60), "it was not the deadline");
    });
}
