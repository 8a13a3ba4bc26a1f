//! Random operations on a bounded queue, between threads and on one, against a naive model of it, seed printed on failure.
//!
//! The model is a queue of values and a line of waiting sends. After each operation the lengths agree, every value that
//! comes out is the one the model expects, and nobody who could go on is left unwoken.
mod util;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::StreamExt;
use mainspring::channel::mpsc::{self, TrySendError};
use mainspring::channel::{Reach, local};

use util::counting_waker::CountingWaker;
use util::random::Random;

type Send<'a> = Pin<Box<dyn Future<Output = Result<(), mpsc::SendError<u64>>> + 'a>>;

/// Both ends of a queue.
type Ends<R> = (mpsc::Sender<u64, R>, mpsc::Receiver<u64, R>);

/// A send that waits, and what the model knows of it.
struct Waiting<'a> {
    future: Send<'a>,
    waker: Arc<CountingWaker>,
    value: u64,
    /// A place was handed to it.
    placed: bool,
}

struct Model<'a> {
    bound: usize,
    queue: VecDeque<u64>,
    waiting: Vec<Waiting<'a>>,
}

impl Model<'_> {
    fn room(&self) -> usize {
        let placed = self.waiting.iter().filter(|send| send.placed).count();
        self.bound - self.queue.len() - placed
    }

    /// Room goes to the first in line; whoever was given a place must have been woken.
    fn hand_on(&mut self) {
        for _ in 0..self.room() {
            let Some(send) = self.waiting.iter_mut().find(|send| !send.placed) else {
                return;
            };
            send.placed = true;
        }
        for send in &self.waiting {
            assert_eq!(send.waker.woken() > 0, send.placed, "woken if and only if placed");
        }
    }
}

fn run<R: Reach>(seed: u64, bounded: fn(usize) -> Ends<R>) {
    let mut random = Random::new(seed);
    let bound = 1 + random.below(5);
    let (sender, mut receiver) = bounded(bound);
    let receiving = CountingWaker::new();
    let mut model = Model { bound, queue: VecDeque::new(), waiting: Vec::new() };
    for value in 0..400 {
        match random.below(6) {
            0 => {
                let expected = if model.room() > 0 {
                    model.queue.push_back(value);
                    Ok(())
                } else {
                    Err(TrySendError::Full(value))
                };
                assert_eq!(sender.try_send(value), expected);
            }
            1 | 2 => {
                let waker = CountingWaker::new();
                let mut future: Send<'_> = Box::pin(sender.send(value));
                match waker.poll(&mut future) {
                    Poll::Ready(sent) => {
                        assert!(sent.is_ok() && model.room() > 0);
                        model.queue.push_back(value);
                    }
                    Poll::Pending => {
                        assert_eq!(model.room(), 0);
                        model.waiting.push(Waiting { future, waker, value, placed: false });
                    }
                }
            }
            3 => match (receiving.poll(&mut receiver.next()), model.queue.pop_front()) {
                (Poll::Ready(received), Some(expected)) => assert_eq!(received, Some(expected)),
                (received, None) => assert!(received.is_pending()),
                (Poll::Pending, Some(expected)) => panic!("{expected} was sent and does not come"),
            },
            4 if !model.waiting.is_empty() => {
                let index = random.below(model.waiting.len());
                let send = &mut model.waiting[index];
                let ready = send.waker.clone().poll(&mut send.future).is_ready();
                assert_eq!(ready, send.placed);
                if ready {
                    let send = model.waiting.remove(index);
                    model.queue.push_back(send.value);
                }
            }
            5 if !model.waiting.is_empty() => {
                let index = random.below(model.waiting.len());
                drop(model.waiting.remove(index));
            }
            _ => {}
        }
        model.hand_on();
        assert_eq!(receiver.len(), model.queue.len());
        assert!(receiver.is_empty() || receiving.kept() == 0, "a value wakes the receiver");
    }
}

fn run_many(run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in 0..500 {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_bounded_queue_behaves_like_a_queue_and_a_line() {
    run_many(|seed| run(seed, mpsc::bounded));
}

#[test]
fn a_bounded_queue_of_one_thread_behaves_like_a_queue_and_a_line() {
    run_many(|seed| run(seed, local::mpsc::bounded));
}
