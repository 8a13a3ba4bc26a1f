//! The behaviour table of the 2016 announcement, and the defects of its code, as far as no other file holds them.
//!
//! The table is what the tests of that reactor and of its companions asked for. The defects could be read in its
//! source; a test that is about one says what happened in 2016.
#![cfg(feature = "service")]
mod util;

use futures::StreamExt;
use mainspring::channel::{mpsc, oneshot};
use mainspring::codec::{Framed, Lines, Next};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline::{self, ServeError};
use mainspring::service::service_fn;
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Clock, sleep, timeout};
use mainspring::{Handle, Reactor, Server, spawn};
use std::cell::Cell;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use util::runtime::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_source_made_and_dropped_ten_times_leaves_nothing_and_shutdown_ends_run() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let task = reactor.spawn(async move {
        let before = stats();
        for round in 1..=10 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(listener.try_accept().unwrap().is_none(), "the task waits for it");
            assert_eq!(stats().sources, before.sources + 1);
            drop(listener);
            assert_eq!(stats().sources, before.sources);
            assert_eq!(stats().registered, before.registered + round);
        }
        // What is left to do would keep `run` for ever.
        drop(spawn(pending::<()>()));
        handle.shutdown();
        pending::<()>().await;
    });
    reactor.run().unwrap();
    assert!(!task.is_finished());
    assert_eq!((reactor.stats().sources, reactor.stats().waits), (0, 0));
}

#[test]
fn what_is_spawned_in_a_poll_runs_after_it_whether_by_handle_or_not() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (handle, (order, seen)) = (reactor.handle(), std::sync::mpsc::channel());
    reactor
        .block_on(async {
            let note = order.clone();
            let by_handle = handle.spawn(move || async move {
                // From inside a poll that itself came by handle.
                let inner = note.clone();
                let inner = spawn(async move { inner.send("within") });
                note.send("by handle").unwrap();
                inner.await.unwrap().unwrap();
                9
            });
            let note = order.clone();
            let own = spawn(async move { note.send("own") });
            order.send("the spawning poll").unwrap();
            own.await.unwrap().unwrap();
            assert_eq!(by_handle.await.unwrap(), 9);
        })
        .unwrap();
    drop(order);
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["the spawning poll", "own", "by handle", "within"]);
}

#[test]
fn tasks_that_spawn_their_successor_for_ever_starve_nobody() {
    fn next(handle: Handle, remote: bool) {
        let again = handle.clone();
        match remote {
            true => drop(handle.spawn(move || async move { next(again, true) })),
            false => drop(spawn(async move { next(again, false) })),
        }
    }
    for remote in [false, true] {
        let _limit = Limit::new();
        let reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        reactor
            .block_on(async move {
                let (stream, mut peer) = half_std().await;
                next(handle, remote);
                let reader = spawn(async move { stream.read(&mut [0]).await });
                turns(10).await;
                assert!(stats().spawned > 10, "the successors do not run, so nothing was tested");
                peer.write_all(b"x").unwrap();
                assert_eq!(reader.await.unwrap().unwrap(), 1);
            })
            .unwrap();
    }
}

#[test]
fn a_tick_task_that_a_handle_schedules_is_ticked_until_it_ends() {
    // In 2016 a task that came by handle and did not end in its first tick was dropped without a word.
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (handle, (sender, mut receiver)) = (reactor.handle(), mpsc::bounded(1));
    let (values, seen) = std::sync::mpsc::channel();
    let other = thread::spawn(move || {
        let task = handle.spawn(move || {
            schedule(move || {
                let value = receiver.try_recv();
                values.send(value).unwrap();
                Ok(if value.is_err() { Tick::Final } else { Tick::WouldBlock })
            })
        });
        assert_eq!(seen.recv().unwrap(), Ok(None), "the first tick");
        futures::executor::block_on(sender.send(7)).unwrap();
        drop(sender);
        futures::executor::block_on(task).unwrap().unwrap().unwrap();
        handle.shutdown();
        assert!(seen.iter().any(|value| value == Ok(Some(7))));
    });
    drop(reactor.spawn(pending::<()>()));
    reactor.run().unwrap();
    other.join().unwrap();
}

