//! TCP: connecting, accepting, bytes in both directions, and the ways in which a connection ends.
mod util;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::{ready, spawn};
use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use util::runtime::*;

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn both_ends_agree_on_their_addresses() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listener.try_accept().unwrap().is_none(), "nothing comes before a connect");
        let client = TcpStream::connect(address).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), address);
        assert_eq!(client.local_addr().unwrap(), peer);
        assert_eq!(server.peer_addr().unwrap(), peer);
        assert_eq!(server.local_addr().unwrap(), address);
        assert!(server.nodelay().unwrap(), "inherited from the listener");
        assert!(listener.try_accept().unwrap().is_none());
    });
}

#[test]
fn an_accept_that_waits_gets_the_connection_that_comes_later() {
    run(async {
        let listener = TcpListener::bind(local()).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = spawn(async move {
            let first = listener.accept().await.unwrap().0;
            let mut incoming = listener.incoming();
            let second = incoming.next().await.unwrap().unwrap();
            (first, second)
        });
        turns(2).await;
        let _clients = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        accepting.await.unwrap();
    });
}

#[test]
fn a_refused_connection_is_an_error_and_leaves_nothing() {
    run(async {
        // A port that was free a moment ago.
        let address = std::net::TcpListener::bind(local()).unwrap().local_addr().unwrap();
        for _ in 0..100 {
            let error = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert!(error.raw_os_error().is_some(), "the code of the system is kept");
        }
        assert_eq!((stats().sources, stats().waits), (0, 0));
    });
}

