//! The least and the most of what sockets, pools and queues take: empty buffers, no time and all time, no items and all
//! items.
#![cfg(feature = "service")]
mod util;

use mainspring::channel::mpsc;
use mainspring::codec::{Framed, Lines};
use mainspring::net::{Datagrams, Source, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use mainspring::proto::pipeline;
use mainspring::sync::Semaphore;
use mainspring::testing::{Test, advance};
use mainspring::time::{Clock, timeout};
use mainspring::{Reactor, io, unblock};
use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use util::folder::Folder;
use util::runtime::{pair, poll_once, quiet, run};

const LONGEST: Duration = Duration::MAX;

/// Whether `f` panics, as its documentation says.
fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// No time is refused; all time, the shortest and none at all are not.
fn takes_timeouts(set: impl Fn(Option<Duration>) -> std::io::Result<()>) {
    assert_eq!(set(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
    for timeout in [Some(Duration::from_nanos(1)), Some(LONGEST), None] {
        set(timeout).unwrap();
    }
}

#[test]
fn unix_streams_and_their_listeners() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(ours.peek(&mut [0]).await.unwrap(), 1);
        assert_eq!(ours.read(&mut []).await.unwrap(), 0);
        assert_eq!((ours.try_read(&mut []).unwrap(), ours.try_peek(&mut []).unwrap()), (Some(0), Some(0)));
        assert_eq!(ours.write(&[]).await.unwrap(), 0);
        assert_eq!(ours.try_write(&[]).unwrap(), Some(0));
        ours.write_all(&[]).await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1, "the stream is as it was");
        takes_timeouts(|timeout| ours.set_read_timeout(timeout));
        takes_timeouts(|timeout| ours.set_write_timeout(timeout));
        ours.set_read_timeout(Some(LONGEST)).unwrap();
        assert!(poll_once(ours.read(&mut [0])).is_pending());
        for bytes in [0, usize::MAX] {
            // What the system refuses is an error of the system.
            let _ = ours.set_recv_buffer_size(bytes);
            let _ = ours.set_send_buffer_size(bytes);
        }
        let folder = Folder::new();
        for (backlog, name) in [(0, "least"), (u32::MAX, "most")] {
            let listener = UnixListener::options().backlog(backlog).bind(folder.join(name)).unwrap();
            let _client = UnixStream::connect(folder.join(name)).await.unwrap();
            listener.accept().await.unwrap();
        }
    });
}

#[test]
fn datagrams_that_are_empty_or_find_no_room() {
    run(async {
        let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        ours.connect(theirs.local_addr().unwrap()).await.unwrap();
        theirs.connect(ours.local_addr().unwrap()).await.unwrap();
        // An empty datagram is one, and no end; an empty buffer takes none.
        for sent in [0, 1] {
            assert_eq!(theirs.send(&vec![7; sent]).await.unwrap(), sent);
            assert_eq!(ours.peek(&mut []).await.unwrap(), 0);
            assert_eq!(ours.recv(&mut []).await.unwrap(), 0);
            assert_eq!(ours.recv(&mut [0]).await.unwrap(), sent);
            assert_eq!(ours.try_recv(&mut [0]).unwrap(), None);
        }
        // With the address, it is taken and lost.
        theirs.send(b"x").await.unwrap();
        assert_eq!(ours.recv_from(&mut []).await.unwrap().0, 0);
        assert_eq!(ours.try_recv(&mut [0]).unwrap(), None);
        assert_eq!(ours.send(&[0; 65_508]).await.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        let mut none = Datagrams::new(0, 0);
        assert_eq!(ours.send_datagrams(&mut Datagrams::new(1, 1)).await.unwrap(), 0, "a batch of nothing is sent");
        theirs.send(b"x").await.unwrap();
        ours.readable().await.unwrap();
        // At least one, so that "none" is never an answer.
        assert!(none.capacity() >= 1 && ours.recv_datagrams(&mut none).await.unwrap() == 1);
        takes_timeouts(|timeout| ours.set_read_timeout(timeout));
        takes_timeouts(|timeout| ours.set_write_timeout(timeout));
        for ttl in [0, u32::MAX] {
            let _ = ours.set_ttl(ttl);
            let _ = ours.set_multicast_ttl_v4(ttl);
            let _ = ours.set_multicast_hops_v6(ttl);
            let _ = ours.set_multicast_interface_v6(ttl);
            let _ = ours.join_multicast_v6(std::net::Ipv6Addr::UNSPECIFIED, ttl);
        }

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        for sent in [0, 1] {
            assert_eq!(theirs.send(&vec![7; sent]).await.unwrap(), sent);
            assert_eq!(ours.recv(&mut []).await.unwrap(), 0);
            assert_eq!(ours.recv(&mut [0]).await.unwrap(), sent);
            assert_eq!(ours.try_recv(&mut [0]).unwrap(), None);
        }
        takes_timeouts(|timeout| ours.set_read_timeout(timeout));
        takes_timeouts(|timeout| ours.set_write_timeout(timeout));
    });
}

#[test]
fn pipes_and_other_descriptors() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        writer.write_all(&[]).await.unwrap();
        assert_eq!(writer.write(&[]).await.unwrap(), 0);
        assert_eq!(writer.write(b"x").await.unwrap(), 1);
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 1);
        takes_timeouts(|timeout| reader.set_read_timeout(timeout));
        takes_timeouts(|timeout| writer.set_write_timeout(timeout));
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let source = Source::new(ours).unwrap();
        takes_timeouts(|timeout| source.set_read_timeout(timeout));
        takes_timeouts(|timeout| source.set_write_timeout(timeout));
    });
}

