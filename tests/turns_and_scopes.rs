//! What may go wrong between tasks, their turns and their scopes: stale numbers, spins, deadlines that nobody waits
//! for, and reactors that start or end in the middle of something.
mod util;

use mainspring::channel::oneshot;
use mainspring::net::{TcpStream, UnixStream};
use mainspring::tick::{Tick, schedule};
use mainspring::time::Clock;
use mainspring::{Reactor, Stats, ready, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use util::runtime::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn futures_made_anew_for_each_try_are_told_that_they_spin() {
    run(async {
        let (stream, _peer) = half_std().await;
        for _ in 0..20_100 {
            if let Poll::Ready(error) = poll_once(stream.read(&mut [0])) {
                let error = error.expect_err("there is nothing to read");
                assert!(error.to_string().contains("10000 times within one poll"), "{error}");
                return;
            }
        }
        panic!("the spin was not told");
    });
}

#[test]
fn many_waits_given_up_within_a_poll_are_no_spin() {
    run(async {
        let mut streams = Vec::new();
        for _ in 0..40 {
            streams.push(half_std().await);
        }
        let (other, mut other_peer) = half_std().await;
        let mut buffers = vec![[[0]; 300]; streams.len()];
        let mut reads = Vec::new();
        for ((stream, _peer), buffers) in streams.iter().zip(&mut buffers) {
            reads.extend(buffers.iter_mut().map(|buffer| Box::pin(stream.read(buffer))));
        }
        for read in &mut reads {
            assert!(poll_with(read.as_mut(), Waker::noop()).is_pending());
        }
        assert_eq!(stats().waits, 12_000);
        drop(reads);
        assert_eq!(stats().waits, 0);
        other_peer.write_all(b"x").unwrap();
        assert_eq!(other.read(&mut [0]).await.unwrap(), 1);
        other_peer.write_all(b"x").unwrap();
        assert_eq!(other.read(&mut [0]).await.unwrap(), 1);
    });
}

/// Panics when it is woken, and its payload when that is dropped.
struct Nested;

impl Wake for Nested {
    fn wake(self: Arc<Self>) {
        // Not printed by the hook of `quiet`, which knows texts alone.
        resume_unwind(Box::new(Bomb));
    }
}

#[test]
fn a_waker_whose_payload_panics_does_not_keep_the_others_from_being_woken() {
    quiet();
    run(async {
        let (stream, mut peer) = half_std().await;
        let mut buffers = [[0]; 3];
        let [first, second, third] = &mut buffers;
        let (mut first, mut second, mut third) =
            (pin!(stream.read(first)), pin!(stream.read(second)), pin!(stream.read(third)));
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(first.as_mut(), &waker).is_pending());
        assert!(poll_with(second.as_mut(), &Waker::from(Arc::new(Nested))).is_pending());
        assert!(poll_with(third.as_mut(), &waker).is_pending());
        peer.write_all(b"x").unwrap();
        turns(3).await;
        assert_eq!(counter.count(), 2);
        assert!(stats().panics >= 1);
    });
}

#[test]
fn a_timeout_that_is_disabled_after_its_expiry_leaves_no_readiness_behind() {
    with_manual_clock(|clock| async move {
        let (stream, _peer) = half_std().await;
        stream.set_read_timeout(Some(SECOND)).unwrap();
        let mut buffer = [0];
        let mut read = pin!(stream.read(&mut buffer));
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(read.as_mut(), &waker).is_pending());
        turns(2).await;
        clock.advance(2 * SECOND).unwrap();
        until(|| counter.count() == 1).await;
        stream.set_read_timeout(None).unwrap();
        assert!(poll_once(stream.readable()).is_pending(), "there is nothing to read");
        assert!(poll_with(read.as_mut(), &waker).is_pending(), "it has no deadline any more");
    });
}

#[test]
fn a_read_that_ends_while_another_has_expired_leaves_no_wait() {
    with_manual_clock(|clock| async move {
        let (stream, mut peer) = half_std().await;
        let mut buffers = [[0]; 2];
        let [one, two] = &mut buffers;
        let (mut long, mut short) = (pin!(stream.read(one)), pin!(stream.read(two)));
        stream.set_read_timeout(Some(100 * SECOND)).unwrap();
        // With the task's own waker, which is kept in the seat.
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        assert!(poll_with(long.as_mut(), &own).is_pending());
        turns(2).await;
        stream.set_read_timeout(Some(SECOND)).unwrap();
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(short.as_mut(), &waker).is_pending());
        turns(2).await;
        clock.advance(2 * SECOND).unwrap();
        // Timers fire before the selector is asked: the byte is there, and its event is not.
        let mut written = false;
        until(|| {
            let expired = counter.count() == 1;
            if expired && !written {
                written = true;
                peer.write_all(b"x").unwrap();
            }
            expired
        })
        .await;
        let Poll::Ready(read) = poll_with(long.as_mut(), &own) else { panic!("the bit was not on") };
        assert_eq!(read.unwrap(), 1);
        assert_eq!(stats().waits, 1, "only the one that has expired is left");
    });
}