#[test]
fn connect_tries_one_address_after_the_other() {
    run(async {
        let listener = TcpListener::bind(local()).unwrap();
        let refused = std::net::TcpListener::bind(local()).unwrap().local_addr().unwrap();
        let addresses = vec![refused, refused, listener.local_addr().unwrap()];
        let stream = TcpStream::connect(addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        let error = TcpStream::connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn text_that_is_no_address_is_invalid_and_named() {
    run(async {
        for text in ["nonsense", "127.0.0.1", "127.0.0.1:http", ":80", "host:99999", ""] {
            let error = TcpStream::connect(text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
            assert_eq!(TcpListener::bind(text).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn an_address_in_use_is_named() {
    run(async {
        let listener = TcpListener::bind(local()).unwrap();
        let address = listener.local_addr().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
fn the_backlog_bounds_connections_that_nobody_accepts_and_the_default_is_large() {
    run(async {
        let small = TcpListener::options().backlog(1).bind(local()).unwrap();
        let mut connecting: FuturesUnordered<_> =
            (0..8).map(|_| TcpStream::connect(small.local_addr().unwrap())).collect();
        let mut connected = Vec::new();
        // The first comes, however busy the machine is; those that have not come when nothing more does will not.
        connected.push(connecting.next().await.unwrap().unwrap());
        while let Ok(Some(stream)) = mainspring::time::timeout(Duration::from_millis(100), connecting.next()).await {
            connected.push(stream.unwrap());
        }
        assert!((1..=4).contains(&connected.len()), "{} connections in a backlog of 1", connected.len());
        // What is still connecting is closed with its future.
        drop(connecting);
        assert_eq!((stats().sources, stats().waits), (1 + connected.len(), 0));

        let large = TcpListener::bind(local()).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..200 {
            waiting.push(TcpStream::connect(large.local_addr().unwrap()).await.unwrap());
        }
        for _ in 0..200 {
            large.accept().await.unwrap();
        }
    });
}

#[test]
fn each_direction_is_closed_on_its_own() {
    run(async {
        let (client, server) = pair().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&server).await.unwrap(), b"question");
        let error = client.write(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // The other way is open, also after the end was read.
        server.write_all(b"answer").await.unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "an end is an end");
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&client).await.unwrap(), b"answer");
    });
}

#[test]
fn shutting_down_wakes_whoever_waits_on_the_stream() {
    run(async {
        let (stream, _peer) = half_std().await;
        let stream = Rc::new(stream);
        let reading = stream.clone();
        let read = spawn(async move { reading.read(&mut [0]).await });
        turns(2).await;
        assert!(!read.is_finished());
        stream.shutdown(Shutdown::Read).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), 0);
    });
}

#[test]
fn bytes_that_came_before_the_end_are_read_first() {
    run(async {
        let (stream, mut peer) = half_std().await;
        peer.write_all(&[5; 10_000]).unwrap();
        drop(peer);
        turns(2).await;
        assert_eq!(read_to_end(&stream).await.unwrap(), [5; 10_000]);
    });
}

#[test]
fn a_reset_is_an_error_for_readers_and_writers_and_no_panic() {
    run(async {
        let (client, server) = pair().await;
        let server = Rc::new(server);
        // One turn is refused long before the buffers of both ends are full.
        for _ in 0..100 {
            while server.try_write(&[7; 65_536]).unwrap().is_some() {}
            turns(2).await;
        }
        let (reading, writing) = (server.clone(), server.clone());
        let read = spawn(async move { reading.read(&mut [0]).await });
        let write = spawn(async move {
            loop {
                writing.write(&[7; 65_536]).await?;
            }
            #[allow(unreachable_code)]
            std::io::Result::Ok(())
        });
        turns(2).await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let kinds = [read.await.unwrap().unwrap_err().kind(), write.await.unwrap().unwrap_err().kind()];
        assert!(kinds.contains(&ErrorKind::ConnectionReset), "{kinds:?}");
        for _ in 0..3 {
            // Whatever the system says from now on, it is an answer.
            let _ = server.read(&mut [0]).await;
            assert!(server.write(b"x").await.is_err());
        }
    });
}

#[test]
fn a_reset_ends_a_tick_task_that_waits() {
    run(async {
        let (client, server) = pair().await;
        let task = schedule(move || {
            server.try_read(&mut [0])?;
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn writing_to_a_peer_that_has_gone_is_an_error() {
    run(async {
        let (stream, peer) = half_std().await;
        drop(peer);
        let error = loop {
            match stream.write(b"x").await {
                Ok(_) => turns(1).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    });
}

#[test]
fn vectored_reads_and_writes_use_all_buffers_in_order() {
    run(async {
        let (client, server) = pair().await;
        let parts: [&[u8]; 4] = [b"one, ", b"", b"two, ", b"three"];
        let slices = parts.map(IoSlice::new);
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 15);
        let (mut first, mut second) = ([0; 4], [0; 16]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).await.unwrap(), 15);
        assert_eq!((&first[..], &second[..11]), (&b"one,"[..], &b" two, three"[..]));
        // Those that leave side by side, and one byte more than those.
        for (head, tail) in [(300, 212), (300, 213), (512, 0), (0, 513), (1, 5_000)] {
            let sent: Vec<u8> = (0..head + tail).map(pattern).collect();
            let slices = [IoSlice::new(&sent[..head]), IoSlice::new(&sent[head..])];
            assert_eq!(client.write_vectored(&slices).await.unwrap(), head + tail);
            let mut received = vec![0; head + tail];
            mainspring::io::read_exact(&mut &server, &mut received).await.unwrap();
            assert_eq!(received, sent);
        }
        // More than the system takes at once.
        let many = vec![IoSlice::new(b"x"); 3_000];
        let count = client.try_write_vectored(&many).unwrap().unwrap();
        assert!((1..=3_000).contains(&count));
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&server).await.unwrap(), vec![b'x'; count]);
    });
}

#[test]
fn a_transfer_of_which_the_system_took_a_part_is_no_sign_that_there_is_no_more() {
    run(async {
        let (client, server) = pair().await;
        let many = vec![IoSlice::new(b"x"); 2_000];
        let mut sent = 0;
        // There is room for all of it, so no event tells of room.
        for _ in 0..3 {
            sent += client.write_vectored(&many).await.unwrap();
        }
        let mut bytes = vec![[0]; 2_000];
        let mut received = 0;
        while received < sent {
            let mut buffers: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
            received += server.read_vectored(&mut buffers).await.unwrap();
        }
        assert_eq!((sent, received), (3 * 1_024, sent));
    });
}

#[test]
fn a_peek_takes_nothing_and_says_nothing_about_what_is_left() {
    run(async {
        let (stream, mut peer) = half_std().await;
        peer.write_all(b"abc").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 3);
        assert_eq!(stream.try_peek(&mut buffer).unwrap(), Some(3));
        assert_eq!(stream.try_read(&mut buffer[..2]).unwrap(), Some(2));
        assert_eq!(stream.try_read(&mut buffer).unwrap(), Some(1));
        assert_eq!(stream.try_peek(&mut buffer).unwrap(), None);
    });
}

/// The byte at a position of the pattern that transfers are checked against.
fn pattern(position: usize) -> u8 {
    (position ^ position >> 8 ^ position >> 16) as u8
}

#[test]
fn a_large_transfer_in_both_directions_with_tiny_buffers_is_exact() {
    const BYTES: usize = 1_000_000;
    run(async {
        let mut random = Random::new();
        let (client, server) = pair().await;
        let mut tasks = Vec::new();
        for stream in [client, server] {
            stream.set_send_buffer_size(1).unwrap();
            stream.set_recv_buffer_size(16_384).unwrap();
            let stream = Rc::new(stream);
            let (reading, mut seeded) = (stream.clone(), Random::from(random.next()));
            tasks.push(spawn(async move {
                let (mut position, mut buffer) = (0, vec![0; 9_000]);
                while position < BYTES {
                    let len = 1 + seeded.below(9_000);
                    let count = reading.read(&mut buffer[..len]).await.unwrap();
                    assert!(count > 0, "the end after {position} bytes");
                    for &byte in &buffer[..count] {
                        assert_eq!(byte, pattern(position));
                        position += 1;
                    }
                }
            }));
            let mut seeded = Random::from(random.next());
            tasks.push(spawn(async move {
                let all: Vec<u8> = (0..BYTES).map(pattern).collect();
                let mut position = 0;
                while position < BYTES {
                    let len = (1 + seeded.below(20_000)).min(BYTES - position);
                    position += stream.write(&all[position..position + len]).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn buffered_std_io_over_sockets_echoes() {
    run(async {
        let (client, server) = pair().await;
        drop(spawn(async move {
            let mut reader = BufReader::new(server);
            loop {
                let count = ready(|| reader.fill_buf().map(<[u8]>::len)).await.unwrap();
                if count == 0 {
                    break;
                }
                reader.get_ref().write_all(reader.buffer()).await.unwrap();
                reader.consume(count);
            }
        }));
        let mut echoed = Vec::new();
        for round in 0..1_024 {
            client.write_all(b"foo bar baz").await.unwrap();
            let mut buffer = [0; 11];
            let mut have = 0;
            while have < 11 {
                have += client.read(&mut buffer[have..]).await.unwrap();
            }
            echoed.extend_from_slice(&buffer);
            assert_eq!(echoed.len(), 11 * (round + 1));
        }
        // `Read::take` keeps its place as well.
        client.write_all(b"foo bar baz").await.unwrap();
        let mut limited = Read::take(client, 4);
        let mut text = [0; 16];
        assert_eq!(ready(|| limited.read(&mut text)).await.unwrap(), 4);
        assert_eq!(ready(|| limited.read(&mut text)).await.unwrap(), 0);
    });
}

#[test]
fn many_streams_in_one_task_are_each_woken() {
    run(async {
        let (mut echoes, mut peers) = (FuturesUnordered::new(), Vec::new());
        for index in 0..20 {
            let (stream, peer) = half_std().await;
            peers.push(peer);
            echoes.push(async move {
                let mut buffer = [0];
                for _ in 0..50 {
                    assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
                    assert_eq!(buffer[0], index);
                    stream.write_all(&buffer).await.unwrap();
                }
            });
        }
        let client = std::thread::spawn(move || {
            for _ in 0..50 {
                for (index, peer) in peers.iter_mut().enumerate().rev() {
                    peer.write_all(&[index as u8]).unwrap();
                }
                for (index, peer) in peers.iter_mut().enumerate() {
                    let mut byte = [0];
                    peer.read_exact(&mut byte).unwrap();
                    assert_eq!(byte[0] as usize, index);
                }
            }
        });
        while echoes.next().await.is_some() {}
        client.join().unwrap();
    });
}

#[test]
fn dropping_a_stream_closes_it_and_wakes_nobody_else() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let (other, _other_peer) = half_std().await;
        let ticks = Rc::new(Cell::new(0));
        let count = ticks.clone();
        let _waiting = schedule(move || {
            count.set(count.get() + 1);
            other.try_read(&mut [0])?;
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        assert_eq!((ticks.get(), stats().sources), (1, 2));
        drop(stream);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
        turns(3).await;
        assert_eq!((ticks.get(), stats().sources), (1, 1));
    });
}

#[test]
fn a_stream_goes_to_std_and_comes_back() {
    run(async {
        let (stream, mut peer) = half_std().await;
        // Known to be readable, and not read.
        peer.write_all(b"early").unwrap();
        turns(2).await;
        let address = stream.local_addr().unwrap();
        let mut plain = stream.into_std().unwrap();
        assert_eq!((stats().sources, plain.local_addr().unwrap()), (0, address));
        let before = stats().events;
        peer.write_all(b", late").unwrap();
        turns(3).await;
        assert_eq!(stats().events, before, "it was removed from the selector");
        let mut buffer = [0; 32];
        assert_eq!(plain.read(&mut buffer).unwrap(), 11);
        assert_eq!(plain.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock, "it stays non-blocking");
        // A duplicate outlives what was made from it, and causes no event.
        let duplicate = plain.try_clone().unwrap();
        let stream = TcpStream::from_std(plain).unwrap();
        peer.write_all(b"again").unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 5);
        drop(stream);
        let before = stats().events;
        peer.write_all(b"to the duplicate").unwrap();
        turns(3).await;
        assert_eq!(stats().events, before);
        let stream = TcpStream::from_std(duplicate).unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 16);
    });
}

#[test]
fn a_blocking_listener_of_std_can_be_taken_over_and_given_back() {
    run(async {
        let listener = TcpListener::from_std(std::net::TcpListener::bind(local()).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listener.try_accept().unwrap().is_none(), "it does not block");
        let client = TcpStream::connect(address).await.unwrap();
        listener.accept().await.unwrap();
        drop(client);
        let plain = listener.into_std().unwrap();
        assert_eq!(plain.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let _client = TcpStream::connect(address).await.unwrap();
        plain.set_nonblocking(false).unwrap();
        plain.accept().unwrap();
    });
}

#[test]
fn descriptors_that_are_used_again_never_get_the_events_of_the_one_before() {
    const ROUNDS: u32 = 2_000;
    run(async {
        let listener = TcpListener::bind(local()).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |tag: u32, write: bool| {
            let mut peer = std::net::TcpStream::connect(address).unwrap();
            if write {
                peer.write_all(&tag.to_le_bytes()).unwrap();
            }
            peer
        };
        for round in 0..ROUNDS {
            // Four with bytes to read, announced in one batch of events.
            let mut old = Vec::new();
            for _ in 0..4 {
                let peer = connect(0, false);
                let stream = listener.accept().await.unwrap().0;
                assert_eq!(stream.try_read(&mut [0]).unwrap(), None);
                old.push((stream, peer));
            }
            old.iter_mut().for_each(|(_, peer)| peer.write_all(&[0xFF; 4]).unwrap());
            old[0].0.readable().await.unwrap();
            // Within this poll all are closed, and their descriptors and slots used again.
            let (streams, peers): (Vec<_>, Vec<_>) = old.into_iter().unzip();
            drop(streams);
            for index in 0..4 {
                let tag = round * 4 + index;
                let _peer = connect(tag, index % 2 == 0);
                let stream = listener.accept().await.unwrap().0;
                if index % 2 == 0 {
                    let mut bytes = [0; 4];
                    assert_eq!(stream.read(&mut bytes).await.unwrap(), 4);
                    assert_eq!(u32::from_le_bytes(bytes), tag);
                }
                assert_eq!(stream.try_read(&mut [0]).unwrap(), None);
            }
            drop(peers);
        }
        assert_eq!(stats().sources, 1);
    });
}
