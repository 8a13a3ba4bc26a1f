//! Combinators and executors with wakers of their own, over sockets, timers and channels: no wake-up is lost, no wait
//! is left behind, and no waker, whatever it does, disturbs another.
//!
//! Random tests print their seed.
mod util {
    pub(crate) mod checked;
    pub(crate) mod connection;
    pub(crate) mod executor;
    pub(crate) mod hook_waker;
    pub(crate) mod random;
}

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join_all, select};
use futures::stream::{FuturesUnordered, StreamExt};
use mainspring::channel::{mpsc, oneshot};
use mainspring::net::TcpStream;
use mainspring::time::{Clock, Instant, sleep, timeout};
use mainspring::{Reactor, Stats, ready, spawn, yield_now};

use util::checked::checked;
use util::connection::{connection, narrow_connection, pattern};
use util::executor::Executor;
use util::hook_waker::{Event, hook_waker};
use util::random::Random;

/// Rounds of the random tests.
const ROUNDS: usize = 300;

/// Sockets, and as many channels of each kind, per round.
const SOURCES: usize = 6;

/// Values that are there before their receiver runs: many times the budget of a poll.
const FLOOD: usize = 10_000;

fn waits() -> usize {
    Stats::current().unwrap().waits
}

/// Polls with `waker`.
fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Lets the other tasks run until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// A waker that counts its wakes.
fn counting_waker() -> (Waker, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let hook = move |event| {
        if event == Event::Wake {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    (hook_waker(hook), woken)
}

/// A waker that panics at one kind of event. It is never freed: forget it, where that is its drop.
fn panicking_waker(at: Event) -> Waker {
    hook_waker(move |event| assert_ne!(event, at, "a waker that panics"))
}

type Child = Pin<Box<dyn Future<Output = ()>>>;

/// One future for each kind of source, and what makes them ready.
#[derive(Default)]
struct Round {
    waiting: Vec<Child>,
    triggers: Vec<Box<dyn FnOnce()>>,
}

impl Round {
    async fn new(connections: &[(Rc<TcpStream>, Rc<TcpStream>)], random: &mut Random) -> Self {
        let mut round = Self::default();
        for (connected, accepted) in connections {
            let (reader, writer) = (accepted.clone(), connected.clone());
            round.waiting.push(Box::pin(async move {
                assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 1);
            }));
            round.triggers.push(Box::new(move || assert_eq!(writer.try_write(b"x").unwrap(), Some(1))));

            // The same the other way, by std's trait.
            let (reader, writer) = (connected.clone(), accepted.clone());
            round.waiting.push(Box::pin(async move {
                assert_eq!(ready(|| Read::read(&mut &*reader, &mut [0; 8])).await.unwrap(), 1);
            }));
            round.triggers.push(Box::new(move || assert_eq!(writer.try_write(b"x").unwrap(), Some(1))));

            let (sender, receiver) = oneshot::channel();
            round.waiting.push(Box::pin(async move { receiver.await.unwrap() }));
            round.triggers.push(Box::new(move || sender.send(()).unwrap()));

            let (sender, mut receiver) = mpsc::bounded(1);
            round.waiting.push(Box::pin(async move { assert_eq!(receiver.recv().await, Some(7)) }));
            round.triggers.push(Box::new(move || sender.try_send(7).unwrap()));
        }
        let delay = Duration::from_micros(random.below(300) as u64);
        round.waiting.push(Box::pin(sleep(delay)));
        round
    }

    /// Makes everything ready in a random order, giving way now and then; returns what waits.
    fn start(mut self, random: &mut Random) -> Vec<Child> {
        for last in (1..self.triggers.len()).rev() {
            self.triggers.swap(last, random.below(last + 1));
        }
        let mut random = Random::new(random.draw());
        spawn(async move {
            for trigger in self.triggers {
                for _ in 0..random.below(4) {
                    yield_now().await;
                }
                trigger();
            }
        });
        self.waiting
    }
}

/// Runs many rounds; `run` waits for the end of all futures of a round.
fn rounds<F: Future<Output = ()>>(seed: u64, run: impl Fn(Vec<Child>) -> F) {
    println!("seed {seed}");
    checked(async {
        let mut random = Random::new(seed);
        let mut connections = Vec::new();
        for _ in 0..SOURCES {
            let (connected, accepted) = connection().await;
            connections.push((Rc::new(connected), Rc::new(accepted)));
        }
        for _ in 0..ROUNDS {
            let waiting = Round::new(&connections, &mut random).await.start(&mut random);
            run(waiting).await;
            assert_eq!(waits(), 0);
        }
    });
}

#[test]
fn futures_unordered_misses_nothing() {
    rounds(0x5eed_0001, |waiting| async {
        let waiting: FuturesUnordered<_> = waiting.into_iter().collect();
        assert_eq!(waiting.count().await, 4 * SOURCES + 1);
    });
}

#[test]
fn join_all_misses_nothing() {
    rounds(0x5eed_0002, |waiting| async {
        join_all(waiting).await;
    });
}

#[test]
fn an_executor_inside_a_task_misses_nothing() {
    rounds(0x5eed_0003, Executor::of);
}

#[test]
fn combinators_within_combinators_miss_nothing() {
    rounds(0x5eed_0004, |waiting| async {
        let mut waiting = waiting.into_iter();
        let mut groups = FuturesUnordered::new();
        while waiting.len() > 0 {
            let group: Vec<Child> = waiting.by_ref().take(3).collect();
            let group: Vec<Child> = vec![Box::pin(Executor::of(group))];
            groups.push(group.into_iter().collect::<FuturesUnordered<_>>().count());
        }
        while groups.next().await.is_some() {}
    });
}

#[test]
fn the_loser_of_a_select_has_lost_nothing() {
    let seed = 0x5eed_0005;
    println!("seed {seed}");
    checked(async {
        let (reader, writer) = connection().await;
        let (sender, mut receiver) = mpsc::bounded(2);
        let total = 20 * ROUNDS;
        let producing = async {
            let mut random = Random::new(seed);
            for number in 0..total {
                match random.below(2) {
                    0 => writer.write_all(&[number as u8]).await.unwrap(),
                    _ => sender.send(number as u8).await.unwrap(),
                }
                if random.below(3) == 0 {
                    yield_now().await;
                }
            }
        };
        let consuming = async {
            let (mut from_socket, mut from_channel) = (Vec::new(), Vec::new());
            let mut byte = [0];
            while from_socket.len() + from_channel.len() < total {
                let value = match select(reader.read(&mut byte), Box::pin(receiver.recv())).await {
                    Either::Left((read, _)) => {
                        assert_eq!(read.unwrap(), 1);
                        None
                    }
                    Either::Right((value, _)) => value,
                };
                match value {
                    None => from_socket.push(byte[0]),
                    Some(value) => from_channel.push(value),
                }
            }
            (from_socket, from_channel)
        };
        let ((), (from_socket, from_channel)) = futures::join!(producing, consuming);
        let mut random = Random::new(seed);
        let (mut sockets, mut channels) = (Vec::new(), Vec::new());
        for number in 0..total {
            let list = if random.below(2) == 0 { &mut sockets } else { &mut channels };
            list.push(number as u8);
            random.below(3);
        }
        assert!(from_socket == sockets && from_channel == channels);
    });
}

#[test]
fn a_task_that_joins_both_directions_of_a_socket_moves_a_mebibyte_each_way() {
    async fn both(stream: TcpStream, sent: &[u8]) {
        let mut received = vec![0; sent.len()];
        let reading = async { mainspring::io::read_exact(&mut &stream, &mut received).await.unwrap() };
        let writing = async { stream.write_all(sent).await.unwrap() };
        futures::join!(reading, writing);
        assert!(received == sent);
    }
    checked(async {
        let (one, other) = narrow_connection().await;
        let sent = pattern(1 << 20);
        futures::join!(both(one, &sent), both(other, &sent));
    });
}

#[test]
fn a_shared_read_reaches_all_who_stay_when_its_first_poller_leaves() {
    checked(async {
        for _ in 0..ROUNDS {
            let (reader, writer) = connection().await;
            let read = async move {
                let mut byte = [0];
                reader.read(&mut byte).await.unwrap();
                byte[0]
            };
            let shared = read.boxed_local().shared();
            let tasks: Vec<_> = (0..3).map(|_| spawn(shared.clone())).collect();
            drop(shared);
            until(|| waits() == 1).await;
            tasks[0].abort();
            writer.write_all(b"x").await.unwrap();
            for (position, task) in tasks.into_iter().enumerate() {
                if position > 0 {
                    assert_eq!(task.await.unwrap(), b'x');
                }
            }
        }
    });
}

#[test]
fn a_task_that_is_woken_in_its_last_poll_ends_once() {
    let reactor = Reactor::new().unwrap();
    let test = async {
        // As a combinator does, which wakes all who wait for it and is ready itself.
        let task = spawn(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(7)
        }));
        yield_now().await;
        yield_now().await;
        assert_eq!(Stats::current().unwrap().tasks, 0);
        assert_eq!(task.await.unwrap(), 7);
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn a_flood_for_one_child_starves_no_other() {
    checked(async {
        let (sender, mut receiver) = mpsc::unbounded();
        let (reader, writer) = connection().await;
        writer.write_all(b"x").await.unwrap();
        assert_eq!(reader.peek(&mut [0]).await.unwrap(), 1);
        let received = Rc::new(Cell::new(0));
        let flood: Child = Box::pin({
            let received = received.clone();
            async move {
                while receiver.recv().await.is_some() {
                    received.set(received.get() + 1);
                }
            }
        });
        for number in 0..FLOOD {
            sender.send(number).await.unwrap();
        }
        drop(sender);
        let beside: Child = Box::pin({
            let received = received.clone();
            async move {
                assert_eq!(reader.read(&mut [0]).await.unwrap(), 1);
                assert!(received.get() < FLOOD, "the byte was there all the time");
            }
        });
        let children: FuturesUnordered<_> = [flood, beside].into_iter().collect();
        assert_eq!(children.count().await, 2);
    });
}

#[test]
fn a_timeout_ends_a_future_that_spends_its_whole_budget() {
    checked(async {
        let start = Instant::now();
        let busy = async {
            while start.elapsed() < Duration::from_secs(20) {
                mainspring::io::read(&mut std::io::repeat(0), &mut [0]).await.unwrap();
            }
        };
        assert!(timeout(Duration::from_millis(1), busy).await.is_err());
    });
}

#[test]
fn ten_thousand_abandoned_reads_leave_neither_a_wait_nor_a_deadline() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let test = async {
        let (reader, writer) = connection().await;
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for round in 1..=10_000 {
            let mut buffer = [0; 8];
            let mut reads = FuturesUnordered::new();
            reads.push(reader.read(&mut buffer));
            assert!(futures::poll!(reads.next()).is_pending());
            assert_eq!(waits(), 1);
            drop(reads);
            assert_eq!(waits(), 0);
            if round % 100 == 0 {
                sleep(Duration::from_secs(1)).await;
                assert_eq!(Stats::current().unwrap().timers, 0, "no deadline is armed with nobody behind it");
            }
        }
        assert_eq!(Stats::current().unwrap().timers_fired, 100, "the sleeps alone, although 100 s have passed");

        // The deadline of a wait that stays counts from its own beginning.
        let start = Instant::now();
        let error = reader.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_secs(10) && start.elapsed() < Duration::from_millis(10_001));
        drop(writer);
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

#[test]
fn another_waker_takes_the_place_of_the_first_and_the_deadline_goes_on() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let test = async {
        let (reader, _writer) = connection().await;
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 8];
        let mut reading = Box::pin(reader.read(&mut buffer));
        let mut wakers = Vec::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let (waker, woken) = counting_waker();
            assert!(poll(&mut reading, &waker).is_pending());
            assert_eq!(waits(), 1);
            wakers.push(woken);
            sleep(Duration::from_secs(3)).await;
        }
        let woken: Vec<_> = wakers.iter().map(|woken| woken.load(Ordering::SeqCst)).collect();
        assert_eq!(woken, [0, 0, 0, 1], "only the last one");
        let Poll::Ready(Err(error)) = poll(&mut reading, Waker::noop()) else { panic!("the deadline has passed") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

#[test]
fn a_waker_that_panics_when_woken_keeps_no_other_from_being_woken() {
    let reactor = Reactor::new().unwrap();
    let test = async {
        let (reader, writer) = connection().await;
        let panicking = panicking_waker(Event::Wake);
        let (counting, woken) = counting_waker();
        let (mut one, mut two, mut three) = ([0], [0], [0]);
        let mut first = Box::pin(reader.read(&mut one));
        let mut second = Box::pin(reader.read(&mut two));
        let mut third = Box::pin(reader.read(&mut three));
        assert!(poll(&mut first, &panicking).is_pending());
        assert!(poll(&mut second, &counting).is_pending());
        assert!(poll(&mut third, &panicking).is_pending());
        let mut slept = Box::pin(sleep(Duration::from_millis(1)));
        assert!(poll(&mut slept, &panicking).is_pending());

        writer.write_all(b"x").await.unwrap();
        until(|| woken.load(Ordering::SeqCst) == 1).await;
        sleep(Duration::from_millis(2)).await;
        assert!(slept.now_or_never().is_some());
        assert_eq!(Stats::current().unwrap().panics, 3);
        assert_eq!(first.await.unwrap(), 1);
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

#[test]
fn a_waker_that_panics_in_a_shutdown_keeps_no_other_from_being_woken() {
    checked(async {
        let (reader, _writer) = connection().await;
        let panicking = panicking_waker(Event::Wake);
        let (counting, woken) = counting_waker();
        let (mut one, mut two) = ([0], [0]);
        let mut first = Box::pin(reader.read(&mut one));
        let mut second = Box::pin(reader.read(&mut two));
        assert!(poll(&mut first, &panicking).is_pending());
        assert!(poll(&mut second, &counting).is_pending());
        // Whether the panic comes out here is left open.
        let _ = catch_unwind(AssertUnwindSafe(|| reader.shutdown(std::net::Shutdown::Read)));
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert_eq!(second.await.unwrap(), 0);
    });
}

#[test]
fn a_waker_that_panics_when_dropped_leaves_no_wait_behind() {
    checked(async {
        let (reader, writer) = connection().await;
        let (other, _peer) = connection().await;
        let panicking = panicking_waker(Event::Drop);
        let mut buffer = [0];

        // Replaced by another waker.
        let mut read = Box::pin(reader.read(&mut buffer));
        assert!(poll(&mut read, &panicking).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut read, Waker::noop()))).is_err());
        assert_eq!(waits(), 1);
        writer.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap(), 1);

        // Dropped with its future, which waits for one source, and for two.
        let mut read = Box::pin(reader.read(&mut buffer));
        assert!(poll(&mut read, &panicking).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(read))).is_err());
        assert_eq!(waits(), 0);
        let either = || Read::read(&mut &reader, &mut [0]).or_else(|_| Read::read(&mut &other, &mut [0]));
        let mut read = Box::pin(ready(either));
        assert!(poll(&mut read, &panicking).is_pending());
        assert_eq!(waits(), 2);
        // Whether a panic comes out here is left open.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(read)));
        std::mem::forget(panicking);
        assert_eq!(waits(), 0);
    });
}