#[test]
fn what_is_scheduled_after_a_shutdown_runs_with_the_next_run() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    handle.shutdown();
    drop(reactor.spawn(pending::<()>()));
    reactor.run().unwrap();
    let own = reactor.spawn(async { 1 });
    let by_handle = handle.spawn(|| async { 2 });
    assert!(!own.is_finished());
    assert_eq!(reactor.block_on(own).unwrap().unwrap(), 1);
    assert_eq!(reactor.block_on(by_handle).unwrap().unwrap(), 2);
    handle.shutdown();
    reactor.run().unwrap();
    drop(reactor);
    let Poll::Ready(Err(error)) = poll_once(handle.spawn(|| async { 3 })) else { panic!("it waits for ever") };
    assert!(error.is_aborted());
}

#[test]
fn a_timer_made_and_dropped_by_a_remote_spawn_leaves_nothing() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let handle = reactor.handle();
    let spawning = thread::spawn(move || {
        handle.spawn(|| async {
            assert!(poll_once(Box::pin(timeout(3600 * SECOND, pending::<()>()))).is_pending());
            let mut timer = pin!(sleep(3600 * SECOND));
            assert!(poll_with(timer.as_mut(), Waker::noop()).is_pending());
            stats().timers
        })
    });
    let task = spawning.join().unwrap();
    let timers = reactor.block_on(async { (task.await.unwrap(), stats().timers) }).unwrap();
    assert_eq!(timers, (1, 0), "the one that is alive, and none after it");
}

#[test]
fn a_client_that_is_dropped_closes_its_connection_with_its_reactor_or_without() {
    let _limit = Limit::new();
    for reactor_is_dropped in [false, true] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let reactor = Reactor::new().unwrap();
        let client = reactor
            .block_on(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let (client, connection) = pipeline::connect::<_, String>(Framed::new(stream, Lines::new()));
                drop(spawn(connection));
                turns(2).await;
                client
            })
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        if reactor_is_dropped {
            // The connection is a task of the reactor and ends with it, although a client is left.
            drop(reactor);
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            drop(client);
        } else {
            drop(client);
            reactor.run().unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        }
    }
}

#[test]
fn a_server_goes_on_after_a_connection_that_ends_fails_or_panics() {
    // In 2016 the first error of making a task for a connection ended the listener.
    quiet();
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let round = Cell::new(0);
        let serving = server
            .serve(move |connection| {
                let now = round.replace(round.get() + 1);
                // The future is made here, on behalf of the accept loop.
                assert!(now % 4 != 3, "{EXPECTED}: making a connection's future");
                async move {
                    match now % 4 {
                        0 => Ok(()),
                        1 => Err(io::Error::other("a connection")),
                        _ => panic!("{EXPECTED}: a connection, {}", connection.peer),
                    }
                }
            })
            .unwrap();
        for _ in 0..12 {
            let client = TcpStream::connect(address).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "each is accepted, and closed");
        }
        let drained = serving.drain(SECOND).await;
        assert_eq!((drained.served, drained.failed, drained.aborted), (12, 9, 0));
    });
}

#[test]
fn two_connections_are_served_at_once_through_buffered() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn(async move {
            let echoes = listener.incoming().take(2).map(|stream| async move {
                let (stream, mut count) = (stream.unwrap(), 0);
                let mut buffer = [0; 64];
                loop {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => return count,
                        read => stream.write_all(&buffer[..read]).await.unwrap(),
                    }
                    count += 1;
                }
            });
            echoes.buffered(10).collect::<Vec<_>>().await
        });
        let first = TcpStream::connect(address).await.unwrap();
        let second = TcpStream::connect(address).await.unwrap();
        // The second is answered first, and ends first: nothing of it waits for the first.
        let mut buffer = [0; 8];
        for (client, text) in [(&second, b"foo"), (&first, b"bar"), (&second, b"baz")] {
            client.write_all(text).await.unwrap();
            assert_eq!(client.read(&mut buffer).await.unwrap(), 3);
            assert_eq!(&buffer[..3], text);
        }
        drop(second);
        turns(2).await;
        assert!(!serving.is_finished());
        drop(first);
        assert_eq!(serving.await.unwrap(), [1, 2], "in the order of the connections");
    });
}

