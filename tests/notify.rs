//! Signals: who gets one, what is kept, what is passed on, and random operations against a naive list.
mod util;

use mainspring::sync::{Notified, Notify};
use mainspring::tick::{Tick, schedule};
use mainspring::time::timeout;
use mainspring::{spawn, yield_now};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use util::counting_waker::CountingWaker;
use util::runtime::{Random, in_virtual_time, run};

#[test]
fn a_signal_that_finds_nobody_is_kept_once() {
    let (notify, waker) = (Notify::new(), CountingWaker::new());
    notify.notify_one();
    notify.notify_one();
    assert!(waker.poll(&mut notify.notified()).is_ready());
    let mut second = notify.notified();
    assert!(waker.poll(&mut second).is_pending());
    drop(second);
    assert_eq!((waker.woken(), waker.kept()), (0, 0));
}

#[test]
fn signals_go_to_those_who_wait_in_the_order_of_their_first_poll() {
    run(async {
        let (notify, order) = (Notify::new(), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let (notify, order) = (notify.clone(), order.clone());
                spawn(async move {
                    notify.notified().await;
                    order.borrow_mut().push(number);
                })
            })
            .collect();
        yield_now().await;
        for _ in 0..4 {
            notify.notify_one();
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3]);
    });
}

#[test]
fn all_are_signalled_also_those_who_have_not_been_polled() {
    let (notify, waker) = (Notify::new(), CountingWaker::new());
    let (mut polled, mut unpolled) = (notify.notified(), notify.notified());
    assert!(waker.poll(&mut polled).is_pending());
    notify.notify_waiters();
    assert_eq!(waker.woken(), 1);
    assert!(waker.poll(&mut polled).is_ready() && waker.poll(&mut unpolled).is_ready());
    assert!(waker.poll(&mut polled).is_ready(), "it stays ready");
    assert!(waker.poll(&mut notify.notified()).is_pending(), "none is kept");
}

#[test]
fn a_signal_that_was_not_seen_is_passed_on_or_kept() {
    let (notify, first, second) = (Notify::new(), CountingWaker::new(), CountingWaker::new());
    let (mut one, mut two) = (notify.notified(), notify.notified());
    assert!(first.poll(&mut one).is_pending() && second.poll(&mut two).is_pending());
    notify.notify_one();
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(one);
    assert_eq!(second.woken(), 1);
    drop(two);
    assert!(first.poll(&mut notify.notified()).is_ready(), "it was kept");
    let mut released = notify.notified();
    assert!(first.poll(&mut released).is_pending());
    notify.notify_waiters();
    drop(released);
    assert!(first.poll(&mut notify.notified()).is_pending(), "one for all is not passed on");
}

#[test]
fn a_wait_under_a_timeout_loses_no_signal() {
    in_virtual_time(async {
        let notify = Notify::new();
        assert!(timeout(Duration::ZERO, notify.notified()).await.is_err());
        notify.notify_one();
        assert!(timeout(Duration::MAX, notify.notified()).await.is_ok());
    });
}

#[test]
fn a_tick_waits_for_a_signal_and_is_parked_meanwhile() {
    run(async {
        let (notify, ticks) = (Notify::new(), Rc::new(RefCell::new(0)));
        let (mut notified, count) = (notify.notified(), ticks.clone());
        let task = schedule(move || {
            *count.borrow_mut() += 1;
            Ok(notified.try_wait().map_or(Tick::WouldBlock, |()| Tick::Final))
        });
        for _ in 0..5 {
            yield_now().await;
        }
        notify.notify_one();
        task.await.unwrap().unwrap();
        assert_eq!(*ticks.borrow(), 2);
    });
}

/// What the naive one knows of a waiter.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Known {
    New,
    Waits,
    Signalled,
    Released,
}

#[test]
fn random_operations_agree_with_a_naive_list() {
    let mut random = Random::new();
    let mut seen = 0;
    for _ in 0..200 {
        let notify = Notify::new();
        let mut kept = false;
        // In the order of their first polls, since that is where they are moved to the end.
        let mut waiters: Vec<(Notified, Arc<CountingWaker>, Known)> = Vec::new();
        let signal = |waiters: &mut Vec<(Notified, Arc<CountingWaker>, Known)>, kept: &mut bool| match waiters
            .iter_mut()
            .find(|waiter| waiter.2 == Known::Waits)
        {
            Some(first) => first.2 = Known::Signalled,
            None => *kept = true,
        };
        for _ in 0..500 {
            match random.below(10) {
                0..=2 => waiters.push((notify.notified(), CountingWaker::new(), Known::New)),
                3..=5 if !waiters.is_empty() => {
                    let index = random.below(waiters.len());
                    let (mut future, waker, known) = waiters.remove(index);
                    let ready = waker.poll(&mut future) == Poll::Ready(());
                    let expected = known == Known::Signalled
                        || known == Known::Released
                        || known == Known::New && std::mem::take(&mut kept);
                    assert_eq!(ready, expected, "{known:?}");
                    seen += usize::from(ready);
                    match known {
                        _ if ready => {}
                        Known::New => waiters.push((future, waker, Known::Waits)),
                        _ => waiters.insert(index, (future, waker, known)),
                    }
                }
                6 if !waiters.is_empty() => {
                    let (future, _, known) = waiters.remove(random.below(waiters.len()));
                    drop(future);
                    if known == Known::Signalled {
                        signal(&mut waiters, &mut kept);
                    }
                }
                7..=8 => {
                    notify.notify_one();
                    signal(&mut waiters, &mut kept);
                }
                9 if random.below(4) == 0 => {
                    notify.notify_waiters();
                    for waiter in waiters.iter_mut().filter(|waiter| waiter.2 != Known::Signalled) {
                        waiter.2 = Known::Released;
                    }
                }
                _ => {}
            }
            for (_, waker, known) in &waiters {
                // One that was released before its first poll had no waker to be woken by.
                let woken = waker.woken();
                match known {
                    Known::New | Known::Waits => assert_eq!(woken, 0),
                    Known::Signalled => assert_eq!(woken, 1),
                    Known::Released => assert!(woken <= 1),
                }
            }
        }
    }
    assert!(seen > 1000, "only {seen} signals were seen");
}
