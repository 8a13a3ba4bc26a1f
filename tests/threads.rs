//! Other threads: wakes, channels, spawns and handles that cross them, also when the reactor has gone.
mod util;

use mainspring::channel::{mpsc, oneshot};
use mainspring::time::sleep;
use mainspring::{Handle, Reactor, spawn, unblock, yield_now};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc as std_mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use util::runtime::*;

const THREADS: usize = 4;

/// The waker of a task that runs `poll` each time it is woken, and counts.
async fn woken_task(mut poll: impl FnMut() -> bool + 'static) -> (mainspring::JoinHandle<()>, Waker) {
    let (sender, receiver) = oneshot::channel();
    let mut sender = Some(sender);
    let task = spawn(poll_fn(move |cx| {
        if let Some(sender) = sender.take() {
            let _ = sender.send(cx.waker().clone());
        }
        if poll() { Poll::Ready(()) } else { Poll::Pending }
    }));
    (task, receiver.await.unwrap())
}

#[test]
fn no_wake_is_lost_against_a_reactor_that_sleeps_in_between() {
    const WAKES: u32 = 25_000;
    run(async {
        // Each thread asks, wakes, and waits for its answer: a wake that is lost is never made up for.
        let asked: Arc<[AtomicU32; THREADS]> = Arc::default();
        let answered: Arc<[AtomicU32; THREADS]> = Arc::default();
        let (asked_here, answered_here) = (asked.clone(), answered.clone());
        let (task, waker) = woken_task(move || {
            for (asked, answered) in asked_here.iter().zip(&*answered_here) {
                answered.store(asked.load(SeqCst), SeqCst);
            }
            answered_here.iter().all(|answered| answered.load(SeqCst) == WAKES)
        })
        .await;
        let threads: Vec<_> = (0..THREADS)
            .map(|index| {
                let (asked, answered, waker) = (asked.clone(), answered.clone(), waker.clone());
                thread::spawn(move || {
                    for wake in 1..=WAKES {
                        asked[index].store(wake, SeqCst);
                        waker.wake_by_ref();
                        let mut spins = 0_u32;
                        while answered[index].load(SeqCst) < wake {
                            spins += 1;
                            if spins % 64 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
                        }
                    }
                })
            })
            .collect();
        task.await.unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(stats().wakes_remote > 0);
    });
}

