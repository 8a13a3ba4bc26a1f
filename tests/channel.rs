//! Channels through the public API: values, ends, order, cancellation, threads.
mod util;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use futures::executor::block_on;
use futures::stream::{FuturesUnordered, StreamExt};
use mainspring::channel::mpsc::{self, SendError, TrySendError};
use mainspring::channel::{Closed, oneshot};

use util::counting_waker::CountingWaker;

fn assert_send<T: Send>(_: &T) {}

#[test]
fn both_ends_and_their_futures_are_send_when_the_value_is() {
    let (mut sender, receiver) = oneshot::channel::<u8>();
    assert_send(&receiver);
    assert_send(&sender.closed());
    let (sender, mut receiver) = mpsc::bounded::<u8>(1);
    assert_send(&sender.send(1));
    assert_send(&sender.closed());
    assert_send(&receiver.recv());
}

#[test]
fn a_oneshot_wakes_its_receiver_once_when_the_value_is_sent() {
    let (sender, mut receiver) = oneshot::channel();
    let waker = CountingWaker::new();
    assert!(waker.poll(&mut receiver).is_pending());
    assert!(waker.poll(&mut receiver).is_pending());
    assert_eq!(waker.kept(), 1);
    sender.send(5).unwrap();
    assert_eq!((waker.woken(), waker.kept()), (1, 0));
    assert_eq!(waker.poll(&mut receiver), Poll::Ready(Ok(5)));
    assert_eq!(waker.poll(&mut receiver), Poll::Ready(Err(Closed)));
}

#[test]
fn a_oneshot_sender_that_is_dropped_completes_the_receiver_with_an_error() {
    let (sender, mut receiver) = oneshot::channel::<u8>();
    let waker = CountingWaker::new();
    assert!(waker.poll(&mut receiver).is_pending());
    drop(sender);
    assert_eq!(waker.woken(), 1);
    assert_eq!(block_on(receiver), Err(Closed));
}

#[test]
fn a_oneshot_gives_the_value_back_when_the_receiver_is_gone() {
    let (mut sender, receiver) = oneshot::channel();
    let waker = CountingWaker::new();
    {
        let mut closed = pin!(sender.closed());
        assert!(waker.poll(&mut closed).is_pending());
        drop(receiver);
        assert_eq!(waker.woken(), 1);
        assert!(waker.poll(&mut closed).is_ready());
    }
    assert!(sender.is_closed());
    assert_eq!(sender.send(3), Err(3));
}

#[test]
fn closing_a_oneshot_wakes_the_sender_that_waits_for_it() {
    let (mut sender, mut receiver) = oneshot::channel();
    let waker = CountingWaker::new();
    {
        let mut closed = pin!(sender.closed());
        assert!(waker.poll(&mut closed).is_pending());
        receiver.close();
        assert_eq!((waker.woken(), waker.kept()), (1, 0));
        assert!(waker.poll(&mut closed).is_ready());
    }
    assert_eq!(waker.poll(&mut receiver), Poll::Ready(Err(Closed)));
    assert_eq!(sender.send(3), Err(3));
}

#[test]
fn a_closed_oneshot_still_hands_out_the_value_that_was_sent_before() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(3).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(Some(3)));
}

#[test]
fn dropping_the_oneshot_receiver_drops_the_value_that_was_sent() {
    let value = Rc::new(());
    let (sender, receiver) = oneshot::channel();
    sender.send(Rc::clone(&value)).unwrap();
    drop(receiver);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn dropped_waits_leave_no_waker_behind() {
    let waker = CountingWaker::new();
    let (mut one, receiver) = oneshot::channel::<u8>();
    let (sender, mut values) = mpsc::bounded::<u8>(1);
    for _ in 0..10_000 {
        let (_alive, mut never) = oneshot::channel::<u8>();
        assert!(waker.poll(&mut never).is_pending());
        drop(never);
        assert_eq!(waker.kept(), 0);
        assert!(waker.poll(&mut pin!(one.closed())).is_pending());
        assert!(waker.poll(&mut pin!(sender.closed())).is_pending());
        assert!(waker.poll(&mut pin!(values.recv())).is_pending());
    }
    sender.try_send(1).unwrap();
    for _ in 0..10_000 {
        assert!(waker.poll(&mut pin!(sender.send(2))).is_pending());
    }
    assert_eq!((waker.kept(), waker.woken()), (0, 0));
    drop(receiver);
    assert_eq!(waker.woken(), 0);
}

#[test]
fn a_waker_is_replaced_by_that_of_the_last_poll() {
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    let (sender, mut receiver) = mpsc::unbounded();
    let mut receiving = pin!(receiver.recv());
    assert!(first.poll(&mut receiving).is_pending());
    assert!(second.poll(&mut receiving).is_pending());
    assert_eq!((first.kept(), second.kept()), (0, 1));
    sender.try_send(1).unwrap();
    assert_eq!((first.woken(), second.woken()), (0, 1));
}

#[test]
fn a_bounded_queue_is_full_at_its_bound_and_has_room_after_each_receive() {
    let (sender, mut receiver) = mpsc::bounded(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!((sender.len(), receiver.len(), sender.capacity()), (2, 2, Some(2)));
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    sender.try_send(3).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(2)));
    assert_eq!(receiver.try_recv(), Ok(Some(3)));
    assert_eq!(receiver.try_recv(), Ok(None));
}