thread_local! {
    /// What the next event of a re-entrant waker runs.
    static HOOK: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A waker that runs `HOOK` at one kind of event.
fn reentrant_waker(at: Event) -> Waker {
    hook_waker(move |event| {
        let hook = HOOK.take().filter(|_| event == at);
        if let Some(hook) = hook {
            hook();
        }
    })
}

#[test]
fn a_waker_may_use_and_close_the_source_that_it_waits_for() {
    checked(async {
        for at in [Event::Clone, Event::Wake, Event::Drop] {
            let (reader, writer) = connection().await;
            let (reader, ran) = (Rc::new(reader), Rc::new(Cell::new(false)));
            let sleeping = Box::pin(sleep(Duration::from_secs(3600)));
            let (waiting, beside) = (reading(&reader), reading(&reader));
            let hook = {
                let (ran, reader, mut beside) = (ran.clone(), reader.clone(), beside);
                assert!(poll(&mut beside, Waker::noop()).is_pending());
                move || {
                    // A wait ends, one begins, a timer goes, a task is spawned, the socket is read and shut down.
                    drop(beside);
                    assert!(poll(&mut reading(&reader), Waker::noop()).is_pending() || at == Event::Wake);
                    drop(sleeping);
                    spawn(async {});
                    let _ = reader.try_read(&mut [0; 8]).unwrap();
                    reader.shutdown(std::net::Shutdown::Both).unwrap();
                    ran.set(true);
                }
            };
            let (mut waiting, waker) = (waiting, reentrant_waker(at));
            let install = || HOOK.set(Some(Box::new(hook)));
            match at {
                Event::Clone => {
                    install();
                    let _ = poll(&mut waiting, &waker);
                }
                Event::Wake => {
                    assert!(poll(&mut waiting, &waker).is_pending());
                    install();
                    writer.write_all(b"x").await.unwrap();
                }
                Event::Drop => {
                    assert!(poll(&mut waiting, &waker).is_pending());
                    install();
                    let _ = poll(&mut waiting, Waker::noop());
                }
            }
            until(|| ran.get()).await;
            assert_eq!(waiting.await, Some(0), "the end-of-file of a socket that was shut down");
            assert_eq!(waits(), 0);
        }
    });
}

/// Reads a byte from a shared stream; none after an error.
fn reading(stream: &Rc<TcpStream>) -> Pin<Box<dyn Future<Output = Option<usize>>>> {
    let stream = stream.clone();
    Box::pin(async move { stream.read(&mut [0; 8]).await.ok() })
}
