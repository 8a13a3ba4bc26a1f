//! `copy_bidirectional`, copies with a chosen buffer, and halves of a stream.
mod util {
    pub(crate) mod checked;
    pub(crate) mod connection;
    pub(crate) mod never;
}

use std::cell::RefCell;
use std::io::{self as std_io, BufWriter, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Waker};

use mainspring::io::{self, HalfClose};
use mainspring::net::{TcpStream, UnixStream};
use mainspring::{Stats, spawn};

use util::checked::checked;
use util::connection::{connection, narrow_connection, pattern};
use util::never::Never;

/// More than the buffers on the way hold, so that every writer has to wait.
const LONG: usize = 1 << 20;

fn stats() -> Stats {
    Stats::current().unwrap()
}

/// A client, the two streams of a relay, and the server behind it.
async fn relayed() -> (TcpStream, TcpStream, TcpStream, TcpStream) {
    let (client, front) = narrow_connection().await;
    let (back, server) = narrow_connection().await;
    (client, front, back, server)
}

async fn send(stream: &TcpStream, bytes: &[u8]) {
    io::write_all(&mut &*stream, bytes).await.unwrap();
    io::shutdown(&mut &*stream).await.unwrap();
}

async fn receive(stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    io::read_to_end(&mut &*stream, &mut bytes, 2 * LONG).await.unwrap();
    bytes
}

#[test]
fn a_relay_carries_both_directions_at_once_and_counts_them() {
    for sizes in [None, Some((1, 4096)), Some((100_000, 333)), Some((0, 1 << 22))] {
        checked(async {
            let (client, mut front, mut back, server) = relayed().await;
            // Of one byte each, a copy takes two calls per byte.
            let (question, mut answer) = (pattern(LONG), pattern(LONG / 2));
            answer.reverse();
            let question = if sizes.is_some_and(|(there, _)| there < 2) { &question[..5000] } else { &question[..] };
            let relay = async {
                let copied = match sizes {
                    None => io::copy_bidirectional(&mut front, &mut back).await,
                    Some((there, back_size)) => {
                        io::copy_bidirectional_with_sizes(&mut front, &mut back, there, back_size).await
                    }
                };
                copied.unwrap()
            };
            let (counts, (), (), at_server, at_client) = futures::join!(
                relay,
                send(&client, question),
                send(&server, &answer),
                receive(&server),
                receive(&client)
            );
            assert_eq!(counts, (question.len() as u64, answer.len() as u64));
            assert!(at_server == question, "{sizes:?}");
            assert!(at_client == answer, "{sizes:?}");
        });
    }
}

#[test]
fn an_end_in_one_direction_is_passed_on_while_the_other_goes_on() {
    for client_first in [true, false] {
        checked(async {
            let (client, front, back, server) = relayed().await;
            let relay = spawn(async move { io::copy_bidirectional(&mut &front, &mut &back).await });
            let (first, last) = if client_first { (&client, &server) } else { (&server, &client) };
            send(first, b"no more than one").await;
            assert_eq!(receive(last).await, b"no more than one", "the end came through");
            for _ in 0..3 {
                last.write_all(b"more ").await.unwrap();
                let mut buffer = [0; 5];
                io::read_exact(&mut &*first, &mut buffer).await.unwrap();
                assert_eq!(&buffer, b"more ", "after the end of the other direction");
            }
            assert!(!relay.is_finished());
            last.shutdown(Shutdown::Write).unwrap();
            assert_eq!(receive(first).await, b"");
            assert_eq!(relay.await.unwrap().unwrap(), if client_first { (16, 15) } else { (15, 16) });
        });
    }
}

