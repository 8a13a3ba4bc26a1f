//! The reactor: when its loop ends, what it refuses, what its end does to all it held, and what it counts.
mod util;

use mainspring::channel::oneshot;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Clock, Instant, interval, sleep, timeout};
use mainspring::{Reactor, Stats, ready, spawn, yield_now};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{self, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use util::runtime::*;

#[test]
fn run_ends_when_no_task_is_left() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    reactor.run().unwrap();
    let spawned = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let spawned = spawned.clone();
        drop(reactor.spawn(async move {
            sleep(Duration::from_millis(1)).await;
            drop(spawn(async move { spawned.set(spawned.get() + 1) }));
        }));
    }
    reactor.run().unwrap();
    assert_eq!((spawned.get(), reactor.stats().tasks), (3, 0));
}

#[test]
fn shutdown_ends_run_and_the_tasks_stay_until_the_reactor_is_dropped() {
    let _limit = Limit::new();
    let (reactor, alive) = (Reactor::new().unwrap(), Alive::default());
    let token = alive.token();
    drop(reactor.spawn(async move {
        let _token = token;
        pending::<()>().await;
    }));
    let handle = reactor.handle();
    let other = thread::spawn(move || handle.shutdown());
    reactor.run().unwrap();
    other.join().unwrap();
    assert_eq!((alive.count(), reactor.stats().tasks), (1, 1));
    // Before the next run, and from a task.
    reactor.handle().shutdown();
    reactor.run().unwrap();
    let handle = reactor.handle();
    drop(reactor.spawn(async move { handle.shutdown() }));
    reactor.run().unwrap();
    assert_eq!(alive.count(), 1);
    drop(reactor);
    assert_eq!(alive.count(), 0);
}

#[test]
fn shutdown_does_not_end_block_on() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    reactor.handle().shutdown();
    assert_eq!(reactor.block_on(async { (turns(3).await, 5).1 }).unwrap(), 5);
}

#[test]
fn block_on_may_be_called_again_and_tasks_stay_in_between() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (sender, receiver) = oneshot::channel();
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    let task = reactor.spawn(async move { seen.set(receiver.await.unwrap()) });
    reactor.block_on(turns(2)).unwrap();
    // Between the two the reactor does not run: a wake from its own thread is kept.
    sender.send(7).unwrap();
    assert_eq!(count.get(), 0);
    reactor.block_on(task).unwrap().unwrap();
    assert_eq!(count.get(), 7);
}

#[test]
fn a_future_of_block_on_that_was_woken_when_it_ended_or_panicked_leaves_the_next_one_its_turn() {
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let mut left = None;
    let woken = |answer: Option<u32>| {
        poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(answer.expect(EXPECTED))
        })
    };
    for round in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| reactor.block_on(woken(None))));
        assert_eq!((panicked.is_err(), reactor.stats().runnable), (true, 1), "round {round}");
        assert_eq!(reactor.block_on(woken(Some(round))).unwrap(), round);
        // Nobody's turn: `run` has no such future.
        let task = reactor.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
        reactor.run().unwrap();
        assert_eq!((task.is_finished(), reactor.stats().tasks), (true, 0));
        left = left.or(Some(reactor.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone()))).unwrap()));
        left.iter().for_each(Waker::wake_by_ref);
        assert_eq!(reactor.block_on(async { 5 }).unwrap(), 5);
    }
}

#[test]
fn a_source_waits_from_one_block_on_to_the_next() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (stream, mut peer) = reactor.block_on(half_std()).unwrap();
    let read = reactor.spawn(async move { stream.read(&mut [0]).await });
    reactor.block_on(turns(2)).unwrap();
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.block_on(read).unwrap().unwrap().unwrap(), 1);
}

#[test]
fn a_reactor_within_a_reactor_is_an_error() {
    let _limit = Limit::new();
    let reactor = Rc::new(Reactor::new().unwrap());
    let own = reactor.clone();
    reactor
        .block_on(async move {
            let errors = [
                mainspring::run(async {}).unwrap_err(),
                own.block_on(async {}).unwrap_err(),
                own.run().unwrap_err(),
                Reactor::new().unwrap().run().unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.to_string(), "a reactor is already running on this thread");
            }
            let task = schedule(|| {
                mainspring::run(async {})?;
                Ok(Tick::Final)
            });
            assert!(task.await.unwrap().is_err());
            assert_eq!(spawn(async { 4 }).await.unwrap(), 4, "the reactor goes on");
        })
        .unwrap();
}

