//! Futures that are dropped at each point of their lives: before the first poll, while they wait, and when they were
//! woken and not polled again. No waker, wait, timer or source is left behind, and what had come for the dropped one is
//! there for the next.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mainspring::Stats;
use mainspring::time::timeout;

use super::runtime::{CountingWaker, poll_with, stats, until};

pub(crate) type Waiting<'s, T> = Pin<Box<dyn Future<Output = T> + 's>>;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Drops what `wait` makes of `state` at each point, calls `happen` with how often it was called before until that has
/// come for which the last one waits, and awaits another one.
pub(crate) async fn dropped<S, T>(
    name: &str,
    state: &mut S,
    wait: impl for<'s> Fn(&'s mut S) -> Waiting<'s, T>,
    happen: impl FnMut(usize),
) -> T {
    dropped_but(0, name, state, wait, happen).await
}

/// The same, of an object that holds `kept` waits of its own, in which what is dropped is a loan of it.
pub(crate) async fn dropped_but<S, T>(
    kept: usize,
    name: &str,
    state: &mut S,
    wait: impl for<'s> Fn(&'s mut S) -> Waiting<'s, T>,
    mut happen: impl FnMut(usize),
) -> T {
    let before = stats();
    let (counter, waker) = CountingWaker::new();
    let left = |point: &str| {
        assert!(has_left(&before, kept), "{name}, {point}: {:?}", stats());
        assert!(Arc::strong_count(&counter) <= 2 + kept, "{name}, {point}: a waker was kept");
    };
    drop(wait(state));
    left("never polled");
    for _ in 0..3 {
        assert!(poll_with(wait(state).as_mut(), &waker).is_pending(), "{name} has nothing to wait for");
        left("while it waits");
    }
    let mut waiting = wait(state);
    assert!(poll_with(waiting.as_mut(), &waker).is_pending());
    let mut calls = 0;
    until(|| {
        happen(calls);
        calls += 1;
        counter.count() > 0
    })
    .await;
    drop(waiting);
    // A thread that has woken it may have the waker a moment longer.
    until(|| Arc::strong_count(&counter) <= 2 + kept).await;
    left("woken");
    timeout(LIMIT, wait(state)).await.unwrap_or_else(|_| panic!("{name}: what had come for the dropped one is lost"))
}

/// Polls `future`, which is not cancel safe, once and drops it: nothing of it is left behind in the reactor.
pub(crate) fn dropped_for_good<T>(name: &str, future: impl Future<Output = T>) {
    let before = stats();
    let (counter, waker) = CountingWaker::new();
    assert!(poll_with(Box::pin(future).as_mut(), &waker).is_pending(), "{name} has nothing to wait for");
    assert!(has_left(&before, 0), "{name}: {:?}", stats());
    assert!(Arc::strong_count(&counter) <= 2, "{name}: a waker was kept");
}

/// Whether there is no more in the reactor than before, but for `kept` waits.
fn has_left(before: &Stats, kept: usize) -> bool {
    let now = stats();
    now.waits <= before.waits + kept && now.timers <= before.timers + kept && now.sources <= before.sources
}

/// Calls `f` the first time.
pub(crate) fn once(f: impl FnOnce()) -> impl FnMut(usize) {
    let mut f = Some(f);
    move |_| f.take().map_or((), |f| f())
}
