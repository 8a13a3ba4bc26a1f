//! Tests in virtual time: what passes at once, what fails, and what a failure says.
use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use mainspring::channel::mpsc;
use mainspring::net::{TcpListener, TcpStream, UnixStream};
use mainspring::task::spawn_named;
use mainspring::testing::{self, Test, advance, settle};
use mainspring::time::{Clock, Instant, interval, sleep, timeout};
use mainspring::{OnPanic, Reactor, Stats, spawn, unblock, yield_now};

/// Long enough that a test does something, short enough to wait for.
const SHORT: Duration = Duration::from_millis(50);

/// How a test fails: the text of its panic.
fn failure<T>(run: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).err().expect("the test does not fail");
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| payload.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn a_year_passes_at_once_and_an_output_comes_out() -> io::Result<()> {
    let year = Duration::from_secs(365 * 24 * 3600);
    let real = std::time::Instant::now();
    let elapsed = testing::run(async {
        let start = Instant::now();
        sleep(year).await;
        io::Result::Ok(start.elapsed())
    })?;
    assert!(elapsed >= year && elapsed < year + Duration::from_millis(1), "{elapsed:?}");
    assert!(real.elapsed() < Duration::from_secs(60));
    Ok(())
}

#[test]
fn a_test_that_waits_for_ever_ends_and_says_who_is_alive() {
    let text = failure(|| {
        Test::new().limit(SHORT).run(async {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            drop(spawn_named("reader", async move { ours.read(&mut [0]).await }));
            for _ in 0..2 {
                drop(spawn_named("client", pending::<()>()));
            }
            drop(spawn(pending::<()>()));
            drop(spawn_named("done", async {}));
            pending::<()>().await;
        });
    });
    let expected = "the test did not end within 50ms of real time: 0 runnable, 0 timers armed, 1 waits in 2 sources; \
                    tasks alive: client (2 times), reader, unnamed";
    assert_eq!(text, expected);
}

#[test]
fn a_test_that_is_busy_for_ever_ends_too() {
    let text = failure(|| {
        Test::new().limit(SHORT).run(async {
            loop {
                yield_now().await;
            }
        })
    });
    assert!(text.starts_with("the test did not end within 50ms of real time: 1 runnable"), "{text}");
    // Its clock jumps on and on.
    let text = failure(|| {
        Test::new().limit(SHORT).run(async {
            let mut ticks = interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
            }
        })
    });
    assert!(text.starts_with("the test did not end") && text.ends_with("tasks alive: none"), "{text}");
    // Blocking work that does not end in time.
    let text = failure(|| {
        Test::new().limit(SHORT).run(async {
            let (keep, wait) = std::sync::mpsc::channel::<()>();
            let job = spawn(unblock(move || wait.recv()));
            pending::<()>().await;
            drop((keep, job));
        })
    });
    assert!(text.contains(", blocking work under way; "), "{text}");
}

#[test]
fn a_panic_of_a_task_fails_the_test_with_its_name() {
    let text = failure(|| {
        testing::run(async {
            drop(spawn_named("server", async { assert_eq!(1 + 1, 3, "sums") }));
            pending::<()>().await;
        })
    });
    assert!(text.starts_with("task server panicked: assertion") && text.contains("sums"), "{text}");
}

#[test]
fn a_panic_in_the_drop_of_a_task_that_is_left_fails_the_test() {
    struct Asserts;
    impl Drop for Asserts {
        fn drop(&mut self) {
            panic!("what was asked was not answered");
        }
    }
    let left = || {
        drop(spawn_named("asker", async {
            let _asserts = Asserts;
            pending::<()>().await;
        }));
        settle()
    };
    let text = failure(|| testing::run(async { left().await }));
    assert_eq!(text, "task asker panicked: what was asked was not answered");
    Test::new().on_panic(OnPanic::Report).run(async { left().await });
    let text = failure(|| Test::new().all_tasks_end().run(async { left().await }));
    assert_eq!(text, "the test has ended, and its tasks have not: asker");
}

#[test]
fn a_panic_that_is_wanted_goes_to_the_handle_alone() {
    Test::new().on_panic(OnPanic::Report).run(async {
        assert!(spawn(async { panic!("wanted") }).await.unwrap_err().is_panic());
    });
    // A hook of the settings decides by itself.
    let settings = Reactor::builder().clock(Clock::auto()).on_panic(|_| OnPanic::Report);
    Test::with(settings).run(async {
        assert!(spawn(async { panic!("wanted") }).await.unwrap_err().is_panic());
    });
}

#[test]
fn tasks_that_are_left_fail_a_test_that_asks_for_it() {
    let scenario = |ends: bool| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(spawn_named("reader", async move { theirs.read(&mut [0]).await }));
        if !ends {
            drop(spawn_named("sleeper", sleep(Duration::from_secs(1))));
        }
        settle().await;
        assert_eq!(Stats::current().unwrap().tasks, if ends { 1 } else { 2 });
        drop(ours);
    };
    Test::new().all_tasks_end().run(scenario(true));
    testing::run(scenario(false));
    let text = failure(|| Test::new().all_tasks_end().run(scenario(false)));
    assert_eq!(text, "the test has ended, and its tasks have not: sleeper");
}

