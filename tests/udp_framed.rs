//! Datagrams as items: each with its sender, and none that another one spoils.
#![cfg(feature = "service")]
mod util;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mainspring::codec::{Encoder, FramedDatagrams, Lines};
use mainspring::net::UdpSocket;
use mainspring::tick::{Tick, schedule};
use util::runtime::*;

type Framed = FramedDatagrams<Lines>;

fn framed() -> (Framed, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (Framed::new(socket, Lines::new().max_length(8)), address)
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[test]
fn items_come_with_their_senders_and_answers_go_back() {
    run(async {
        let ((mut server, address), (mut one, one_address), (mut two, two_address)) = (framed(), framed(), framed());
        one.send("from one", address).await.unwrap();
        assert_eq!(server.next().await.unwrap(), ("from one".to_owned(), one_address));
        two.send("from two", address).await.unwrap();
        assert_eq!(server.next().await.unwrap(), ("from two".to_owned(), two_address));
        server.send("to one", one_address).await.unwrap();
        server.send("to two", two_address).await.unwrap();
        assert_eq!(two.next().await.unwrap(), ("to two".to_owned(), address));
        assert_eq!(one.next().await.unwrap(), ("to one".to_owned(), address));
    });
}

#[test]
fn a_frame_ends_with_its_datagram() {
    run(async {
        let ((mut server, address), (client, peer)) = (framed(), framed());
        for datagram in [&b"a\n\nb"[..], b"", b"c\n"] {
            client.socket().send_to(datagram, address).await.unwrap();
        }
        for line in ["a", "", "b", "c"] {
            assert_eq!(server.next().await.unwrap(), (line.to_owned(), peer));
        }
        assert_eq!(server.try_next().unwrap(), None);
    });
}

#[test]
fn an_error_ends_its_datagram_alone() {
    run(async {
        let ((mut server, address), (one, one_address), (two, two_address)) = (framed(), framed(), framed());
        // The rest of a line that is too long would swallow the next one of a stream.
        one.socket().send_to(b"a line that is too long", address).await.unwrap();
        assert_eq!(kind(server.next().await), ErrorKind::InvalidData);
        two.socket().send_to(b"short", address).await.unwrap();
        assert_eq!(server.next().await.unwrap(), ("short".to_owned(), two_address));
        // After one that is no text the codec finds the next line.
        one.socket().send_to(b"\xff\nb\n", address).await.unwrap();
        assert_eq!(kind(server.next().await), ErrorKind::InvalidData);
        assert_eq!(server.next().await.unwrap(), ("b".to_owned(), one_address));
    });
}

#[test]
fn a_datagram_beyond_the_limit_is_refused_whole_and_one_at_the_limit_is_taken() {
    run(async {
        let (server, address) = framed();
        let mut server = server.max_datagram(6);
        let (client, peer) = framed();
        for datagram in [&b"123456\n"[..], b"12345\n"] {
            client.socket().send_to(datagram, address).await.unwrap();
        }
        assert_eq!(kind(server.next().await), ErrorKind::InvalidData);
        assert_eq!(server.next().await.unwrap(), ("12345".to_owned(), peer));
    });
}

#[test]
fn what_cannot_be_encoded_or_sent_is_an_error_and_leaves_nothing_behind() {
    run(async {
        let ((mut server, address), (client, peer)) = (framed(), framed());
        let mut client = FramedDatagrams::new(client.into_parts().0, Plain);
        let error = client.send(vec![0; 70_000], address).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        client.send(b"next\n".to_vec(), address).await.unwrap();
        assert_eq!(server.next().await.unwrap(), ("next".to_owned(), peer));
        assert_eq!(kind(server.send("longer than 8", peer).await), ErrorKind::InvalidInput);
        server.send("answer", peer).await.unwrap();
        let mut buffer = [0; 32];
        assert_eq!(client.socket().recv_from(&mut buffer).await.unwrap(), (7, address));
    });
}

/// Bytes as they are.
struct Plain;

impl Encoder<Vec<u8>> for Plain {
    type Error = io::Error;

    fn encode(&mut self, item: Vec<u8>, output: &mut Vec<u8>) -> io::Result<()> {
        output.extend(item);
        Ok(())
    }
}

#[test]
fn a_tick_answers_each_line_and_sleeps_between() {
    run(async {
        let ((mut server, address), (mut client, _)) = (framed(), framed());
        let mut left = 100;
        let task = schedule(move || {
            while let Some((line, peer)) = server.try_next()? {
                // A socket has room for one small datagram.
                server.try_send(line, peer)?.expect("room");
                left -= 1;
                if left == 0 {
                    return Ok(Tick::Final);
                }
            }
            Ok(Tick::WouldBlock)
        });
        for number in 0..100 {
            client.send(number.to_string(), address).await.unwrap();
            assert_eq!(client.next().await.unwrap(), (number.to_string(), address));
        }
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_future_of_ones_own_polls_both_directions_and_is_woken_by_either() {
    run(async {
        let ((mut server, address), (mut client, peer)) = (framed(), framed());
        let echo = mainspring::spawn(async move {
            for _ in 0..100 {
                let (line, peer) = poll_fn(|cx| server.poll_next(cx)).await?;
                poll_fn(|cx| server.poll_flush(cx)).await?;
                server.start_send(line, peer)?;
                poll_fn(|cx| server.poll_flush(cx)).await?;
            }
            io::Result::Ok(())
        });
        for number in 0..100 {
            client.start_send(number.to_string(), address).unwrap();
            // Both at once, from one waker.
            let answer = poll_fn(|cx| {
                assert!(client.poll_flush(cx)?.is_ready(), "a socket has room for one small datagram");
                client.poll_next(cx)
            });
            assert_eq!(answer.await.unwrap(), (number.to_string(), address));
        }
        echo.await.unwrap().unwrap();
        assert_ne!(peer, address);
    });
}

#[test]
#[should_panic(expected = "a datagram is sent before")]
fn a_datagram_is_not_sent_over_another_that_is_kept() {
    run(async {
        let ((mut client, _), (_server, address)) = (framed(), framed());
        client.start_send("one", address).unwrap();
        let _ = client.start_send("two", address);
    });
}
