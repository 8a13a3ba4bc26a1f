//! Channels, signals and locks between tasks: the rows `round_trip` to `semaphore`.
//!
//! Each returns how long its operations took, setting up left out.

use std::future::Future;
use std::time::{Duration, Instant};

use super::runtime::Runtime;

/// Values that the queue holds where it is hardly ever full.
pub(super) const ROOMY: usize = 1024;

/// The same where it is full most of the time.
const NARROW: usize = 16;

/// Tasks that send where there are several.
const SENDERS: usize = 5;

/// Two tasks that send a value forth and back, each through a queue.
pub(super) async fn round_trip<R: Runtime>(count: usize) -> Duration {
    let (to, mut requests) = R::bounded(32);
    let (back, mut answers) = R::bounded(32);
    R::start(async move {
        while let Some(request) = R::receive(&mut requests).await {
            assert!(R::send(&back, request).await);
        }
    });
    let start = Instant::now();
    for nth in 0..count {
        assert!(R::send(&to, nth).await);
        assert_eq!(R::receive(&mut answers).await, Some(nth));
    }
    start.elapsed()
}

/// One task that sends as fast as it can, one that receives.
pub(super) async fn mpsc_1_1<R: Runtime>(count: usize) -> Duration {
    mpsc::<R>(count, 1, ROOMY).await
}

/// Five tasks that send, one that receives.
pub(super) async fn mpsc_n_1<R: Runtime>(count: usize) -> Duration {
    mpsc::<R>(count, SENDERS, count).await
}

/// The same with room for fewer values than there are senders and messages, so that senders wait.
pub(super) async fn mpsc_full<R: Runtime>(count: usize) -> Duration {
    mpsc::<R>(count, SENDERS, NARROW).await
}

async fn mpsc<R: Runtime>(count: usize, senders: usize, bound: usize) -> Duration {
    let (sender, mut receiver) = R::bounded(bound);
    let each = count / senders;
    let start = Instant::now();
    for _ in 0..senders {
        let sender = sender.clone();
        R::start(async move {
            for nth in 0..each {
                assert!(R::send(&sender, nth).await);
            }
        });
    }
    drop(sender);
    let mut received = 0;
    while R::receive(&mut receiver).await.is_some() {
        received += 1;
    }
    assert_eq!(received, each * senders);
    start.elapsed()
}

/// Makes a channel for one value, sends it and receives it, in one task.
pub(super) async fn oneshot<R: Runtime>(count: usize) -> Duration {
    let start = Instant::now();
    for nth in 0..count {
        let (promise, answer) = R::oneshot();
        assert!(R::fulfil(promise, nth));
        assert_eq!(R::answer(answer).await, Some(nth));
    }
    start.elapsed()
}

/// A task that is asked through a queue, and answers through the oneshot that came with the question.
pub(super) async fn request_reply<R: Runtime>(count: usize) -> Duration {
    let (to, mut requests) = R::bounded::<(usize, R::Promise<usize>)>(32);
    R::start(async move {
        while let Some((request, reply)) = R::receive(&mut requests).await {
            assert!(R::fulfil(reply, request));
        }
    });
    let start = Instant::now();
    for nth in 0..count {
        let (reply, answer) = R::oneshot();
        assert!(R::send(&to, (nth, reply)).await);
        assert_eq!(R::answer(answer).await, Some(nth));
    }
    start.elapsed()
}

/// Two tasks that signal each other in turns: the other one, and the one that measures.
pub(super) fn signals<R: Runtime>(
    count: usize,
) -> (impl Future<Output = ()> + use<R>, impl Future<Output = Duration> + use<R>) {
    let (ping, pong) = (R::signal(), R::signal());
    let (pinged, ponging) = (ping.clone(), pong.clone());
    let other = async move {
        for _ in 0..count {
            R::notified(&pinged).await;
            R::notify(&ponging);
        }
    };
    let measured = async move {
        let start = Instant::now();
        for _ in 0..count {
            R::notify(&ping);
            R::notified(&pong).await;
        }
        start.elapsed()
    };
    (other, measured)
}

/// Locks and unlocks, with nobody to wait for.
pub(super) async fn mutex<R: Runtime>(count: usize) -> Duration {
    let mutex = R::mutex();
    let start = Instant::now();
    for nth in 1..=count {
        assert_eq!(R::lock_and_add(&mutex).await, nth);
    }
    start.elapsed()
}

/// Takes a permit and gives it back, with nobody to wait for.
pub(super) async fn semaphore<R: Runtime>(count: usize) -> Duration {
    let semaphore = R::semaphore(10);
    let start = Instant::now();
    for _ in 0..count {
        R::acquire(&semaphore).await;
    }
    start.elapsed()
}
