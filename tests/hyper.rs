//! hyper's runtime traits on a reactor, asked as hyper asks them. hyper itself is run in `examples/interop`.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant as StdInstant};

use futures::poll;
use hyper::rt::{Executor as _, Read as _, ReadBuf, Sleep as HyperSleep, Timer as _, Write as _};
use mainspring::channel::oneshot;
use mainspring::hyper::{Executor, Sleep, Timer};
use mainspring::io::Pollable;
use mainspring::net::UnixStream;
use mainspring::time::Clock;
use mainspring::{Reactor, run, testing, yield_now};

const SECOND: Duration = Duration::from_secs(1);

type Boxed = Pin<Box<dyn HyperSleep>>;

/// Reads once, up to `room` bytes.
async fn read(stream: &mut Pollable<UnixStream>, room: usize) -> io::Result<Vec<u8>> {
    let mut memory = vec![0; room];
    let mut buffer = ReadBuf::new(&mut memory);
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, buffer.unfilled())).await?;
    Ok(buffer.filled().to_vec())
}

fn pair() -> (Pollable<UnixStream>, Pollable<UnixStream>) {
    let (left, right) = UnixStream::pair().unwrap();
    (Pollable::new(left), Pollable::new(right))
}

#[test]
fn bytes_go_through_the_traits_in_pieces_and_the_end_is_an_empty_read() {
    run(async {
        let (mut left, mut right) = pair();
        assert!(right.is_write_vectored());
        let buffers = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        assert_eq!(poll_fn(|cx| Pin::new(&mut left).poll_write_vectored(cx, &buffers)).await.unwrap(), 5);
        assert_eq!(poll_fn(|cx| Pin::new(&mut left).poll_write(cx, b"!")).await.unwrap(), 1);
        assert_eq!(read(&mut right, 4).await.unwrap(), b"hell");
        assert_eq!(read(&mut right, 100).await.unwrap(), b"o!");
        poll_fn(|cx| Pin::new(&mut left).poll_flush(cx)).await.unwrap();
        poll_fn(|cx| Pin::new(&mut left).poll_shutdown(cx)).await.unwrap();
        assert_eq!(read(&mut right, 4).await.unwrap(), b"");
        // The other direction is open still.
        assert_eq!(poll_fn(|cx| Pin::new(&mut right).poll_write(cx, b"ok")).await.unwrap(), 2);
        assert_eq!(read(&mut left, 4).await.unwrap(), b"ok");
    })
    .unwrap();
}

#[test]
fn a_reader_and_a_writer_of_one_stream_are_woken_apart() {
    run(async {
        let (stream, peer) = UnixStream::pair().unwrap();
        let mut stream = Pollable::new(stream);
        let chunk = [7; 65_536];
        // Fills the socket, so that a write waits, and then a read does.
        let mut filled = 0;
        while let Poll::Ready(count) = poll!(poll_fn(|cx| stream.poll_write(cx, &chunk))) {
            filled += count.unwrap();
        }
        let (reads, writes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let stream = Rc::new(std::cell::RefCell::new(stream));
        let (reader, counted) = (stream.clone(), reads.clone());
        let reading = mainspring::spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            reader.borrow_mut().poll_read(cx, &mut [0; 16])
        }));
        let (writer, counted) = (stream.clone(), writes.clone());
        let writing = mainspring::spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            writer.borrow_mut().poll_write(cx, b"x")
        }));
        while reads.get() == 0 || writes.get() == 0 {
            yield_now().await;
        }
        peer.write_all(b"hello").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 5);
        assert_eq!((reads.get(), writes.get()), (2, 1), "what arrives is no news for the writer");
        let mut taken = 0;
        while taken < filled {
            taken += peer.read(&mut vec![0; 65_536]).await.unwrap();
        }
        assert_eq!(writing.await.unwrap().unwrap(), 1);
        assert_eq!(reads.get(), 2);
    })
    .unwrap();
}

#[test]
fn a_read_that_waits_holds_no_buffer_and_its_timeout_is_an_error_of_hyper() {
    run(async {
        let (mut left, _right) = pair();
        left.get_ref().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = read(&mut left, 16).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    })
    .unwrap();
}

#[test]
fn a_sleep_ends_at_its_deadline_and_not_before() {
    testing::run(async {
        let start = Timer.now();
        Timer.sleep(SECOND).await;
        assert!(Timer.now() - start >= SECOND);
        Timer.sleep_until(start + 3 * SECOND).await;
        let elapsed = Timer.now() - start;
        assert!(elapsed >= 3 * SECOND && elapsed < 3 * SECOND + Duration::from_millis(1), "{elapsed:?}");
        Timer.sleep_until(start).await;
        Timer.sleep(Duration::ZERO).await;
        assert_eq!(Timer.now() - start, elapsed);
    });
}

#[test]
fn instants_of_the_timer_are_those_of_std_where_the_clock_is_the_systems() {
    // Read between two readings of std, give or take what a clock may be coarser than the other.
    let is_between = || {
        let (before, now, after) = (StdInstant::now(), Timer.now(), StdInstant::now());
        before <= now + Duration::from_millis(1) && now <= after + Duration::from_millis(1)
    };
    assert!(is_between());
    run(async { assert!(is_between()) }).unwrap();
    // And a deadline that std can say, but the clock has not reached since it began, is in the past.
    run(async {
        if let Some(long_ago) = StdInstant::now().checked_sub(100 * 365 * 24 * 3600 * SECOND) {
            Timer.sleep_until(long_ago).await;
        }
        let mut never = Timer.sleep(Duration::MAX);
        assert!(poll!(&mut never).is_pending());
    })
    .unwrap();
}

