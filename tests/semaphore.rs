//! Semaphores: the order of those who wait, what is passed on, and random operations against a naive list.
mod util;

use mainspring::sync::{Acquire, Closed, Permit, Semaphore};
use mainspring::tick::{Tick, schedule};
use mainspring::{JoinHandle, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use util::counting_waker::CountingWaker;
use util::runtime::{PanickingWaker, Random, poll_with, quiet, run, stats};

#[test]
fn permits_are_given_in_the_order_of_arrival_and_a_large_request_is_not_overtaken() {
    run(async {
        let semaphore = Semaphore::new(3);
        let order = Rc::new(RefCell::new(Vec::new()));
        let held = semaphore.try_acquire(2).unwrap().unwrap();
        let tasks: Vec<_> = [3, 1, 2, 1]
            .into_iter()
            .enumerate()
            .map(|(number, permits)| {
                let (semaphore, order) = (semaphore.clone(), order.clone());
                spawn(async move {
                    let _permit = semaphore.acquire(permits).await.unwrap();
                    order.borrow_mut().push(number);
                    yield_now().await;
                })
            })
            .collect();
        yield_now().await;
        assert!(order.borrow().is_empty(), "the first one wants more than there is, and the others wait behind it");
        assert!(semaphore.try_acquire(1).unwrap().is_none(), "a try does not overtake");
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3]);
        assert_eq!(semaphore.available(), 3);
    });
}

#[test]
fn a_waiter_that_is_dropped_after_its_turn_came_passes_its_permits_on() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire(1).unwrap().unwrap();
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    let (mut one, mut two) = (semaphore.acquire(1), semaphore.acquire(1));
    assert!(first.poll(&mut one).is_pending() && second.poll(&mut two).is_pending());
    drop(held);
    assert_eq!((first.woken(), second.woken(), semaphore.available()), (1, 0, 0), "it is the first one's");
    drop(one);
    assert_eq!((second.woken(), semaphore.available()), (1, 0), "and now the second one's");
    drop(two);
    assert_eq!(semaphore.available(), 1);
    assert_eq!((first.kept(), second.kept()), (0, 0), "no waker is left behind");
}

#[test]
fn a_large_waiter_that_gives_up_lets_smaller_ones_through() {
    let semaphore = Semaphore::new(1);
    let (large, small) = (CountingWaker::new(), CountingWaker::new());
    let (mut two, mut one) = (semaphore.acquire(2), semaphore.acquire(1));
    assert!(large.poll(&mut two).is_pending() && small.poll(&mut one).is_pending());
    drop(two);
    assert_eq!(small.woken(), 1);
    assert!(small.poll(&mut one).is_ready());
}

