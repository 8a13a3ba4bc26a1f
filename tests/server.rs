//! The server: its accept loop, its limits, and how it ends.
#![cfg(feature = "service")]

use std::cell::Cell;
use std::future::pending;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use mainspring::net::TcpStream;
use mainspring::server::Connection;
use mainspring::{Reactor, Server, channel::mpsc, run, time::Clock, yield_now};

/// Answers each read until the peer is done.
async fn echo(connection: Connection) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let count = connection.stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        connection.stream.write_all(&buffer[..count]).await?;
    }
}

async fn round_trip(stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"hello").await?;
    let mut answer = [0; 5];
    assert_eq!(stream.read(&mut answer).await?, 5);
    Ok(())
}

#[test]
fn a_drain_waits_for_connections_that_end_and_refuses_new_ones() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server.serve(echo).unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        round_trip(&client).await.unwrap();
        assert_eq!(serving.connections(), 1);
        let draining = mainspring::spawn(serving.drain(Duration::MAX));
        while TcpStream::connect(address).await.is_ok() {
            yield_now().await;
        }
        round_trip(&client).await.unwrap();
        drop(client);
        let drained = draining.await.unwrap();
        assert_eq!((drained.finished >= 1, drained.aborted, drained.failed), (true, 0, 0));
    })
    .unwrap();
}

#[test]
fn a_drain_accepts_what_is_queued_before_it_closes_the_listener() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let mut clients: Vec<_> =
            (0..200).map(|_| std::net::TcpStream::connect(server.local_addr()).unwrap()).collect();
        clients.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
        let serving = server
            .serve(|connection| async move {
                let mut byte = [0];
                assert_eq!(connection.stream.read(&mut byte).await?, 1);
                connection.stream.write_all(&byte).await
            })
            .unwrap();
        let drained = serving.drain(Duration::MAX).await;
        assert_eq!((drained.served, drained.failed, drained.aborted), (200, 0, 0));
        for mut client in clients {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"x");
        }
    })
    .unwrap();
}

#[test]
fn connections_that_do_not_end_are_aborted_at_the_deadline_and_their_futures_dropped() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let held = Rc::new(());
            let kept = held.clone();
            let server = Server::bind("127.0.0.1:0").unwrap();
            let address = server.local_addr();
            let serving = server
                .serve(move |_connection| {
                    let kept = kept.clone();
                    async move {
                        let _kept = kept;
                        pending().await
                    }
                })
                .unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            while serving.connections() == 0 {
                yield_now().await;
            }
            let drained = serving.drain(Duration::from_secs(3600)).await;
            assert_eq!((drained.finished, drained.aborted, drained.failed), (0, 1, 1));
            assert_eq!(Rc::strong_count(&held), 1);
        })
        .unwrap();
}

#[test]
fn no_more_connections_are_open_than_the_limit_and_the_rest_wait_for_their_turn() {
    run(async {
        let (open, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (now, peak) = (open.clone(), most.clone());
        let server = Server::builder().connections(3).bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server
            .serve(move |connection| {
                let (now, peak) = (now.clone(), peak.clone());
                async move {
                    now.set(now.get() + 1);
                    peak.set(peak.get().max(now.get()));
                    let result = echo(connection).await;
                    now.set(now.get() - 1);
                    result
                }
            })
            .unwrap();
        let clients: Vec<_> = (0..12)
            .map(|_| {
                mainspring::spawn(async move {
                    let client = TcpStream::connect(address).await.unwrap();
                    round_trip(&client).await.unwrap();
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        let drained = serving.drain(Duration::MAX).await;
        assert_eq!((drained.served, most.get(), open.get()), (12, 3, 0));
    })
    .unwrap();
}

#[test]
fn an_error_or_a_panic_of_a_connection_ends_that_connection_alone() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let turn = Cell::new(0);
        let serving = server
            .serve(move |connection| {
                turn.set(turn.get() + 1);
                let turn = turn.get();
                async move {
                    match turn {
                        1 => Err(io::Error::other("on purpose")),
                        2 => panic!("on purpose"),
                        _ => echo(connection).await,
                    }
                }
            })
            .unwrap();
        for _ in 0..2 {
            let client = TcpStream::connect(address).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
        let client = TcpStream::connect(address).await.unwrap();
        round_trip(&client).await.unwrap();
        drop(client);
        let drained = serving.drain(Duration::MAX).await;
        assert_eq!((drained.served, drained.failed), (3, 2));
    })
    .unwrap();
}

#[test]
fn a_silent_connection_is_ended_by_the_idle_limit() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let server = Server::builder().idle(Some(Duration::from_secs(300))).bind("127.0.0.1:0").unwrap();
            let address = server.local_addr();
            let (sender, mut ends) = mpsc::bounded(1);
            let _serving = server
                .serve(move |connection| {
                    let sender = sender.clone();
                    async move {
                        let result = echo(connection).await;
                        sender.send(result.as_ref().unwrap_err().kind()).await.unwrap();
                        result
                    }
                })
                .unwrap();
            let start = mainspring::time::Instant::now();
            let _client = TcpStream::connect(address).await.unwrap();
            assert_eq!(ends.recv().await, Some(io::ErrorKind::TimedOut));
            assert_eq!(start.elapsed().as_secs(), 300);
        })
        .unwrap();
}

#[test]
fn a_server_on_two_threads_serves_on_both_and_ends_on_both() {
    const CONNECTIONS: usize = 64;
    let server = Server::builder().threads(2).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr();
    let made = Arc::new(AtomicUsize::new(0));
    let (counted, done) = (made.clone(), Arc::new(Barrier::new(2)));
    let (stop, stopped) = mainspring::channel::oneshot::channel::<()>();
    let finished = done.clone();
    let clients = std::thread::spawn(move || {
        for _ in 0..CONNECTIONS {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"hello").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
        }
        stop.send(()).unwrap();
        finished.wait();
    });
    let make = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        echo
    };
    let drained = server.run(make, async { stopped.await.unwrap() }).unwrap();
    done.wait();
    clients.join().unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 2);
    assert_eq!((drained.served, drained.failed, drained.aborted), (CONNECTIONS as u64, 0, 0));
}

// Linux alone tells whoever waits at a listener that it was shut down; the BSDs refuse to (`ENOTCONN`).
#[cfg(all(target_os = "linux", not(mainspring_force_kqueue)))]
#[test]
fn a_listener_that_fails_ends_the_server_with_its_error_and_what_is_served_goes_on_to_its_end() {
    for threads in [1, 2] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // shutdown(2) does not ask what the socket is.
        let shared = std::net::TcpStream::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
        let server = Server::builder().threads(threads).drain(Duration::from_secs(20)).listener(listener).unwrap();
        let client = std::thread::spawn(move || {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut round_trip = || {
                client.write_all(b"hello").unwrap();
                client.read_exact(&mut [0; 5]).unwrap();
            };
            round_trip();
            shared.shutdown(std::net::Shutdown::Both).unwrap();
            round_trip();
        });
        // It ends long before, or not by itself.
        let error = server.run(|| echo, mainspring::time::sleep(Duration::from_secs(10))).unwrap_err();
        client.join().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("cannot accept at {address}")), "{error}");
    }
}

#[test]
fn a_server_inside_a_reactor_cannot_take_its_thread() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let error = server.run(|| echo, pending::<()>()).unwrap_err();
        assert!(error.to_string().contains("already running"), "{error}");
    })
    .unwrap();
}