#[test]
fn a_relay_runs_over_references_to_unix_streams_with_buffers_of_any_size() {
    checked(async {
        for size in [0, 1, usize::MAX] {
            let ((client, front), (back, server)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            client.write_all(b"question").await.unwrap();
            server.write_all(b"answer").await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            server.shutdown(Shutdown::Write).unwrap();
            let relayed = io::copy_bidirectional_with_sizes(&mut &front, &mut &back, size, size).await;
            assert_eq!(relayed.unwrap(), (8, 6));
            drop((front, back));
            let mut bytes = Vec::new();
            io::read_to_end(&mut &server, &mut bytes, 8).await.unwrap();
            io::read_to_end(&mut &client, &mut bytes, 6).await.unwrap();
            assert_eq!(bytes, b"questionanswer");
        }
    });
}

#[test]
fn an_error_of_one_direction_ends_the_other() {
    /// Reads for ever nothing, and fails to write.
    struct Broken(TcpStream);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std_io::Result<usize> {
            Read::read(&mut self.0, buffer)
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std_io::Result<usize> {
            Err(std_io::Error::other("broken"))
        }
        fn flush(&mut self) -> std_io::Result<()> {
            Ok(())
        }
    }
    impl HalfClose for Broken {
        fn shutdown_write(&mut self) -> std_io::Result<()> {
            Err(std_io::Error::other("no goodbye"))
        }
    }
    checked(async {
        let (client, front, back, _server) = relayed().await;
        client.write_all(b"x").await.unwrap();
        let error = io::copy_bidirectional(&mut &front, &mut Broken(back)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
        assert_eq!(stats().waits, 0, "the other direction does not wait any more");

        let (client, front, back, _server) = relayed().await;
        client.shutdown(Shutdown::Write).unwrap();
        let error = io::copy_bidirectional(&mut &front, &mut Broken(back)).await.unwrap_err();
        assert_eq!(error.to_string(), "no goodbye");
    });
}

#[test]
fn a_reset_of_one_side_ends_a_relay() {
    checked(async {
        let (client, front, back, server) = relayed().await;
        let relay = spawn(async move { io::copy_bidirectional(&mut &front, &mut &back).await });
        client.write_all(b"x").await.unwrap();
        server.read(&mut [0; 1]).await.unwrap();
        client.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        let error = relay.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(receive(&server).await, b"", "the relay has closed its streams");
    });
}

#[test]
fn a_peer_that_does_not_read_stops_its_direction_alone() {
    checked(async {
        let (client, front, back, server) = relayed().await;
        let relay = spawn(async move { io::copy_bidirectional(&mut &front, &mut &back).await });
        // The server reads nothing, until all on the way is full.
        let flood = pattern(16 * LONG);
        let mut writing = Box::pin(client.write_all(&flood));
        let mut buffer = [0; 4];
        for _ in 0..100 {
            assert!(writing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            server.write_all(b"ping").await.unwrap();
            io::read_exact(&mut &client, &mut buffer).await.unwrap();
            assert_eq!(&buffer, b"ping", "the other direction goes on");
        }
        drop(writing);
        drop((client, server));
        let _ = relay.await.unwrap();
    });
}

#[test]
fn an_idle_relay_holds_no_buffer() {
    checked(async {
        let (client, front, back, server) = relayed().await;
        let relay = spawn(async move { io::copy_bidirectional(&mut &front, &mut &back).await });
        for _ in 0..3 {
            client.write_all(b"ping").await.unwrap();
            io::read_exact(&mut &server, &mut [0; 4]).await.unwrap();
            while stats().waits < 2 {
                mainspring::yield_now().await;
            }
            assert_eq!(stats().buffers, 0);
        }
        drop((client, server));
        relay.await.unwrap().unwrap();
    });
}

#[test]
fn a_dropped_relay_leaves_no_wait_and_no_buffer_behind() {
    checked(async {
        let (client, mut front, mut back, _server) = relayed().await;
        let mut relay = Box::pin(io::copy_bidirectional(&mut front, &mut back));
        assert!(relay.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(stats().waits, 2);
        drop(relay);
        assert_eq!((stats().waits, stats().buffers), (0, 0));

        // One that holds bytes which cannot be written.
        while back.try_write(&[0; 4096]).unwrap().is_some() {}
        client.write_all(b"held").await.unwrap();
        front.peek(&mut [0]).await.unwrap();
        let mut relay = Box::pin(io::copy_bidirectional(&mut front, &mut back));
        assert!(relay.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!((stats().waits, stats().buffers), (2, 1));
        drop(relay);
        assert_eq!((stats().waits, stats().buffers), (0, 0));
    });
}

#[test]
fn a_not_yet_that_nobody_recorded_is_an_error() {
    struct Silent;
    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> std_io::Result<usize> {
            Ok(0)
        }
    }
    impl Write for Silent {
        fn write(&mut self, bytes: &[u8]) -> std_io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std_io::Result<()> {
            Ok(())
        }
    }
    impl HalfClose for Silent {
        fn shutdown_write(&mut self) -> std_io::Result<()> {
            Err(ErrorKind::WouldBlock.into())
        }
    }
    checked(async {
        let errors = [
            io::shutdown(&mut Silent).await.unwrap_err(),
            io::copy_bidirectional(&mut Silent, &mut Silent).await.unwrap_err(),
            io::copy_with_size(&mut Never, &mut Silent, 8).await.unwrap_err(),
            io::read_to_end(&mut Never, &mut Vec::new(), 8).await.unwrap_err(),
            io::read_pooled(&mut Never).await.unwrap_err(),
            io::lines(std_io::BufReader::new(Never), 8).next_line().await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("wait for nothing"), "{error}");
        }
        assert_eq!(stats().buffers, 0);
    });
}

#[test]
fn a_chosen_size_is_the_most_that_is_read_at_once() {
    /// Notes the lengths of the buffers.
    struct Noting(Rc<RefCell<Vec<usize>>>, usize);
    impl Read for Noting {
        fn read(&mut self, buffer: &mut [u8]) -> std_io::Result<usize> {
            self.0.borrow_mut().push(buffer.len());
            let count = buffer.len().min(self.1);
            self.1 -= count;
            Ok(count)
        }
    }
    checked(async {
        for (size, len) in [(0, 1), (1, 1), (777, 777), (1 << 20, 1 << 20)] {
            let noted = Rc::new(RefCell::new(Vec::new()));
            let copied = io::copy_with_size(&mut Noting(noted.clone(), 2000), &mut Vec::new(), size).await.unwrap();
            assert_eq!(copied, 2000);
            assert!(noted.borrow().iter().all(|noted| *noted == len), "{size}: {noted:?}");
        }
    });
}

#[test]
fn shutdown_sends_what_a_buffer_holds_back_first() {
    checked(async {
        let (client, server) = connection().await;
        let mut writer = BufWriter::new(&client);
        io::write_all(&mut writer, b"held back").await.unwrap();
        io::shutdown(&mut writer).await.unwrap();
        assert_eq!(receive(&server).await, b"held back");
        io::shutdown(&mut writer).await.unwrap();
    });
}

#[test]
fn halves_read_and_write_at_once_and_come_together_again() {
    checked(async {
        let (client, server) = narrow_connection().await;
        let (mut reader, mut writer) = io::split(server);
        let sent = pattern(LONG);
        let reading = async {
            let mut received = Vec::new();
            io::read_to_end(&mut reader, &mut received, LONG).await.unwrap();
            received
        };
        let writing = async {
            io::write_all(&mut writer, &sent).await.unwrap();
            io::shutdown(&mut writer).await.unwrap();
        };
        let (at_server, (), (), at_client) = futures::join!(reading, writing, send(&client, &sent), receive(&client));
        assert!(at_server == sent && at_client == sent);
        let (reader_2, writer_2) = io::split(client);
        let Err((reader, _)) = reader.unsplit(writer_2) else { panic!("halves of two streams") };
        let Err((_, _)) = reader_2.unsplit(writer) else { panic!("halves of two streams") };
        drop(reader);
        let (reader, writer) = io::split(7);
        assert_eq!(reader.unsplit(writer).ok(), Some(7));
    });
}
