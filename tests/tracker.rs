//! The orderly end of many tasks.
mod util;

use mainspring::task::{CancellationToken, Tracker};
use mainspring::tick::Tick;
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{spawn, yield_now};
use std::future::pending;
use std::time::Duration;
use util::runtime::{Alive, EXPECTED, in_virtual_time, quiet, run, stats};

#[test]
fn tasks_are_told_waited_for_and_those_who_do_not_end_are_aborted_and_named() {
    quiet();
    in_virtual_time(async {
        let (tracker, alive) = (Tracker::new(), Alive::default());
        for pause in [1, 2, 3] {
            let (told, token) = (tracker.token(), alive.token());
            tracker.spawn(async move {
                told.cancelled().await;
                sleep(Duration::from_secs(pause)).await;
                drop(token);
            });
        }
        for name in ["deaf", "slow"] {
            let token = alive.token();
            tracker.spawn_named(name, async move {
                pending::<()>().await;
                drop(token);
            });
        }
        let told = tracker.token();
        tracker.spawn(async move {
            told.cancelled().await;
            panic!("{EXPECTED}");
        });
        tracker.spawn(pending::<()>());
        yield_now().await;
        assert_eq!(tracker.len(), 7);
        let start = Instant::now();
        let shutdown = tracker.shutdown(Duration::from_secs(10)).await;
        assert!(start.elapsed() >= Duration::from_secs(10));
        assert_eq!((shutdown.finished, &shutdown.aborted[..]), (4, &["deaf", "slow", "unnamed"].map(String::from)[..]));
        assert_eq!(shutdown.to_string(), "4 finished, 3 aborted: deaf, slow, unnamed");
        assert_eq!((alive.count(), stats().tasks), (0, 0), "they have been dropped");
    });
}

#[test]
fn tick_tasks_are_tracked_too() {
    in_virtual_time(async {
        let tracker = Tracker::new();
        let mut told = tracker.token().cancelled();
        let obeys = tracker.schedule(move || Ok(told.try_wait().map_or(Tick::WouldBlock, |()| Tick::Final)));
        let mut pause = sleep(Duration::from_secs(3600));
        let waits = move || Ok(pause.try_wait()?.map_or(Tick::WouldBlock, |()| Tick::Final));
        drop(tracker.schedule_named("waits", waits));
        yield_now().await;
        assert_eq!(tracker.len(), 2);
        let shutdown = tracker.shutdown(Duration::from_secs(1)).await;
        assert_eq!((shutdown.finished, shutdown.aborted), (1, vec!["waits".into()]));
        obeys.await.unwrap().unwrap();
        let error = tracker.schedule(|| Ok(Tick::Final)).await.unwrap_err();
        assert_eq!(error.to_string(), "the tracker has begun its shutdown");
    });
}

#[test]
fn a_shutdown_of_tasks_that_obey_does_not_wait_for_its_deadline() {
    in_virtual_time(async {
        let tracker = Tracker::new();
        let told = tracker.token();
        tracker.spawn(async move { told.cancelled().await });
        let start = Instant::now();
        let shutdown = tracker.shutdown(Duration::MAX).await;
        assert_eq!((shutdown.finished, shutdown.aborted.len()), (1, 0));
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(tracker.is_empty());
    });
}

#[test]
fn with_a_deadline_of_zero_all_are_aborted_at_once() {
    run(async {
        let tracker = Tracker::new();
        tracker.spawn_named("", pending::<()>());
        let shutdown = tracker.shutdown(Duration::ZERO).await;
        assert_eq!(shutdown.aborted, [""]);
        let again = tracker.shutdown(Duration::ZERO).await;
        assert_eq!((again.finished, again.aborted.len()), (0, 0));
    });
}

#[test]
fn after_its_shutdown_has_begun_a_tracker_spawns_nothing() {
    run(async {
        let tracker = Tracker::new();
        tracker.shutdown(Duration::ZERO).await;
        let error = tracker.spawn(async {}).await.unwrap_err();
        assert_eq!(error.to_string(), "the tracker has begun its shutdown");
        assert!(tracker.is_empty());
    });
}

#[test]
fn the_token_may_be_a_child_of_the_programs() {
    run(async {
        let program = CancellationToken::new();
        let tracker = Tracker::with_token(program.child());
        let told = tracker.token();
        let task = tracker.spawn(async move { told.cancelled().await });
        program.cancel();
        task.await.unwrap();
        assert!(tracker.is_empty());
    });
}

#[test]
fn a_shutdown_that_is_given_up_can_be_called_again() {
    in_virtual_time(async {
        let tracker = Tracker::new();
        tracker.spawn_named("stays", pending::<()>());
        assert!(timeout(Duration::from_secs(1), tracker.shutdown(Duration::from_secs(5))).await.is_err());
        assert_eq!(tracker.len(), 1, "told, and not aborted");
        assert_eq!(tracker.shutdown(Duration::from_secs(1)).await.aborted, ["stays"]);
    });
}

#[test]
fn outputs_go_to_the_handles_as_ever() {
    run(async {
        let tracker = Tracker::new();
        let task = tracker.spawn(async { 5 });
        drop(spawn({
            let tracker = tracker.clone();
            async move { tracker.shutdown(Duration::MAX).await }
        }));
        assert_eq!(task.await.unwrap(), 5);
    });
    let tracker = Tracker::new();
    assert!(futures::executor::block_on(tracker.spawn(async {})).is_err(), "no reactor is running");
    assert!(tracker.is_empty());
}