/// Spawns tasks that never end by themselves, and returns their handles and wakers.
async fn parked(count: usize) -> (Vec<mainspring::JoinHandle<()>>, Vec<Waker>) {
    let wakers = Rc::new(RefCell::new(Vec::new()));
    let handles = (0..count)
        .map(|_| {
            let wakers = wakers.clone();
            spawn(async move {
                let mut known = false;
                poll_fn(|cx| {
                    if !known {
                        known = true;
                        wakers.borrow_mut().push(cx.waker().clone());
                    }
                    Poll::<()>::Pending
                })
                .await
            })
        })
        .collect();
    until(|| wakers.borrow().len() == count).await;
    (handles, wakers.take())
}

#[test]
fn numbers_of_slots_that_were_given_back_wake_nobody() {
    run(async {
        let mut stale = Vec::new();
        for count in [10_000, 3, 9_000, 1, 20_000] {
            let (handles, wakers) = parked(count).await;
            assert_eq!(stats().tasks, count);
            let polls = stats().polls;
            stale.iter().for_each(Waker::wake_by_ref);
            assert_eq!((stats().runnable, stats().polls), (0, polls), "nobody was woken by {} wakers", stale.len());
            wakers.iter().for_each(Waker::wake_by_ref);
            wakers.iter().for_each(Waker::wake_by_ref);
            assert_eq!(stats().runnable, count);
            handles.iter().for_each(|handle| handle.abort());
            assert_eq!(stats().runnable, count);
            for handle in handles {
                assert!(handle.await.unwrap_err().is_aborted());
            }
            assert_eq!((stats().tasks, stats().runnable), (0, 0));
            wakers.iter().for_each(Waker::wake_by_ref);
            stale = wakers;
        }
    });
}

#[test]
fn a_task_that_takes_the_slot_of_one_that_ended_in_the_queue_is_polled_once_a_wake() {
    run(async {
        for _ in 0..100 {
            // It ends with its place in the queue; the slot is free at once, and its next tenant finds the place.
            drop(spawn(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(())
            })));
            yield_now().await;
            let polls = Rc::new(Cell::new(0));
            let (waker, counted) = (Rc::new(RefCell::new(None)), polls.clone());
            let kept = waker.clone();
            let task = spawn(poll_fn(move |cx| {
                counted.set(counted.get() + 1);
                kept.replace(Some(cx.waker().clone()));
                if counted.get() == 3 { Poll::Ready(counted.get()) } else { Poll::Pending }
            }));
            turns(2).await;
            assert_eq!((polls.get(), stats().runnable), (1, 0));
            let waker = waker.take().unwrap();
            waker.wake_by_ref();
            waker.wake_by_ref();
            turns(2).await;
            assert_eq!((polls.get(), stats().runnable), (2, 0));
            std::thread::scope(|scope| drop(scope.spawn(|| waker.wake_by_ref())));
            assert_eq!(task.await.unwrap(), 3);
        }
    });
}