#[test]
fn a_bound_of_zero_panics_with_the_value() {
    let panic = catch_unwind(|| mpsc::bounded::<u8>(0)).unwrap_err();
    let message = panic.downcast_ref::<&str>().unwrap();
    assert!(message.contains("not 0"), "{message}");
}

#[test]
fn waiting_senders_are_served_in_the_order_in_which_they_began_to_wait() {
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
    let mut sends: Vec<_> = (1..4).map(|n| Box::pin(sender.send(n))).collect();
    for (send, waker) in sends.iter_mut().zip(&wakers) {
        assert!(waker.poll(send).is_pending());
    }
    for expected in 0..4 {
        assert_eq!(receiver.try_recv(), Ok(Some(expected)));
        // The place is kept for the one that was woken: nobody overtakes it.
        if expected < 3 {
            assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
            let woken: Vec<_> = wakers.iter().map(|waker| waker.woken()).collect();
            assert_eq!(woken.iter().sum::<usize>(), expected as usize + 1);
            let next = expected as usize;
            assert_eq!(wakers[next].poll(&mut sends[next]), Poll::Ready(Ok(())));
        }
    }
}

#[test]
fn the_place_of_a_cancelled_send_goes_to_the_next_in_line() {
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    let mut one = Box::pin(sender.send(1));
    let mut two = Box::pin(sender.send(2));
    assert!(first.poll(&mut one).is_pending());
    assert!(second.poll(&mut two).is_pending());
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(one);
    assert_eq!(second.woken(), 1);
    assert_eq!(second.poll(&mut two), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(Some(2)));
}

#[test]
fn a_cancelled_send_drops_its_value_and_gives_up_its_place() {
    let value = Rc::new(());
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(Rc::new(())).unwrap();
    let waker = CountingWaker::new();
    let mut send = Box::pin(sender.send(Rc::clone(&value)));
    assert!(waker.poll(&mut send).is_pending());
    receiver.try_recv().unwrap();
    drop(send);
    assert_eq!(Rc::strong_count(&value), 1);
    sender.try_send(Rc::new(())).unwrap();
}

#[test]
fn closing_gives_waiting_senders_their_values_back_and_keeps_what_was_queued() {
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    let waker = CountingWaker::new();
    let mut placed = Box::pin(sender.send(1));
    let mut waiting = Box::pin(sender.send(2));
    let mut closed = Box::pin(sender.closed());
    assert!(waker.poll(&mut placed).is_pending());
    assert!(waker.poll(&mut waiting).is_pending());
    assert!(waker.poll(&mut closed).is_pending());
    receiver.close();
    assert_eq!((waker.woken(), waker.kept()), (3, 0));
    assert_eq!(waker.poll(&mut placed), Poll::Ready(Err(SendError(1))));
    assert_eq!(waker.poll(&mut waiting), Poll::Ready(Err(SendError(2))));
    assert!(waker.poll(&mut closed).is_ready());
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    assert_eq!(receiver.try_recv(), Err(Closed));
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
}