#[test]
fn a_million_wakes_at_once_leave_the_last_one_seen() {
    const WAKES: usize = 250_000;
    run(async {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        let (task, waker) = woken_task(move || seen.load(SeqCst) == THREADS * WAKES).await;
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (count, waker) = (count.clone(), waker.clone());
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        count.fetch_add(1, SeqCst);
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        task.await.unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn wakes_sends_and_spawns_from_many_threads_under_load_all_arrive() {
    const EACH: usize = 4_000;
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (handle, spawned) = (reactor.handle(), Arc::new(AtomicUsize::new(0)));
    let (sender, mut receiver) = mpsc::bounded(16);
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let (handle, sender, spawned) = (handle.clone(), sender.clone(), spawned.clone());
            thread::spawn(move || {
                for round in 0..EACH {
                    let (one, answer) = oneshot::channel();
                    futures::executor::block_on(sender.send((index, round, one))).unwrap();
                    let count = spawned.clone();
                    let task = handle.spawn(move || async move {
                        yield_now().await;
                        count.fetch_add(1, SeqCst) + 1
                    });
                    assert_eq!(futures::executor::block_on(answer).unwrap(), index + round);
                    if round % 2 == 0 {
                        assert!(futures::executor::block_on(task).unwrap() > 0);
                    }
                }
            })
        })
        .collect();
    drop(sender);
    reactor
        .block_on(async {
            let load = spawn(async {
                loop {
                    yield_now().await;
                }
            });
            let mut next = [0; THREADS];
            while let Some((index, round, answer)) = receiver.recv().await {
                assert_eq!(round, next[index], "each thread's values come in their order");
                next[index] += 1;
                answer.send(index + round).unwrap();
            }
            assert_eq!(next, [EACH; THREADS]);
            until(|| spawned.load(SeqCst) == THREADS * EACH).await;
            drop(load);
        })
        .unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn wakes_that_wait_for_a_reactor_are_bounded_by_its_tasks() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let wakers = reactor
        .block_on(async {
            let (first, one) = woken_task(|| false).await;
            let (second, two) = woken_task(|| false).await;
            drop((first, second));
            [one, two]
        })
        .unwrap();
    let before = reactor.stats().wakes_remote;
    for _ in 0..500_000 {
        wakers.iter().for_each(Waker::wake_by_ref);
    }
    reactor.block_on(turns(2)).unwrap();
    let taken = reactor.stats().wakes_remote - before;
    assert!((2..10_000).contains(&taken), "{taken} wakes were kept");
}

#[test]
fn a_waker_outlives_its_task_its_reactor_and_the_next_one() {
    let _limit = Limit::new();
    let wake_elsewhere = |waker: &Waker| {
        let waker = waker.clone();
        thread::spawn(move || waker.wake()).join().unwrap();
    };
    let reactor = Reactor::new().unwrap();
    let waker = reactor
        .block_on(async {
            let (task, waker) = woken_task(|| true).await;
            task.await.unwrap();
            waker
        })
        .unwrap();
    wake_elsewhere(&waker);
    waker.wake_by_ref();
    reactor.block_on(turns(2)).unwrap();
    drop(reactor);
    wake_elsewhere(&waker);
    waker.wake_by_ref();
    // The next reactors may get the same place; a task of theirs is polled in vain at most.
    for _ in 0..3 {
        mainspring::run(async {
            let polls = Rc::new(Cell::new(0));
            let count = polls.clone();
            let (_task, own) = woken_task(move || (count.set(count.get() + 1), false).1).await;
            wake_elsewhere(&waker);
            waker.wake_by_ref();
            turns(3).await;
            assert!(polls.get() <= 3);
            let before = polls.get();
            wake_elsewhere(&own);
            turns(2).await;
            assert_eq!(polls.get(), before + 1);
        })
        .unwrap();
    }
    drop(waker);
}

#[test]
fn a_handle_used_after_the_end_of_its_reactor_says_so() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (handle, made) = (reactor.handle(), Arc::new(AtomicBool::new(false)));
    // Not taken up before the end.
    let never = handle.spawn(|| async {});
    drop(reactor);
    assert!(futures::executor::block_on(never).unwrap_err().is_aborted());
    let check = |handle: &Handle| {
        let seen = made.clone();
        let task = handle.spawn(move || (seen.store(true, SeqCst), async {}).1);
        task.abort();
        assert!(futures::executor::block_on(task).unwrap_err().is_aborted());
        handle.shutdown();
    };
    check(&handle);
    // Also while another reactor has its place.
    for _ in 0..3 {
        let other = Reactor::new().unwrap();
        check(&handle);
        let task = other.spawn(turns(3));
        other.run().unwrap();
        assert!(task.is_finished(), "the shutdown was not for this one");
    }
    assert!(!made.load(SeqCst));
}

#[test]
fn a_remote_handle_gives_output_abort_and_panic() {
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let other = thread::spawn(move || {
        let wait = |task: mainspring::RemoteJoinHandle<u32>| futures::executor::block_on(task);
        let not_send = || {
            let shared = Rc::new(Cell::new(1));
            async move {
                yield_now().await;
                shared.get() + 4
            }
        };
        let output = wait(handle.spawn(not_send)).unwrap();
        let panicked = wait(handle.spawn(|| async { panic!("{EXPECTED}: remote") })).unwrap_err();
        let in_make = handle.spawn(|| -> std::future::Ready<u32> { panic!("{EXPECTED}: make") });
        let in_make = futures::executor::block_on(in_make).unwrap_err();

        // Aborted before its first poll, and while it waits.
        let dropped = Arc::new(());
        let held = dropped.clone();
        let mut early = handle.spawn(move || async move { (pending::<()>().await, held).0 });
        early.abort();
        let early = futures::executor::block_on(&mut early).unwrap_err();
        let (started, begun) = std_mpsc::channel();
        let held = dropped.clone();
        let mut late = handle.spawn(move || async move {
            let _held = held;
            started.send(thread::current().id()).unwrap();
            pending::<()>().await;
        });
        let id = begun.recv().unwrap();
        assert_ne!(id, thread::current().id());
        late.abort();
        late.abort();
        let late = futures::executor::block_on(&mut late).unwrap_err();
        assert!(early.is_aborted() && late.is_aborted());
        assert_eq!(Arc::strong_count(&dropped), 1, "what an aborted task held is dropped");

        // A dropped handle detaches.
        let (done, detached) = std_mpsc::channel();
        drop(handle.spawn(move || async move {
            yield_now().await;
            done.send(thread::current().id()).unwrap();
        }));
        assert_eq!(detached.recv().unwrap(), id);
        (output, panicked.is_panic(), in_make.is_panic())
    });
    let result = reactor.block_on(async { unblock(move || other.join().unwrap()).await }).unwrap().unwrap();
    assert_eq!(result, (5, true, true));
    assert_eq!(reactor.block_on(async { (turns(3).await, stats().tasks).1 }).unwrap(), 0);
}

