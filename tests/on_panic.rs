//! What a reactor does about panics, the names of tasks, and the longest poll.
mod util;

use mainspring::channel::oneshot;
use mainspring::task::{JoinSet, spawn_named, yield_now};
use mainspring::tick::{Tick, schedule_named};
use mainspring::time::Clock;
use mainspring::{Handle, JoinError, JoinHandle, LongestPoll, OnPanic, Reactor, RemoteJoinHandle, Stats, spawn};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::thread;
use std::time::Duration;
use util::runtime::{EXPECTED, Limit, PanickingWaker, poll_with, quiet, run, turns};

/// What a hook was told.
type Told = Arc<Mutex<Vec<(Option<String>, String)>>>;

/// A reactor whose hook keeps what it is told, and answers with `answer`.
fn reactor(answer: OnPanic) -> (Reactor, Told) {
    quiet();
    let told = Told::default();
    let tell = told.clone();
    let builder = Reactor::builder().on_panic(move |panic| {
        assert!(panic.payload().is::<String>());
        tell.lock().unwrap().push((panic.name().map(String::from), panic.text().to_owned()));
        answer
    });
    (builder.build().unwrap(), told)
}

/// Panics when it is dropped.
struct DropPanics;

impl Drop for DropPanics {
    fn drop(&mut self) {
        panic!("{EXPECTED}: drop");
    }
}

#[test]
fn the_hook_hears_of_each_panic_with_the_name_of_the_task_and_the_handle_too() {
    let (reactor, told) = reactor(OnPanic::Report);
    reactor
        .block_on(async {
            let task = spawn_named("polled", async { panic!("{EXPECTED}: poll") });
            assert!(task.await.unwrap_err().is_panic());
            drop(spawn(async { panic!("{EXPECTED}: unnamed") }));
            drop(schedule_named("ticked", || -> std::io::Result<Tick> { panic!("{EXPECTED}: tick") }));
            let aborted = spawn_named("aborted", async {
                let _drop = DropPanics;
                pending::<()>().await;
            });
            yield_now().await;
            aborted.abort();
            assert!(aborted.await.unwrap_err().is_aborted());
        })
        .unwrap();
    let told: Vec<_> = std::mem::take(&mut *told.lock().unwrap());
    let expected = [(Some("polled"), "poll"), (None, "unnamed"), (Some("ticked"), "tick"), (Some("aborted"), "drop")];
    let expected: Vec<_> = expected.map(|(name, text)| (name.map(String::from), format!("{EXPECTED}: {text}"))).into();
    assert_eq!(told, expected);
    assert_eq!(reactor.stats().panics, 4);
}

#[test]
fn a_hook_may_stop_the_reactor_which_is_whole_and_runs_again() {
    let _limit = Limit::new();
    let (reactor, told) = reactor(OnPanic::Stop);
    let survivor = reactor.spawn(async {
        for _ in 0..200 {
            yield_now().await;
        }
        5
    });
    drop(reactor.spawn(async { panic!("{EXPECTED}") }));
    assert_eq!(reactor.run().unwrap_err().to_string(), format!("a task panicked: {EXPECTED}"));
    assert!(!survivor.is_finished());
    let error = reactor
        .block_on(async {
            drop(spawn_named("second", async { panic!("{EXPECTED}") }));
            pending::<()>().await;
        })
        .unwrap_err();
    assert_eq!(error.to_string(), format!("task second panicked: {EXPECTED}"));
    assert_eq!(reactor.block_on(survivor).unwrap().unwrap(), 5);
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[test]
fn a_hook_that_panics_is_counted_and_hurts_nobody() {
    quiet();
    let reactor = Reactor::builder().on_panic(|_| panic!("{EXPECTED}: the hook")).build().unwrap();
    let task = reactor.spawn(async { panic!("{EXPECTED}: the task") });
    let error = reactor.block_on(task).unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("the task panicked: {EXPECTED}: the task"));
    assert_eq!(reactor.stats().panics, 2);
}

