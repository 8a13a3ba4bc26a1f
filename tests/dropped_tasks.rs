//! Futures of what tasks wait for besides sockets, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mainspring::channel::{mpsc, oneshot};
use mainspring::signal::{self, Kind, Notifier, Signal};
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet, Tracker};
use mainspring::testing::{advance, settle};
use mainspring::time::{Instant, interval, sleep, sleep_until, timeout};
use mainspring::{process, spawn, unblock};
use util::dropped::{Waiting, dropped, dropped_but, dropped_for_good, once};
use util::runtime::{CountingWaker, in_child, poll_once, poll_with, run, stats, turns, until, with_manual_clock};

#[test]
fn what_waits_for_channels() {
    run(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        let send = once(|| sender.try_send(1).unwrap());
        assert_eq!(dropped("recv", &mut receiver, |s| Box::pin(s.recv()), send).await, Some(1));
        sender.try_send(2).unwrap();
        let receive = once(|| assert_eq!(receiver.try_recv(), Ok(Some(2))));
        dropped("send", &mut &sender, |s| Box::pin(s.send(3)), receive).await.unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(3)));
        dropped("closed", &mut &sender, |s| Box::pin(s.closed()), once(|| drop(receiver))).await;

        let (sender, mut receiver) = oneshot::channel();
        let send = once(|| sender.send(1).unwrap());
        assert_eq!(dropped_but(1, "oneshot", &mut receiver, |s| Box::pin(s), send).await, Ok(1));
        let (mut sender, receiver) = oneshot::channel::<u8>();
        dropped("closed", &mut sender, |s| Box::pin(s.closed()), once(|| drop(receiver))).await;
    });
}

#[test]
fn what_waits_for_tasks_and_permits() {
    run(async {
        let (notify, permits, token) = (Notify::new(), Semaphore::new(0), CancellationToken::new());
        let add = once(|| permits.add_permits(2));
        let _permit = dropped("acquire", &mut &permits, |s| Box::pin(s.acquire(2)), add).await.unwrap();
        dropped("notified", &mut &notify, |s| Box::pin(s.notified()), once(|| notify.notify_one())).await;
        let cancel = once(|| token.cancel());
        dropped("cancelled", &mut &token, |s| Box::pin(s.cancelled()), cancel).await;
        let token = CancellationToken::new();
        assert_eq!(
            dropped(
                "until_cancelled",
                &mut &token,
                |s| Box::pin(s.until_cancelled(std::future::pending::<()>())),
                once(|| token.cancel())
            )
            .await,
            None
        );

        let ends = Notify::new();
        let (first, second) = (ends.notified(), ends.notified());
        let mut task = spawn(first);
        let mut set = JoinSet::new();
        set.spawn(second);
        mainspring::yield_now().await;
        dropped_but(1, "join", &mut task, |s| Box::pin(s), once(|| ends.notify_one())).await.unwrap();
        let end = once(|| ends.notify_one());
        dropped("join_next", &mut set, |s| Box::pin(s.join_next()), end).await.unwrap().unwrap();
        let tracker = Tracker::new();
        tracker.spawn(ends.notified());
        let end = once(|| ends.notify_one());
        let shutdown = dropped("shutdown", &mut &tracker, |s| Box::pin(s.shutdown(Duration::MAX)), end).await;
        assert!(shutdown.aborted.is_empty() && tracker.is_empty(), "{shutdown:?}");

        let remote = mainspring::Reactor::new().unwrap();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(remote);
        let other = std::thread::spawn(move || {
            let reactor = mainspring::Reactor::new().unwrap();
            sender.send(reactor.handle()).unwrap();
            gone.recv().unwrap();
            reactor.run().unwrap();
        });
        let mut task = receiver.recv().unwrap().spawn(|| async { 7 });
        let run = once(|| go.send(()).unwrap());
        assert_eq!(dropped_but(1, "remote", &mut task, |s| Box::pin(s), run).await.unwrap(), 7);
        other.join().unwrap();
    });
}

#[test]
fn what_waits_for_time_and_threads() {
    run(async {
        let long = Duration::from_secs(3600);
        let before = stats().timers;
        for _ in 0..3 {
            let (counter, waker) = CountingWaker::new();
            let mut waiting: [Waiting<'_, ()>; 3] = [
                Box::pin(sleep(long)),
                Box::pin(async move { _ = timeout(long, std::future::pending::<()>()).await }),
                Box::pin(async move { _ = unblock(|| ()).await }),
            ];
            for future in &mut waiting {
                // A job may have ended by now, and is not waited for.
                let _ = poll_with(future.as_mut(), &waker);
            }
            drop(waiting);
            drop(waker);
            until(|| Arc::strong_count(&counter) == 1).await;
            assert_eq!(stats().timers, before, "a timer is left behind");
        }
        // An interval keeps its timer, and the tick that the dropped one was woken for.
        let mut ticks = interval(Duration::from_millis(1));
        ticks.tick().await;
        let mut first = None;
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(std::pin::pin!(ticks.tick()), &waker).is_pending());
        until(|| counter.count() > 0).await;
        let _ = first.insert(ticks.try_tick().unwrap()).expect("the tick is there");
    });
}

#[test]
fn what_lets_time_pass() {
    with_manual_clock(|clock| async move {
        let start = clock.now();
        dropped_for_good("settle", settle());
        dropped_for_good("advance", advance(Duration::from_secs(1)));
        dropped_for_good("sleep_until", sleep_until(Instant::now() + Duration::from_secs(1)));
        assert_eq!(clock.now(), start, "a part of what was asked for, which is nothing so far");
    });
}

#[test]
fn what_waits_for_signals_and_processes() {
    in_child("what_waits_for_signals_and_processes", || {
        run(async {
            // SAFETY: takes no pointer.
            let raise = |kind: Kind| assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
            let mut hangup = signal::on(Kind::HANGUP);
            let raised = once(|| raise(Kind::HANGUP));
            dropped_but(1, "on", &mut hangup, |s| Box::pin(s), raised).await.unwrap();
            for (name, make, kind) in [
                ("ctrl_c", signal::ctrl_c as fn() -> Signal, Kind::INTERRUPT),
                ("terminate", signal::terminate, Kind::TERMINATE),
            ] {
                dropped_for_good(name, make());
                // With it goes the signal that it has heard; the next one hears the next.
                let heard = make();
                raise(kind);
                turns(2).await;
                drop(heard);
                let mut next = make();
                turns(2).await;
                assert!(poll_once(&mut next).is_pending(), "{name}");
                raise(kind);
                next.await.unwrap();
            }
            let notifier = Notifier::new();
            let notify = once(|| notifier.notify());
            dropped("notified", &mut &notifier, |s| Box::pin(s.notified()), notify).await.unwrap();

            let mut child = process::spawn(Command::new("cat").stdin(Stdio::piped())).unwrap();
            let end = once({
                let input = child.stdin.take();
                || drop(input)
            });
            assert!(dropped("wait", &mut child, |s| Box::pin(s.wait()), end).await.unwrap().success());
            drop(child);

            // It takes its child along, which the reactor waits for.
            let before = stats();
            let (held, input) = UnixStream::pair().unwrap();
            let mut cat = Command::new("cat");
            let child = process::spawn(cat.stdin(OwnedFd::from(input)).stdout(Stdio::piped())).unwrap();
            drop(cat);
            assert!(poll_once(child.wait_with_output()).is_pending());
            drop(held);
            until(|| stats().sources == before.sources && stats().waits == before.waits).await;
        });
    });
}