#[test]
fn without_a_reactor_every_source_says_so() {
    let text = "and none is running on this thread";
    let address = "127.0.0.1:0".parse().unwrap();
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let std_stream = std::net::TcpStream::connect(std_listener.local_addr().unwrap()).unwrap();
    let errors = [
        TcpListener::bind(address).map(drop).unwrap_err(),
        TcpStream::start_connect(address).map(drop).unwrap_err(),
        TcpStream::from_std(std_stream).map(drop).unwrap_err(),
        TcpListener::from_std(std_listener).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut task = std::pin::pin!(spawn(async { 1 }));
    let std::task::Poll::Ready(Err(error)) = poll_with(task.as_mut(), std::task::Waker::noop()) else {
        panic!("spawned without a reactor")
    };
    assert_eq!(error.to_string(), "no reactor is running on this thread");
    let mut job = std::pin::pin!(mainspring::unblock(|| 1));
    assert!(matches!(poll_with(job.as_mut(), std::task::Waker::noop()), std::task::Poll::Ready(Err(_))));
    assert_eq!(Stats::current(), None);
    assert!(Instant::now() <= Instant::now());
    // A timer that is made but not polled needs none.
    drop(sleep(Duration::from_secs(1)));
    drop(interval(Duration::from_secs(1)));
    let mut timer = sleep(Duration::from_secs(3600));
    assert_eq!(timer.try_wait().unwrap(), None);
    let mut ticks = interval(Duration::from_secs(3600));
    assert!(ticks.try_tick().unwrap().is_some());
    assert_eq!(ticks.try_tick().unwrap(), None);
    let error = futures::executor::block_on(ready(|| timer.try_wait())).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn a_task_is_dropped_on_the_thread_of_its_reactor_also_when_it_ends() {
    struct Drops(std::thread::ThreadId, Rc<Cell<u32>>);
    impl Drop for Drops {
        fn drop(&mut self) {
            assert_eq!(self.0, thread::current().id());
            // All that a drop may do: the reactor counts as running on this thread until its last task is gone.
            drop(spawn(async {}));
            assert!(poll_once(spawn(async {})).is_ready(), "nothing is spawned any more");
            self.1.set(self.1.get() + 1);
        }
    }
    let _limit = Limit::new();
    let dropped = Rc::new(Cell::new(0));
    let reactor = Reactor::new().unwrap();
    let new = || Drops(thread::current().id(), dropped.clone());
    reactor
        .block_on(async {
            let ((stream, _peer), (own, other, third)) = (half_std().await, (new(), new(), new()));
            drop(spawn(async move {
                let _own = own;
                let _ = stream.read(&mut [0]).await;
            }));
            drop(spawn(async move {
                let _other = other;
                sleep(Duration::from_secs(3600)).await;
            }));
            drop(spawn(async move {
                let _third = third;
                timeout(Duration::MAX, pending::<()>()).await
            }));
            turns(2).await;
            assert_eq!(stats().tasks, 3);
        })
        .unwrap();
    drop(reactor);
    assert_eq!(dropped.get(), 3);
}

#[test]
fn a_panic_in_a_drop_does_not_keep_a_reactor_from_ending() {
    quiet();
    let alive = Alive::default();
    let reactor = Reactor::new().unwrap();
    for _ in 0..5 {
        let token = alive.token();
        drop(reactor.spawn(async move {
            let _held = (token, Bomb);
            pending::<()>().await;
        }));
        drop(reactor.spawn({
            let token = alive.token();
            async move { drop(token) }
        }));
    }
    reactor.block_on(turns(2)).unwrap();
    drop(reactor);
    assert_eq!(alive.count(), 0);
}

#[test]
fn sources_that_outlive_their_reactor_are_not_connected() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (listener, stream, mut peer) = reactor
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (stream, peer) = half_std().await;
            (listener, stream, peer)
        })
        .unwrap();
    let not_running = stream.try_read(&mut [0]).unwrap_err();
    assert!(not_running.to_string().contains("not running on this thread"), "{not_running}");
    drop(reactor);
    peer.write_all(b"x").unwrap();
    let check = || async {
        let errors = [
            stream.read(&mut [0]).await.unwrap_err(),
            stream.write(b"x").await.unwrap_err(),
            stream.try_read(&mut [0]).unwrap_err(),
            stream.try_write(b"x").unwrap_err(),
            stream.readable().await.unwrap_err(),
            ready(|| std::io::Read::read(&mut &stream, &mut [0])).await.unwrap_err(),
            listener.accept().await.unwrap_err(),
            listener.try_accept().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
            assert!(error.to_string().contains("reactor"), "{error}");
        }
    };
    futures::executor::block_on(check());
    // Also on another reactor, which may have taken the place of the first.
    mainspring::run(check()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    drop((stream, listener));
}

