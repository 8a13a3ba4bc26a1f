//! Channels of one thread: between tasks of a reactor, in ticks, and with values that use their channel.
//!
//! The order of values and of those who wait is tried in `channel_oracle.rs`, for both kinds of channel.
mod util;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use mainspring::channel::{Closed, Reach, local, mpsc, oneshot};
use mainspring::tick::{Tick, schedule};
use mainspring::{spawn, yield_now};

use util::counting_waker::CountingWaker;

#[test]
fn tasks_exchange_what_is_not_send() {
    mainspring::run(async {
        let (requests, mut served) = local::mpsc::bounded::<(Rc<u32>, local::oneshot::Sender<Rc<u32>>)>(1);
        let server = spawn(async move {
            while let Some((request, answer)) = served.recv().await {
                answer.send(Rc::new(*request + 1)).unwrap();
            }
        });
        let clients: Vec<_> = (0..100)
            .map(|n| {
                let requests = requests.clone();
                spawn(async move {
                    let (answer, answered) = local::oneshot::channel();
                    requests.send((Rc::new(n), answer)).await.unwrap();
                    assert_eq!(answered.await.as_deref(), Ok(&(n + 1)));
                })
            })
            .collect();
        drop(requests);
        for client in clients {
            client.await.unwrap();
        }
        server.await.unwrap();
    })
    .unwrap();
}

#[test]
fn a_tick_waits_for_values_and_for_the_end() {
    mainspring::run(async {
        let (sender, mut receiver) = local::mpsc::unbounded();
        let received = Rc::new(RefCell::new(Vec::new()));
        let all = received.clone();
        let task = schedule(move || {
            loop {
                match receiver.try_recv() {
                    Ok(Some(value)) => all.borrow_mut().push(value),
                    Ok(None) => return Ok(Tick::WouldBlock),
                    Err(Closed) => return Ok(Tick::Final),
                }
            }
        });
        for value in 0..3 {
            yield_now().await;
            sender.try_send(value).unwrap();
        }
        drop(sender);
        task.await.unwrap().unwrap();
        assert_eq!(*received.borrow(), [0, 1, 2]);
    })
    .unwrap();
}

#[test]
fn a_task_that_is_aborted_while_it_waits_leaves_its_place() {
    mainspring::run(async {
        let (sender, mut receiver) = local::mpsc::bounded(1);
        sender.try_send(0).unwrap();
        let aborted = spawn({
            let sender = sender.clone();
            async move { sender.send(1).await }
        });
        let other = spawn(async move { sender.send(2).await });
        yield_now().await;
        aborted.abort();
        assert!(aborted.await.is_err());
        assert_eq!(receiver.recv().await, Some(0));
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(receiver.recv().await, None);
        other.await.unwrap().unwrap();
    })
    .unwrap();
}

#[test]
fn an_end_that_is_gone_is_told_to_the_other() {
    let waker = CountingWaker::new();
    let (sender, mut receiver) = local::oneshot::channel::<Rc<()>>();
    assert!(waker.poll(&mut receiver).is_pending());
    drop(sender);
    assert_eq!(waker.woken(), 1);
    assert_eq!(waker.poll(&mut receiver), Poll::Ready(Err(Closed)));

    let (mut sender, receiver) = local::oneshot::channel::<Rc<()>>();
    assert!(waker.poll(&mut pin!(sender.closed())).is_pending());
    drop(receiver);
    assert!(sender.send(Rc::new(())).is_err());
}

#[test]
fn a_value_may_use_its_channel_when_it_is_dropped() {
    struct Chatty(local::mpsc::Sender<Option<Self>>);
    impl Drop for Chatty {
        fn drop(&mut self) {
            assert!(self.0.is_closed());
            assert!(self.0.try_send(None).is_err());
        }
    }
    let (sender, receiver) = local::mpsc::unbounded();
    sender.try_send(Some(Chatty(sender.clone()))).unwrap();
    drop(receiver);
    assert_eq!(sender.len(), 0);
}

#[test]
#[should_panic(expected = "the bound of a channel must be at least 1, not 0")]
fn a_bound_of_zero_panics_with_the_value() {
    let _ = local::mpsc::bounded::<u8>(0);
}

/// What is written once for both.
async fn ask<R: Reach, S: Reach>(jobs: &mpsc::Sender<oneshot::Sender<u32, S>, R>, reply: Reply<S>) -> Option<u32> {
    jobs.send(reply.0).await.ok()?;
    reply.1.await.ok()
}

/// Both ends of a channel for one value.
struct Reply<S: Reach>(oneshot::Sender<u32, S>, oneshot::Receiver<u32, S>);

#[test]
fn code_may_be_generic_over_both_kinds() {
    mainspring::run(async {
        let (near, mut received) = local::mpsc::bounded(1);
        spawn(async move { received.recv().await.map(|reply: oneshot::Sender<u32>| reply.send(1)) });
        let (sender, receiver) = oneshot::channel();
        assert_eq!(ask(&near, Reply(sender, receiver)).await, Some(1));

        let (far, mut received) = mpsc::bounded(1);
        spawn(async move { received.recv().await.map(|reply: local::oneshot::Sender<u32>| reply.send(2)) });
        let (sender, receiver) = local::oneshot::channel();
        assert_eq!(ask(&far, Reply(sender, receiver)).await, Some(2));
    })
    .unwrap();
}