/// Calls `then` when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_reactor_that_ends_with_tasks_due_drops_each_and_one_that_panicked_runs_on() {
    quiet();
    let _limit = Limit::new();
    let (alive, polled) = (Alive::default(), Rc::new(Cell::new(0)));
    let reactor = Reactor::new().unwrap();
    let spawned = |polls: u32| {
        let (token, polled) = (alive.token(), polled.clone());
        async move {
            let _token = token;
            for _ in 0..polls {
                polled.set(polled.get() + 1);
                yield_now().await;
            }
        }
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        reactor.block_on(async {
            (0..300).for_each(|_| drop(spawn(spawned(2))));
            yield_now().await;
            panic!("{EXPECTED}: in the future of block_on");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((polled.get(), reactor.stats().tasks, reactor.stats().runnable), (300, 300, 300));
    reactor.block_on(async { until(|| stats().tasks == 0).await }).unwrap();
    assert_eq!((polled.get(), alive.count(), reactor.stats().runnable), (600, 0, 0));

    // Again, ended in the middle of a list of tasks that are due.
    let mut task = None;
    reactor
        .block_on(async {
            task = Some(spawn(spawned(2)));
            (0..300).for_each(|_| drop(spawn(spawned(2))));
        })
        .unwrap();
    assert_eq!(reactor.stats().tasks, 301);
    drop(reactor);
    assert_eq!(alive.count(), 0);
    assert!(futures::executor::block_on(task.unwrap()).unwrap_err().is_aborted());
}

#[test]
fn a_drop_in_the_loop_can_start_no_reactor_and_may_use_everything_else() {
    let _limit = Limit::new();
    let other = Rc::new(Reactor::new().unwrap());
    let refused = Rc::new(Cell::new(0));
    run(async {
        let (inner, count) = (other.clone(), refused.clone());
        let guard = OnDrop(move || {
            assert!(inner.block_on(async {}).is_err());
            count.set(count.get() + 1);
            let aborted = spawn(pending::<()>());
            aborted.abort();
            drop(spawn(async {}));
        });
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_aborted());
        until(|| stats().tasks == 0).await;
    });
    assert_eq!(refused.get(), 1);
    assert_eq!(other.block_on(async { 1 }).unwrap(), 1);
}

#[test]
fn a_task_that_owns_its_handle_ends_when_it_is_aborted_and_when_it_returns() {
    run(async {
        for aborts in [false, true] {
            let own = Rc::new(RefCell::new(None));
            let inner = own.clone();
            let task = spawn(async move {
                yield_now().await;
                if aborts {
                    inner.borrow().as_ref().map(mainspring::JoinHandle::<()>::abort);
                    yield_now().await;
                    unreachable!("it has aborted itself");
                }
            });
            own.replace(Some(task));
            // The task has the only reference, so its handle is dropped while it ends.
            drop(own);
            until(|| stats().tasks == 0).await;
            turns(2).await;
            assert_eq!((stats().tasks, stats().runnable), (0, 0));
        }
    });
}

#[test]
fn a_reactor_may_run_inside_a_scope_of_another_executor() {
    let _limit = Limit::new();
    let (sender, mut receiver) = oneshot::channel();
    let mut sender = Some(sender);
    let reactor = Reactor::new().unwrap();
    let mut tries = 0;
    let value = futures::executor::block_on(ready(|| {
        tries += 1;
        match receiver.try_recv() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(closed) => return Err(io::Error::from(closed)),
        }
        // Scopes and polls of a reactor, one that panics among them, leave this scope as it was.
        let inside = reactor.block_on(async {
            let (mut stream, mut peer) = half_std().await;
            let error = Read::read(&mut stream, &mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "its scope is not this reactor's");
            peer.write_all(b"x").unwrap();
            ready(|| Read::read(&mut stream, &mut [0])).await.unwrap()
        });
        assert_eq!(inside.unwrap(), 1);
        if let Some(sender) = sender.take() {
            std::thread::spawn(move || sender.send(5).unwrap());
        }
        Err(ErrorKind::WouldBlock.into())
    }));
    assert_eq!(value.unwrap(), 5);
    assert!((2..=3).contains(&tries), "{tries}");
}

