//! Unix streams and listeners: paths and names, who the peer is, full queues, half-close, std I/O.
#![cfg(feature = "service")]
mod util;

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use mainspring::codec::{Framed, HalfClose, Lines};
use mainspring::net::{UnixConnecting, UnixListener, UnixStream, abstract_address, abstract_name};
use mainspring::tick::{Tick, schedule};
use mainspring::time::timeout;
use mainspring::{ready, spawn};
use util::folder::Folder;
use util::runtime::*;

/// A listener whose queue holds one connection.
fn narrow_listener(path: &Path) -> UnixListener {
    UnixListener::options().backlog(0).bind(path).unwrap()
}

/// Fills the queue of the listener at `address`, and returns those in it, and one more that waits.
fn fill(address: &SocketAddr) -> (Vec<UnixStream>, UnixConnecting) {
    let mut queued = Vec::new();
    for _ in 0..64 {
        let mut connecting = UnixStream::start_connect(address).unwrap();
        match connecting.try_connect().unwrap() {
            Some(stream) => queued.push(stream),
            None => return (queued, connecting),
        }
    }
    panic!("64 connections in a queue of 1");
}

async fn read_all(stream: &UnixStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn both_ends_agree_on_their_addresses() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(listener.try_accept().unwrap().is_none(), "nothing comes before a connect");
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed() && client.local_addr().unwrap().is_unnamed());
        for address in [listener.local_addr(), client.peer_addr(), server.local_addr()] {
            assert_eq!(address.unwrap().as_pathname(), Some(&*path));
        }
        assert!(listener.try_accept().unwrap().is_none());
        for text in [format!("{listener:?}"), format!("{client:?}"), format!("{server:?}")] {
            assert!(text.contains(path.to_str().unwrap()), "{text}");
        }
    });
}

#[test]
fn an_accept_that_waits_gets_the_connection_that_comes_later() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let accepting = spawn(async move {
            let first = listener.accept().await.unwrap().0;
            let second = listener.incoming().next().await.unwrap().unwrap();
            // In a tick.
            let task =
                schedule(move || Ok(if listener.try_accept()?.is_some() { Tick::Final } else { Tick::WouldBlock }));
            task.await.unwrap().unwrap();
            (first, second)
        });
        turns(2).await;
        for _ in 0..3 {
            UnixStream::connect(&path).await.unwrap();
            turns(2).await;
        }
        accepting.await.unwrap();
        assert_eq!(stats().accepted, 3);
    });
}

#[test]
fn abstract_names_need_no_file() {
    run(async {
        let name = format!("mainspring-test-{}", std::process::id());
        let address = abstract_address(name.as_bytes()).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let client = UnixStream::connect_addr(&address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(abstract_name(&client.peer_addr().unwrap()), Some(name.as_bytes()));
        assert_eq!(UnixListener::bind_addr(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 2]).await.unwrap(), 1);
        // It is gone with its socket.
        drop((listener, server));
        UnixListener::bind_addr(&address).unwrap();
    });
}

#[test]
fn errors_say_what_is_wrong_with_a_path() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let error = UnixListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        drop(listener);
        // The path stays, and nobody listens.
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::ConnectionRefused, Some(libc::ECONNREFUSED)));
        fs::remove_file(&path).unwrap();
        UnixListener::bind(&path).unwrap();
        let long = folder.join(&"x".repeat(200));
        assert_eq!(UnixStream::connect(&long).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixListener::bind(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixStream::connect("").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!((stats().sources, stats().waits), (0, 0));
    });
    assert!(UnixStream::pair().unwrap_err().to_string().contains("a UnixStream needs a reactor"));
}

#[test]
fn a_full_queue_is_waited_for() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = narrow_listener(&path);
        let (queued, connecting) = fill(&listener.local_addr().unwrap());
        let mut waiting = vec![spawn(connecting)];
        for _ in 0..3 {
            let path = path.clone();
            waiting.push(spawn(async move { UnixStream::connect(path).await }));
        }
        turns(3).await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        let mut accepted = Vec::new();
        for _ in 0..queued.len() + waiting.len() {
            accepted.push(listener.accept().await.unwrap().0);
        }
        for task in waiting {
            // It is connected, and works as any other.
            let stream = task.await.unwrap().unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
        }
    });
}

#[test]
fn one_that_waited_for_a_full_queue_carries_bytes_both_ways() {
    run(async {
        let folder = Folder::new();
        let listener = narrow_listener(&folder.join("socket"));
        let (queued, connecting) = fill(&listener.local_addr().unwrap());
        let client = spawn(async move {
            let stream = connecting.await.unwrap();
            // The first read is one that waits.
            let mut buffer = [0; 8];
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 5);
            stream.write_all(&buffer[..5]).await.unwrap();
        });
        for stream in queued {
            drop((listener.accept().await.unwrap(), stream));
        }
        let (server, _) = listener.accept().await.unwrap();
        turns(3).await;
        server.write_all(b"hello").await.unwrap();
        assert_eq!(read_all(&server).await, b"hello");
        client.await.unwrap();
    });
}

