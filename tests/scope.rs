//! Ticks over timers and channels, and the scopes in which "not yet" is recorded.
mod util;

use mainspring::channel::{mpsc, oneshot};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Clock, Instant, interval, sleep};
use mainspring::{Reactor, ready, ready_if, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use util::runtime::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_tick_waits_for_a_timer() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let start = Instant::now();
            let (mut short, mut long) = (sleep(SECOND), sleep(3600 * SECOND));
            let ticks = Rc::new(Cell::new(0));
            let count = ticks.clone();
            let task = schedule(move || {
                count.set(count.get() + 1);
                if short.is_elapsed() || short.try_wait()?.is_some() {
                    return Ok(if long.try_wait()?.is_some() { Tick::Final } else { Tick::WouldBlock });
                }
                Ok(Tick::WouldBlock)
            });
            task.await.unwrap().unwrap();
            assert_eq!(start.elapsed().as_secs(), 3600);
            assert!(ticks.get() <= 4, "{} ticks", ticks.get());
        })
        .unwrap();
}

#[test]
fn a_tick_waits_for_an_interval() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let start = Instant::now();
            let mut ticks = interval(SECOND);
            let mut left = 10;
            let task = schedule(move || {
                while let Some(due) = ticks.try_tick()? {
                    assert_eq!(due, start + SECOND * (10 - left));
                    left -= 1;
                    if left == 0 {
                        return Ok(Tick::Final);
                    }
                }
                Ok(Tick::WouldBlock)
            });
            task.await.unwrap().unwrap();
            assert_eq!(start.elapsed().as_secs(), 9);
        })
        .unwrap();
}

#[test]
fn a_tick_receives_and_sends_over_channels() {
    run(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        let (stop, mut stopped) = oneshot::channel::<()>();
        let received = Rc::new(RefCell::new(Vec::new()));
        let seen = received.clone();
        let receiving = schedule(move || {
            while let Some(value) = receiver.try_recv()? {
                seen.borrow_mut().push(value);
            }
            Ok(if stopped.try_recv()?.is_some() { Tick::Final } else { Tick::WouldBlock })
        });
        let mut next = 0;
        let sending = schedule(move || {
            while next < 1000 {
                if sender.try_send(next).is_err() {
                    return Ok(Tick::WouldBlock);
                }
                next += 1;
            }
            // The receiver must not see the end of the channel as an error.
            std::mem::forget(sender.clone());
            Ok(Tick::Final)
        });
        sending.await.unwrap().unwrap();
        until(|| received.borrow().len() == 1000).await;
        stop.send(()).unwrap();
        receiving.await.unwrap().unwrap();
        assert!(received.borrow().iter().copied().eq(0..1000));
    });
}

