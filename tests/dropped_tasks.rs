//! Futures of what tasks wait for besides sockets, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use std::sync::Arc;
use std::time::Duration;

use mainspring::channel::{mpsc, oneshot};
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet};
use mainspring::time::{interval, sleep, timeout};
use mainspring::{spawn, unblock};
use util::dropped::{Waiting, dropped, dropped_but, once};
use util::runtime::{CountingWaker, poll_with, run, stats, until};

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