#[test]
fn a_waker_that_panics_when_it_hears_of_a_drop_that_panics_ends_nothing_else() {
    struct DropPanics;
    impl Drop for DropPanics {
        fn drop(&mut self) {
            panic!("{EXPECTED}: drop");
        }
    }
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let mut task = Box::pin(reactor.handle().spawn(|| async {
        let _drop = DropPanics;
        pending::<()>().await;
    }));
    reactor.block_on(turns(3)).unwrap();
    assert!(poll_with(task.as_mut(), &Arc::new(PanickingWaker).into()).is_pending());
    task.abort();
    reactor.block_on(turns(3)).unwrap();
    assert_eq!((reactor.stats().tasks, reactor.stats().panics), (0, 2));
    assert!(futures::executor::block_on(task).unwrap_err().is_aborted());
}

#[test]
fn spawns_that_wait_for_a_reactor_are_bounded() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..65_536 {
        let count = count.clone();
        drop(handle.spawn(move || async move { count.fetch_add(1, SeqCst) }));
    }
    let error = futures::executor::block_on(handle.spawn(|| async {})).unwrap_err();
    assert!(error.to_string().contains("65536"), "{error}");
    reactor.run().unwrap();
    assert_eq!(count.load(SeqCst), 65_536);
}

#[test]
fn an_abort_reaches_a_reactor_whose_inbox_is_full_and_an_output_nobody_wants_is_dropped() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let (handle, held) = (reactor.handle(), Arc::new(()));
    let (waiting, unwanted) = (held.clone(), held.clone());
    let waits = handle.spawn(move || async move { (pending::<()>().await, waiting).0 });
    let ends = handle.spawn(move || async move { unwanted });
    reactor.block_on(turns(3)).unwrap();
    assert_eq!((reactor.stats().tasks, Arc::strong_count(&held)), (1, 3), "one waits, the output of the other too");
    drop(ends);
    assert_eq!(Arc::strong_count(&held), 2);
    for _ in 0..65_536 {
        drop(handle.spawn(|| async {}));
    }
    waits.abort();
    reactor.run().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(futures::executor::block_on(waits).unwrap_err().is_aborted());
}

#[test]
fn two_reactors_talk_through_channels() {
    const ROUNDS: usize = 10_000;
    let _limit = Limit::new();
    let (ping, mut pinged) = mpsc::bounded(1);
    let (pong, mut ponged) = mpsc::bounded(1);
    let other = thread::spawn(move || {
        mainspring::run(async move {
            while let Some(value) = pinged.recv().await {
                pong.send(value + 1).await.unwrap();
            }
        })
        .unwrap();
    });
    mainspring::run(async move {
        for round in 0..ROUNDS {
            ping.send(round).await.unwrap();
            assert_eq!(ponged.recv().await, Some(round + 1));
        }
    })
    .unwrap();
    other.join().unwrap();
}

/// What a thread may leave in its thread-locals.
fn leftover(kind: usize, reactor: &mut Option<Reactor>) -> Box<dyn Any> {
    struct AtEnd;
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let _ = (mainspring::time::Instant::now(), mainspring::Stats::current());
            drop(spawn(async {}));
            drop(sleep(Duration::from_secs(1)));
        }
    }
    let running = reactor.as_ref().expect("the reactor is put away last");
    match kind {
        0 => Box::new(running.handle()),
        1 => {
            let task = running.spawn(async {
                let _at_end = AtEnd;
                let (stream, _peer) = half_std().await;
                let _ = stream.read(&mut [0]).await;
            });
            let waker = running.block_on(async { poll_fn(|cx| Poll::Ready(cx.waker().clone())).await }).unwrap();
            running.block_on(turns(2)).unwrap();
            Box::new((task, waker, AtEnd))
        }
        2 => {
            let mut timer = Box::pin(sleep(Duration::from_secs(60)));
            running.block_on(async { assert!(poll_once(timer.as_mut()).is_pending()) }).unwrap();
            let (stream, _) = running.block_on(half_std()).unwrap();
            Box::new((timer, stream))
        }
        _ => Box::new(reactor.take()),
    }
}

