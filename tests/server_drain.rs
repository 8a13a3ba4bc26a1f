//! Draining under load: what was accepted is answered, and what was never asked for is not waited for.
#![cfg(feature = "service")]

mod util;

use std::cell::Cell;
use std::future::pending;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use futures::future::join_all;
use mainspring::codec::{Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::server::{Connection, Serving};
use mainspring::service::{Service, service_fn};
use mainspring::time::{Instant, sleep};
use mainspring::{Server, spawn, yield_now};

use util::random::Random;
use util::runtime::{in_virtual_time, read_to_end, turns, until};

const SECOND: Duration = Duration::from_secs(1);

/// Answers with `service` until the peer, the server or the connection's age ends it.
async fn serve<S>(connection: Connection, service: &S) -> io::Result<()>
where
    S: Service<String, Response = String, Error = io::Error>,
{
    let (stream, server) = connection.pipeline()?;
    server.serve(Framed::new(stream, Lines::new()), service).await.map_err(io::Error::other)
}

/// Asks one question after the other until the peer closes, and says how many were answered.
async fn ask(address: SocketAddr) -> u64 {
    let Ok(stream) = TcpStream::connect(address).await else { return 0 };
    let mut lines = Framed::new(stream, Lines::new());
    let mut answered = 0;
    while lines.send(answered.to_string()).await.is_ok() {
        match lines.next().await {
            Some(Ok(line)) => assert_eq!(line, answered.to_string()),
            Some(Err(_)) | None => break,
        }
        answered += 1;
    }
    answered
}

#[test]
fn every_request_that_was_begun_is_answered_and_silent_connections_are_not_waited_for() {
    in_virtual_time(async {
        let begun = Rc::new(Cell::new(0));
        let count = begun.clone();
        let random = Rc::new(Cell::new(Random::new(7)));
        let service = Rc::new(service_fn(move |line: String| {
            count.set(count.get() + 1);
            let mut next = random.replace(Random::new(0));
            let time = Duration::from_micros(next.below(50_000) as u64);
            random.set(next);
            async move {
                sleep(time).await;
                io::Result::Ok(line)
            }
        }));
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server
            .serve(move |connection| {
                let service = service.clone();
                async move { serve(connection, &*service).await }
            })
            .unwrap();
        let silent = join_all((0..50).map(|_| TcpStream::connect(address))).await;
        let clients: Vec<_> = (0..64).map(|_| spawn(ask(address))).collect();
        sleep(SECOND).await;
        assert_eq!((serving.connections(), silent.len()), (64 + 50, 50));
        assert!(begun.get() > 1_000, "there is load: {}", begun.get());

        let start = Instant::now();
        let drained = serving.drain(30 * SECOND).await;
        assert_eq!((drained.aborted, drained.failed), (0, 0));
        assert!(drained.finished >= 64 + 50, "{drained:?}");
        assert!(start.elapsed() < SECOND / 10, "no request takes longer than 50 ms: {:?}", start.elapsed());
        let answered: u64 = join_all(clients).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(answered, begun.get());
    });
}

#[test]
fn a_drain_ends_at_its_deadline_whatever_hangs_and_what_can_end_has_its_answer() {
    in_virtual_time(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server
            .serve(|connection| async move {
                let service = service_fn(async |line: String| {
                    match line.as_str() {
                        "hang" => pending().await,
                        _ => sleep(3 * SECOND).await,
                    }
                    io::Result::Ok(line)
                });
                serve(connection, &service).await
            })
            .unwrap();
        let connect = async |line: &'static str| {
            let mut lines = Framed::new(TcpStream::connect(address).await.unwrap(), Lines::new());
            lines.send(line).await.unwrap();
            lines
        };
        let mut hanging = join_all((0..10).map(|_| connect("hang"))).await;
        let mut slow = join_all((0..10).map(|_| connect("slow"))).await;
        sleep(SECOND).await;
        let start = Instant::now();
        let drained = serving.drain(5 * SECOND).await;
        assert_eq!((drained.finished, drained.aborted), (10, 10));
        let took = start.elapsed();
        assert!(took >= 5 * SECOND && took < 5 * SECOND + SECOND / 10, "{took:?}");
        for lines in &mut slow {
            assert_eq!(lines.next().await.unwrap().unwrap(), "slow");
        }
        for lines in &mut hanging {
            assert!(!matches!(lines.next().await, Some(Ok(_))));
        }
    });
}

#[test]
fn requests_that_wait_in_the_socket_when_the_drain_begins_are_answered() {
    in_virtual_time(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let serving = server.serve(|connection| async move {
            let service = service_fn(async |line: String| {
                sleep(3 * SECOND).await;
                io::Result::Ok(line)
            });
            let (stream, server) = connection.pipeline()?;
            let server = server.max_in_flight(1);
            server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
        });
        for line in ["one\n", "two\n", "three\n"] {
            stream.write_all(line.as_bytes()).await.unwrap();
            sleep(SECOND / 2).await;
        }
        let draining = spawn(serving.unwrap().drain(30 * SECOND));
        assert_eq!(read_to_end(&stream).await.unwrap(), b"one\ntwo\nthree\n");
        drop(stream);
        let drained = draining.await.unwrap();
        assert_eq!((drained.finished, drained.aborted, drained.failed), (1, 0, 0));
    });
}

/// Serves a connection whose lines come back, and asks it for one.
async fn echo(first: &[u8]) -> (TcpStream, Serving) {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let serving = server.serve(|connection| async move {
        serve(connection, &service_fn(async |line: String| io::Result::Ok(line))).await
    });
    let serving = serving.unwrap();
    stream.write_all(first).await.unwrap();
    until(|| serving.connections() == 1).await;
    turns(4).await;
    (stream, serving)
}