#[test]
fn a_tick_and_a_cancelled_future_wait_for_a_full_queue_too() {
    run(async {
        let folder = Folder::new();
        let listener = narrow_listener(&folder.join("socket"));
        let address = listener.local_addr().unwrap();
        let (queued, mut connecting) = fill(&address);
        let given_up = timeout(Duration::from_millis(5), UnixStream::connect_addr(&address)).await;
        assert!(given_up.is_err(), "the queue is full");
        let tries = Rc::new(Cell::new(0));
        let count = tries.clone();
        let task = schedule(move || {
            count.set(count.get() + 1);
            Ok(if connecting.try_connect()?.is_some() { Tick::Final } else { Tick::WouldBlock })
        });
        turns(2).await;
        for stream in queued {
            drop((listener.accept().await.unwrap(), stream));
        }
        task.await.unwrap().unwrap();
        assert!((2..20).contains(&tries.get()), "{} tries", tries.get());
        assert_eq!((stats().sources, stats().waits), (1, 0));
    });
}

#[test]
fn a_listener_that_goes_away_ends_the_wait_for_its_queue() {
    run(async {
        let folder = Folder::new();
        let listener = narrow_listener(&folder.join("socket"));
        let (queued, connecting) = fill(&listener.local_addr().unwrap());
        let waiting = spawn(connecting);
        turns(2).await;
        drop(listener);
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionRefused);
        for stream in queued {
            let error = stream.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn the_system_vouches_for_the_peer() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        for stream in [&client, &server] {
            let peer = stream.peer_credentials().unwrap();
            assert_eq!(peer.process, Some(std::process::id() as i32));
            let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder.path()).unwrap());
            assert_eq!(peer.user, owner);
        }
    });
}

#[test]
fn each_direction_is_closed_on_its_own() {
    run(async {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(b"question").await.unwrap();
        HalfClose::shutdown_write(&mut client).unwrap();
        assert_eq!(read_all(&server).await, b"question");
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        server.write_all(b"answer").await.unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client).await, b"answer");
        HalfClose::shutdown_write(&mut client).unwrap();
    });
}

