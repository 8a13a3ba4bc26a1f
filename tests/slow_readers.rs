//! Peers that read a long answer slowly, and one that does not: the first have it whole, the other has an end.
#![cfg(feature = "service")]

mod util;

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use mainspring::Server;
use mainspring::codec::{Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::server::{Connection, Serving};
use mainspring::service::service_fn;
use mainspring::time::{Instant, sleep};

use util::runtime::in_virtual_time;

const SECOND: Duration = Duration::from_secs(1);

/// Bytes of an answer: several times what the system holds for both ends.
const ANSWER: usize = 32 << 20;

/// Answers `much` with as much as that, and all else with itself.
async fn serve(connection: Connection) -> io::Result<()> {
    let service =
        service_fn(async |line: String| io::Result::Ok(if line == "much" { "x".repeat(ANSWER) } else { line }));
    let (stream, server) = connection.pipeline()?;
    server.serve(Framed::new(stream, Lines::new().max_length(ANSWER)), &service).await.map_err(io::Error::other)
}

/// Asks for much a server that has room for so many connections.
async fn ask(connections: usize) -> (TcpStream, Serving) {
    let server = Server::builder().connections(connections).bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"much\n").await.unwrap();
    (stream, server.serve(serve).unwrap())
}

/// Reads the answer at a megabyte in 20 seconds: in a minute more than the system holds back from the writer until it
/// tells him of room.
async fn read_slowly(stream: &TcpStream) {
    let (mut left, mut rest, mut buffer) = (ANSWER + 1, 0, vec![0; 1 << 16]);
    while left > 0 {
        if rest == 0 {
            sleep(20 * SECOND).await;
            rest = 1 << 20;
        }
        let room = buffer.len().min(left).min(rest);
        let count = stream.read(&mut buffer[..room]).await.unwrap();
        assert_ne!(count, 0, "the answer is cut, {left} bytes are missing");
        (left, rest) = (left - count, rest - count);
    }
}

#[test]
fn a_peer_that_reads_slowly_has_its_whole_answer_and_goes_on() {
    in_virtual_time(async {
        let (stream, _serving) = ask(1_000).await;
        read_slowly(&stream).await;
        stream.write_all(b"more\n").await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 5);
    });
}

#[test]
fn pressure_does_not_cut_an_answer_that_is_read_slowly() {
    in_virtual_time(async {
        let (stream, _serving) = ask(1).await;
        read_slowly(&stream).await;
    });
}

#[test]
fn a_peer_that_has_asked_for_the_last_time_may_read_slowly_as_well() {
    in_virtual_time(async {
        let (stream, serving) = ask(1_000).await;
        stream.shutdown(Shutdown::Write).unwrap();
        read_slowly(&stream).await;
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(serving.drain(SECOND).await.failed, 0);
    });
}

#[test]
fn a_peer_that_does_not_read_or_a_trickle_is_given_up_after_a_minute_or_two() {
    for bytes_per_second in [0, 50] {
        in_virtual_time(async {
            let (stream, serving) = ask(1_000).await;
            let (start, mut buffer) = (Instant::now(), vec![0; bytes_per_second]);
            while serving.connections() == 0 || start.elapsed() < 10 * SECOND {
                sleep(SECOND).await;
            }
            while serving.connections() > 0 && start.elapsed() < 1_000 * SECOND {
                sleep(SECOND).await;
                if bytes_per_second > 0 {
                    assert!(stream.read(&mut buffer).await.is_ok());
                }
            }
            // At the end of the first the system is asked again, and may take some.
            let after = start.elapsed().as_secs();
            assert!((60..=190).contains(&after), "after {after} s, {bytes_per_second} bytes read in each");
            assert_eq!(serving.drain(SECOND).await.failed, 1);
        });
    }
}
