//! Models of the channels: every order in which two or three threads can run is tried.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test --release --test loom`. Each model fails by a deadlock if a wake-up is
//! lost, by an assertion if a value is lost or doubled, and by loom's own check if memory leaks.
#![cfg(loom)]

mod modelled;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::thread;
use mainspring::channel::mpsc::{self, TrySendError};
use mainspring::channel::{Closed, oneshot};
use modelled::{block_on, model};

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn oneshot_send_meets_await() {
    model(|| {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        assert_eq!(block_on(receiver), Ok(1));
        thread.join().unwrap();
    });
}

#[test]
fn oneshot_drop_of_the_sender_meets_await() {
    model(|| {
        let (sender, receiver) = oneshot::channel::<u8>();
        let thread = thread::spawn(move || drop(sender));
        assert_eq!(block_on(receiver), Err(Closed));
        thread.join().unwrap();
    });
}

#[test]
fn oneshot_send_meets_drop_of_the_receiver() {
    model(|| {
        let value = loom::sync::Arc::new(());
        let (sender, receiver) = oneshot::channel();
        let sent = value.clone();
        let thread = thread::spawn(move || drop(sender.send(sent)));
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&value), 1);
    });
}

#[test]
fn oneshot_send_meets_close() {
    model(|| {
        let (sender, mut receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(1));
        receiver.close();
        let received = block_on(&mut receiver);
        match thread.join().unwrap() {
            Ok(()) => assert_eq!(received, Ok(1)),
            Err(value) => assert_eq!((value, received), (1, Err(Closed))),
        }
    });
}

#[test]
fn oneshot_closed_meets_close_and_drop() {
    for close in [true, false] {
        model(move || {
            let (mut sender, mut receiver) = oneshot::channel::<u8>();
            let thread = thread::spawn(move || {
                if close {
                    receiver.close();
                }
            });
            block_on(sender.closed());
            assert_eq!(sender.send(1), Err(1));
            thread.join().unwrap();
        });
    }
}

#[test]
fn oneshot_receiver_changes_its_waker_while_the_value_is_sent() {
    model(|| {
        let (sender, mut receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        let received = match poll_once(&mut receiver) {
            Poll::Ready(received) => received,
            Poll::Pending => block_on(receiver),
        };
        assert_eq!(received, Ok(1));
        thread.join().unwrap();
    });
}

#[test]
fn two_senders_meet_one_receiver_at_a_bound_of_one() {
    model(|| {
        let (sender, mut receiver) = mpsc::bounded(1);
        let threads = [1, 2].map(|value| {
            let sender = sender.clone();
            thread::spawn(move || block_on(sender.send(value)).unwrap())
        });
        drop(sender);
        let mut sum = 0;
        while let Some(value) = block_on(receiver.recv()) {
            sum += value;
        }
        assert_eq!(sum, 3);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_cancelled_send_meets_the_receiver_and_hands_its_place_on() {
    model(|| {
        let (sender, mut receiver) = mpsc::bounded(1);
        sender.try_send(0).unwrap();
        let cancelling = sender.clone();
        let cancelled = thread::spawn(move || {
            let mut send = Box::pin(cancelling.send(1));
            poll_once(&mut send).is_ready()
        });
        let sending = thread::spawn(move || block_on(sender.send(2)).unwrap());
        let mut sum = 0;
        while let Some(value) = block_on(receiver.recv()) {
            sum += value;
        }
        let sent = cancelled.join().unwrap();
        assert_eq!(sum, if sent { 3 } else { 2 });
        sending.join().unwrap();
    });
}

#[test]
fn closing_meets_a_send_that_waits() {
    for discard in [true, false] {
        model(move || {
            let (sender, mut receiver) = mpsc::bounded(1);
            sender.try_send(0).unwrap();
            let thread = thread::spawn(move || block_on(sender.send(1)).is_ok());
            let mut received = 0;
            if discard {
                drop(receiver);
            } else {
                assert_eq!(receiver.try_recv(), Ok(Some(0)));
                receiver.close();
                while let Some(value) = block_on(receiver.recv()) {
                    received += value;
                }
            }
            let sent = thread.join().unwrap();
            assert_eq!(received, u8::from(sent && !discard));
        });
    }
}

#[test]
fn closed_meets_drop_of_the_receiver() {
    model(|| {
        let (sender, receiver) = mpsc::unbounded::<u8>();
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert_eq!(sender.try_send(1), Err(TrySendError::Closed(1)));
        thread.join().unwrap();
    });
}

#[test]
fn a_dropped_recv_meets_a_send() {
    model(|| {
        let (sender, mut receiver) = mpsc::unbounded();
        let thread = thread::spawn(move || sender.try_send(1).unwrap());
        let first = poll_once(&mut Box::pin(receiver.recv()));
        match first {
            Poll::Ready(value) => assert_eq!(value, Some(1)),
            Poll::Pending => assert_eq!(block_on(receiver.recv()), Some(1)),
        }
        thread.join().unwrap();
    });
}
