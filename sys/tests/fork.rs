//! What a child after fork(2) does with what it inherits. Each test is a process of its own, which forks.
#![cfg(not(loom))]

mod util;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use mainspring_sys::signal::{Kind, Subscription};
use mainspring_sys::{Interest, Mode, fork};
use util::{Watch, in_child};

/// Runs `body` in a forked child, which must find everything as it should be.
fn forked(body: impl FnOnce()) {
    // SAFETY: the tests of this file know what a child may do.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
        // SAFETY: ends the process, with nothing run at exit.
        unsafe { libc::_exit(i32::from(failed)) };
    }
    let mut status = 0;
    // SAFETY: the status is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child has failed");
}

fn raise(number: libc::c_int) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::raise(number) }, 0);
}

#[test]
fn each_fork_counts_in_the_child_alone_and_calls_the_first_hook() {
    in_child("each_fork_counts_in_the_child_alone_and_calls_the_first_hook", || {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        forked(|| assert_eq!(fork::generation(), 0, "nobody watches yet"));
        for _ in 0..3 {
            fork::watch().unwrap();
        }
        fork::in_child(|| assert_eq!(CALLS.fetch_add(1, SeqCst) + 1, fork::generation()));
        fork::in_child(|| unreachable!("it is the second"));
        forked(|| {
            assert_eq!((fork::generation(), CALLS.load(SeqCst)), (1, 1));
            forked(|| assert_eq!((fork::generation(), CALLS.load(SeqCst)), (2, 2)));
            assert_eq!((fork::generation(), CALLS.load(SeqCst)), (1, 1));
        });
        assert_eq!((fork::generation(), CALLS.load(SeqCst)), (0, 0));
    });
}

#[test]
fn a_child_hears_its_own_signals_and_takes_none_from_its_parent() {
    in_child("a_child_hears_its_own_signals_and_takes_none_from_its_parent", || {
        let watched = |subscription: &Subscription| Watch::new(subscription, Interest::READABLE, Mode::Edge);
        // A slot that was used, so that it has its pair, and is free when the process forks.
        drop(Subscription::new(Kind::USER2).unwrap());
        let told = Subscription::new(Kind::USER1).unwrap();
        let (watch, taken) = (watched(&told), Subscription::new(Kind::USER1).unwrap());
        let taken_watch = watched(&taken);
        raise(libc::SIGUSR1);
        watch.next();
        assert!(told.drain().unwrap());
        forked(|| {
            let own = Subscription::new(Kind::USER1).unwrap();
            let own_watch = watched(&own);
            raise(libc::SIGUSR1);
            own_watch.next();
            assert!(own.drain().unwrap());
            // What waits for the parent is not taken away.
            taken.drain().unwrap();
        });
        watch.nothing();
        assert!(!told.drain().unwrap(), "the signal was the child's");
        taken_watch.next();
        assert!(taken.drain().unwrap());
        raise(libc::SIGUSR1);
        watch.next();
    });
}