#[test]
fn a_reactor_dropped_inside_a_tick_leaves_the_tick_its_scope() {
    let _limit = Limit::new();
    let ended = Reactor::new().unwrap();
    run(async {
        let (mut stream, mut peer) = half_std().await;
        let (mut kept, _kept_peer) = half_std().await;
        let seen = Rc::new(Cell::new(false));
        let set = seen.clone();
        let guard = OnDrop(move || {
            // A source of the reactor that is in the middle of a tick, in a scope of the one that ends.
            assert!(!matches!(poll_once(ready(|| Read::read(&mut kept, &mut [0]))), Poll::Ready(Ok(_))));
            set.set(true);
        });
        let task = ended.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        drop(task);
        let mut ended = Some(ended);
        let tick = schedule(move || {
            if let Some(ended) = ended.take() {
                assert_eq!(Read::read(&mut stream, &mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
                drop(ended);
            }
            assert_eq!(Read::read(&mut stream, &mut [0])?, 1);
            Ok(Tick::Final)
        });
        turns(2).await;
        assert!(seen.get());
        assert_eq!(stats().waits, 1, "the wait of the tick");
        peer.write_all(b"x").unwrap();
        tick.await.unwrap().unwrap();
    });
}

#[test]
fn what_is_said_in_an_inner_scope_is_not_said_in_the_outer() {
    run(async {
        let (mut stream, _peer) = half_std().await;
        let task = schedule(move || {
            assert!(poll_once(ready(|| Read::read(&mut stream, &mut [0]))).is_pending());
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        assert!(task.is_finished(), "the inner wait, which has ended, was taken for its own");
        assert!(task.await.unwrap().unwrap_err().to_string().contains("waits for nothing"));

        let (mut stream, mut peer) = half_std().await;
        let task = schedule(move || {
            if let Ok(1) = Read::read(&mut stream, &mut [0]) {
                return Ok(Tick::Final);
            }
            assert!(matches!(poll_once(ready(|| Ok::<_, io::Error>(5))), Poll::Ready(Ok(5))));
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        assert!(!task.is_finished(), "its own wait was forgotten");
        peer.write_all(b"x").unwrap();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_ready_and_a_read_that_move_between_tasks_and_executors_are_woken_where_they_are() {
    run(async {
        for foreign_between in [false, true] {
            for style in 0..2 {
                let (mut stream, mut peer) = half_std().await;
                let mut waiting: Pin<Box<dyn Future<Output = io::Result<usize>>>> = match style {
                    0 => Box::pin(ready(move || Read::read(&mut stream, &mut [0]))),
                    _ => Box::pin(async move { stream.read(&mut [0]).await }),
                };
                let first = spawn(async move {
                    assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
                    Some(waiting)
                });
                let mut waiting = first.await.unwrap().unwrap();
                if foreign_between {
                    assert!(poll_with(Pin::new(&mut waiting), Waker::noop()).is_pending());
                }
                let second = spawn(waiting);
                turns(2).await;
                assert_eq!(stats().waits, 1);
                peer.write_all(b"x").unwrap();
                assert_eq!(second.await.unwrap().unwrap(), 1);
                assert_eq!(stats().waits, 0);
            }
        }
    });
}

#[test]
fn a_tick_that_has_errors_of_a_foreign_source_alone_ends() {
    let _limit = Limit::new();
    let other = Reactor::new().unwrap();
    let (stream, _peer): (TcpStream, _) = other.block_on(half_std()).unwrap();
    let (error, Stats { polls, .. }) = run(async {
        let tick = schedule(move || {
            assert!(stream.try_read(&mut [0]).is_err());
            Ok(Tick::WouldBlock)
        });
        tick.await.unwrap().unwrap_err()
    });
    assert!(error.to_string().contains("waits for nothing"), "{error}");
    assert!(polls < 10, "{polls} polls");
}

#[test]
fn a_budget_that_is_spent_by_the_last_progress_costs_no_wake_and_no_wait() {
    run(async {
        for values in 126..=130 {
            let (sender, mut receiver) = mainspring::channel::mpsc::unbounded();
            (0..values).for_each(|value| sender.try_send(value).unwrap());
            let taken = Rc::new(Cell::new(0));
            let count = taken.clone();
            let task = schedule(move || {
                while let Some(value) = receiver.try_recv()? {
                    assert_eq!(value, count.get());
                    count.set(value + 1);
                }
                Ok(Tick::WouldBlock)
            });
            turns(3).await;
            assert_eq!((taken.get(), stats().runnable), (values, 0));
            sender.try_send(values).unwrap();
            drop(sender);
            assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(taken.get(), values + 1);
        }
    });
}

#[test]
fn a_clock_that_never_stands_still_expires_both_directions_and_a_close_wakes_both() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            // Of TCP, the system may find room later: what is on the way to a peer that does not read counts once more
            // there.
            let (stream, _peer) = UnixStream::pair().unwrap();
            let stream = Rc::new(stream);
            stream.set_read_timeout(Some(SECOND)).unwrap();
            stream.set_write_timeout(Some(2 * SECOND)).unwrap();
            // In one go: piece by piece it takes more than the budget of a poll.
            let all = vec![0; 16 << 20];
            assert!(stream.try_write(&all).unwrap().is_some_and(|count| count < all.len()));
            let (reader, writer) = (stream.clone(), stream.clone());
            let read = spawn(async move { reader.read(&mut [0]).await });
            let write = spawn(async move { writer.write(&[0]).await });
            assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(stats().waits, 1);
            assert_eq!(write.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!((stats().waits, stats().timers), (0, 0));
            stream.set_read_timeout(Some(Duration::MAX)).unwrap();
            let wakes = Rc::new(Cell::new(0));
            let (reader, counter) = (stream.clone(), wakes.clone());
            let read = spawn(async move {
                let mut buffer = [0];
                let mut read = pin!(reader.read(&mut buffer));
                poll_fn(|cx: &mut Context<'_>| {
                    counter.set(counter.get() + 1);
                    read.as_mut().poll(cx)
                })
                .await
            });
            turns(2).await;
            stream.shutdown(std::net::Shutdown::Both).unwrap();
            assert_eq!(read.await.unwrap().unwrap(), 0);
            turns(1).await;
            assert_eq!((wakes.get(), stats().timers), (2, 0));
        })
        .unwrap();
}