#[test]
fn a_closed_channel_ends_a_tick_with_its_error() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded::<u8>();
        let task = schedule(move || {
            receiver.try_recv()?;
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        drop(sender);
        let error = task.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_tick_that_drains_a_full_channel_gives_the_others_their_turn() {
    run(async {
        let (sender, mut receiver) = mpsc::unbounded();
        for value in 0..10_000 {
            sender.send(value).await.unwrap();
        }
        let received = Rc::new(Cell::new(0));
        let count = received.clone();
        let task = schedule(move || {
            while receiver.try_recv()?.is_some() {
                count.set(count.get() + 1);
            }
            Ok(if count.get() == 10_000 { Tick::Final } else { Tick::WouldBlock })
        });
        let (mut most, mut last) = (0, 0);
        while !task.is_finished() {
            most = most.max(received.get() - last);
            last = received.get();
            yield_now().await;
        }
        task.await.unwrap().unwrap();
        assert!(most <= 129, "{most} values were taken while others waited");
    });
}

#[test]
fn std_io_outside_a_scope_fails_at_the_first_call_and_names_ready() {
    run(async {
        let (mut stream, mut peer) = half_std().await;
        peer.write_all(b"x").unwrap();
        let errors = [Read::read(&mut stream, &mut [0]).unwrap_err(), Write::write(&mut stream, b"x").unwrap_err()];
        for error in errors {
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("ready"), "{error}");
        }
        // What tries and records nothing is allowed.
        until(|| stream.try_read(&mut [0]).unwrap() == Some(1)).await;
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn ready_resolves_when_nothing_was_recorded() {
    run(async {
        let error = ready(|| Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(ready_if(|| Err::<(), _>("not yet"), |_| true).await, Err("not yet"));
    });
}

#[test]
fn ready_sees_a_not_yet_deep_in_a_chain_of_errors() {
    #[derive(Debug)]
    struct Wrapped(Option<Box<Self>>, Option<io::Error>);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            match &self.0 {
                Some(inner) => Some(&**inner),
                None => self.1.as_ref().map(|error| error as _),
            }
        }
    }
    run(async {
        let (mut stream, mut peer) = half_std().await;
        let read = spawn(async move {
            let wrap = |error| Wrapped(Some(Box::new(Wrapped(None, Some(error)))), None);
            ready(|| Read::read(&mut stream, &mut [0]).map_err(wrap)).await.unwrap()
        });
        turns(2).await;
        assert!(!read.is_finished());
        peer.write_all(b"x").unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn a_scope_is_restored_after_an_inner_one_and_after_a_panic() {
    quiet();
    run(async {
        let (mut outer, mut outer_peer) = half_std().await;
        let (mut inner, _inner_peer) = half_std().await;
        let task = schedule(move || {
            // An inner scope with a waker of its own, and one that ends with a panic.
            assert!(poll_once(ready(|| Read::read(&mut inner, &mut [0]))).is_pending());
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                poll_once(ready(|| -> io::Result<()> { panic!("{EXPECTED}: in a scope") }))
            }));
            assert!(panicked.is_err());
            let count = Read::read(&mut outer, &mut [0])?;
            assert_eq!(count, 1);
            Ok(Tick::Final)
        });
        turns(2).await;
        assert_eq!(stats().waits, 1, "the outer wait stands, the inner one has ended");
        outer_peer.write_all(b"x").unwrap();
        task.await.unwrap().unwrap();
        let (mut stream, _peer) = half_std().await;
        let error = Read::read(&mut stream, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "no scope is left behind");
    });
}

#[test]
fn ten_thousand_cancelled_reads_leave_no_wait() {
    run(async {
        let (stream, _peer) = half_std().await;
        let (mut other, _other_peer) = half_std().await;
        for _ in 0..10_000 {
            assert!(poll_once(stream.read(&mut [0])).is_pending());
            assert!(poll_once(ready(|| Read::read(&mut other, &mut [0]))).is_pending());
            // So many within one poll are a spin.
            yield_now().await;
        }
        assert_eq!(stats().waits, 0);
        let mut buffer = [0];
        let mut read = pin!(stream.read(&mut buffer));
        assert!(poll_with(read.as_mut(), std::task::Waker::noop()).is_pending());
        assert_eq!(stats().waits, 1);
    });
}

#[test]
fn a_wait_of_a_task_of_the_reactor_ends_with_its_future() {
    run(async {
        let (stream, mut peer) = half_std().await;
        // With the task's own waker, which is kept elsewhere than those of other executors.
        let waiting = || std::future::poll_fn(|cx| Poll::Ready(poll_with(pin!(stream.read(&mut [0])), cx.waker())));
        let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let mut buffer = [0];
        for round in 0..100 {
            assert!(waiting().await.is_pending());
            assert_eq!(stats().waits, 0, "cancelled");
            let mut kept = pin!(stream.read(&mut buffer));
            assert!(poll_with(kept.as_mut(), &waker).is_pending());
            assert!(waiting().await.is_pending());
            assert_eq!(stats().waits, 1, "the other goes on");
            if round % 2 == 0 {
                peer.write_all(b"x").unwrap();
                assert_eq!(kept.await.unwrap(), 1);
            }
        }
        assert_eq!(stats().waits, 0, "done");
    });
}

#[test]
fn a_wait_goes_on_with_the_waker_of_the_last_poll() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let (first, first_waker) = CountingWaker::new();
        let (second, second_waker) = CountingWaker::new();
        let mut buffer = [0];
        let mut read = pin!(stream.read(&mut buffer));
        assert!(poll_with(read.as_mut(), &first_waker).is_pending());
        assert!(poll_with(read.as_mut(), &second_waker).is_pending());
        assert_eq!(stats().waits, 1);
        peer.write_all(b"x").unwrap();
        until(|| second.count() > 0).await;
        turns(2).await;
        assert_eq!((first.count(), second.count()), (0, 1));
        assert_eq!(stats().waits, 1, "the wait lasts until its owner succeeds");
        assert!(poll_with(read.as_mut(), &second_waker).is_ready());
        assert_eq!(stats().waits, 0);
    });
}
