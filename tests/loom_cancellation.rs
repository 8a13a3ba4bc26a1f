//! Models of `CancellationToken`, under loom: each order in which threads can cancel, wait, have children and drop.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p mainspring --test loom_cancellation
//! ```
//!
//! A model fails by a deadlock if a wake-up is lost, which is what loom makes of a thread that waits for ever.
#![cfg(loom)]

mod modelled;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use loom::thread;
use mainspring::task::CancellationToken;
use modelled::{block_on, model};

/// A waker that counts, and whose clones a test can count.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn cancelling_meets_two_that_wait() {
    model(|| {
        let token = CancellationToken::new();
        let told = token.clone();
        let waiting = thread::spawn(move || block_on(told.cancelled()));
        let told = token.clone();
        let cancelling = thread::spawn(move || told.cancel());
        block_on(token.cancelled());
        assert!(token.is_cancelled());
        waiting.join().unwrap();
        cancelling.join().unwrap();
    });
}

#[test]
fn cancelling_meets_a_wait_that_is_given_up_and_leaves_no_waker() {
    model(|| {
        let token = CancellationToken::new();
        let told = token.clone();
        let cancelling = thread::spawn(move || told.cancel());
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut wait = token.cancelled();
        let first = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
        drop(wait);
        cancelling.join().unwrap();
        let woken = count.0.load(Ordering::Relaxed);
        assert!(woken <= usize::from(first.is_pending()));
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

#[test]
fn cancelling_meets_a_wait_that_changes_its_waker() {
    model(|| {
        let token = CancellationToken::new();
        let told = token.clone();
        let cancelling = thread::spawn(move || told.cancel());
        let mut wait = token.cancelled();
        if Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            block_on(wait);
        }
        cancelling.join().unwrap();
    });
}

#[test]
fn cancelling_meets_the_birth_of_a_child_which_hears_of_it() {
    model(|| {
        let parent = CancellationToken::new();
        let told = parent.clone();
        let cancelling = thread::spawn(move || told.cancel());
        let child = parent.child();
        block_on(child.cancelled());
        cancelling.join().unwrap();
        assert!(child.is_cancelled() && parent.child().is_cancelled());
    });
}

#[test]
fn cancelling_meets_the_end_of_a_child() {
    model(|| {
        let parent = CancellationToken::new();
        let (child, other) = (parent.child(), parent.child());
        let cancelling = thread::spawn(move || parent.cancel());
        drop(child);
        block_on(other.cancelled());
        cancelling.join().unwrap();
    });
}

#[test]
fn a_parent_and_a_child_are_cancelled_at_once_and_a_grandchild_hears_of_it() {
    model(|| {
        let parent = CancellationToken::new();
        let child = parent.child();
        let grandchild = child.child();
        let first = thread::spawn(move || parent.cancel());
        let second = thread::spawn(move || child.cancel());
        block_on(grandchild.cancelled());
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn whoever_finds_a_parent_cancelled_finds_its_grandchild_so_and_so_does_a_second_cancel() {
    model(|| {
        let parent = CancellationToken::new();
        let child = parent.child();
        let grandchild = child.child();
        let told = parent.clone();
        let cancelling = thread::spawn(move || told.cancel());
        if parent.is_cancelled() {
            assert!(grandchild.is_cancelled() && child.child().is_cancelled());
        }
        parent.cancel();
        assert!(grandchild.is_cancelled() && child.child().is_cancelled());
        block_on(grandchild.cancelled());
        cancelling.join().unwrap();
    });
}

#[test]
fn a_child_is_dropped_on_one_thread_while_its_own_child_is_on_another() {
    model(|| {
        let parent = CancellationToken::new();
        let child = parent.child();
        let grandchild = child.child();
        let first = thread::spawn(move || drop(child));
        let second = thread::spawn(move || drop(grandchild));
        parent.cancel();
        first.join().unwrap();
        second.join().unwrap();
        assert!(parent.is_cancelled());
    });
}

#[test]
fn cancelling_meets_an_output_and_one_of_them_wins() {
    model(|| {
        let token = CancellationToken::new();
        let told = token.clone();
        let (sender, receiver) = mainspring::channel::oneshot::channel();
        let cancelling = thread::spawn(move || told.cancel());
        let sending = thread::spawn(move || sender.send(1).is_ok());
        let output = block_on(token.until_cancelled(receiver));
        let sent = sending.join().unwrap();
        cancelling.join().unwrap();
        match output {
            Some(output) => assert!(output == Ok(1) && sent),
            None => assert!(token.is_cancelled()),
        }
    });
}
