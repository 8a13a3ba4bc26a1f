//! What belongs to a whole process, each test in a child of its own: signals, descriptors that run out, threads.
mod util;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Instant, sleep};
use mainspring::{Reactor, spawn, unblock};
use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use util::runtime::*;

#[test]
fn no_write_raises_sigpipe_even_if_the_signal_would_kill() {
    in_child("no_write_raises_sigpipe_even_if_the_signal_would_kill", || {
        // SAFETY: no handler is installed, the default action is put back.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        run(async {
            for vectored in [false, true] {
                let (stream, peer) = half_std().await;
                drop(peer);
                let mut errors = 0;
                while errors < 3 {
                    let slices = [std::io::IoSlice::new(b"x")];
                    let written = match vectored {
                        false => stream.write(b"x").await,
                        true => stream.write_vectored(&slices).await,
                    };
                    if let Err(error) = written {
                        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
                        errors += 1;
                    }
                    turns(1).await;
                }
            }
        });
    });
}

/// Sets how many descriptors the process may have.
fn set_descriptor_limit(limit: u64) {
    // SAFETY: a plain struct of integers, for which zeros are values.
    let mut limits: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: `limits` is writable for one rlimit.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) }, 0);
    limits.rlim_cur = limit.min(limits.rlim_max);
    // SAFETY: `limits` is readable for one rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limits) }, 0);
}

/// Opens files until the process may open no more.
fn take_all_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_listener_survives_a_lack_of_descriptors_and_does_not_spin() {
    in_child("a_listener_survives_a_lack_of_descriptors_and_does_not_spin", || {
        in_virtual_time(async {
            set_descriptor_limit(64);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.write_all(b"served").await.unwrap();
                }
            });
            let mut clients: Vec<_> = (0..4).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
            let ballast = take_all_descriptors();
            assert!(ballast.len() > 10);
            let before = stats();
            sleep(Duration::from_millis(300)).await;
            let after = stats();
            assert!(!server.is_finished());
            assert_eq!(after.accepted, before.accepted, "there is no descriptor to accept with");
            assert!((2..=10).contains(&(after.accept_paused - before.accept_paused)), "{after}");
            assert!(after.turns - before.turns < 60, "it spins: {before}\n{after}");

            drop(ballast);
            let freed = Instant::now();
            until_later(|| stats().accepted == before.accepted + 4).await;
            assert!(freed.elapsed() < Duration::from_millis(510), "{:?}", freed.elapsed());
            for client in &mut clients {
                let mut text = [0; 6];
                client.read_exact(&mut text).unwrap();
                assert_eq!(&text, b"served");
            }
            // The next lack begins with a short pause again.
            let ballast = take_all_descriptors();
            drop(clients.pop());
            let client = std::net::TcpStream::connect(address).unwrap();
            sleep(Duration::from_millis(30)).await;
            drop(ballast);
            let accepted = stats().accepted;
            until_later(|| stats().accepted > accepted).await;
            drop(client);
        });
    });
}