#[test]
fn a_closed_semaphore_sends_everybody_away_but_those_who_were_served() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire(1).unwrap().unwrap();
    let waker = CountingWaker::new();
    let (mut served, mut waiting) = (semaphore.acquire(1), semaphore.acquire(1));
    assert!(waker.poll(&mut served).is_pending() && waker.poll(&mut waiting).is_pending());
    drop(held);
    semaphore.close();
    assert!(semaphore.is_closed());
    assert!(matches!(waker.poll(&mut served), Poll::Ready(Ok(permit)) if permit.permits() == 1));
    assert!(matches!(waker.poll(&mut waiting), Poll::Ready(Err(Closed))));
    assert!(matches!(waker.poll(&mut semaphore.acquire(0)), Poll::Ready(Err(Closed))));
    assert_eq!(semaphore.try_acquire(0).unwrap_err(), Closed);
    assert_eq!(io::Error::from(Closed).kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn extreme_numbers_of_permits_neither_overflow_nor_panic() {
    let semaphore = Semaphore::new(usize::MAX);
    semaphore.add_permits(usize::MAX);
    assert_eq!(semaphore.available(), usize::MAX);
    let all = semaphore.try_acquire(usize::MAX).unwrap().unwrap();
    assert!(semaphore.try_acquire(1).unwrap().is_none());
    let nothing = semaphore.try_acquire(0).unwrap().unwrap();
    semaphore.add_permits(1);
    drop((all, nothing));
    assert_eq!(semaphore.available(), usize::MAX);
    let none = Semaphore::new(0);
    assert!(none.try_acquire(1).unwrap().is_none());
    none.add_permits(0);
    assert_eq!(none.available(), 0);
}

#[test]
#[should_panic = "an Acquire of 2 permits was polled after it was ready"]
fn an_acquire_that_is_polled_after_it_was_ready_says_so() {
    let mut acquire = Semaphore::new(2).acquire(2);
    let waker = CountingWaker::new();
    assert!(waker.poll(&mut acquire).is_ready());
    let _ = waker.poll(&mut acquire);
}

#[test]
fn ticks_wait_in_line_by_an_acquire_and_behind_it_by_a_try() {
    run(async {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire(1).unwrap().unwrap();
        let order = Rc::new(RefCell::new(Vec::new()));
        let (by_try, first) = (semaphore.clone(), order.clone());
        let by_try = schedule(move || match by_try.try_acquire(1)? {
            Some(_permit) => {
                first.borrow_mut().push("try");
                Ok(Tick::Final)
            }
            None => Ok(Tick::WouldBlock),
        });
        yield_now().await;
        let (mut acquire, second) = (semaphore.acquire(1), order.clone());
        let in_line = schedule(move || match acquire.try_wait()? {
            Some(_permit) => {
                second.borrow_mut().push("line");
                Ok(Tick::Final)
            }
            None => Ok(Tick::WouldBlock),
        });
        let polls = stats().polls;
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(stats().polls <= polls + 12, "both ticks are parked");
        drop(held);
        by_try.await.unwrap().unwrap();
        in_line.await.unwrap().unwrap();
        assert_eq!(*order.borrow(), ["line", "try"]);
    });
}

/// A task that tries to take `permits` in each tick, and counts its ticks.
fn trying(semaphore: &Semaphore, permits: usize, ticks: &Rc<Cell<usize>>) -> JoinHandle<io::Result<()>> {
    let (semaphore, ticks) = (semaphore.clone(), ticks.clone());
    schedule(move || {
        ticks.set(ticks.get() + 1);
        Ok(if semaphore.try_acquire(permits)?.is_some() { Tick::Final } else { Tick::WouldBlock })
    })
}

#[test]
fn thousands_of_ticks_wait_by_a_try_and_all_of_them_sleep() {
    const TASKS: usize = 1500;
    run(async {
        let (semaphore, ticks) = (Semaphore::new(0), Rc::new(Cell::new(0)));
        let gone: Vec<_> = (0..TASKS).map(|_| trying(&semaphore, 1, &ticks)).collect();
        yield_now().await;
        for task in gone {
            task.abort();
            assert!(task.await.unwrap_err().is_aborted());
        }
        assert_eq!(ticks.replace(0), TASKS);
        // Those that have ended make room for these.
        let tasks: Vec<_> = (0..TASKS).map(|_| trying(&semaphore, 1, &ticks)).collect();
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(ticks.get(), TASKS, "each was ticked once");
        semaphore.add_permits(1);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn a_tick_that_wants_no_permit_waits_for_its_turn_alone() {
    run(async {
        let (semaphore, ticks) = (Semaphore::new(0), Rc::new(Cell::new(0)));
        let waker = CountingWaker::new();
        let mut first = semaphore.acquire(1);
        assert!(waker.poll(&mut first).is_pending());
        let task = trying(&semaphore, 0, &ticks);
        yield_now().await;
        assert_eq!((ticks.get(), task.is_finished()), (1, false), "it does not overtake");
        semaphore.add_permits(1);
        assert_eq!(semaphore.available(), 0, "the permit is the first one's");
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_waker_that_panics_skips_nobody_behind_it() {
    quiet();
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire(2).unwrap().unwrap();
    let (mut one, mut two) = (semaphore.acquire(1), semaphore.acquire(1));
    let panicking = Waker::from(Arc::new(PanickingWaker));
    assert!(poll_with(std::pin::Pin::new(&mut one), &panicking).is_pending());
    let waker = CountingWaker::new();
    assert!(waker.poll(&mut two).is_pending());
    drop(held);
    assert_eq!(waker.woken(), 1);
}

/// One who waits, in the model.
struct Waiter {
    future: Acquire,
    waker: Arc<CountingWaker>,
    /// Its number, by which the model knows it.
    number: usize,
    wanted: usize,
}

/// The naive one: a number, and a list that is looked at from the front.
#[derive(Default)]
struct Oracle {
    available: usize,
    waiting: Vec<(usize, usize)>,
    served: Vec<usize>,
}

impl Oracle {
    fn give(&mut self, permits: usize) {
        self.available += permits;
        while self.waiting.first().is_some_and(|&(_, wanted)| wanted <= self.available) {
            let (number, wanted) = self.waiting.remove(0);
            self.available -= wanted;
            self.served.push(number);
        }
    }

    /// Takes at once, if it may.
    fn take(&mut self, wanted: usize) -> bool {
        let taken = self.waiting.is_empty() && wanted <= self.available;
        self.available -= if taken { wanted } else { 0 };
        taken
    }

    /// Whether it was served, once.
    fn collect(&mut self, number: usize) -> bool {
        let before = self.served.len();
        self.served.retain(|&served| served != number);
        self.served.len() < before
    }
}

#[test]
fn random_operations_agree_with_a_naive_list() {
    let mut random = Random::new();
    let served = Cell::new(0);
    for _ in 0..200 {
        let start = random.below(6);
        let semaphore = Semaphore::new(start);
        let mut oracle = Oracle { available: start, ..Oracle::default() };
        let (mut waiters, mut permits): (Vec<Waiter>, Vec<Permit>) = Default::default();
        for number in 0..500 {
            match random.below(12) {
                0..=2 => {
                    let (wanted, waker) = (random.below(5), CountingWaker::new());
                    let mut future = semaphore.acquire(wanted);
                    match waker.poll(&mut future) {
                        Poll::Ready(permit) => {
                            assert!(oracle.take(wanted));
                            permits.push(permit.unwrap());
                        }
                        Poll::Pending => {
                            assert!(!oracle.take(wanted));
                            oracle.waiting.push((number, wanted));
                            waiters.push(Waiter { future, waker, number, wanted });
                        }
                    }
                }
                3..=4 if !waiters.is_empty() => {
                    let mut waiter = waiters.swap_remove(random.below(waiters.len()));
                    match waiter.waker.poll(&mut waiter.future) {
                        Poll::Ready(permit) => {
                            assert!(oracle.collect(waiter.number));
                            permits.push(permit.unwrap());
                            served.set(served.get() + 1);
                        }
                        Poll::Pending => waiters.push(waiter),
                    }
                }
                5 if !waiters.is_empty() => {
                    let waiter = waiters.swap_remove(random.below(waiters.len()));
                    oracle.waiting.retain(|&(number, _)| number != waiter.number);
                    let back = if oracle.collect(waiter.number) { waiter.wanted } else { 0 };
                    oracle.give(back);
                    drop(waiter);
                }
                6 => {
                    let wanted = random.below(4);
                    let taken = semaphore.try_acquire(wanted).unwrap();
                    assert_eq!(taken.is_some(), oracle.take(wanted));
                    permits.extend(taken);
                }
                7 if random.below(8) == 0 => {
                    semaphore.add_permits(1);
                    oracle.give(1);
                }
                _ if !permits.is_empty() => {
                    let permit = permits.swap_remove(random.below(permits.len()));
                    oracle.give(permit.permits());
                    drop(permit);
                }
                _ => {}
            }
            assert_eq!(semaphore.available(), oracle.available);
            for waiter in &waiters {
                let is_served = oracle.served.contains(&waiter.number);
                assert_eq!(waiter.waker.woken(), usize::from(is_served), "woken once when served, and never else");
            }
        }
    }
    assert!(served.get() > 1000, "only {} were served after a wait", served.get());
}
