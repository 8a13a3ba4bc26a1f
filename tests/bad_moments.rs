//! What may go wrong between the reactor and the code of its users: wakers, drops and panics that come at a bad moment.
#![cfg(feature = "service")]
mod util;

use mainspring::net::TcpStream;
use mainspring::server::Connection;
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet, Tracker};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Clock, sleep, timeout};
use mainspring::{Reactor, Server, spawn, unblock, yield_now};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;
use util::hook_waker::{Event, hook_waker};
use util::runtime::*;

/// Counts allocations, and the bytes that are allocated. Each thread has its own counts: others, of the harness and of
/// the limits, start and end when they like.
struct CountingAllocator;

thread_local! {
    static ALLOCATED: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size() as isize);
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.set(ALLOCATED.get() - layout.size() as isize);
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The bytes that this thread has allocated and not freed.
fn allocated() -> isize {
    ALLOCATED.get()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_wait_that_expires_after_its_event_leaves_the_stream_readable() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let (stream, mut peer) = half_std().await;
            stream.set_read_timeout(Some(SECOND)).unwrap();
            assert!(poll_once(stream.read(&mut [0])).is_pending());
            let mut readable = pin!(stream.readable());
            let (counter, waker) = CountingWaker::new();
            assert!(poll_with(readable.as_mut(), &waker).is_pending());
            peer.write_all(b"x").unwrap();
            until(|| counter.count() == 1).await;
            // It was woken, and its owner comes to look only after the deadline.
            sleep(2 * SECOND).await;
            readable.await.expect("there is a byte");
            let mut buffer = [0; 2];
            let read = timeout(SECOND, stream.read(&mut buffer)).await.expect("the byte is found");
            assert_eq!(read.unwrap(), 1);
        })
        .unwrap();
}

#[test]
fn a_waker_may_spawn_when_a_handle_that_finds_its_output_drops_it() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            let mut task = spawn(async { 5 });
            until(|| task.is_finished()).await;
            let waker = hook_waker(|event| {
                if event == Event::Drop {
                    drop(spawn(async {}));
                }
            });
            let Poll::Ready(output) = poll_with(pin!(&mut task), &waker) else { panic!("it has ended") };
            assert_eq!(output.unwrap(), 5);
        })
        .unwrap();
}

#[test]
fn a_tick_task_keeps_nothing_of_streams_that_it_has_closed() {
    in_child("a_tick_task_keeps_nothing_of_streams_that_it_has_closed", || {
        run(async {
            let (round, stream) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<TcpStream>)));
            let (rounds, streams) = (round.clone(), stream.clone());
            let _task = schedule(move || {
                if let Some(stream) = streams.take() {
                    assert!(stream.try_read(&mut [0])?.is_none());
                    rounds.set(rounds.get() + 1);
                }
                Ok(Tick::Again)
            });
            let mut before = 0;
            for number in 1..=2000 {
                let (one, _peer) = half_std().await;
                stream.set(Some(one));
                until(|| round.get() == number).await;
                if number == 200 {
                    before = allocated();
                }
            }
            let more = allocated() - before;
            assert!(more < 16 * 1024, "1800 closed streams left {more} bytes");
        });
    });
}

/// How many bytes more there are after 100,000 rounds than after the first thousand.
async fn growth(mut round: impl AsyncFnMut()) -> isize {
    let mut before = 0;
    for number in 0..100_000 {
        if number == 1000 {
            before = allocated();
        }
        round().await;
    }
    allocated() - before
}

#[test]
fn tokens_waits_and_tasks_that_are_gone_leave_no_memory() {
    /// More than rounding, and far less than a byte for each.
    const ALLOWED: isize = 4096;
    in_child("tokens_waits_and_tasks_that_are_gone_leave_no_memory", || {
        run(async {
            let (root, changed, semaphore) = (CancellationToken::new(), Notify::new(), Semaphore::new(0));
            let (mut set, tracker) = (JoinSet::new(), Tracker::new());
            let children = growth(async || {
                let child = root.child();
                assert!(poll_once(child.cancelled()).is_pending() && poll_once(root.cancelled()).is_pending());
                drop(child.child());
            });
            assert!(children.await < ALLOWED);
            let signals = growth(async || assert!(poll_once(changed.notified()).is_pending()));
            assert!(signals.await < ALLOWED);
            let permits = growth(async || assert!(poll_once(semaphore.acquire(2)).is_pending()));
            assert!(permits.await < ALLOWED);
            let joined = growth(async || {
                set.spawn(async {});
                set.join_next().await.unwrap().unwrap();
            });
            assert!(joined.await < ALLOWED);
            let tracked = growth(async || {
                drop(tracker.spawn(async {}));
                tracker.spawn(std::future::pending::<()>()).abort();
                yield_now().await;
            });
            assert!(tracked.await < ALLOWED);
            assert!(tracker.is_empty() && set.is_empty());
        });
    });
}

