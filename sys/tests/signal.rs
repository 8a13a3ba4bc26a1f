//! Signals as descriptors. Each test is a process of its own, because signals belong to the process.
#![cfg(not(loom))]

mod util;

use std::os::fd::AsFd;
use std::thread;

use mainspring_sys::signal::{Kind, Subscription};
use mainspring_sys::{Events, Interest, Mode, Selector};
use util::{Watch, in_child, in_child_after, is_well_born};

/// Sends a signal to this thread, which has been handled when this returns: another thread would handle
/// one that is sent to the process, at its own time.
fn raise(number: libc::c_int) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::raise(number) }, 0);
}

fn watch(subscription: &Subscription) -> Watch {
    Watch::new(subscription, Interest::READABLE, Mode::Edge)
}

#[test]
fn a_signal_makes_its_subscription_readable() {
    in_child("a_signal_makes_its_subscription_readable", || {
        let subscription = Subscription::new(Kind::TERMINATE).unwrap();
        assert!(is_well_born(subscription.as_fd()));
        let watch = watch(&subscription);
        assert!(!subscription.drain().unwrap());
        for _ in 0..3 {
            watch.nothing();
            raise(libc::SIGTERM);
            watch.next();
            assert!(subscription.drain().unwrap());
            assert!(!subscription.drain().unwrap());
        }
    });
}

#[test]
fn signals_between_two_drains_count_as_one() {
    in_child("signals_between_two_drains_count_as_one", || {
        let subscription = Subscription::new(Kind::INTERRUPT).unwrap();
        let watch = watch(&subscription);
        (0..100_000).for_each(|_| raise(libc::SIGINT));
        watch.next();
        assert!(subscription.drain().unwrap());
        assert!(!subscription.drain().unwrap());
        watch.nothing();
    });
}

#[test]
fn a_signal_that_was_ignored_at_the_start_is_delivered() {
    in_child_after("trap '' INT", "a_signal_that_was_ignored_at_the_start_is_delivered", || {
        // It is ignored: this process is still there after it.
        raise(libc::SIGINT);
        let subscription = Subscription::new(Kind::INTERRUPT).unwrap();
        assert!(!subscription.drain().unwrap());
        let watch = watch(&subscription);
        raise(libc::SIGINT);
        watch.next();
        assert!(subscription.drain().unwrap());
    });
}

#[test]
fn every_subscription_to_a_kind_is_told_and_no_other() {
    in_child("every_subscription_to_a_kind_is_told_and_no_other", || {
        let told: Vec<_> = (0..5).map(|_| Subscription::new(Kind::INTERRUPT).unwrap()).collect();
        let other = Subscription::new(Kind::TERMINATE).unwrap();
        let watches: Vec<_> = told.iter().map(watch).collect();
        let other_watch = watch(&other);
        raise(libc::SIGINT);
        for (subscription, watch) in told.iter().zip(&watches) {
            watch.next();
            assert!(subscription.drain().unwrap());
        }
        other_watch.nothing();
        assert!(!other.drain().unwrap());
    });
}

#[test]
fn the_sixty_fifth_subscription_is_an_error_until_one_is_dropped() {
    in_child("the_sixty_fifth_subscription_is_an_error_until_one_is_dropped", || {
        let mut all: Vec<_> = (0..64).map(|_| Subscription::new(Kind::TERMINATE).unwrap()).collect();
        let error = Subscription::new(Kind::INTERRUPT).unwrap_err();
        assert!(error.to_string().contains("64"), "{error}");
        drop(all.remove(20));
        let subscription = Subscription::new(Kind::INTERRUPT).unwrap();
        raise(libc::SIGTERM);
        assert!(all.iter().all(|subscription| subscription.drain().unwrap()));
        assert!(!subscription.drain().unwrap());
    });
}

#[test]
fn a_recycled_subscription_knows_nothing_of_the_one_before() {
    in_child("a_recycled_subscription_knows_nothing_of_the_one_before", || {
        for round in 0..200 {
            let (kind, number) = match round % 2 {
                0 => (Kind::INTERRUPT, libc::SIGINT),
                _ => (Kind::TERMINATE, libc::SIGTERM),
            };
            let subscription = Subscription::new(kind).unwrap();
            let watch = watch(&subscription);
            watch.nothing();
            assert!(!subscription.drain().unwrap());
            raise(number);
            watch.next();
            // Dropped with the signal not taken.
        }
        #[cfg(target_os = "linux")]
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() < 20);
    });
}

#[test]
fn the_handler_stays_when_nobody_is_subscribed() {
    in_child("the_handler_stays_when_nobody_is_subscribed", || {
        drop(Subscription::new(Kind::TERMINATE).unwrap());
        raise(libc::SIGTERM);
    });
}

#[test]
fn a_wait_that_a_signal_interrupts_is_no_error() {
    in_child("a_wait_that_a_signal_interrupts_is_no_error", || {
        const SIGNALS: usize = 10_000;
        let subscription = Subscription::new(Kind::INTERRUPT).unwrap();
        let watch = watch(&subscription);
        // SAFETY: names the calling thread.
        let here = unsafe { libc::pthread_self() };
        let mut events = Events::with_capacity(8);
        let waker = watch.selector.waker().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..SIGNALS {
                    // SAFETY: the thread is alive: it waits for this one at the end of the scope.
                    assert_eq!(unsafe { libc::pthread_kill(here, libc::SIGINT) }, 0);
                }
                waker.wake();
            });
            let mut taken = 0;
            while !waker.take() {
                watch.selector.select(&mut events, Some(util::LIMIT)).unwrap();
                taken += usize::from(subscription.drain().unwrap());
            }
            assert!((1..=SIGNALS).contains(&taken));
        });
    });
}
