//! Bugs that were found, one test each.
mod util;

use mainspring::net::TcpListener;
use mainspring::time::{Clock, Instant, sleep, timeout};
use mainspring::{Reactor, spawn, unblock};
use std::future::{pending, poll_fn};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use util::runtime::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_task_that_wakes_itself_and_ends_in_the_same_poll_keeps_its_output() {
    // Its number was still in the run queue, and the body with the output was polled again and counted out twice.
    run(async {
        let task = spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(7)
        }));
        until(|| task.is_finished()).await;
        turns(2).await;
        assert_eq!(stats().tasks, 0);
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn waiting_until_a_stream_is_readable_times_out() {
    // The expiry turned the readiness on, and was taken for it.
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let (stream, mut peer) = half_std().await;
            stream.set_read_timeout(Some(SECOND)).unwrap();
            assert_eq!(stream.try_read(&mut [0]).unwrap(), None, "what is believed at first is no longer believed");
            assert_eq!(stream.readable().await.unwrap_err().kind(), ErrorKind::TimedOut);
            std::io::Write::write_all(&mut peer, b"x").unwrap();
            stream.readable().await.unwrap();
            while stream.try_write(&[0; 65_536]).unwrap().is_some() {}
            stream.set_write_timeout(Some(SECOND)).unwrap();
            let error = loop {
                match stream.writable().await {
                    Ok(()) => while stream.try_write(&[0; 65_536]).unwrap().is_some() {},
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        })
        .unwrap();
}

#[test]
fn the_time_to_drop_a_reactor_is_in_proportion_to_its_tasks() {
    // Each task was looked for from the start of the table: 100,000 took minutes.
    let time_to_drop = |count: usize| {
        let reactor = Reactor::new().unwrap();
        for _ in 0..count {
            drop(reactor.spawn(pending::<()>()));
        }
        let start = thread_time();
        drop(reactor);
        thread_time() - start
    };
    // The shortest of several, in processor time: what else runs on the machine does not count.
    let few = (0..5).map(|_| time_to_drop(1_000)).min().unwrap();
    let many = (0..3).map(|_| time_to_drop(30_000)).min().unwrap();
    assert!(many < few * 300, "1,000 tasks {few:?}, 30,000 tasks {many:?}");
}

#[test]
fn a_panic_in_the_drop_of_a_jobs_output_costs_no_thread() {
    // The thread ended, and the pool went on counting it: the next job waited for ever.
    quiet();
    let _limit = Limit::new();
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    reactor
        .block_on(async {
            // The job ends after nobody awaits it any more, so the bomb goes off on its thread.
            let (go, gate) = std::sync::mpsc::channel::<()>();
            drop(unblock(move || (gate.recv().unwrap(), Bomb).1));
            go.send(()).unwrap();
            assert_eq!(timeout(60 * SECOND, unblock(|| 5)).await.expect("a thread").unwrap(), 5);
        })
        .unwrap();
}

#[test]
fn a_waker_that_panics_in_a_shutdown_does_not_keep_the_others_from_being_woken() {
    quiet();
    run(async {
        let (stream, _peer) = half_std().await;
        let (counter, waker) = CountingWaker::new();
        let (mut first, mut second, mut third) = ([0], [0], [0]);
        let mut reads = [&mut first, &mut second, &mut third].map(|buffer| Box::pin(stream.read(buffer)));
        assert!(poll_with(reads[0].as_mut(), &waker).is_pending());
        assert!(poll_with(reads[1].as_mut(), &Arc::new(PanickingWaker).into()).is_pending());
        assert!(poll_with(reads[2].as_mut(), &waker).is_pending());
        let _ = catch_unwind(AssertUnwindSafe(|| stream.shutdown(Shutdown::Read)));
        turns(2).await;
        // One of the two may have been woken before the panic.
        assert_eq!(counter.count(), 2);
    });
}

#[test]
fn a_waker_that_panics_does_not_keep_a_reactor_from_ending() {
    quiet();
    let reactor = Reactor::new().unwrap();
    let (counter, waker) = CountingWaker::new();
    let streams = reactor.block_on(async { [half_std().await, half_std().await, half_std().await] }).unwrap();
    let mut buffers = [[0]; 3];
    let mut reads: Vec<_> =
        streams.iter().zip(&mut buffers).map(|((stream, _), buffer)| Box::pin(stream.read(buffer))).collect();
    reactor
        .block_on(async {
            assert!(poll_with(reads[0].as_mut(), &Arc::new(PanickingWaker).into()).is_pending());
            assert!(poll_with(reads[1].as_mut(), &waker).is_pending());
            assert!(poll_with(reads[2].as_mut(), &waker).is_pending());
        })
        .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(reactor))).is_ok(), "the drop panicked");
    assert_eq!(counter.count(), 2);
    for read in &mut reads {
        let Poll::Ready(Err(error)) = poll_with(read.as_mut(), &waker) else { panic!("it still waits") };
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn a_spawn_that_came_too_late_may_panic_in_its_drop() {
    // What waits in the inbox of a reactor that ends is dropped there.
    quiet();
    let reactor = Reactor::new().unwrap();
    let (held, bomb) = (Arc::new(()), Bomb);
    drop(reactor.handle().spawn(move || async move { drop(bomb) }));
    let kept = held.clone();
    drop(reactor.handle().spawn(move || async move { drop(kept) }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(reactor))).is_ok(), "the drop panicked");
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_second_wait_that_starts_later_is_not_timed_out_with_the_first() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let (stream, mut peer) = half_std().await;
            stream.set_read_timeout(Some(10 * SECOND)).unwrap();
            let stream = Rc::new(stream);
            let reading = stream.clone();
            let first = spawn(async move { reading.read(&mut [0]).await });
            sleep(9 * SECOND).await;
            let start = Instant::now();
            let second = spawn(async move { (stream.read(&mut [0]).await, start.elapsed()) });
            turns(1).await;
            std::io::Write::write_all(&mut peer, b"x").unwrap();
            assert_eq!(first.await.unwrap().unwrap(), 1);
            let (result, after) = second.await.unwrap();
            assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(after >= 10 * SECOND, "after {after:?}");
        })
        .unwrap();
}

#[test]
fn a_clock_does_not_jump_while_the_result_of_blocking_work_waits_to_be_taken() {
    let _limit = Limit::new();
    let reactor = Reactor::builder().clock(Clock::auto()).blocking_threads(1).build().unwrap();
    reactor
        .block_on(async {
            let start = Instant::now();
            drop(spawn(sleep(3600 * SECOND)));
            for round in 0..20_000 {
                unblock(|| ()).await.unwrap();
                assert_eq!(start.elapsed(), Duration::ZERO, "in round {round}");
            }
        })
        .unwrap();
}

#[test]
fn a_source_made_while_the_reactor_ends_is_detached_with_the_others() {
    struct Binds(Rc<std::cell::RefCell<Option<TcpListener>>>);
    impl Drop for Binds {
        fn drop(&mut self) {
            *self.0.borrow_mut() = TcpListener::bind("127.0.0.1:0").ok();
        }
    }
    let made = Rc::default();
    let reactor = Reactor::new().unwrap();
    let binds = Binds(Rc::clone(&made));
    drop(reactor.spawn(async move {
        let _binds = binds;
        pending::<()>().await;
    }));
    reactor.block_on(turns(1)).unwrap();
    drop(reactor);
    let listener = made.take().expect("a drop may bind");
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::NotConnected);
    let mut accept = pin!(listener.accept());
    assert!(poll_with(accept.as_mut(), std::task::Waker::noop()).is_ready());
}