/// Waits asleep, in the time of the reactor.
async fn until_later(mut done: impl FnMut() -> bool) {
    while !done() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_tick_that_accepts_survives_a_lack_of_descriptors() {
    in_child("a_tick_that_accepts_survives_a_lack_of_descriptors", || {
        in_virtual_time(async {
            set_descriptor_limit(64);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let ticks = Rc::new(Cell::new(0));
            let count = ticks.clone();
            let server = schedule(move || {
                count.set(count.get() + 1);
                while listener.try_accept()?.is_some() {}
                Ok(Tick::WouldBlock)
            });
            let _client = std::net::TcpStream::connect(address).unwrap();
            let ballast = take_all_descriptors();
            sleep(Duration::from_millis(200)).await;
            assert!(!server.is_finished() && ticks.get() < 20, "{} ticks", ticks.get());
            drop(ballast);
            until_later(|| stats().accepted == 1).await;
        });
    });
}

#[test]
fn without_descriptors_constructors_return_errors_and_leak_nothing() {
    in_child("without_descriptors_constructors_return_errors_and_leak_nothing", || {
        let _limit = Limit::new();
        let reactor = Reactor::new().unwrap();
        set_descriptor_limit(64);
        let ballast = take_all_descriptors();
        let open = open_descriptors_without_reading();
        for _ in 0..10 {
            assert_eq!(Reactor::new().unwrap_err().raw_os_error(), Some(libc::EMFILE));
            reactor
                .block_on(async {
                    assert!(TcpListener::bind("127.0.0.1:0").is_err());
                    let error = TcpStream::connect("127.0.0.1:1").await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                })
                .unwrap();
        }
        assert_eq!(open_descriptors_without_reading(), open);
        drop(ballast);
        // One descriptor free at a time: a reactor needs more than one, and gives back those that it got.
        for free in 0..3 {
            let mut ballast = take_all_descriptors();
            ballast.truncate(ballast.len() - free);
            let open = open_descriptors_without_reading();
            let made = Reactor::new();
            assert!(free > 0 || made.is_err());
            if made.is_err() {
                assert_eq!(open_descriptors_without_reading(), open, "{free} were free");
            }
        }
        assert!(Reactor::new().is_ok());
    });
}

/// Counts by asking each number, since reading a directory takes a descriptor.
fn open_descriptors_without_reading() -> usize {
    // SAFETY: F_GETFD only looks.
    (0..64).filter(|&number| unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0).count()
}

/// Threads of this process whose name begins with `name`.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

#[test]
fn names_are_looked_up_off_the_thread_of_the_loop() {
    in_child("names_are_looked_up_off_the_thread_of_the_loop", || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            assert_eq!(threads_named("mainspring"), 0, "no thread before the first name");
            let stream = TcpStream::connect(format!("localhost:{port}")).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().port(), port);
            assert_eq!(threads_named("mainspring"), 1);
            assert!(TcpStream::connect("no-such-host.invalid:80").await.is_err());
            let long = format!("{}:80", "a".repeat(300));
            assert_eq!(TcpStream::connect(long).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn threads_for_blocking_work_come_with_the_jobs_and_end_when_there_are_none() {
    const THREADS: usize = 4;
    in_child("threads_for_blocking_work_come_with_the_jobs_and_end_when_there_are_none", || {
        let builder = Reactor::builder().blocking_threads(THREADS).blocking_queue(2);
        let reactor = builder.blocking_idle(Duration::from_millis(20)).build().unwrap();
        let count = || threads_named("mainspring-bloc");
        reactor
            .block_on(async {
                for round in 0..3 {
                    let (sender, receiver) = std::sync::mpsc::channel::<()>();
                    let receiver = Arc::new(Mutex::new(receiver));
                    let mut jobs = Vec::new();
                    for number in 1..=THREADS + 2 {
                        let receiver = receiver.clone();
                        jobs.push(unblock(move || receiver.lock().is_ok_and(|receiver| receiver.recv().is_ok())));
                        // A thread names itself after its start.
                        until_later(|| count() == number.min(THREADS)).await;
                    }
                    assert_eq!(count(), THREADS, "round {round}");
                    assert!(unblock(|| ()).await.is_err(), "four run, two wait, and the seventh is refused");
                    for _ in 0..THREADS + 2 {
                        sender.send(()).unwrap();
                    }
                    for job in jobs {
                        assert!(job.await.unwrap());
                    }
                    until_later(|| count() == 0).await;
                }
            })
            .unwrap();
        // Without a queue there is a thread, or a refusal.
        let reactor = Reactor::builder().blocking_threads(2).blocking_queue(0).build().unwrap();
        reactor
            .block_on(async {
                let gate = Arc::new(Barrier::new(3));
                let jobs: Vec<_> = (0..2)
                    .map(|_| {
                        let gate = gate.clone();
                        unblock(move || gate.wait())
                    })
                    .collect();
                assert!(unblock(|| ()).await.is_err());
                gate.wait();
                for job in jobs {
                    job.await.unwrap();
                }
                let mut again = unblock(|| ()).await;
                while again.is_err() {
                    // The thread whose job has been joined has not said yet that it is idle.
                    again = unblock(|| ()).await;
                }
                assert_eq!(count(), 2, "idle threads stay for their time");
            })
            .unwrap();
    });
}

#[test]
fn threads_for_blocking_work_end_when_fewer_are_enough() {
    const THREADS: usize = 8;
    const IDLE: Duration = Duration::from_millis(50);
    in_child("threads_for_blocking_work_end_when_fewer_are_enough", || {
        let count = || threads_named("mainspring-bloc");
        let reactor = Reactor::builder().blocking_threads(THREADS).blocking_idle(IDLE).build().unwrap();
        reactor
            .block_on(async {
                let gate = Arc::new(Barrier::new(THREADS));
                let together = (0..THREADS).map(|_| {
                    let gate = gate.clone();
                    unblock(move || gate.wait())
                });
                for job in together.collect::<Vec<_>>() {
                    job.await.unwrap();
                }
                let start = Instant::now();
                // One job after the other: two threads, since the one that has sent its output is not idle at once.
                while count() > 2 {
                    unblock(|| ()).await.unwrap();
                    assert!(start.elapsed() < Duration::from_secs(60), "{} threads", count());
                }
            })
            .unwrap();
    });
}

#[test]
fn reactors_come_and_go_without_a_trace() {
    in_child("reactors_come_and_go_without_a_trace", || {
        let life = |count: usize| {
            for _ in 0..count {
                let reactor = Reactor::new().unwrap();
                reactor
                    .block_on(async {
                        let (stream, mut peer) = half_std().await;
                        peer.write_all(b"x").unwrap();
                        stream.read(&mut [0]).await.unwrap();
                        drop(spawn(async move { stream.read(&mut [0]).await }));
                        drop(spawn(sleep(Duration::from_secs(3600))));
                    })
                    .unwrap();
            }
        };
        life(10);
        let open = open_descriptors();
        life(2_000);
        assert_eq!(open_descriptors(), open);
        // Several at a time, which need more places; those are kept and used again.
        let together = || drop((0..50).map(|_| Reactor::new().unwrap()).collect::<Vec<_>>());
        together();
        let open = open_descriptors();
        (0..20).for_each(|_| together());
        assert_eq!(open_descriptors(), open);
    });
}

#[test]
fn a_process_has_at_most_4096_reactors_and_says_so() {
    in_child("a_process_has_at_most_4096_reactors_and_says_so", || {
        set_descriptor_limit(16_384);
        let before = open_descriptors();
        drop(Reactor::new().unwrap());
        let each = open_descriptors() - before;
        let ballast = take_all_descriptors().len();
        if ballast < 4_200 * each {
            return println!("not tested: the process may have {ballast} descriptors only");
        }
        let mut reactors: Vec<_> = (0..4096).map(|_| Reactor::new().unwrap()).collect();
        let error = Reactor::new().unwrap_err();
        assert!(error.to_string().contains("4096"), "{error}");
        reactors.pop();
        let last = Reactor::new().unwrap();
        assert_eq!(last.block_on(async { 3 }).unwrap(), 3);
    });
}