#[test]
fn what_a_hand_moves_happens_at_its_own_moment_and_in_order() {
    Test::new().clock(Clock::manual()).all_tasks_end().run(async {
        let start = Instant::now();
        let seen = Rc::new(RefCell::new(Vec::new()));
        for seconds in [5, 1, 3, 11] {
            let seen = seen.clone();
            drop(spawn(async move {
                sleep(Duration::from_secs(seconds)).await;
                seen.borrow_mut().push((seconds, start.elapsed().as_secs()));
                // One that is armed on the way.
                sleep(Duration::from_secs(1)).await;
                seen.borrow_mut().push((seconds + 1, start.elapsed().as_secs()));
            }));
        }
        advance(Duration::ZERO).await;
        assert_eq!((start.elapsed(), seen.borrow().len()), (Duration::ZERO, 0));
        advance(Duration::from_secs(10)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(*seen.borrow(), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
        advance(Duration::from_secs(3)).await;
        assert_eq!(seen.borrow()[6..], [(11, 11), (12, 12)]);
        // Exactly the time that a timer was set for is enough, and less is not.
        for step in [1, 999, 1_000_000, 123_456_789].map(Duration::from_nanos) {
            let task = spawn(sleep(step));
            advance(step).await;
            assert!(task.is_finished(), "{step:?}");
        }
        let task = spawn(sleep(Duration::from_secs(1)));
        advance(Duration::from_millis(999)).await;
        assert!(!task.is_finished());
        advance(Duration::from_millis(1)).await;
        assert!(task.is_finished());
    });
}

#[test]
fn what_has_settled_was_written_read_and_answered() {
    Test::new().clock(Clock::manual()).run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let echo = spawn(async move {
            let mut buffer = [0; 16];
            while let Ok(count @ 1..) = theirs.read(&mut buffer).await {
                theirs.write_all(&buffer[..count]).await.unwrap();
            }
        });
        for round in 0..10 {
            ours.write_all(&[round]).await.unwrap();
            settle().await;
            let mut answer = [0; 2];
            assert_eq!((ours.try_read(&mut answer).unwrap(), answer[0]), (Some(1), round));
        }
        // A job that ends only after a task here has answered it.
        let (ask, mut asked) = mpsc::bounded(1);
        let (answer, answered) = std::sync::mpsc::channel();
        let job = spawn(unblock(move || {
            ask.try_send(()).unwrap();
            answered.recv().unwrap()
        }));
        spawn(async move {
            asked.recv().await.unwrap();
            answer.send(()).unwrap();
        });
        settle().await;
        assert!(job.is_finished() && !echo.is_finished());
        // Two at a time do not wait for each other.
        let other = spawn(settle());
        settle().await;
        other.await.unwrap();
    });
}

#[test]
fn those_that_settle_in_one_task_all_end() {
    Test::new().clock(Clock::manual()).run(async {
        futures::join!(settle(), settle());
        let mut all: FuturesUnordered<_> = (0..3).map(|_| settle()).collect();
        while all.next().await.is_some() {}
        let start = Instant::now();
        futures::join!(advance(Duration::from_secs(1)), advance(Duration::from_secs(2)));
        assert!(start.elapsed() >= Duration::from_secs(2));
    });
}

#[test]
fn what_follows_a_settle_has_happened_before_one_that_began_earlier_ends() {
    Test::new().clock(Clock::manual()).run(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..3)
            .map(|settles| {
                spawn(async move {
                    for _ in 0..2 {
                        sleep(Duration::from_secs(1)).await;
                        for _ in 0..settles {
                            settle().await;
                            spawn(yield_now()).await.unwrap();
                        }
                    }
                    start.elapsed().as_secs()
                })
            })
            .collect();
        advance(Duration::from_secs(3)).await;
        assert_eq!(start.elapsed().as_secs(), 3);
        for task in tasks {
            assert!(task.is_finished());
            assert_eq!(task.await.unwrap(), 2);
        }
        // One that is not polled any more holds nobody up.
        let mut kept = settle();
        let _kept = spawn(async move {
            assert!(futures::poll!(&mut kept).is_pending());
            pending::<()>().await;
        });
        settle().await;
    });
}

#[test]
fn what_cannot_be_is_said() {
    let text = failure(|| mainspring::run(async { testing::run(async {}) }));
    assert_eq!(text, "a reactor is already running on this thread");
    let text = failure(|| Test::new().clock(Clock::os()).run(advance(Duration::from_secs(1))));
    assert!(text.contains("it is the system's"), "{text}");
    let mut outside = std::pin::pin!(settle());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let text = failure(|| outside.as_mut().poll(&mut cx).is_ready());
    assert_eq!(text, "settle needs a reactor, and none is running on this thread");
}

#[test]
fn no_time_at_all_is_a_limit_and_so_is_all_time() {
    Test::new().limit(Duration::MAX).run(sleep(Duration::from_secs(1)));
    let text = failure(|| Test::new().limit(Duration::ZERO).run(pending::<()>()));
    assert!(text.starts_with("the test did not end within 0ns of real time"), "{text}");
}

#[test]
fn both_ends_on_one_reactor_answer_before_the_time_moves() {
    let elapsed = testing::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(spawn_named("server", async move {
            loop {
                let (stream, _peer) = listener.accept().await.unwrap();
                drop(spawn_named("echo", async move { mainspring::io::copy(&mut &stream, &mut &stream).await }));
            }
        }));
        let start = Instant::now();
        for _ in 0..20 {
            let client = timeout(Duration::from_secs(1), TcpStream::connect(address)).await.unwrap().unwrap();
            for _ in 0..100 {
                client.write_all(b"ping").await.unwrap();
                let mut answer = [0; 4];
                let read = timeout(Duration::from_secs(1), mainspring::io::read_exact(&mut &client, &mut answer)).await;
                read.expect("the time has moved before the answer").unwrap();
            }
        }
        start.elapsed()
    });
    assert_eq!(elapsed, Duration::ZERO);
}
