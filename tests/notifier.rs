//! A task that a program's own signal handler wakes. Each test is a process of its own, since handlers belong to it.
mod util;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use mainspring::net::TcpStream;
use mainspring::signal::Notifier;
use mainspring::time::timeout;
use mainspring::{Reactor, spawn};
use util::runtime::*;

static NOTIFIER: Notifier = Notifier::new();

/// How often the handler has run.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handler(_: libc::c_int) {
    HANDLED.fetch_add(1, SeqCst);
    NOTIFIER.notify();
}

/// Installs the handler, for `SIGUSR1`.
fn install() {
    // SAFETY: all zeros is a valid value of this plain C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler touches an atomic, and calls what is documented to be async-signal-safe.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
}

fn raise() {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
}

#[test]
fn a_handler_wakes_a_task_and_many_signals_before_a_poll_are_one() {
    in_child("a_handler_wakes_a_task_and_many_signals_before_a_poll_are_one", || {
        install();
        // Kept, although nobody listens and there is no descriptor yet.
        raise();
        run(async {
            timeout(Duration::from_secs(60), NOTIFIER.notified()).await.unwrap().unwrap();
            assert!(poll_once(NOTIFIER.notified()).is_pending());
            for _ in 0..100 {
                let waiting = spawn(async { NOTIFIER.notified().await });
                turns(1).await;
                assert!(!waiting.is_finished());
                (0..1_000).for_each(|_| raise());
                waiting.await.unwrap().unwrap();
                turns(1).await;
                assert!(poll_once(NOTIFIER.notified()).is_pending());
                assert_eq!((stats().sources, stats().waits), (0, 0));
            }
            // One that comes between two futures.
            raise();
            NOTIFIER.notified().await.unwrap();
        });
        assert_eq!(HANDLED.load(SeqCst), 100_002);
    });
}

#[test]
fn no_signal_of_a_storm_is_lost_by_a_loaded_reactor() {
    in_child("no_signal_of_a_storm_is_lost_by_a_loaded_reactor", || {
        const SIGNALS: usize = 2_000;
        install();
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        // SAFETY: names the calling thread.
        let here = unsafe { libc::pthread_self() };
        let reactor = Reactor::new().unwrap();
        thread::scope(|scope| {
            let storm = scope.spawn(move || {
                for signal in 1..=SIGNALS {
                    ASKED.store(signal, SeqCst);
                    // SAFETY: the thread is alive: it waits for this one at the end of the scope.
                    assert_eq!(unsafe { libc::pthread_kill(here, libc::SIGUSR1) }, 0);
                    // In bursts of ten: the last of each must be seen, or this waits for ever.
                    while signal % 10 == 0 && SEEN.load(SeqCst) < signal {
                        thread::yield_now();
                    }
                }
            });
            reactor
                .block_on(async {
                    let (left, right) = pair().await;
                    drop(spawn(echo(right)));
                    let load = spawn(async move {
                        let mut rounds = 0_u64;
                        loop {
                            left.write_all(&rounds.to_ne_bytes()).await.unwrap();
                            let mut bytes = [0; 8];
                            mainspring::io::read_exact(&mut &left, &mut bytes).await.unwrap();
                            assert_eq!(u64::from_ne_bytes(bytes), rounds);
                            rounds += 1;
                        }
                    });
                    let mut notified = NOTIFIER.notified();
                    while SEEN.load(SeqCst) < SIGNALS {
                        (&mut notified).await.unwrap();
                        SEEN.store(ASKED.load(SeqCst), SeqCst);
                    }
                    assert!(!load.is_finished());
                })
                .unwrap();
            storm.join().unwrap();
        });
    });
}

async fn echo(stream: TcpStream) {
    let mut bytes = [0; 8];
    while mainspring::io::read_exact(&mut &stream, &mut bytes).await.is_ok() {
        stream.write_all(&bytes).await.unwrap();
    }
}

#[test]
fn a_notifier_keeps_errno_and_works_from_any_thread() {
    run(async {
        static OTHER: Notifier = Notifier::new();
        for _ in 0..2 {
            // SAFETY: takes no pointer. There is no such process, which sets errno.
            assert_eq!(unsafe { libc::kill(libc::pid_t::MAX, 0) }, -1);
            // The first time there is no descriptor to write to.
            OTHER.notify();
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ESRCH));
            OTHER.notified().await.unwrap();
        }
        let waiting = spawn(OTHER.notified());
        turns(1).await;
        thread::spawn(|| OTHER.notify()).join().unwrap();
        waiting.await.unwrap().unwrap();
    });
}

#[test]
fn one_future_listens_at_a_time_and_the_next_may_be_another_reactors() {
    let notifier = Notifier::new();
    let Poll::Ready(Err(error)) = poll_once(notifier.notified()) else { panic!("it needs a reactor") };
    assert!(error.to_string().contains("a notifier needs a reactor"), "{error}");
    for _ in 0..3 {
        run(async {
            let mut first = notifier.notified();
            assert!(poll_once(&mut first).is_pending());
            let error = notifier.notified().await.unwrap_err();
            assert!(error.to_string().contains("another future"), "{error}");
            notifier.notify();
            first.await.unwrap();
            assert!(poll_once(notifier.notified()).is_pending());
        });
    }
}

#[test]
fn a_forked_child_tells_its_parent_nothing() {
    in_child("a_forked_child_tells_its_parent_nothing", || {
        let reactor = Reactor::new().unwrap();
        let mut notified = NOTIFIER.notified();
        assert!(reactor.block_on(async { poll_once(&mut notified) }).unwrap().is_pending());
        // SAFETY: the child touches nothing but what it is about, and ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            NOTIFIER.notify();
            let error = Reactor::new().and_then(|reactor| reactor.block_on(NOTIFIER.notified())).unwrap().unwrap_err();
            let passed = error.to_string() == "could not listen in a child after fork(2): its parent does";
            // SAFETY: ends the process, with nothing run at exit.
            unsafe { libc::_exit(i32::from(!passed)) };
        }
        let mut status = 0;
        // SAFETY: the status is writable.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        let events = reactor.stats().events;
        reactor
            .block_on(async {
                turns(2).await;
                assert!(poll_once(&mut notified).is_pending());
                assert_eq!(stats().events, events);
                NOTIFIER.notify();
                notified.await.unwrap();
            })
            .unwrap();
    });
}