#[test]
fn a_waker_that_panics_when_a_task_has_ended_is_no_panic_of_the_task() {
    let (reactor, told) = reactor(OnPanic::Stop);
    let handle = reactor.handle();
    reactor
        .block_on(async {
            let (mut local, mut remote) = (Box::pin(spawn(async { 5 })), Box::pin(handle.spawn(|| async { 6 })));
            let waker = Arc::new(PanickingWaker).into();
            assert!(poll_with(local.as_mut(), &waker).is_pending() && poll_with(remote.as_mut(), &waker).is_pending());
            turns(3).await;
            assert_eq!((local.await.unwrap(), remote.await.unwrap()), (5, 6));
        })
        .unwrap();
    assert_eq!((told.lock().unwrap().len(), reactor.stats().panics), (0, 2));
}

/// A task that has ended, and whose output panics when it is dropped.
async fn ended() -> JoinHandle<DropPanics> {
    let task = spawn(async { DropPanics });
    turns(1).await;
    assert!(task.is_finished());
    task
}

#[test]
fn an_output_that_panics_in_its_drop_is_the_hooks_to_hear_of_and_ends_nobody() {
    let (reactor, told) = reactor(OnPanic::Report);
    let handle = reactor.handle();
    reactor
        .block_on(async {
            let task = ended().await;
            let innocent = spawn_named("innocent", async { (drop(task), 7).1 });
            assert_eq!(innocent.await.unwrap(), 7);
            // One that panics itself, and whose set is dropped by that.
            let mut set = JoinSet::new();
            set.spawn(async { DropPanics });
            set.spawn(async { DropPanics });
            turns(1).await;
            let task = spawn(async move {
                let _set = set;
                panic!("{EXPECTED}: poll");
            });
            assert!(task.await.unwrap_err().is_panic());
            // One whose output comes to another thread's handle, or would.
            let remote = handle.spawn(|| async { DropPanics });
            turns(2).await;
            drop(remote);
        })
        .unwrap();
    // The future of `block_on`.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        reactor.block_on(async {
            let _task = ended().await;
            panic!("{EXPECTED}: root");
        })
    }));
    assert!(panicked.is_err());
    let told: Vec<_> = told.lock().unwrap().drain(..).map(|(name, text)| (name, text.replace(EXPECTED, ""))).collect();
    let expected = ["drop", "drop", "drop", "poll", "drop", "drop"].map(|text| (None, format!(": {text}")));
    // What a panic drops on its way comes before it is caught.
    assert_eq!(told, expected);
    assert_eq!(reactor.stats().panics, 6);
}

#[test]
fn an_output_that_panics_on_a_plain_thread_is_discarded() {
    let (reactor, told) = reactor(OnPanic::Report);
    let handle = reactor.handle();
    let (sender, receiver) = oneshot::channel();
    let other = thread::spawn(move || {
        let _task = handle.spawn(|| async { DropPanics });
        // After that one.
        handle.call(|| async move { sender.send(()) }).unwrap().unwrap();
        panic!("{EXPECTED}: thread");
    });
    reactor.block_on(async { receiver.await.unwrap() }).unwrap();
    assert_eq!(*other.join().unwrap_err().downcast::<String>().unwrap(), format!("{EXPECTED}: thread"));
    assert_eq!((told.lock().unwrap().len(), reactor.stats().panics), (0, 0));
}

/// Writes down when it is woken.
struct Woken(Told);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap().push((None, "woken".into()));
    }
}

/// What the hook and the handle of a task hear, in which order; and with what its task ends. It is aborted, if it
/// waits.
fn heard<H>(make: impl FnOnce(&Handle) -> H, abort: impl FnOnce(&H)) -> (Vec<String>, String)
where
    H: Future<Output = Result<u32, JoinError>> + Unpin,
{
    let (reactor, told) = reactor(OnPanic::Report);
    let mut error = String::new();
    reactor
        .block_on(async {
            let mut task = make(&reactor.handle());
            let waker = Arc::new(Woken(told.clone())).into();
            assert!(poll_with(Pin::new(&mut task), &waker).is_pending());
            turns(2).await;
            abort(&task);
            turns(2).await;
            error = task.await.unwrap_err().to_string();
        })
        .unwrap();
    assert_eq!(reactor.stats().panics, 1);
    let told = told.lock().unwrap().iter().map(|(_, text)| text.replace(EXPECTED, "")).collect();
    (told, error.replace(EXPECTED, ""))
}