#[test]
fn a_wait_is_woken_when_its_reactor_ends() {
    let reactor = Reactor::new().unwrap();
    let (stream, _peer) = reactor.block_on(half_std()).unwrap();
    let (counter, waker) = CountingWaker::new();
    let mut buffer = [0];
    let mut read = Box::pin(stream.read(&mut buffer));
    reactor.block_on(async { assert!(poll_with(read.as_mut(), &waker).is_pending()) }).unwrap();
    drop(reactor);
    assert_eq!(counter.count(), 1);
    let std::task::Poll::Ready(Err(error)) = poll_with(read.as_mut(), &waker) else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

#[test]
fn a_source_used_on_another_reactor_of_its_thread_is_an_error() {
    let first = Reactor::new().unwrap();
    let (stream, mut peer) = first.block_on(half_std()).unwrap();
    peer.write_all(b"x").unwrap();
    let error = mainspring::run(async { stream.read(&mut [0]).await.unwrap_err() }).unwrap();
    assert!(error.to_string().contains("not running on this thread"), "{error}");
    assert_eq!(first.block_on(stream.read(&mut [0])).unwrap().unwrap(), 1);
}

#[test]
fn timers_and_handles_that_outlive_their_reactor_are_harmless() {
    let reactor = Reactor::new().unwrap();
    let mut timer = Box::pin(sleep(Duration::from_millis(1)));
    let mut task = reactor.spawn(pending::<()>());
    let done = reactor.spawn(async { 8 });
    reactor.block_on(async { assert!(poll_once(timer.as_mut()).is_pending()) }).unwrap();
    drop(reactor);
    assert!(task.is_finished());
    assert!(futures::executor::block_on(&mut task).unwrap_err().is_aborted());
    assert_eq!(futures::executor::block_on(done).unwrap(), 8);
    timer.reset(Instant::now());
    drop(timer);
}

#[test]
fn yielding_does_not_ask_the_selector_each_time() {
    let (_, stats) = run(async {
        for _ in 0..10_000 {
            yield_now().await;
        }
    });
    assert!(stats.polls >= 10_000);
    assert!(stats.selects <= stats.polls / 4, "{stats}");
}

#[test]
fn a_busy_reactor_asks_its_selector_now_and_then() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let read = spawn(async move { stream.read(&mut [0]).await });
        turns(2).await;
        peer.write_all(b"x").unwrap();
        // Never idle: one task always yields. At most 8 batches of 64 polls pass without a look.
        for _ in 0..1_200 {
            yield_now().await;
        }
        assert!(read.is_finished());
    });
}

#[test]
fn stats_count_what_happened() {
    // In virtual time the timer is still there when the counts are looked at, however busy the machine is.
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let seen = reactor.block_on(async {
        let (stream, mut peer) = half_std().await;
        let timer = spawn(sleep(Duration::from_millis(200)));
        let read = spawn(async move { stream.read(&mut [0]).await });
        turns(1).await;
        let seen = stats();
        peer.write_all(b"x").unwrap();
        read.await.unwrap().unwrap();
        timer.await.unwrap();
        seen
    });
    let (seen, stats) = (seen.unwrap(), reactor.stats());
    assert_eq!((seen.tasks, seen.sources, seen.waits, seen.spawned), (2, 1, 1, 2));
    assert!(seen.timers <= 1);
    assert_eq!((stats.tasks, stats.sources, stats.waits, stats.timers, stats.runnable), (0, 0, 0, 0, 0));
    assert_eq!((stats.registered, stats.accepted, stats.timers_fired, stats.panics), (2, 1, 1, 0));
    // Not of stale events: a source of another test may have outlived the reactor whose selector this one has got.
    assert_eq!((stats.accept_failed, stats.accept_paused), (0, 0));
    assert!(stats.events >= 1 && stats.turns >= stats.selects && stats.polls > 2);
    let text = stats.to_string();
    for (name, value) in stats.fields() {
        assert!(text.contains(&format!("{name} {value}")), "{text}");
    }
}

#[test]
fn builder_settings_take_effect_in_any_order() {
    let clock = Clock::manual();
    let reactors = [
        Reactor::builder().clock(clock.clone()).events(1).blocking_threads(0).build().unwrap(),
        Reactor::builder().blocking_threads(0).events(0).clock(clock.clone()).build().unwrap(),
    ];
    for reactor in reactors {
        let before = reactor.block_on(async { Instant::now() }).unwrap();
        clock.advance(Duration::from_secs(5)).unwrap();
        let later = reactor.block_on(async { before.elapsed() }).unwrap();
        assert_eq!(later, Duration::from_secs(5));
        // One event at a time, and one thread: everything works.
        reactor
            .block_on(async {
                let pairs = [half_std().await, half_std().await, half_std().await];
                let reads = pairs.map(|(stream, mut peer)| {
                    peer.write_all(b"x").unwrap();
                    spawn(async move { (stream.read(&mut [0]).await.unwrap(), peer).0 })
                });
                for read in reads {
                    assert_eq!(read.await.unwrap(), 1);
                }
                assert_eq!(mainspring::unblock(|| 1).await.unwrap(), 1);
            })
            .unwrap();
    }
}
