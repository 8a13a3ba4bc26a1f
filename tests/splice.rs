//! `net::splice`, one way and both ways, over TCP and Unix streams and pipes: what goes in comes out, and nothing is
//! left behind.
mod util {
    pub(crate) mod checked;
    pub(crate) mod connection;
}

use std::io::ErrorKind;
use std::net::Shutdown;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::future::Either;
use mainspring::io;
use mainspring::net::{TcpStream, UnixStream, pipe, splice, splice_bidirectional};
use mainspring::{Stats, spawn, yield_now};

use util::checked::checked;
use util::connection::{connection, narrow_connection, pattern};

/// More than all buffers on the way hold.
const LONG: usize = 8 << 20;

fn waits() -> usize {
    Stats::current().unwrap().waits
}

/// A client, the two streams of a relay, and the server behind it.
async fn relayed() -> (TcpStream, TcpStream, TcpStream, TcpStream) {
    let (client, from) = connection().await;
    let (to, server) = narrow_connection().await;
    (client, from, to, server)
}

async fn send(stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

async fn receive(stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    io::read_to_end(&mut &*stream, &mut bytes, 2 * LONG).await.unwrap();
    bytes
}

#[test]
fn every_byte_arrives_once_and_in_its_place() {
    checked(async {
        for len in [0, 1, 4095, 65_536, 65_537, LONG] {
            let (client, from, to, server) = relayed().await;
            let sent = pattern(len);
            let relay = async {
                let moved = splice(&from, &to).await.unwrap();
                to.shutdown(Shutdown::Write).unwrap();
                moved
            };
            let ((), moved, received) = futures::join!(send(&client, &sent), relay, receive(&server));
            assert_eq!(moved, len as u64);
            assert!(received == sent, "{len} bytes");
        }
    });
}

#[test]
fn small_parts_arrive_at_once_in_both_directions() {
    checked(async {
        let (client, from, to, server) = relayed().await;
        let relay = spawn(async move { futures::try_join!(splice(&from, &to), splice(&to, &from)) });
        let mut buffer = [0; 7];
        for round in 0..1000_u32 {
            let (writer, mut reader) = if round % 2 == 0 { (&client, &server) } else { (&server, &client) };
            writer.write_all(&round.to_be_bytes()).await.unwrap();
            io::read_exact(&mut reader, &mut buffer[..4]).await.unwrap();
            assert_eq!(buffer[..4], round.to_be_bytes());
        }
        client.shutdown(Shutdown::Write).unwrap();
        server.write_all(b"goes on").await.unwrap();
        io::read_exact(&mut &client, &mut buffer).await.unwrap();
        assert_eq!(&buffer, b"goes on", "after the end of the other direction");
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(relay.await.unwrap().unwrap(), (2000, 2007));
    });
}

#[test]
fn a_peer_that_does_not_read_stops_the_sender() {
    checked(async {
        let (client, from, to, server) = relayed().await;
        let flood = pattern(4 * LONG);
        let mut relay = Box::pin(splice(&from, &to));
        let mut written = 0;
        // Until neither goes on: all buffers are full.
        let mut stuck = 0;
        while stuck < 100 {
            assert!(relay.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            match client.try_write(&flood[written..]).unwrap() {
                Some(count) => (written, stuck) = (written + count, 0),
                None => stuck += 1,
            }
            mainspring::yield_now().await;
        }
        assert!(written < flood.len(), "somebody holds {written} bytes");
        client.shutdown(Shutdown::Write).unwrap();
        let rest = async {
            relay.await.unwrap();
            to.shutdown(Shutdown::Write).unwrap();
        };
        let ((), received) = futures::join!(rest, receive(&server));
        assert!(received == flood[..written], "and all of it arrives once the peer reads");
    });
}

#[test]
fn a_dropped_splice_leaves_no_wait_behind() {
    checked(async {
        let (client, from, to, server) = relayed().await;
        let mut cx = Context::from_waker(Waker::noop());
        for full in [false, true] {
            if full {
                while to.try_write(&[0; 4096]).unwrap().is_some() {}
                client.write_all(b"lost").await.unwrap();
                from.peek(&mut [0]).await.unwrap();
            }
            let mut relay = Box::pin(splice(&from, &to));
            assert!(relay.as_mut().poll(&mut cx).is_pending());
            assert_eq!(waits(), 1, "for reading, or for writing what is in the pipe");
            drop(relay);
            assert_eq!(waits(), 0);
        }
        drop(server);
    });
}

#[test]
fn errors_of_either_side_end_it() {
    checked(async {
        let (client, from, to, server) = relayed().await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(splice(&from, &to).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        drop(server);

        let (client, from, to, server) = relayed().await;
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        to.readable().await.unwrap();
        let mut flood = Box::pin(client.write_all(&[7; 1 << 20]));
        let _ = flood.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let error = splice(&from, &to).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");

        let (_client, from, to, _server) = relayed().await;
        from.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(splice(&from, &to).await.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn unix_streams_carry_both_directions_at_once_and_each_end_is_passed_on() {
    checked(async {
        let ((client, one), (other, server)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let relay = spawn(async move { splice_bidirectional(&one, &other).await });
        let (sent, answered) = (pattern(LONG / 8), pattern(LONG / 8 + 4097));
        let both = |stream: UnixStream, bytes: Vec<u8>| async move {
            let mut received = Vec::new();
            let write = async {
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            };
            let read = async { io::read_to_end(&mut &stream, &mut received, LONG).await.unwrap() };
            futures::join!(write, read);
            received
        };
        let (client, server) = futures::join!(both(client, sent.clone()), both(server, answered.clone()));
        assert!(client == answered && server == sent);
        assert_eq!(relay.await.unwrap().unwrap(), (sent.len() as u64, answered.len() as u64));
    });
}

#[test]
fn a_stream_of_tcp_and_one_of_unix_are_relayed_and_one_way_ends_before_the_other() {
    checked(async {
        let ((client, one), (other, server)) = (connection().await, UnixStream::pair().unwrap());
        let relay = spawn(async move { splice_bidirectional(&one, &other).await });
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = Vec::new();
        io::read_to_end(&mut &server, &mut question, 64).await.unwrap();
        assert_eq!(question, b"question");
        server.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 6, "after the end of the other direction");
        drop(server);
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 0);
        assert_eq!(relay.await.unwrap().unwrap(), (8, 6));
    });
}

#[test]
fn an_error_of_one_direction_ends_both() {
    checked(async {
        let ((client, one), (other, _server)) = (connection().await, UnixStream::pair().unwrap());
        one.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = splice_bidirectional(&one, &other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(client);
    });
}

#[test]
fn a_pipe_at_either_end_carries_every_byte_once_and_in_its_place() {
    checked(async {
        for len in [0, 1, 65_536, 65_537, LONG / 4] {
            let ((client, from), (reader, writer)) = (connection().await, pipe().unwrap());
            let (to, server) = narrow_connection().await;
            let sent = pattern(len);
            let into_pipe = async move {
                let moved = splice(&from, &writer).await.unwrap();
                drop(writer);
                moved
            };
            let out_of_pipe = async {
                let moved = splice(&reader, &to).await.unwrap();
                to.shutdown(Shutdown::Write).unwrap();
                moved
            };
            let ((), first, second, received) =
                futures::join!(send(&client, &sent), into_pipe, out_of_pipe, receive(&server));
            assert_eq!((first, second), (len as u64, len as u64));
            assert!(received == sent, "{len} bytes");
        }
    });
}

#[test]
fn from_one_pipe_to_another_in_small_parts() {
    checked(async {
        let ((from, writer), (reader, to)) = (pipe().unwrap(), pipe().unwrap());
        let relay = spawn(async move { splice(&from, &to).await });
        for round in 0..1000_u32 {
            writer.write_all(&round.to_be_bytes()).await.unwrap();
            let mut buffer = [0; 4];
            io::read_exact(&mut &reader, &mut buffer).await.unwrap();
            assert_eq!(buffer, round.to_be_bytes());
        }
        drop(writer);
        assert_eq!(relay.await.unwrap().unwrap(), 4000);
    });
}

#[test]
fn a_full_pipe_and_an_empty_one_are_waited_for_and_nothing_is_lost_with_the_future() {
    checked(async {
        let mut cx = Context::from_waker(Waker::noop());
        let ((client, from), (reader, to)) = (UnixStream::pair().unwrap(), pipe().unwrap());
        let mut filled = 0;
        while let Some(count) = to.try_write(&[0; 4096]).unwrap() {
            filled += count;
        }
        for sent in [&b""[..], b"kept"] {
            client.write_all(sent).await.unwrap();
            if !sent.is_empty() {
                from.readable().await.unwrap();
            }
            let mut relay = Box::pin(splice(&from, &to));
            assert!(relay.as_mut().poll(&mut cx).is_pending());
            assert_eq!(waits(), 1, "for reading, or for room");
            drop(relay);
            assert_eq!(waits(), 0);
        }
        let mut rest = vec![0; filled];
        io::read_exact(&mut &reader, &mut rest).await.unwrap();
        let mut buffer = [0; 64];
        let (relay, read) = (Box::pin(splice(&from, &to)), Box::pin(reader.read(&mut buffer)));
        match futures::future::select(relay, read).await {
            Either::Left(_) => panic!("the stream has not ended"),
            Either::Right((count, _relay)) => assert_eq!(count.unwrap(), 4, "what had come is there for the next"),
        }
        assert_eq!((from.try_read(&mut [0; 64]).unwrap(), waits()), (None, 0));
    });
}

#[test]
fn a_pipe_without_a_reader_and_deadlines_end_it() {
    checked(async {
        let ((client, from), (reader, to)) = (UnixStream::pair().unwrap(), pipe().unwrap());
        drop(reader);
        client.write_all(b"lost").await.unwrap();
        assert_eq!(splice(&from, &to).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let ((reader, _writer), (_reader, to)) = (pipe().unwrap(), pipe().unwrap());
        reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(splice(&reader, &to).await.unwrap_err().kind(), ErrorKind::TimedOut);
        let ((client, from), (_reader, to)) = (UnixStream::pair().unwrap(), pipe().unwrap());
        while to.try_write(&[0; 4096]).unwrap().is_some() {}
        client.write_all(b"x").await.unwrap();
        to.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(splice(&from, &to).await.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

/// Gives it room for a mebibyte.
#[cfg(target_os = "linux")]
fn widen(pipe: &impl std::os::fd::AsRawFd) {
    // SAFETY: the descriptor is open.
    let size = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
    assert_eq!(size, 1 << 20, "{}", std::io::Error::last_os_error());
}

#[test]
#[cfg(target_os = "linux")]
fn a_poll_moves_half_a_mebibyte() {
    checked(async {
        // Less than there is room for: in a pipe that is full the end of the other is not seen.
        let len = 768 << 10;
        let (from, writer) = pipe().unwrap();
        widen(&writer);
        writer.write_all(&vec![7; len]).await.unwrap();
        drop(writer);
        let (_reader, to) = pipe().unwrap();
        widen(&to);
        // A poll that has its budget.
        yield_now().await;
        let polls = Stats::current().unwrap().polls;
        assert_eq!(splice(&from, &to).await.unwrap(), len as u64);
        let polls = Stats::current().unwrap().polls - polls;
        assert!((1..=3).contains(&polls), "{polls} polls");
    });
}
