//! The traits of `futures-io` over sources of a reactor, by the combinators of `futures`.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Cursor, copy};
use futures::{StreamExt, join, poll};
use mainspring::io::{HalfClose, Pollable};
use mainspring::net::{TcpListener, TcpStream, UnixStream};
use mainspring::{Reactor, run};

fn pair() -> (Pollable<UnixStream>, Pollable<UnixStream>) {
    let (left, right) = UnixStream::pair().unwrap();
    (Pollable::new(left), Pollable::new(right))
}

fn noise(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_copy_of_more_than_the_sockets_hold_arrives_and_is_closed() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_send_buffer_size(16 * 1024).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        server.set_recv_buffer_size(16 * 1024).unwrap();
        let (mut client, server) = (Pollable::new(client), Pollable::new(server));
        let bytes = noise(2_000_000);
        let sending = async {
            assert_eq!(copy(Cursor::new(&bytes), &mut client).await.unwrap(), bytes.len() as u64);
            client.close().await.unwrap();
            // The other direction is open still.
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "thanks");
        };
        let receiving = async {
            let (mut reader, mut writer) = server.split();
            let mut received = Vec::new();
            reader.read_to_end(&mut received).await.unwrap();
            assert!(received == bytes, "{} bytes", received.len());
            writer.write_all(b"thanks").await.unwrap();
            writer.close().await.unwrap();
        };
        join!(sending, receiving);
    })
    .unwrap();
}

#[test]
fn lines_are_read_by_the_combinators_of_futures() {
    run(async {
        let (mut left, right) = pair();
        left.write_all(b"one\ntwo\r\nthr").await.unwrap();
        let mut lines = BufReader::new(right).lines();
        assert_eq!(lines.next().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next().await.unwrap().unwrap(), "two");
        assert!(poll!(lines.next()).is_pending());
        left.write_all(b"ee\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "three");
        drop(left);
        assert!(lines.next().await.is_none());
    })
    .unwrap();
}

#[test]
fn a_wait_is_the_objects_and_ends_with_it() {
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            let (mut left, right) = pair();
            for _ in 0..1000 {
                assert!(poll!(left.read(&mut [0; 16])).is_pending());
            }
            drop(left);
            drop(right);
        })
        .unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

#[test]
fn a_timeout_of_the_source_is_an_error_here_once() {
    run(async {
        let (mut left, mut right) = pair();
        left.get_ref().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(left.read(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        right.write_all(b"late").await.unwrap();
        assert_eq!(left.read(&mut [0; 16]).await.unwrap(), 4);
    })
    .unwrap();
}

/// Says "not yet" without a reason.
struct Liar;

impl Read for Liar {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Liar {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl HalfClose for Liar {
    fn shutdown_write(&mut self) -> std::io::Result<()> {
        Err(ErrorKind::WouldBlock.into())
    }
}

#[test]
fn a_not_yet_that_nothing_would_end_is_an_error_and_no_hang() {
    run(async {
        let mut liar = Pollable::new(Liar);
        for error in [
            liar.read(&mut [0; 16]).await.map(drop).unwrap_err(),
            liar.write(b"x").await.map(drop).unwrap_err(),
            liar.close().await.unwrap_err(),
        ] {
            assert!(error.to_string().contains("a wait for nothing"), "{error}");
        }
    })
    .unwrap();
}
