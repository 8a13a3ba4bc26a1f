//! Signals, each test in a child of its own, since they belong to the process.
mod util;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Barrier;
use std::task::Poll;
use std::thread;

use mainspring::signal::{self, Kind, Signal};
use mainspring::{Reactor, spawn};
use util::runtime::*;

/// Sends a signal to this thread: it has been handled when this returns.
fn raise(kind: Kind) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

/// Sends a signal to this process, for any thread to handle at its own time.
fn send(kind: Kind) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::kill(libc::getpid(), kind.as_raw()) }, 0);
}

const ALL: [Kind; 11] = [
    Kind::ALARM,
    Kind::CHILD,
    Kind::CONTINUE,
    Kind::HANGUP,
    Kind::INTERRUPT,
    Kind::PIPE,
    Kind::QUIT,
    Kind::TERMINATE,
    Kind::USER1,
    Kind::USER2,
    Kind::WINDOW_CHANGE,
];

#[test]
fn every_signal_is_heard_by_those_who_listen_for_it_and_by_no_other() {
    in_child("every_signal_is_heard_by_those_who_listen_for_it_and_by_no_other", || {
        run(async {
            let mut kinds = ALL.to_vec();
            if cfg!(target_os = "linux") {
                kinds.extend([Kind::real_time(0).unwrap(), Kind::from_raw(libc::SIGRTMAX()).unwrap()]);
            }
            let mut signals: Vec<Signal> = kinds.iter().map(|&kind| signal::on(kind)).collect();
            for (index, &kind) in kinds.iter().enumerate() {
                raise(kind);
                (&mut signals[index]).await.unwrap();
                turns(2).await;
                for signal in &mut signals {
                    assert!(poll_once(signal).is_pending(), "after {kind:?}");
                }
            }
        });
    });
}

#[test]
fn ctrl_c_and_terminate_are_two_of_them() {
    in_child("ctrl_c_and_terminate_are_two_of_them", || {
        run(async {
            let (ctrl_c, terminate) = (signal::ctrl_c(), signal::terminate());
            raise(Kind::INTERRUPT);
            ctrl_c.await.unwrap();
            raise(Kind::TERMINATE);
            terminate.await.unwrap();
        });
    });
}

#[test]
fn stop_hears_either_of_the_two() {
    in_child("stop_hears_either_of_the_two", || {
        run(async {
            for kind in [Kind::INTERRUPT, Kind::TERMINATE] {
                let mut stop = pin!(signal::stop());
                assert!(poll_once(&mut stop).is_pending());
                raise(kind);
                stop.await.unwrap();
            }
        });
    });
}

#[test]
fn each_of_three_reactors_on_three_threads_hears_each_signal() {
    in_child("each_of_three_reactors_on_three_threads_hears_each_signal", || {
        const ROUNDS: usize = 200;
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let reactor = Reactor::new().unwrap();
                    let mut hangup = signal::on(Kind::HANGUP);
                    // The first poll that finds a reactor starts to listen.
                    assert!(reactor.block_on(async { poll_once(&mut hangup) }).unwrap().is_pending());
                    for _ in 0..ROUNDS {
                        barrier.wait();
                        reactor.block_on(&mut hangup).unwrap().unwrap();
                        barrier.wait();
                    }
                });
            }
            for _ in 0..ROUNDS {
                barrier.wait();
                send(Kind::HANGUP);
                barrier.wait();
            }
        });
    });
}

#[test]
fn a_signal_wakes_a_task_and_a_dropped_one_leaves_nothing() {
    in_child("a_signal_wakes_a_task_and_a_dropped_one_leaves_nothing", || {
        run(async {
            let (sources, mut open) = (stats().sources, 0);
            for round in 0..200 {
                let waiting = spawn(signal::on(Kind::USER1));
                let dropped = signal::on(Kind::USER1);
                turns(1).await;
                assert_eq!(stats().sources, sources + 2);
                drop(dropped);
                raise(Kind::USER1);
                waiting.await.unwrap().unwrap();
                assert_eq!((stats().sources, stats().waits), (sources, 0));
                // Slots keep their descriptors, and are used again.
                open = if round == 0 { open_descriptors() } else { open };
                assert_eq!(open_descriptors(), open);
            }
        });
    });
}

#[test]
fn more_signals_than_sixty_four_are_an_error_until_one_is_dropped() {
    in_child("more_signals_than_sixty_four_are_an_error_until_one_is_dropped", || {
        run(async {
            let mut signals: Vec<Signal> = (0..64).map(|_| signal::on(Kind::USER2)).collect();
            let mut late = signal::on(Kind::QUIT);
            assert!((&mut late).await.unwrap_err().to_string().contains("64"));
            signals.pop();
            assert!(poll_once(&mut late).is_pending());
            raise(Kind::QUIT);
            late.await.unwrap();
        });
    });
}

#[test]
fn a_signal_outside_of_a_reactor_listens_from_its_first_poll() {
    in_child("a_signal_outside_of_a_reactor_listens_from_its_first_poll", || {
        let mut signal = signal::on(Kind::USER1);
        let Poll::Ready(Err(error)) = poll_once(&mut signal) else { panic!("it needs a reactor") };
        assert!(error.to_string().contains("needs a reactor"), "{error}");
        run(async {
            let mut signal = pin!(signal);
            poll_fn(|cx| {
                assert!(Pin::new(&mut signal).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            raise(Kind::USER1);
            signal.await.unwrap();
        });
    });
}

#[test]
fn what_cannot_be_listened_for_is_refused_with_the_reason() {
    for (number, why) in [
        (libc::SIGKILL, "SIGKILL cannot be handled"),
        (libc::SIGSTOP, "SIGSTOP cannot be handled"),
        (libc::SIGSEGV, "cannot go on after SIGSEGV"),
        (libc::SIGILL, "cannot go on after SIGILL"),
        (libc::SIGFPE, "cannot go on after SIGFPE"),
        (libc::SIGBUS, "cannot go on after SIGBUS"),
        (0, "no signal"),
        (-1, "no signal"),
        (32, "no signal"),
        (128, "no signal"),
        (i32::MIN, "no signal"),
        (i32::MAX, "no signal"),
    ] {
        let error = Kind::from_raw(number).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(why) && text.contains(&number.to_string()), "{text}");
    }
    for kind in ALL {
        assert_eq!(Kind::from_raw(kind.as_raw()).unwrap(), kind);
    }
    if cfg!(target_os = "linux") {
        assert_eq!(Kind::real_time(1).unwrap().as_raw(), libc::SIGRTMIN() + 1);
        assert!(Kind::real_time(200).unwrap_err().to_string().contains("no signal"));
    } else {
        assert_eq!(Kind::real_time(0).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
    }
}