#[test]
fn a_reset_moves_the_sleep_that_is_there() {
    testing::run(async {
        let start = Timer.now();
        let mut sleep = Timer.sleep(SECOND);
        let address = |sleep: &Boxed| std::ptr::from_ref::<dyn HyperSleep>(&**sleep).cast::<()>();
        let before = address(&sleep);
        assert!(poll!(&mut sleep).is_pending());
        Timer.reset(&mut sleep, start + 5 * SECOND);
        (&mut sleep).await;
        assert_eq!((Timer.now() - start).as_secs(), 5);
        // Also after it has ended, and to an earlier moment.
        Timer.reset(&mut sleep, start + 60 * SECOND);
        assert!(poll!(&mut sleep).is_pending());
        Timer.reset(&mut sleep, start + 7 * SECOND);
        (&mut sleep).await;
        assert_eq!((Timer.now() - start).as_secs(), 7);
        assert_eq!(address(&sleep), before, "nothing was allocated");
    });
}

#[test]
fn a_reset_of_a_sleep_of_another_kind_replaces_it() {
    struct Never;
    impl HyperSleep for Never {}
    impl std::future::Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    testing::run(async {
        let mut sleep: Boxed = Box::pin(Never);
        Timer.reset(&mut sleep, Timer.now() + SECOND);
        sleep.await;
    });
}

/// Polls a sleep once on a reactor of its own, which has ended when this returns.
fn armed(sleep: &mut Boxed) {
    run(async { assert!(poll!(sleep).is_pending()) }).unwrap();
}

#[test]
fn a_sleep_may_be_sent_to_another_thread_and_ends_there() {
    let mut sleep = Timer.sleep(Duration::from_millis(5));
    let start = StdInstant::now();
    armed(&mut sleep);
    let took = thread::spawn(move || {
        run(sleep).unwrap();
        start.elapsed()
    });
    assert!(took.join().unwrap() >= Duration::from_millis(5));
}

#[test]
fn a_sleep_that_is_dropped_on_another_thread_leaves_nothing_in_the_wheel() {
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            let mut sleeps: Vec<_> = (0..10).map(|_| Timer.sleep(3600 * SECOND)).collect();
            for sleep in &mut sleeps {
                assert!(poll!(sleep).is_pending());
            }
            thread::spawn(move || drop(sleeps)).join().unwrap();
        })
        .unwrap();
    assert_eq!(reactor.stats().timers, 10, "the calls wait in the inbox");
    reactor.run().unwrap();
    assert_eq!(reactor.stats().timers, 0);
}

#[test]
fn a_sleep_that_was_armed_elsewhere_is_moved_by_a_reset_and_by_a_poll() {
    let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let mut sleeps: Vec<_> = (0..2).map(|_| Timer.sleep(3600 * SECOND)).collect();
    first
        .block_on(async {
            for sleep in &mut sleeps {
                assert!(poll!(sleep).is_pending());
            }
        })
        .unwrap();
    second
        .block_on(async {
            assert!(poll!(&mut sleeps[0]).is_pending());
            Timer.reset(&mut sleeps[1], Timer.now() + Duration::from_millis(1));
            (&mut sleeps[1]).await;
        })
        .unwrap();
    assert_eq!((first.stats().timers, second.stats().timers), (2, 1));
    first.run().unwrap();
    assert_eq!((first.stats().timers, second.stats().timers), (0, 1));
    // Outside both, it goes by the inbox as well.
    drop(sleeps);
    second.run().unwrap();
    assert_eq!(second.stats().timers, 0);
}

#[test]
fn a_sleep_outlives_its_reactor_and_never_meets_the_next_tenant() {
    let mut sleep = Timer.sleep(3600 * SECOND);
    armed(&mut sleep);
    run(async {
        // The reactor has the number, and perhaps the entry, of the one before.
        let mut own = Timer.sleep(3600 * SECOND);
        assert!(poll!(&mut own).is_pending());
        drop(sleep);
        let mut moved = pin!(Timer.sleep(Duration::from_millis(1)));
        moved.as_mut().await;
        assert!(poll!(&mut own).is_pending());
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "a sleep was polled outside a reactor")]
fn a_sleep_that_is_polled_where_no_reactor_runs_panics_and_says_so() {
    let mut sleep = Timer.sleep(SECOND);
    let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn a_sleep_is_seen_by_a_task_that_has_no_budget_left() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor
        .block_on(async {
            let (left, _right) = UnixStream::pair().unwrap();
            let mut sleep = Timer.sleep(SECOND);
            assert!(poll!(&mut sleep).is_pending());
            mainspring::time::sleep(2 * SECOND).await;
            poll_fn(|cx| {
                // Until a write is refused.
                while pin!(left.write(b"x")).as_mut().poll(cx).is_ready() {}
                assert!(sleep.as_mut().poll(cx).is_ready());
                Poll::Ready(())
            })
            .await;
        })
        .unwrap();
}

#[test]
fn tasks_of_the_executor_run_on_this_reactor_and_need_not_be_send() {
    run(async {
        let (sender, receiver) = oneshot::channel();
        let value = Rc::new(42);
        Executor.execute(async move { sender.send(*value).unwrap() });
        assert_eq!(receiver.await, Ok(42));
    })
    .unwrap();
}

#[test]
fn a_task_that_is_started_where_no_reactor_runs_is_dropped() {
    let (sender, receiver) = oneshot::channel();
    Executor.execute(async move { sender.send(()).unwrap() });
    assert!(futures::executor::block_on(receiver).is_err());
}

#[test]
fn what_hyper_sends_between_threads_is_send() {
    fn is_send<T: Send + Sync + 'static>() {}
    is_send::<Sleep>();
    is_send::<Timer>();
    is_send::<Executor>();
}