#[test]
fn shutting_down_wakes_whoever_waits_on_the_stream() {
    run(async {
        let (stream, _peer) = UnixStream::pair().unwrap();
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
fn a_peer_that_goes_away_wakes_readers_and_writers() {
    run(async {
        let (stream, peer) = UnixStream::pair().unwrap();
        let stream = Rc::new(stream);
        while stream.try_write(&[7; 65_536]).unwrap().is_some() {}
        let (reading, writing) = (stream.clone(), stream.clone());
        let read = spawn(async move { reading.read(&mut [0]).await });
        let write = spawn(async move { writing.write(b"x").await });
        turns(2).await;
        drop(peer);
        // With bytes that it has not read, the connection is reset.
        assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(write.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_large_transfer_is_exact() {
    const BYTES: usize = 1_000_000;
    let pattern = |position: usize| (position ^ position >> 8 ^ position >> 16) as u8;
    run(async move {
        let mut random = Random::new();
        let (client, server) = UnixStream::pair().unwrap();
        client.set_send_buffer_size(1).unwrap();
        let writing = spawn(async move {
            let all: Vec<u8> = (0..BYTES).map(pattern).collect();
            client.write_all(&all).await.unwrap();
        });
        let (mut position, mut buffer) = (0, vec![0; 9_000]);
        while position < BYTES {
            let length = 1 + random.below(9_000);
            let count = server.read(&mut buffer[..length]).await.unwrap();
            assert!(count > 0, "the end after {position} bytes");
            for &byte in &buffer[..count] {
                assert_eq!(byte, pattern(position));
                position += 1;
            }
        }
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        writing.await.unwrap();
    });
}

#[test]
fn vectors_peeks_and_empty_buffers() {
    run(async {
        let (left, right) = UnixStream::pair().unwrap();
        assert_eq!(right.read(&mut []).await.unwrap(), 0);
        assert_eq!(left.write(b"").await.unwrap(), 0);
        left.write_all(b"").await.unwrap();
        assert_eq!(right.try_peek(&mut [0]).unwrap(), None);
        let parts = [IoSlice::new(b"one, "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(left.write_vectored(&parts).await.unwrap(), 8);
        assert_eq!(left.try_write_vectored(&parts).unwrap(), Some(8));
        let (mut first, mut second) = ([0; 4], [0; 32]);
        assert_eq!(right.peek(&mut first).await.unwrap(), 4);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(right.read_vectored(&mut buffers).await.unwrap(), 16);
        assert_eq!((&first[..], &second[..12]), (&b"one,"[..], &b" twoone, two"[..]));
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(right.try_read_vectored(&mut buffers).unwrap(), None);
    });
}

#[test]
fn std_io_works_inside_ready_and_ticks_and_nowhere_else() {
    run(async {
        let (client, mut server) = UnixStream::pair().unwrap();
        assert_eq!(Read::read(&mut server, &mut [0]).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Write::write(&mut &server, b"x").unwrap_err().kind(), ErrorKind::Unsupported);
        let echo = spawn(async move {
            let mut reader = BufReader::new(server);
            loop {
                let count = ready(|| reader.fill_buf().map(<[u8]>::len)).await.unwrap();
                if count == 0 {
                    break;
                }
                let bytes = reader.buffer().to_vec();
                mainspring::io::write_all(reader.get_mut(), &bytes).await.unwrap();
                reader.consume(count);
            }
        });
        for _ in 0..100 {
            client.write_all(b"foo bar baz").await.unwrap();
            let mut limited = Read::take(&client, 11);
            let mut buffer = [0; 11];
            mainspring::io::read_exact(&mut limited, &mut buffer).await.unwrap();
            assert_eq!(&buffer, b"foo bar baz");
        }
        drop(client);
        echo.await.unwrap();
    });
}

#[test]
fn a_tick_echoes_until_the_end() {
    run(async {
        let (client, server) = UnixStream::pair().unwrap();
        let (mut buffer, mut start, mut end) = ([0; 512], 0, 0);
        let echo = schedule(move || {
            loop {
                while start < end {
                    let Some(count) = server.try_write(&buffer[start..end])? else { return Ok(Tick::WouldBlock) };
                    start += count;
                }
                match server.try_read(&mut buffer)? {
                    None => return Ok(Tick::WouldBlock),
                    Some(0) => return Ok(Tick::Final),
                    Some(count) => (start, end) = (0, count),
                }
            }
        });
        let client = Rc::new(client);
        let reading = client.clone();
        let read = spawn(async move { read_all(&reading).await });
        client.write_all(&[3; 500_000]).await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read.await.unwrap(), [3; 500_000]);
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn a_framed_transport_runs_over_it() {
    run(async {
        let (client, server) = UnixStream::pair().unwrap();
        let shout = mainspring::service::service_fn(async |line: String| std::io::Result::Ok(line.to_uppercase()));
        let serving =
            spawn(async move { mainspring::proto::pipeline::serve(Framed::new(server, Lines::new()), &shout).await });
        client.write_all(b"hello\nworld\n").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client).await, b"HELLO\nWORLD\n");
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_wait_ends_with_the_read_timeout_and_the_longest_one_is_never() {
    in_virtual_time(async {
        let (left, right) = UnixStream::pair().unwrap();
        assert_eq!(left.set_write_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        left.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        assert_eq!(left.read_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(left.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        left.set_read_timeout(Some(Duration::MAX)).unwrap();
        left.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        while left.try_write(&[0; 65_536]).unwrap().is_some() {}
        assert_eq!(left.write(b"x").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(left.writable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        let reading = spawn(async move { left.read(&mut [0]).await.unwrap() });
        turns(2).await;
        right.write_all(b"x").await.unwrap();
        assert_eq!(reading.await.unwrap(), 1);
    });
}

#[test]
fn ten_thousand_cancelled_reads_and_accepts_leave_no_wait() {
    run(async {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.join("socket")).unwrap();
        let (stream, _peer) = UnixStream::pair().unwrap();
        let (mut descriptors, mut byte) = (Vec::new(), [0]);
        for _ in 0..10_000 {
            assert!(poll_once(listener.accept()).is_pending());
            assert!(poll_once(listener.incoming().next()).is_pending());
            assert!(poll_once(stream.read(&mut [0])).is_pending());
            assert!(poll_once(stream.readable()).is_pending());
            let mut buffers = [IoSliceMut::new(&mut byte)];
            assert!(poll_once(stream.recv_descriptors(&mut buffers, &mut descriptors)).is_pending());
            assert!(poll_once(ready(|| Read::read(&mut &stream, &mut [0]))).is_pending());
            assert_eq!(stats().waits, 0);
            // So many within one poll are a spin.
            mainspring::yield_now().await;
        }
    });
}

#[test]
fn streams_and_listeners_go_to_std_and_come_back() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap().into_std().unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut plain = server.into_std().unwrap();
        turns(2).await;
        let (before, sources) = (stats().events, stats().sources);
        client.write_all(b"hello").await.unwrap();
        turns(2).await;
        assert_eq!((stats().events, sources), (before, 2), "it was removed from the selector");
        assert_eq!(plain.read(&mut [0; 2]).unwrap(), 2);
        let server = UnixStream::from_std(plain).unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 3);
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), None);
        assert!(server.take_error().unwrap().is_none());
    });
}

#[test]
fn a_listener_survives_a_lack_of_descriptors_as_one_of_tcp_does() {
    in_child("a_listener_survives_a_lack_of_descriptors_as_one_of_tcp_does", || {
        run(async {
            let folder = Folder::new();
            let path = folder.join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            let mut taken = Vec::new();
            let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: `limits` is writable for one rlimit.
            assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) }, 0);
            limits.rlim_cur = 64;
            // SAFETY: `limits` is readable for one rlimit.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limits) }, 0);
            while let Ok(file) = fs::File::open("/dev/null") {
                taken.push(file);
            }
            let accepting = spawn(async move { listener.accept().await.unwrap().0 });
            until(|| stats().accept_paused > 0).await;
            assert!(!accepting.is_finished());
            drop(taken);
            let server = accepting.await.unwrap();
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
        });
    });
}