#[test]
fn a_stream_accepted_on_one_reactor_is_served_by_another() {
    // In 2016 a socket could be made and used on the thread of its reactor only.
    let _limit = Limit::new();
    let (sender, mut accepted) = mpsc::bounded::<std::net::TcpStream>(4);
    let worker = thread::spawn(move || {
        mainspring::run(async move {
            let mut echoes = Vec::new();
            while let Some(stream) = accepted.recv().await {
                let stream = TcpStream::from_std(stream).unwrap();
                echoes.push(spawn(async move {
                    let bytes = read_to_end(&stream).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }));
            }
            for echo in echoes {
                echo.await.unwrap();
            }
        })
        .unwrap();
    });
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for round in 0..8 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            // It is known to this reactor, and waited for, when it leaves.
            assert_eq!(stream.try_read(&mut [0]).unwrap(), None);
            let sources = stats().sources;
            sender.send(stream.into_std().unwrap()).await.unwrap();
            assert_eq!(stats().sources, sources - 1);
            client.write_all(&[round; 100]).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&client).await.unwrap(), [round; 100]);
        }
        drop(sender);
    });
    worker.join().unwrap();
}

#[test]
fn an_accept_loop_that_never_runs_dry_gives_the_others_their_turn() {
    // In 2016 `while let Some(socket) = accept()` went on for as long as connections came.
    const QUEUED: usize = 400;
    run(async {
        let listener = TcpListener::options().backlog(QUEUED as u32).bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..QUEUED).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let accepted = Rc::new(Cell::new(0));
        let count = accepted.clone();
        let task = schedule(move || {
            while listener.try_accept()?.is_some() {
                count.set(count.get() + 1);
            }
            Ok(Tick::WouldBlock)
        });
        let (mut most, mut before) = (0, 0);
        until(|| {
            most = most.max(accepted.get() - before);
            before = accepted.get();
            before == clients.len()
        })
        .await;
        assert!((1..QUEUED / 2).contains(&most), "{most} of {QUEUED} were accepted in one turn");
        task.abort();
    });
}

#[test]
fn lines_go_over_a_socket_as_they_came_and_the_last_needs_no_newline() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let echo = spawn(async move {
            let mut lines = Framed::new(stream, Lines::new());
            let mut seen = Vec::new();
            while let Some(line) = lines.next().await {
                let line = line.unwrap();
                seen.push(line.clone());
                lines.send(line).await.unwrap();
                lines.flush().await.unwrap();
            }
            lines.shutdown().await.unwrap();
            seen
        });
        let mut peer = mainspring::unblock(move || {
            let mut answer = [0; 2];
            peer.write_all(b"a\n").unwrap();
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"a\n");
            peer.write_all(b"\n").unwrap();
            peer.read_exact(&mut answer[..1]).unwrap();
            assert_eq!(answer[0], b'\n');
            peer.write_all(b"b").unwrap();
            peer
        })
        .await
        .unwrap();
        turns(2).await;
        assert!(!echo.is_finished(), "a line without its end is none before the end of the stream");
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(echo.await.unwrap(), ["a", "", "b"]);
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"b\n");
    });
}

