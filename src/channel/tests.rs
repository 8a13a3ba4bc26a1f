//! What channels do inside a tick: a scope is entered by hand, with a waker that counts.
//!
//! The rest is tested through the public API, in `tests/channel*.rs`; a scope cannot be entered from there without a
//! reactor.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::mpsc::{self, TrySendError};
use super::{Closed, oneshot};
use crate::scope::Owner;

#[derive(Default)]
struct Tick {
    woken: AtomicUsize,
}

impl Tick {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Runs `operation` in the scope of this tick.
    fn run<R>(self: &Arc<Self>, operation: impl FnOnce() -> R) -> R {
        let waker = Waker::from(Arc::clone(self));
        Owner::new().enter(&waker, operation).0
    }

    fn woken(&self) -> usize {
        self.woken.load(Ordering::SeqCst)
    }

    fn kept(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }
}

impl Wake for Tick {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_tick_that_finds_nothing_is_woken_by_the_next_value() {
    let tick = Tick::new();
    let (sender, mut receiver) = mpsc::bounded(4);
    for _ in 0..10 {
        assert_eq!(tick.run(|| receiver.try_recv()), Ok(None));
    }
    assert_eq!(tick.kept(), 1);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(tick.woken(), 1);
    assert_eq!(tick.run(|| receiver.try_recv()), Ok(Some(1)));
}

#[test]
fn a_tick_that_waits_for_a_oneshot_is_woken_by_the_value_and_by_the_end() {
    for value in [Some(1), None] {
        let tick = Tick::new();
        let (sender, mut receiver) = oneshot::channel();
        assert_eq!(tick.run(|| receiver.try_recv()), Ok(None));
        match value {
            Some(value) => sender.send(value).unwrap(),
            None => drop(sender),
        }
        assert_eq!(tick.woken(), 1);
        assert_eq!(tick.run(|| receiver.try_recv()), value.map(Some).ok_or(Closed));
    }
}

#[test]
fn closing_wakes_the_tick_of_the_receiver_itself() {
    let tick = Tick::new();
    let (_one, mut receiver) = oneshot::channel::<u8>();
    let (_sender, mut queue) = mpsc::unbounded::<u8>();
    assert_eq!(tick.run(|| receiver.try_recv()), Ok(None));
    assert_eq!(tick.run(|| queue.try_recv()), Ok(None));
    receiver.close();
    queue.close();
    assert_eq!((tick.woken(), tick.kept()), (2, 0));
}

#[test]
fn outside_a_scope_nothing_is_recorded() {
    let tick = Tick::new();
    let (sender, mut receiver) = mpsc::bounded(1);
    assert_eq!(receiver.try_recv(), Ok(None));
    sender.try_send(1).unwrap();
    for _ in 0..10 {
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    }
    assert_eq!(tick.run(|| sender.try_send(2)), Err(TrySendError::Full(2)));
    assert_eq!(tick.kept(), 1);
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    assert_eq!((tick.woken(), tick.kept()), (1, 0));
}

#[test]
fn every_tick_that_finds_no_room_is_woken_once_when_there_is_some() {
    let ticks: Vec<_> = (0..3).map(|_| Tick::new()).collect();
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    for tick in ticks.iter().chain(&ticks) {
        assert_eq!(tick.run(|| sender.try_send(1)), Err(TrySendError::Full(1)));
    }
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    for tick in &ticks {
        assert_eq!((tick.woken(), tick.kept()), (1, 0));
    }
    assert_eq!(ticks[2].run(|| sender.try_send(1)), Ok(()));
}

#[test]
fn a_tick_is_woken_only_when_those_who_wait_in_send_have_a_place() {
    let tick = Tick::new();
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    assert!(tick.run(|| sender.try_send(2)).is_err());
    let mut send = Box::pin(sender.send(1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(send.as_mut().poll(&mut cx).is_pending());
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    assert_eq!(tick.woken(), 0);
    assert_eq!(send.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    assert_eq!(tick.woken(), 1);
}

#[test]
fn cancelling_the_last_send_in_line_wakes_the_ticks() {
    let tick = Tick::new();
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    assert!(tick.run(|| sender.try_send(2)).is_err());
    let mut send = Box::pin(sender.send(1));
    assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    drop(send);
    assert_eq!(tick.woken(), 1);
    assert_eq!(tick.run(|| sender.try_send(2)), Ok(()));
}

#[test]
fn closing_wakes_the_ticks_that_wait_for_room() {
    let tick = Tick::new();
    let (sender, receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    assert!(tick.run(|| sender.try_send(1)).is_err());
    drop(receiver);
    assert_eq!(tick.woken(), 1);
    assert_eq!(tick.run(|| sender.try_send(1)), Err(TrySendError::Closed(1)));
}

#[test]
fn ticks_that_ended_do_not_pile_up_and_the_oldest_is_woken_early() {
    let (sender, _receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    let ticks: Vec<_> = (0..10_000).map(|_| Tick::new()).collect();
    for tick in &ticks {
        assert!(tick.run(|| sender.try_send(1)).is_err());
    }
    let kept: usize = ticks.iter().map(|tick| tick.kept()).sum();
    assert_eq!(kept, 1 + 1024);
    for tick in &ticks {
        assert_eq!(tick.woken() + tick.kept(), 1, "woken early, or still waiting");
    }
    assert_eq!(ticks[0].woken(), 1);
}

#[test]
fn an_emptied_queue_gives_its_memory_back() {
    let (sender, mut receiver) = mpsc::unbounded();
    assert_eq!(sender.memory(), 0);
    for n in 0..100_000_u64 {
        sender.try_send(n).unwrap();
    }
    assert!(sender.memory() >= 800_000);
    while let Ok(Some(_)) = receiver.try_recv() {}
    assert_eq!(sender.memory(), 0);
    for _ in 0..100 {
        sender.try_send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(1)));
    }
    assert!((8..=4096).contains(&sender.memory()), "small traffic keeps its memory");
}