#[test]
fn a_request_that_the_selector_has_not_told_of_when_the_drain_begins_is_answered() {
    in_virtual_time(async {
        let (stream, serving) = echo(b"one\n").await;
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 4);
        turns(4).await;
        // The drain and the connection have their turns in the batch of this one.
        assert_eq!(stream.try_write(b"two\n").unwrap(), Some(4));
        let draining = spawn(serving.drain(60 * SECOND));
        assert_eq!(read_to_end(&stream).await.unwrap(), b"two\n");
        drop(stream);
        let drained = draining.await.unwrap();
        assert_eq!((drained.finished, drained.aborted, drained.failed), (1, 0, 0));
    });
}

#[test]
fn a_drain_waits_for_the_rest_of_one_request_and_not_for_that_of_the_next() {
    in_virtual_time(async {
        let (stream, serving) = echo(b"ha").await;
        let start = Instant::now();
        let draining = spawn(serving.drain(60 * SECOND));
        turns(4).await;
        stream.write_all(b"lf\nand anoth").await.unwrap();
        assert_eq!(read_to_end(&stream).await.unwrap(), b"half\n");
        drop(stream);
        let drained = draining.await.unwrap();
        assert_eq!((drained.finished, drained.aborted, drained.failed), (1, 0, 0));
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    });
}

#[test]
fn a_peer_that_sends_without_a_pause_does_not_hold_the_drain_up() {
    const LINE: &[u8] = b"ten bytes.\n";
    const LINES: usize = 300_000;
    // In bytes. It is no whole number of lines, so a line has always begun.
    const WRITE: usize = 9_999;
    in_virtual_time(async {
        let (stream, serving) = echo(LINE).await;
        let (stream, answered, is_over) = (Rc::new(stream), Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (reader, count, over) = (stream.clone(), answered.clone(), is_over.clone());
        let reading = spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(bytes @ 1..) = reader.read(&mut buffer).await {
                count.set(count.get() + bytes);
            }
            over.set(true);
        });
        let writing = spawn(async move {
            let (mut sent, lines) = (0, LINE.repeat(1_000));
            while sent < LINES * LINE.len() && !is_over.get() {
                let begin = sent % LINE.len();
                if stream.write_all(&lines[begin..begin + WRITE]).await.is_err() {
                    break;
                }
                sent += WRITE;
            }
            // Why ignored: the connection may have been closed before.
            let _ = stream.shutdown(Shutdown::Write);
        });
        until(|| answered.get() > 10_000 * LINE.len()).await;
        let drained = serving.drain(60 * SECOND).await;
        assert_eq!((drained.finished, drained.aborted, drained.failed), (1, 0, 0));
        reading.await.unwrap();
        writing.await.unwrap();
        let answered = answered.get() / LINE.len();
        assert!(answered < LINES / 4, "{answered} lines of {LINES}");
    });
}

#[test]
fn two_threads_that_drain_under_load_lose_no_request_that_was_begun() {
    const CLIENTS: usize = 8;
    const DEPTH: u64 = 4;
    let begun = Arc::new(AtomicU64::new(0));
    let count = begun.clone();
    let server = Server::builder().threads(2).drain(60 * SECOND).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(60 * SECOND)).unwrap();
                let mut answers = BufReader::new(stream.try_clone().unwrap());
                let (mut sent, mut answered, mut line) = (0, 0, String::new());
                loop {
                    while sent < answered + DEPTH && stream.write_all(format!("{sent}\n").as_bytes()).is_ok() {
                        sent += 1;
                    }
                    line.clear();
                    if !answers.read_line(&mut line).is_ok_and(|count| count > 0) {
                        return answered;
                    }
                    assert_eq!(line.trim_end(), answered.to_string());
                    answered += 1;
                }
            })
        })
        .collect();
    let (silent, enough) = (std::net::TcpStream::connect(address).unwrap(), begun.clone());
    let make = move || {
        let count = count.clone();
        move |connection| {
            let count = count.clone();
            async move {
                let service = service_fn(async |line: String| {
                    count.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                    io::Result::Ok(line)
                });
                serve(connection, &service).await
            }
        }
    };
    let stop = async {
        while enough.load(Ordering::Relaxed) < 5_000 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let drained = server.run(make, stop).unwrap();
    assert_eq!(drained.aborted, 0, "{drained:?}");
    let answered: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(answered, begun.load(Ordering::Relaxed));
    drop(silent);
}

#[test]
fn what_runs_until_the_drain_ends_then_and_an_output_that_is_there_wins() {
    in_virtual_time(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(server.local_addr()).await.unwrap();
        let heard = Rc::new(Cell::new(None));
        let told = heard.clone();
        let serving = server
            .serve(move |connection: Connection| {
                let told = told.clone();
                async move {
                    let mut draining = connection.draining;
                    // The second one is of another future, and so has another waker at best.
                    let early = draining.until(sleep(SECOND)).await;
                    let late = draining.until(pending::<()>()).await;
                    let there = draining.until(async { 42 }).await;
                    told.set(Some((early, late, there)));
                    Ok(())
                }
            })
            .unwrap();
        sleep(5 * SECOND).await;
        assert_eq!(heard.get(), None);
        assert_eq!(serving.drain(SECOND).await.finished, 1);
        assert_eq!(heard.get(), Some((Some(()), None, Some(42))));
    });
}