#[test]
fn a_tick_that_stops_reading_goes_on_with_the_lines_that_lie_in_its_buffer() {
    // In 2016 such a task was never woken: all the sources it had touched were unready, and its buffer was none.
    run(async {
        let (stream, mut peer) = half_std().await;
        let mut lines = Framed::new(stream, Lines::new());
        let (sender, mut receiver) = mpsc::bounded(1);
        let mut held = None;
        let task = schedule(move || {
            if held.is_none() {
                held = match lines.try_next()? {
                    Next::Item(line) => Some(line),
                    Next::NotYet => return Ok(Tick::WouldBlock),
                    Next::End => return Ok(Tick::Final),
                };
            }
            // One line in each tick. While there is no room, only the queue can wake the task.
            held = held.take().and_then(|line| sender.try_send(line).err()).map(|full| full.into_inner());
            Ok(Tick::WouldBlock)
        });
        peer.write_all(b"1\n2\n3\n4\n5\n6\n").unwrap();
        for expected in 1..=6 {
            // The task has done what it can, and is parked.
            turns(2).await;
            assert_eq!((receiver.len(), stats().runnable), (1, 0));
            assert_eq!(receiver.recv().await, Some(expected.to_string()));
        }
        drop(peer);
        task.await.unwrap().unwrap();
    });
}

#[test]
fn an_error_of_the_service_that_says_would_block_is_an_error_and_parks_nothing() {
    // Undefined in 2016, where it meant both "not yet" and a failed call.
    run(async {
        let (stream, mut peer) = half_std().await;
        peer.write_all(b"one\ntwo\n").unwrap();
        let service = service_fn(|_: String| async { Err::<String, _>(io::Error::from(ErrorKind::WouldBlock)) });
        let served = pipeline::serve(Framed::new(stream, Lines::new()), &service).await;
        let Err(ServeError::Service(error)) = served else { panic!("{served:?}") };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let mut answers = Vec::new();
        let _ = peer.read_to_end(&mut answers);
        assert_eq!(answers, b"", "nothing was answered");
    });
}

/// The stack of a thread on which a hundred thousand nested calls cannot end well.
const SMALL_STACK: usize = 256 * 1024;

/// Runs `future` on a reactor whose thread has a small stack.
fn on_a_small_stack<F: Future<Output = ()>>(make: impl FnOnce() -> F + Send + 'static) {
    let thread = thread::Builder::new().stack_size(SMALL_STACK);
    thread.spawn(move || run(make())).unwrap().join().unwrap();
}

#[test]
fn a_long_chain_of_sends_and_receives_does_not_recurse() {
    const LINKS: usize = 100_000;
    on_a_small_stack(|| async {
        // Each waits for its predecessor: one send sets the whole chain off.
        let (first, mut before) = oneshot::channel();
        for _ in 0..LINKS {
            let (next, after) = oneshot::channel();
            drop(spawn(async move { next.send(before.await.unwrap() + 1) }));
            before = after;
        }
        turns(1).await;
        first.send(0).unwrap();
        assert_eq!(before.await, Ok(LINKS));
    });
    on_a_small_stack(|| async {
        // A queue of one place between each two.
        let (first, mut before) = mpsc::bounded(1);
        for _ in 0..LINKS / 10 {
            let (next, after) = mpsc::bounded(1);
            drop(spawn(async move {
                while let Some(value) = before.recv().await {
                    next.send(value + 1).await.unwrap();
                }
            }));
            before = after;
        }
        turns(1).await;
        first.send(0).await.unwrap();
        first.send(1).await.unwrap();
        // The end, too, goes from one to the next.
        drop(first);
        assert_eq!(before.recv().await, Some(LINKS / 10));
        assert_eq!(before.recv().await, Some(LINKS / 10 + 1));
        assert_eq!(before.recv().await, None);
    });
}

#[test]
fn a_stream_of_lines_has_a_time_limit_for_each_and_lives_on_after_it() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let (stream, mut peer) = half_std().await;
            drop(spawn(async move {
                for (pause, text) in [(3, "one\nt"), (4, "wo\n"), (9, "three\n")] {
                    sleep(pause * SECOND).await;
                    peer.write_all(text.as_bytes()).unwrap();
                }
            }));
            let mut lines = Framed::new(stream, Lines::new());
            let mut next = async || timeout(5 * SECOND, lines.next()).await.map(|line| line.unwrap().unwrap());
            assert_eq!(next().await.unwrap(), "one");
            assert_eq!(next().await.unwrap(), "two");
            assert_eq!(io::Error::from(next().await.unwrap_err()).kind(), ErrorKind::TimedOut);
            assert_eq!(next().await.unwrap(), "three");
        })
        .unwrap();
}