#[test]
fn a_place_handed_over_before_the_close_is_withdrawn_by_it() {
    let (sender, mut receiver) = mpsc::bounded(1);
    sender.try_send(0).unwrap();
    let waker = CountingWaker::new();
    let mut one = Box::pin(sender.send(1));
    let mut two = Box::pin(sender.send(2));
    assert!(waker.poll(&mut one).is_pending());
    assert!(waker.poll(&mut two).is_pending());
    assert_eq!(receiver.try_recv(), Ok(Some(0)));
    receiver.close();
    assert_eq!(waker.poll(&mut one), Poll::Ready(Err(SendError(1))));
    drop(two);
    assert_eq!(receiver.try_recv(), Err(Closed));
}

#[test]
fn the_receiver_ends_after_the_last_value_of_the_last_sender() {
    let (sender, mut receiver) = mpsc::unbounded();
    let clone = sender.clone();
    let waker = CountingWaker::new();
    assert!(waker.poll(&mut pin!(receiver.recv())).is_pending());
    clone.try_send(1).unwrap();
    drop(clone);
    assert_eq!(receiver.try_recv(), Ok(Some(1)));
    let mut receiving = Box::pin(receiver.recv());
    assert!(waker.poll(&mut receiving).is_pending());
    drop(sender);
    assert_eq!(waker.woken(), 1);
    assert_eq!(waker.poll(&mut receiving), Poll::Ready(None));
}

#[test]
fn dropping_the_receiver_drops_what_was_queued() {
    let value = Arc::new(());
    let (sender, receiver) = mpsc::unbounded();
    for _ in 0..100 {
        sender.try_send(Arc::clone(&value)).unwrap();
    }
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(sender.is_closed());
}

#[test]
fn a_value_may_use_its_channel_when_it_is_dropped() {
    struct Chatty(mpsc::Sender<Option<Self>>);
    impl Drop for Chatty {
        fn drop(&mut self) {
            assert!(self.0.is_closed());
            assert!(self.0.try_send(None).is_err());
        }
    }
    let (sender, receiver) = mpsc::unbounded();
    sender.try_send(Some(Chatty(sender.clone()))).unwrap();
    drop(receiver);
    assert_eq!(sender.len(), 0);
}

#[test]
fn a_queue_works_inside_a_combinator_with_wakers_of_its_own() {
    let (sender, receiver) = mpsc::bounded(2);
    let sends: FuturesUnordered<_> = (0..100).map(|n| sender.send(n)).collect();
    let (sent, received) = block_on(futures::future::join(
        sends.filter(|sent| std::future::ready(sent.is_ok())).count(),
        receiver.take(100).collect::<Vec<_>>(),
    ));
    assert_eq!(sent, 100);
    let mut sorted = received;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
}

#[test]
fn threads_send_through_a_bound_of_one_and_lose_nothing() {
    const THREADS: usize = 4;
    const EACH: usize = 2_000;
    let (sender, mut receiver) = mpsc::bounded(1);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let sender = sender.clone();
            thread::spawn(move || {
                for n in 0..EACH {
                    block_on(sender.send((thread, n))).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; THREADS];
    while let Some((thread, n)) = block_on(receiver.recv()) {
        assert_eq!(n, next[thread], "values of one sender keep their order");
        next[thread] += 1;
    }
    assert_eq!(next, [EACH; THREADS]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn threads_answer_through_oneshots() {
    for round in 0..2_000 {
        let (sender, receiver) = oneshot::channel();
        let thread = (round % 2 == 0).then(|| thread::spawn(move || sender.send(round)));
        let answer = block_on(receiver);
        match thread {
            Some(thread) => {
                assert_eq!(answer, Ok(round));
                thread.join().unwrap().unwrap();
            }
            None => assert_eq!(answer, Err(Closed)),
        }
    }
}

#[test]
fn a_send_that_was_ready_panics_when_it_is_polled_again() {
    let (sender, _receiver) = mpsc::bounded(1);
    let waker = CountingWaker::new();
    let mut send = pin!(sender.send(1));
    assert_eq!(waker.poll(&mut send), Poll::Ready(Ok(())));
    assert!(catch_unwind(AssertUnwindSafe(|| waker.poll(&mut send))).is_err());
    assert_eq!(sender.len(), 1);
}

#[test]
fn errors_convert_to_a_broken_pipe() {
    let errors: [std::io::Error; 2] = [Closed.into(), SendError(1).into()];
    for error in errors {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert!(!error.to_string().ends_with('.'));
    }
}

#[allow(dead_code)]
fn futures_may_be_kept_in_generic_code<T>(sender: &mpsc::Sender<T>, value: T) -> impl Future {
    sender.send(value)
}
