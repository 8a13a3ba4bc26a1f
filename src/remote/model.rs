//! Models of a slot, under loom: each order in which other threads can leave something for a reactor that works, waits
//! or ends.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p mainspring --lib remote
//! ```
//!
//! The slot, its lock and the state behind the selector's waker are the shipped code, under loom's locks and atomics;
//! the selector asks the kernel. The kernel is no part of the model: a wait ends at once, as if it were interrupted,
//! and what has to hold is that nothing is in the inbox without a token that would have ended it. That a token ends a
//! wait is modelled in `mainspring-sys` (`park.rs`). The table of slots is left out, since what is static outlives a
//! model.

use std::time::Duration;

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use mainspring_sys::{Events, OsSelector, Selector, fork};

use super::{Call, Mail, Refused, Slot};
use crate::waker::Number;

/// A reactor that has a slot to itself.
struct Tenant {
    slot: Slot,
    epoch: u64,
}

impl Tenant {
    /// In the second of these is what the selector belongs to.
    fn begin() -> (Arc<Self>, OsSelector) {
        let selector = OsSelector::new().unwrap();
        let slot = Slot::new(fork::generation(), selector.waker().unwrap());
        let epoch = slot.begin();
        (Arc::new(Self { slot, epoch }), selector)
    }

    /// What has come, with at most so many closures, and whether there are more.
    fn take_some(&self, room: usize) -> (Mail, bool) {
        let mut mail = Mail::default();
        let is_more = self.slot.waker().take() && self.slot.take(&mut mail, room);
        (mail, is_more)
    }

    /// What has come.
    fn take(&self) -> Mail {
        self.take_some(usize::MAX).0
    }

    /// What comes of a wait that nobody will end: nothing, unless there is a token already.
    fn take_last(&self) -> Mail {
        if !self.slot.waker().take() {
            return Mail::default();
        }
        self.slot.waker().wake();
        self.take()
    }
}

/// Runs `act` on a thread of its own.
fn on_thread(tenant: &Arc<Tenant>, act: impl FnOnce(&Tenant) + Send + 'static) -> thread::JoinHandle<()> {
    let tenant = tenant.clone();
    thread::spawn(move || act(&tenant))
}

/// A turn of the loop, in which `run` gets what has come before the wait and after it.
fn turn(tenant: &Tenant, selector: &OsSelector, mut run: impl FnMut(Mail)) {
    run(tenant.take());
    selector.select(&mut Events::with_capacity(1), Some(Duration::from_nanos(1))).unwrap();
    run(tenant.take());
}

/// With at most three preemptions per execution, as the models in `tests/`.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// A closure that counts that it was run.
fn counting(ran: &Arc<AtomicUsize>) -> Call {
    let ran = ran.clone();
    Box::new(move || {
        ran.fetch_add(1, Ordering::Relaxed);
    })
}

/// A task of the tenant.
const TASK: Number = Number::new(0, 1, 7);

/// Leaves something for the tenant: a task to wake, a closure, word that it is to end.
type Way = fn(&Tenant, Call);

const WAYS: [Way; 3] = [
    |tenant, _| tenant.slot.wake(TASK),
    |tenant, call| tenant.slot.call(tenant.epoch, call).unwrap(),
    |tenant, _| tenant.slot.shutdown(tenant.epoch),
];

#[test]
fn of_what_two_threads_leave_in_any_way_both_arrive() {
    for pair in [[0, 1], [1, 2], [2, 0]] {
        model(move || {
            let (tenant, selector) = Tenant::begin();
            let ran = Arc::new(AtomicUsize::new(0));
            let threads = pair.map(|way| {
                let call = counting(&ran);
                on_thread(&tenant, move |tenant| WAYS[way](tenant, call))
            });
            let mut arrived = 0;
            let mut run = |mail: Mail| {
                arrived += mail.wakes.len() + usize::from(mail.shutdown);
                mail.calls.into_iter().for_each(|call| call());
            };
            turn(&tenant, &selector, &mut run);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            run(tenant.take_last());
            assert_eq!(arrived + ran.load(Ordering::Relaxed), 2);
        });
    }
}

#[test]
fn for_what_is_left_there_is_a_token() {
    model(|| {
        let (tenant, _selector) = Tenant::begin();
        let ran = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let call = counting(&ran);
            on_thread(&tenant, move |tenant| tenant.slot.call(tenant.epoch, call).unwrap())
        });
        let take_one = || {
            let (mail, is_more) = tenant.take_some(1);
            assert!(mail.calls.len() == 1 || !is_more);
            mail.calls.into_iter().for_each(|call| call());
        };
        take_one();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        while tenant.slot.waker().take() {
            tenant.slot.waker().wake();
            take_one();
        }
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn of_two_wakes_of_one_task_each_is_followed_by_a_poll_that_sees_what_it_is_about() {
    model(|| {
        let (tenant, selector) = Tenant::begin();
        let left = Arc::new(AtomicUsize::new(0));
        let threads = [1, 2].map(|bit| {
            let left = left.clone();
            on_thread(&tenant, move |tenant| {
                left.fetch_add(bit, Ordering::Relaxed);
                tenant.slot.wake(TASK);
            })
        });
        let mut seen = 0;
        let mut poll = |mail: Mail| {
            if mail.wakes.contains(&TASK) {
                seen = left.load(Ordering::Relaxed);
            }
        };
        turn(&tenant, &selector, &mut poll);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        poll(tenant.take_last());
        assert_eq!(seen, 3);
    });
}

#[test]
fn a_call_meets_the_end_of_the_reactor_and_is_dropped_or_refused_and_never_runs_for_the_next() {
    model(|| {
        let (tenant, _selector) = Tenant::begin();
        let ran = Arc::new(AtomicUsize::new(0));
        let closure = counting(&ran);
        let calling = on_thread(&tenant, move |tenant| {
            let refused = tenant.slot.call(tenant.epoch, closure);
            assert!(matches!(refused, Ok(()) | Err(Refused::Ended)));
            // Of a task there is no telling whose it is.
            tenant.slot.wake(TASK);
            tenant.slot.shutdown(tenant.epoch);
        });
        tenant.slot.end();
        let epoch = tenant.slot.begin();
        assert_ne!(epoch, tenant.epoch);
        let first = tenant.take();
        calling.join().unwrap();
        let second = tenant.take();
        for mail in [first, second] {
            assert!(mail.calls.is_empty() && !mail.shutdown);
        }
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&ran), 1, "what it has captured is dropped too");
    });
}

#[test]
#[should_panic = "it would wait for ever"]
fn a_reactor_that_drops_the_token_after_it_has_looked_loses_what_came_in_between() {
    model(|| {
        let (tenant, selector) = Tenant::begin();
        let waking = on_thread(&tenant, |tenant| tenant.slot.wake(TASK));
        let mut wakes = 0;
        turn(&tenant, &selector, |mail| {
            wakes += mail.wakes.len();
            tenant.slot.waker().take();
        });
        waking.join().unwrap();
        assert_eq!(wakes + tenant.take_last().wakes.len(), 1, "it would wait for ever");
    });
}