#[test]
fn copies_with_buffers_of_any_size() {
    run(async {
        let mut copied = Vec::new();
        assert_eq!(io::copy_with_size(&mut Cursor::new("ab"), &mut copied, 0).await.unwrap(), 2);
        assert_eq!(io::read_to_end(&mut Cursor::new(""), &mut copied, 0).await.unwrap(), 0);
        assert!(io::read_to_end(&mut Cursor::new("x"), &mut copied, 0).await.is_err());
        let (mut one, mut other) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        one.0.write_all(b"ab").await.unwrap();
        io::shutdown(&mut one.0).await.unwrap();
        io::shutdown(&mut other.0).await.unwrap();
        let copied = io::copy_bidirectional_with_sizes(&mut one.1, &mut other.1, 0, 0).await;
        assert_eq!(copied.unwrap(), (2, 0));
    });
}

#[test]
fn pools_of_a_reactor() {
    for (number, time) in [(0, Duration::ZERO), (usize::MAX, LONGEST)] {
        let builder = Reactor::builder().names(number, time).blocking_queue(number).blocking_idle(time);
        // A buffer of so many bytes is not made, so this many are kept, of a size that can be had.
        let reactor = builder.buffers(number, number.min(1024)).build().unwrap();
        reactor
            .block_on(async {
                assert_eq!(unblock(|| 3).await.unwrap(), 3);
                let (client, server) = pair().await;
                client.write_all(b"x").await.unwrap();
                assert_eq!(*server.read_pooled().await.unwrap(), *b"x");
            })
            .unwrap();
    }
}

#[test]
fn permits_and_queues() {
    quiet();
    run(async {
        let permits = Semaphore::new(usize::MAX);
        permits.add_permits(usize::MAX);
        let all = permits.acquire(usize::MAX).await.unwrap();
        assert_eq!(permits.available(), 0);
        assert!(permits.try_acquire(1).unwrap().is_none() && permits.try_acquire(0).unwrap().is_some());
        drop(all);
        assert_eq!(permits.available(), usize::MAX);
        let _none = Semaphore::new(0).acquire(0).await.unwrap();
        assert!(panics(|| mpsc::bounded::<u8>(0)));
    });
}

#[test]
fn pipelines_with_the_least_and_the_most_in_flight() {
    run(async {
        assert!(panics(|| pipeline::Server::new().max_in_flight(0)));
        assert!(panics(|| pipeline::Server::new().max_in_flight(usize::MAX)));
        for (number, time) in [(1, Duration::ZERO), (usize::MAX, LONGEST)] {
            let (client, server) = pair().await;
            let (client, connection) = pipeline::connect::<_, String>(Framed::new(client, Lines::new()));
            let connection = connection.max_in_flight(number).max_waiting(number).stall_timeout(time);
            drop(mainspring::spawn(connection));
            drop(mainspring::spawn(async move { io::copy(&mut &server, &mut &server).await }));
            let call = timeout(Duration::from_secs(60), client.call("again".into()));
            assert_eq!(call.await.unwrap().unwrap(), "again");
        }
        let (client, connection) = pipeline::connect::<_, String>(Framed::new(pair().await.0, Lines::new()));
        assert!(panics(|| connection.max_in_flight(0)));
        drop(client);
    });
}

#[test]
fn a_clock_that_is_moved_to_its_end() {
    Test::new().clock(Clock::manual()).run(async {
        let sleeping = mainspring::spawn(mainspring::time::sleep(Duration::from_secs(1)));
        advance(LONGEST).await;
        assert!(sleeping.is_finished());
        advance(LONGEST).await;
    });
}