#[test]
fn after_many_tasks_at_once_a_task_costs_one_allocation_as_before() {
    in_child("after_many_tasks_at_once_a_task_costs_one_allocation_as_before", || {
        run(async {
            async fn allocations() -> isize {
                let before = ALLOCATIONS.get();
                for _ in 0..100 {
                    spawn(async {}).await.unwrap();
                }
                ALLOCATIONS.get() - before
            }
            // The lists of tasks grow.
            allocations().await;
            assert_eq!(allocations().await, 100);
            let many: Vec<_> = (0..10_000).map(|_| spawn(async {})).collect();
            for task in many {
                task.await.unwrap();
            }
            assert_eq!(allocations().await, 100);
        });
    });
}

#[test]
fn an_output_that_panics_in_its_drop_does_not_keep_a_reactor_from_ending() {
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (stream, _peer) = reactor.block_on(half_std()).unwrap();
    reactor
        .block_on(async {
            // It ends while it stands in the run queue, and nobody joins it: the queue has the last of it.
            drop(spawn(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(Bomb)
            })));
            yield_now().await;
        })
        .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(reactor))).is_ok(), "the drop panicked");
    assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn a_panic_whose_payload_panics_in_its_drop_is_that_of_its_task_alone() {
    quiet();
    run(async {
        struct Payload(#[allow(dead_code)] Bomb);
        drop(spawn(async {
            // Not printed by the hook of `quiet`, which knows texts alone.
            std::panic::resume_unwind(Box::new(Payload(Bomb)));
        }));
        turns(2).await;
        assert_eq!(spawn(async { 5 }).await.unwrap(), 5);
    });
}

#[test]
fn a_job_that_panics_in_its_drop_does_not_keep_a_reactor_from_ending() {
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let (go, gate) = channel::<()>();
    let (started, has_started) = channel();
    reactor
        .block_on(async {
            drop(unblock(move || {
                started.send(()).unwrap();
                gate.recv().unwrap();
            }));
            has_started.recv().unwrap();
            let bombs = (Bomb, Bomb);
            drop(unblock(move || drop(bombs)));
        })
        .unwrap();
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(reactor)));
    go.send(()).unwrap();
    assert!(dropped.is_ok(), "the drop panicked");
}

#[test]
fn a_waker_that_panics_does_not_keep_a_server_from_telling_its_connections() {
    quiet();
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let waiting = Rc::new(Cell::new(0));
        let count = waiting.clone();
        let serving = server
            .serve(move |mut connection| {
                let count = count.clone();
                async move {
                    let mut second = connection.draining.clone();
                    let first = poll_with(pin!(&mut connection.draining), &Arc::new(PanickingWaker).into());
                    assert!(first.is_pending() && poll_once(&mut second).is_pending());
                    count.set(count.get() + 1);
                    connection.draining.clone().await;
                    Ok(())
                }
            })
            .unwrap();
        let _clients = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        until(|| waiting.get() == 2).await;
        let drained = timeout(60 * SECOND, serving.drain(Duration::MAX)).await.expect("both are told");
        assert_eq!((drained.finished, drained.failed), (2, 0));
    });
}

#[test]
fn a_drain_serves_a_connection_whose_event_has_not_been_taken() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server.serve(|_| async { Ok(()) }).unwrap();
        // The accept loop waits; the connection is queued behind its back.
        turns(2).await;
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(serving.drain(SECOND).await.served, 1);
    });
}

#[test]
fn a_drain_ends_although_connections_keep_coming() {
    run(async {
        let server = Server::builder().backlog(4).connections(1).bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let made = Rc::new(Cell::new(0));
        let count = made.clone();
        let handle = move |connection: Connection| {
            count.set(count.get() + 1);
            // The next is queued before this one has ended. The bound ends the test where the drain does not.
            if count.get() < 500 {
                drop(std::net::TcpStream::connect(address));
            }
            async move {
                connection.draining.await;
                Ok(())
            }
        };
        let serving = server.serve(handle).unwrap();
        drop(std::net::TcpStream::connect(address).unwrap());
        until(|| made.get() == 1).await;
        turns(2).await;
        serving.drain(Duration::ZERO).await;
        assert!(made.get() < 100, "{} connections were accepted", made.get());
    });
}