#[test]
fn thread_locals_may_hold_reactor_handle_task_and_timer_and_end_in_any_order() {
    thread_local! {
        static FIRST: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
        static THIRD: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
        static FOURTH: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
    }
    let _limit = Limit::new();
    let mut orders = 0;
    for code in 0..256 {
        let order = [code % 4, code / 4 % 4, code / 16 % 4, code / 64];
        if (0..4).any(|kind| !order.contains(&kind)) {
            continue;
        }
        orders += 1;
        let thread = thread::spawn(move || {
            let mut reactor = Some(Reactor::new().unwrap());
            let mut things: Vec<_> = (0..4).map(|kind| Some(leftover(kind, &mut reactor))).collect();
            // The order in which they are first used decides the order in which they are dropped.
            FIRST.set(things[order[0]].take());
            SECOND.set(things[order[1]].take());
            THIRD.set(things[order[2]].take());
            FOURTH.set(things[order[3]].take());
        });
        assert!(thread.join().is_ok(), "order {order:?}");
    }
    assert_eq!(orders, 24);
}

#[test]
fn blocking_work_is_bounded_in_threads_and_in_its_queue() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().blocking_threads(3).build().unwrap();
    reactor
        .block_on(async {
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let gate = Arc::new(Barrier::new(4));
            let mut jobs = Vec::new();
            for count in 0..3 + 1024 {
                let (inside, most, gate) = (running.clone(), most.clone(), gate.clone());
                jobs.push(unblock(move || {
                    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                    if count < 3 {
                        gate.wait();
                    }
                    inside.fetch_sub(1, SeqCst);
                    count
                }));
                if count < 3 {
                    // Each of the first three has a thread before the queue is filled.
                    until(|| running.load(SeqCst) == count + 1).await;
                }
            }
            let error = unblock(|| ()).await.unwrap_err();
            assert!(error.to_string().contains("as many blocking jobs wait"), "{error}");
            gate.wait();
            for (count, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.await.unwrap(), count);
            }
            assert_eq!(most.load(SeqCst), 3);
            assert_eq!(unblock(|| 5).await.unwrap(), 5);
        })
        .unwrap();
}

#[test]
fn a_blocking_job_that_panics_is_reported_and_its_thread_goes_on() {
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    reactor
        .block_on(async {
            for _ in 0..10 {
                let error = unblock(|| panic!("{EXPECTED}: job")).await.unwrap_err();
                assert!(error.is_panic() && error.to_string().ends_with("job"));
            }
            assert_eq!(unblock(|| 1).await.unwrap(), 1);
        })
        .unwrap();
}

#[test]
fn blocking_jobs_run_for_several_reactors_and_outlive_them() {
    let _limit = Limit::new();
    let threads: Vec<_> = (0..2_u64)
        .map(|index| {
            thread::spawn(move || {
                mainspring::run(async move {
                    let jobs: Vec<_> = (0..500).map(|job| unblock(move || job * index)).collect();
                    let mut sum = 0;
                    for job in jobs {
                        sum += job.await.unwrap();
                    }
                    sum
                })
                .unwrap()
            })
        })
        .collect();
    let sums: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(sums, [0, 124_750]);

    let (sender, receiver) = std_mpsc::channel();
    let (go, gate) = std_mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    mainspring::run(async move {
        drop(unblock(move || {
            begin.send(()).unwrap();
            gate.recv().unwrap();
            sender.send(7).unwrap();
        }));
        begun.await.unwrap();
    })
    .unwrap();
    go.send(()).unwrap();
    assert_eq!(receiver.recv().unwrap(), 7, "a job that has begun goes on to its end");
}

#[test]
fn a_blocking_job_that_has_not_begun_when_its_reactor_ends_says_so() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let (begin, has_begun) = std_mpsc::channel();
    let (go, gate) = std_mpsc::channel::<()>();
    let _outlives = reactor.spawn(async {});
    let begins = || unblock(move || begin.send(()).is_ok() && gate.recv().is_ok());
    let jobs = async { (Box::pin(begins()), Box::pin(unblock(|| true))) };
    let (begun, waits) = reactor.block_on(jobs).unwrap();
    has_begun.recv().unwrap();
    drop(reactor);
    let error = futures::executor::block_on(waits).unwrap_err();
    assert_eq!((error.is_aborted(), error.to_string().as_str()), (true, "the reactor has ended"));
    go.send(()).unwrap();
    assert!(futures::executor::block_on(begun).unwrap());
}
