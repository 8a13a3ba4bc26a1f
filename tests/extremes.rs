//! What takes a number, a duration or a buffer takes the least and the most of it too: no panic, no overflow, no hang.
//!
//! Timers have theirs in `time.rs`, deadlines of sources in `deadline.rs`, those of pipelines in
//! `pipeline_deadlines.rs`.
#![cfg(feature = "service")]
mod util;

use mainspring::channel::mpsc;
use mainspring::codec::{Framed, Lines};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::server::Server;
use mainspring::service::{Service, ServiceExt, service_fn};
use mainspring::task::{CancellationToken, JoinSet, Tracker, spawn_named};
use mainspring::tick::{Tick, schedule_named};
use mainspring::time::timeout;
use mainspring::{Reactor, io, unblock};
use std::io::Cursor;
use std::net::Shutdown;
use std::time::Duration;
use util::runtime::{in_virtual_time, pair, poll_once, run};

const LONGEST: Duration = Duration::MAX;

#[test]
fn a_reactor_is_built_with_the_least_and_the_most() {
    for number in [0, usize::MAX] {
        let reactor = Reactor::builder().events(number).blocking_threads(number).measure_polls(true).build().unwrap();
        assert_eq!(reactor.block_on(async { unblock(|| 3).await }).unwrap().unwrap(), 3);
    }
}

#[test]
fn a_server_is_built_and_drained_with_the_least_and_the_most() {
    for (number, duration) in [(0, Duration::ZERO), (usize::MAX, LONGEST)] {
        let backlog = u32::try_from(number).unwrap_or(u32::MAX);
        let server = Server::builder()
            .threads(0)
            .connections(number)
            .idle(Some(duration))
            .write(Some(duration))
            .drain(duration)
            .backlog(backlog)
            .bind("127.0.0.1:0")
            .unwrap();
        let address = server.local_addr();
        let drained = server.run(
            || |connection: mainspring::server::Connection| async move { connection.stream.shutdown(Shutdown::Both) },
            async move {
                let client = TcpStream::connect(address).await.unwrap();
                let _ = client.read(&mut [0]).await;
            },
        );
        assert_eq!(drained.unwrap().served, 1);
    }
}

#[test]
fn empty_buffers_are_read_and_written() {
    run(async {
        let (mut client, server) = pair().await;
        let (mut lists, none): (Vec<std::io::IoSliceMut<'_>>, Vec<std::io::IoSlice<'_>>) = Default::default();
        // A stream that has just connected is not known to have anything, and a read of nothing waits as any other.
        assert!(poll_once(client.read(&mut [])).is_pending());
        io::read_exact(&mut client, &mut []).await.unwrap();
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.peek(&mut [0]).await.unwrap(), 1);
        assert_eq!(client.read(&mut []).await.unwrap(), 0);
        assert_eq!(client.try_read(&mut []).unwrap(), Some(0));
        assert_eq!(client.read_vectored(&mut lists).await.unwrap(), 0);
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        assert_eq!(client.try_write(&[]).unwrap(), Some(0));
        assert_eq!(client.write_vectored(&none).await.unwrap(), 0);
        client.write_all(&[]).await.unwrap();
        assert_eq!(io::read(&mut client, &mut []).await.unwrap(), 0);
        assert_eq!(io::write(&mut client, &[]).await.unwrap(), 0);
        io::write_all(&mut client, &[]).await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 1, "the stream is as it was");
    });
}

#[test]
fn lines_and_copies_of_nothing_and_without_a_limit() {
    run(async {
        let mut line = String::new();
        assert_eq!(io::read_line(&mut Cursor::new(""), &mut line, usize::MAX).await.unwrap(), 0);
        assert_eq!(io::read_line(&mut Cursor::new("ab\n"), &mut line, usize::MAX).await.unwrap(), 3);
        assert!(io::read_line(&mut Cursor::new("ab\n"), &mut line, 0).await.is_err());
        assert_eq!(io::copy(&mut Cursor::new(""), &mut Vec::new()).await.unwrap(), 0);
    });
}

#[test]
fn options_of_a_stream_are_set_or_refused() {
    run(async {
        let (client, _server) = pair().await;
        for duration in [Duration::ZERO, Duration::from_nanos(1), LONGEST] {
            // What the system refuses is an error of the system, or one that names the value.
            let _ = client.set_linger(Some(duration));
            let _ = client.set_keepalive(Some(duration));
        }
        for bytes in [0, usize::MAX] {
            let _ = client.set_recv_buffer_size(bytes);
            let _ = client.set_send_buffer_size(bytes);
        }
        client.set_linger(None).unwrap();
        client.set_keepalive(None).unwrap();
        for backlog in [0, u32::MAX] {
            TcpListener::options().backlog(backlog).bind("127.0.0.1:0").unwrap();
        }
    });
}

#[test]
fn frames_and_queues_have_any_bound() {
    run(async {
        for bytes in [0, 1, usize::MAX] {
            let (client, server) = pair().await;
            let mut lines =
                Framed::new(server, Lines::new().max_length(bytes)).max_frame(bytes).watermarks(0, usize::MAX);
            client.write_all(b"\n").await.unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), "", "at most {bytes}");
        }
        let (sender, mut receiver) = mpsc::bounded(usize::MAX);
        sender.send(()).await.unwrap();
        assert_eq!(receiver.recv().await, Some(()));
    });
}

#[test]
fn services_with_the_longest_and_the_shortest_timeout() {
    in_virtual_time(async {
        let service = service_fn(async |n: u32| Ok::<_, std::io::Error>(n)).timeout(LONGEST);
        assert_eq!(service.call(1).await.unwrap(), 1);
        let service = service_fn(async |_: u32| std::future::pending::<std::io::Result<()>>().await);
        assert!(service.timeout(Duration::ZERO).call(1).await.is_err());
    });
}

#[test]
fn sets_trackers_and_names_of_nothing() {
    in_virtual_time(async {
        let mut none = JoinSet::<()>::new();
        none.abort_all();
        assert!(timeout(LONGEST, none.join_next()).await.unwrap().is_none());
        for deadline in [Duration::ZERO, LONGEST] {
            let shutdown = Tracker::new().shutdown(deadline).await;
            assert_eq!((shutdown.finished, shutdown.to_string()), (0, "0 finished, 0 aborted".into()));
        }
        CancellationToken::new().cancel();
        spawn_named("", async {}).await.unwrap();
        schedule_named("", || Ok(Tick::Final)).await.unwrap().unwrap();
    });
}
