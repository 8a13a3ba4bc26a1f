//! Calls of a reactor from plain threads.
mod util;

use mainspring::channel::oneshot;
use mainspring::time::sleep;
use mainspring::workers::{Worker, Workers};
use mainspring::{Handle, JoinError, Reactor};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use util::runtime::{EXPECTED, Limit, quiet, turns};

/// A reactor on a thread of its own, until the sender is dropped.
fn reactor() -> (Handle, oneshot::Sender<()>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        sender.send(reactor.handle()).unwrap();
        let _ = reactor.block_on(stopped).unwrap();
    });
    (receiver.recv().unwrap(), stop, thread)
}

#[test]
fn a_plain_thread_gets_the_output_of_a_future_that_need_not_be_send() {
    let _limit = Limit::new();
    let (handle, stop, thread) = reactor();
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let handle = handle.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    let answer = handle.call(move || async move {
                        let local = Rc::new(Cell::new(number));
                        mainspring::yield_now().await;
                        local.get() * 2
                    });
                    assert_eq!(answer.unwrap(), number * 2);
                }
                handle.call(|| sleep(Duration::from_millis(1))).unwrap();
                handle.call(|| sleep(Duration::ZERO)).unwrap();
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    drop(stop);
    thread.join().unwrap();
    let error = handle.call(|| async {}).unwrap_err();
    assert!(error.is_aborted());
    assert_eq!(error.to_string(), "the reactor has ended");
}

#[test]
fn plain_threads_call_the_reactors_of_workers_and_each_call_runs_where_it_was_sent() {
    const CALLS: usize = 200;
    thread_local! {
        /// Calls that have run on this thread.
        static RUN: Cell<usize> = const { Cell::new(0) };
    }
    let _limit = Limit::new();
    let until_stopped = |worker: Worker| async move {
        worker.stopping().cancelled().await;
        Ok(RUN.get())
    };
    let workers = Workers::builder().threads(3).start(until_stopped).unwrap();
    let threads: Vec<_> =
        workers.handles().iter().map(|handle| handle.call(|| async { thread::current().id() }).unwrap()).collect();
    thread::scope(|scope| {
        for number in 0..8 {
            let (workers, threads) = (&workers, &threads);
            scope.spawn(move || {
                for turn in 0..CALLS {
                    let target = (number + turn) % 3;
                    let ran_on = workers.handles()[target].call(move || async move {
                        let local = Rc::new(turn);
                        mainspring::yield_now().await;
                        RUN.set(RUN.get() + 1);
                        (thread::current().id(), *local)
                    });
                    assert_eq!(ran_on.unwrap(), (threads[target], turn));
                }
            });
        }
    });
    let run: usize = workers.shutdown(Duration::MAX).into_iter().map(Result::unwrap).sum();
    assert_eq!(run, 8 * CALLS);
}

#[test]
fn a_call_that_would_wait_for_itself_is_an_error() {
    let _limit = Limit::new();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let text = "a call on the thread of its reactor would wait for itself";
    assert_eq!(handle.call(|| async {}).unwrap_err().to_string(), text, "also while the reactor does not run");
    let inside = handle.clone();
    let error = reactor.block_on(async move { inside.call(|| async {}) }).unwrap().unwrap_err();
    assert_eq!(error.to_string(), text);
    let (other, stop, thread) = crate::reactor();
    let error = reactor.block_on(async { other.call(|| async {}) }).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "a call would block the reactor that is running on this thread");
    drop(stop);
    thread.join().unwrap();
    assert_eq!(reactor.stats().spawned, 0, "nothing was sent");
}

#[test]
fn the_panic_of_a_call_comes_back_to_the_caller() {
    quiet();
    let _limit = Limit::new();
    let (handle, stop, thread) = reactor();
    let error = handle.call(|| async { panic!("{EXPECTED}: {}", 7) }).unwrap_err();
    assert_eq!(error.into_panic().unwrap().downcast_ref::<String>().unwrap(), &format!("{EXPECTED}: 7"));
    let error = handle.call(|| -> std::future::Ready<()> { panic!("{EXPECTED}: making it") }).unwrap_err();
    assert!(error.is_panic());
    assert_eq!(handle.call(|| async { 1 }).unwrap(), 1, "the reactor goes on");
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_reactor_that_ends_answers_those_who_wait_for_it() {
    let _limit = Limit::new();
    for begun in [false, true] {
        let (handle, stop, thread) = reactor();
        let (sender, receiver) = mpsc::channel();
        let caller = thread::spawn(move || {
            handle.call(move || {
                if begun {
                    sender.send(()).unwrap();
                }
                std::future::pending::<()>()
            })
        });
        if begun {
            receiver.recv().unwrap();
        }
        drop(stop);
        thread.join().unwrap();
        assert!(caller.join().unwrap().unwrap_err().is_aborted());
    }
}

#[test]
fn what_a_reactor_has_not_started_when_it_ends_says_so() {
    /// Spawns when it is dropped, and sends what the handle says.
    struct Spawns(mpsc::Sender<String>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let task = mainspring::spawn(async {});
            self.0.send(futures::executor::block_on(task).unwrap_err().to_string()).unwrap();
        }
    }
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (sender, receiver) = mpsc::channel();
    let held = Spawns(sender);
    let begun = reactor.spawn(async move {
        let _held = held;
        std::future::pending::<()>().await;
    });
    reactor.block_on(mainspring::yield_now()).unwrap();
    let (waits, aborted) = (handle.spawn(|| async {}), handle.spawn(|| async {}));
    aborted.abort();
    drop(reactor);
    assert_eq!(receiver.recv().unwrap(), "the reactor has ended");
    let text = |error: Result<(), JoinError>| error.unwrap_err().to_string();
    assert_eq!(text(futures::executor::block_on(begun)), "the reactor has ended");
    assert_eq!(text(futures::executor::block_on(waits)), "the reactor has ended");
    assert_eq!(text(futures::executor::block_on(aborted)), "the task was aborted");
}

#[test]
fn whether_a_task_has_ended_is_known_on_any_thread() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (ended, begun) = (handle.spawn(|| async { 7 }), handle.spawn(std::future::pending::<()>));
    assert!(!ended.is_finished() && !begun.is_finished());
    reactor.block_on(turns(2)).unwrap();
    let (mut ended, begun) = thread::spawn(move || {
        assert!(ended.is_finished() && !begun.is_finished());
        ended.abort();
        (ended, begun)
    })
    .join()
    .unwrap();
    assert_eq!(futures::executor::block_on(&mut ended).unwrap(), 7);
    drop(reactor);
    assert!(ended.is_finished() && begun.is_finished() && handle.spawn(|| async {}).is_finished());
}

#[test]
fn a_handle_of_the_current_reactor_is_an_error_where_none_runs() {
    let error = Handle::current().unwrap_err();
    assert_eq!(error.to_string(), "a handle needs a reactor, and none is running on this thread");
    mainspring::run(async {
        let (sender, answer) = oneshot::channel();
        let handle = Handle::current().unwrap();
        thread::spawn(move || sender.send(handle.call(|| async { 42 })).unwrap());
        assert_eq!(answer.await.unwrap().unwrap(), 42);
    })
    .unwrap();
}