#[test]
fn the_hook_hears_first_and_the_same_of_local_and_remote_tasks() {
    async fn polled() -> u32 {
        panic!("{EXPECTED}: poll");
    }
    async fn aborted() -> u32 {
        let _drop = DropPanics;
        pending().await
    }
    let expected = |hook: &str, error: &str| (vec![hook.to_owned(), "woken".into()], error.to_owned());

    let local = heard(|_| spawn(polled()), JoinHandle::abort);
    assert_eq!(local, expected(": poll", "the task panicked: : poll"));
    assert_eq!(heard(|handle| handle.spawn(polled), RemoteJoinHandle::abort), local);

    let local = heard(|_| spawn(aborted()), JoinHandle::abort);
    assert_eq!(local, expected(": drop", "the task was aborted"));
    assert_eq!(heard(|handle| handle.spawn(aborted), RemoteJoinHandle::abort), local);
}

#[test]
fn an_output_that_nobody_wants_may_stop_the_reactor() {
    for remote in [false, true] {
        let (reactor, told) = reactor(OnPanic::Stop);
        let handle = reactor.handle();
        let error = reactor
            .block_on(async {
                if remote {
                    drop(handle.spawn(|| async { DropPanics }));
                } else {
                    drop(spawn(async { DropPanics }));
                }
                turns(2).await;
            })
            .unwrap_err();
        assert_eq!(error.to_string(), format!("a task panicked: {EXPECTED}: drop"));
        assert_eq!((told.lock().unwrap().len(), reactor.stats().panics), (1, 1));
    }
}

#[test]
fn a_task_has_its_name_until_it_ends() {
    run(async {
        let task = spawn_named(String::from("busy"), yield_now());
        assert_eq!(task.name().as_deref(), Some("busy"));
        yield_now().await;
        assert_eq!(task.name().as_deref(), Some("busy"));
        yield_now().await;
        assert_eq!((task.is_finished(), task.name()), (true, None));
        task.await.unwrap();
        assert_eq!(spawn(async {}).name(), None);
        assert_eq!(spawn_named("", async {}).name().as_deref(), Some(""));
    });
}

#[test]
fn the_longest_poll_is_measured_with_the_name_of_its_task() {
    let clock = Clock::manual();
    let reactor = Reactor::builder().clock(clock.clone()).measure_polls(true).build().unwrap();
    let takes = |milliseconds| {
        let clock = clock.clone();
        async move { clock.advance(Duration::from_millis(milliseconds)).unwrap() }
    };
    reactor
        .block_on(async {
            assert_eq!(LongestPoll::current().unwrap().duration, Duration::ZERO);
            drop(spawn_named("short", takes(2)));
            drop(spawn_named("long", takes(30)));
            drop(spawn(takes(7)));
            for _ in 0..3 {
                yield_now().await;
            }
        })
        .unwrap();
    let longest = reactor.longest_poll().unwrap();
    assert_eq!((longest.duration, longest.name.as_deref()), (Duration::from_millis(30), Some("long")));
    assert_eq!(reactor.stats().longest_poll, longest.duration);
    assert!(reactor.stats().to_string().ends_with("longest_poll_ns 30000000"));
    // Also one that ends in a panic.
    quiet();
    let weak = takes(40);
    let task = reactor.spawn(async move {
        weak.await;
        panic!("weak");
    });
    reactor.block_on(async { task.await.unwrap_err() }).unwrap();
    assert_eq!(reactor.longest_poll().unwrap().duration, Duration::from_millis(40));
    reactor.block_on(takes(50)).unwrap();
    let longest = reactor.longest_poll().unwrap();
    assert_eq!((longest.duration, longest.name), (Duration::from_millis(50), None), "the future of block_on");
}

#[test]
fn without_being_asked_a_reactor_measures_nothing() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(async { assert_eq!(LongestPoll::current(), None) }).unwrap();
    assert_eq!((reactor.longest_poll(), reactor.stats().longest_poll), (None, Duration::ZERO));
}

#[test]
fn stats_have_stable_names_in_a_fixed_order() {
    let names = Stats::default().fields().map(|(name, _)| name);
    assert_eq!(
        names.join(" "),
        "turns selects events stale_events polls wakes_local wakes_remote timers_fired spawned panics registered accepted \
         accept_failed accept_paused tasks runnable sources waits timers buffers longest_poll_ns"
    );
    assert!(Stats::default().to_string().starts_with("turns 0, selects 0, "));
}
