//! Models of what a handle on another thread and the reactor do to a task at the same time, under loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p mainspring --lib remote
//! ```
//!
//! What they share is the shipped code, under loom's locks. The reactor is no part of the model: what it does with a
//! task is to start it, and to drop the reply, once each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use loom::{model, thread};

use super::task;
use crate::waker::Number;

/// The task that is started.
const TASK: Number = Number::new(0, 1, 7);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_abort_comes_before_the_start_of_its_task_or_finds_the_task() {
    model(|| {
        let (reply, shared) = task::<()>();
        let handle = shared.clone();
        let aborting = thread::spawn(move || handle.abort());
        let mut started = None;
        shared.start(|| *started.insert(TASK));
        assert_eq!(aborting.join().unwrap(), started);
        drop(reply);
    });
}

#[test]
fn whoever_awaits_a_task_finds_its_output_or_is_woken_for_it() {
    model(|| {
        let (mut reply, shared) = task();
        let replying = thread::spawn(move || {
            reply.set(Ok(5));
            drop(reply);
        });
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut polled = shared.poll(&waker);
        replying.join().unwrap();
        if polled.is_pending() {
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
            polled = shared.poll(&waker);
        }
        assert!(matches!(polled, Poll::Ready(Ok(5))));
    });
}
