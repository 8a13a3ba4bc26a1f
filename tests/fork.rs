//! A child after fork(2): what it inherits refuses, what it makes works, and its parent loses nothing.
//!
//! Each test is a process of its own, which forks. The forked children leave by `_exit`, and never reach the harness.
mod util;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use mainspring::net::{TcpListener, TcpStream, ToAddresses, UdpSocket};
use mainspring::signal::{self, Kind};
use mainspring::time::{Instant, interval, sleep, timeout};
use mainspring::{Reactor, process, spawn, unblock, yield_now};
use util::runtime::*;

const TEXT: &str = "the reactor was made before fork(2), in a parent of this process: make a new one here";

/// Runs `body` in a forked child, which then ends at once.
fn fork(body: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the tests of this file know what a child may do: that is what they are about.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: takes no pointer. A child that hangs is ended by the signal.
        unsafe { libc::alarm(60) };
        let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
        // SAFETY: ends the process, with nothing run at exit.
        unsafe { libc::_exit(i32::from(failed)) };
    }
    pid
}

/// Waits for a forked child, which must have found everything as it should be.
fn passed(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the status is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child has panicked, or was ended by a signal");
}

/// A reactor of the child's own, with a connection.
fn new_reactor_works() {
    let reactor = Reactor::new().unwrap();
    let echoed = reactor.block_on(async {
        let (left, right) = pair().await;
        let other = spawn(async move {
            sleep(Duration::from_millis(1)).await;
            right.write_all(b"child").await.unwrap();
        });
        let mut buffer = [0; 5];
        mainspring::io::read_exact(&mut &left, &mut buffer).await.unwrap();
        other.await.unwrap();
        assert_eq!(unblock(|| 3).await.unwrap(), 3);
        let handle = reactor.handle();
        assert_eq!(unblock(move || handle.call(|| async { 4 }).unwrap()).await.unwrap(), 4);
        buffer
    });
    assert_eq!(&echoed.unwrap(), b"child");
}

/// A reactor between two runs, with a connection of which the other end is std's, and a waker of a task that waits for
/// it.
struct Inherited {
    reactor: Reactor,
    stream: Rc<TcpStream>,
    peer: std::net::TcpStream,
    waker: Waker,
}

impl Inherited {
    fn new() -> Self {
        let reactor = Reactor::new().unwrap();
        let (stream, peer) = reactor.block_on(half_std()).unwrap();
        let stream = Rc::new(stream);
        // It is handed out, so that to drop it would tell the selector.
        stream.as_fd();
        let reading = stream.clone();
        drop(reactor.spawn(async move { while reading.read(&mut [0; 16]).await.unwrap() > 0 {} }));
        let waker = reactor.block_on(async {
            turns(2).await;
            poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
        });
        Self { reactor, stream, peer, waker: waker.unwrap() }
    }
}

#[test]
fn in_a_child_an_inherited_reactor_and_what_belongs_to_it_refuse_with_the_reason() {
    in_child("in_a_child_an_inherited_reactor_and_what_belongs_to_it_refuse_with_the_reason", || {
        let Inherited { reactor, stream, peer, .. } = Inherited::new();
        let refuses = || {
            assert_eq!(reactor.block_on(async {}).unwrap_err().to_string(), TEXT);
            assert_eq!(reactor.run().unwrap_err().to_string(), TEXT);
            assert_eq!(stream.try_read(&mut [0]).unwrap_err().to_string(), TEXT);
            assert_eq!(stream.try_write(b"x").unwrap_err().to_string(), TEXT);
            let Poll::Ready(Err(error)) = poll_once(stream.read(&mut [0])) else { panic!("it waits") };
            assert_eq!(error.to_string(), TEXT);
            let spawned = futures::executor::block_on(reactor.spawn(async {})).unwrap_err();
            assert_eq!(spawned.to_string(), TEXT);
            let handle = reactor.handle();
            let spawned = futures::executor::block_on(handle.spawn(|| async {})).unwrap_err();
            assert_eq!(spawned.to_string(), TEXT);
            assert_eq!(handle.call(|| async {}).unwrap_err().to_string(), TEXT);
            handle.shutdown();
        };
        passed(fork(|| {
            refuses();
            new_reactor_works();
            // Also while a reactor of the child's own runs.
            Reactor::new().unwrap().block_on(async { refuses() }).unwrap();
            // And in a child of the child, to which either is inherited.
            let own = Reactor::new().unwrap();
            passed(fork(|| {
                refuses();
                assert_eq!(own.run().unwrap_err().to_string(), TEXT);
                new_reactor_works();
            }));
            own.block_on(async {}).unwrap();
        }));
        drop(peer);
        reactor.run().unwrap();
    });
}

#[test]
fn a_child_that_awaits_what_waited_in_its_parent_is_told_or_goes_on_by_itself() {
    in_child("a_child_that_awaits_what_waited_in_its_parent_is_told_or_goes_on_by_itself", || {
        let reactor = Reactor::new().unwrap();
        let task = reactor.spawn(pending::<()>());
        let ends = reactor.handle().spawn(|| async {});
        let remote = [ends, reactor.handle().spawn(pending), reactor.handle().spawn(pending)];
        let mut armed: Vec<_> = (0..3).map(|_| Box::pin(sleep(Duration::from_millis(1)))).collect();
        let limited = || Box::pin(timeout(Duration::from_millis(1), pending::<()>()));
        let mut limits = [limited(), limited()];
        let mut ticks = interval(Duration::from_millis(1));
        let mut job = None;
        let mut lookup = Box::pin(("localhost", 80).to_addresses().unwrap().resolve());
        let waiting = reactor.block_on(async {
            assert!(armed.iter_mut().all(|sleep| poll_once(sleep.as_mut()).is_pending()));
            assert!(limits.iter_mut().all(|limit| poll_once(limit.as_mut()).is_pending()));
            ticks.tick().await;
            assert!(poll_once(ticks.tick()).is_pending());
            remote[1].abort();
            job = Some(Box::pin(unblock(|| ())));
            assert!(poll_once(lookup.as_mut()).is_pending());
        });
        waiting.unwrap();
        let mut all = Some((task, remote, armed, limits, ticks, job.take().unwrap(), lookup));
        passed(fork(|| {
            let (task, remote, mut armed, limits, mut ticks, job, lookup) = all.take().unwrap();
            let own = Reactor::new().unwrap();
            own.block_on(async {
                assert_eq!(task.await.unwrap_err().to_string(), TEXT);
                for task in remote {
                    task.abort();
                    assert_eq!(task.await.unwrap_err().to_string(), TEXT);
                }
                armed[0].as_mut().reset(Instant::now() + Duration::from_millis(2));
                armed[1].as_mut().reset(Instant::now() - Duration::from_millis(2));
                for sleep in armed {
                    let deadline = sleep.deadline();
                    sleep.await;
                    assert!(Instant::now() >= deadline);
                }
                for limit in limits {
                    limit.await.unwrap_err();
                }
                for _ in 0..2 {
                    ticks.tick().await;
                }
                assert_eq!(job.await.unwrap_err().to_string(), TEXT);
                assert_eq!(lookup.await.unwrap_err().to_string(), TEXT);
            })
            .unwrap();
            drop(ticks);
            assert_eq!(own.stats().timers, 0);
        }));
        let (.., job, lookup) = all.take().unwrap();
        reactor.block_on(job).unwrap().unwrap();
        assert!(!reactor.block_on(lookup).unwrap().unwrap().is_empty());
    });
}

#[test]
fn a_child_that_drops_or_wakes_what_it_inherited_takes_nothing_from_its_parent() {
    in_child("a_child_that_drops_or_wakes_what_it_inherited_takes_nothing_from_its_parent", || {
        let Inherited { reactor, stream, mut peer, waker } = Inherited::new();
        let datagrams = reactor.block_on(async { UdpSocket::bind("127.0.0.1:0") }).unwrap().unwrap();
        datagrams.as_fd();
        let hangup = signal::on(Kind::HANGUP);
        let mut hangup = Some(hangup);
        assert!(reactor.block_on(async { poll_once(hangup.as_mut().unwrap()) }).unwrap().is_pending());
        reactor.block_on(turns(2)).unwrap();
        let (rung, events) = (rings(), reactor.stats().events);
        let mut all = Some((reactor, stream, datagrams));
        let pid = fork(|| {
            for _ in 0..100 {
                waker.wake_by_ref();
                thread::scope(|scope| drop(scope.spawn(|| waker.wake_by_ref())));
            }
            // SAFETY: takes no pointer. The handler is inherited, and must not ring in the parent.
            assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
            drop((all.take(), hangup.take()));
            new_reactor_works();
        });
        passed(pid);
        assert_eq!(rings(), rung, "the child has rung in its parent");
        let (reactor, stream, datagrams) = all.take().unwrap();
        let mut hangup = hangup.take().unwrap();
        reactor
            .block_on(async {
                turns(2).await;
                assert!(poll_once(&mut hangup).is_pending());
                assert_eq!(stats().events, events, "nothing has come of the signal that was the child's");
                // Every registration is still there: each of these is woken by an event.
                let address = datagrams.local_addr().unwrap();
                let receiving = spawn(async move { datagrams.recv_from(&mut [0; 16]).await.unwrap().0 });
                turns(2).await;
                assert!(!receiving.is_finished());
                std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", address).unwrap();
                assert_eq!(receiving.await.unwrap(), 5);
                // SAFETY: takes no pointer.
                assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
                hangup.await.unwrap();
                peer.write_all(b"hello").unwrap();
                turns(2).await;
                stream.write_all(b"parent").await.unwrap();
                let mut buffer = [0; 6];
                peer.read_exact(&mut buffer).unwrap();
                assert_eq!(&buffer, b"parent");
                drop(peer);
            })
            .unwrap();
        // The task that reads sees the end.
        reactor.run().unwrap();
    });
}

#[test]
fn a_child_does_not_ring_at_a_reactor_that_slept_on_another_thread() {
    in_child("a_child_does_not_ring_at_a_reactor_that_slept_on_another_thread", || {
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let reactor = Reactor::new().unwrap();
            reactor.block_on(poll_fn(|cx| {
                // SAFETY: takes nothing.
                let thread = unsafe { libc::gettid() };
                let _ = sender.send((thread, cx.waker().clone(), reactor.handle()));
                // It ends with the first wake.
                if reactor.stats().wakes_remote == 0 { Poll::Pending } else { Poll::Ready(()) }
            }))
        });
        let (number, waker, handle) = receiver.recv().unwrap();
        let sleeps = || {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{number}/stat")).unwrap();
            stat.rsplit(')').next().unwrap().trim_start().starts_with('S')
        };
        while !sleeps() {
            thread::yield_now();
        }
        let rung = rings();
        passed(fork(|| {
            waker.wake_by_ref();
            handle.shutdown();
            assert!(handle.call(|| async {}).is_err());
        }));
        assert_eq!(rings(), rung);
        waker.wake();
        thread.join().unwrap().unwrap();
        assert!(KQUEUE || rings() > rung, "that is what is looked at");
    });
}

/// What all eventfds of this process, the alarms of its reactors, have been told; the same objects in a child.
fn rings() -> u64 {
    let mut rings = 0;
    for entry in std::fs::read_dir("/proc/self/fdinfo").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("eventfd-count:"));
        rings += count.map_or(0, |count| u64::from_str_radix(count.trim(), 16).unwrap());
    }
    rings
}

#[test]
fn a_task_that_forks_goes_on_in_the_parent_and_gets_errors_in_the_child() {
    in_child("a_task_that_forks_goes_on_in_the_parent_and_gets_errors_in_the_child", || {
        let reactor = Reactor::new().unwrap();
        let mut pid = 0;
        let forked = AtomicBool::new(false);
        let result = reactor.block_on(async {
            let (left, right) = pair().await;
            let (beside, other) = pair().await;
            // Woken in the same batch as the fork, and polled after it.
            let after = spawn(async move {
                yield_now().await;
                beside.try_write(b"x").map_err(|error| error.to_string())
            });
            yield_now().await;
            // SAFETY: as in `fork`.
            pid = unsafe { libc::fork() };
            assert!(pid >= 0);
            if pid == 0 {
                // SAFETY: takes no pointer.
                unsafe { libc::alarm(60) };
                forked.store(true, SeqCst);
                for _ in 0..1_000 {
                    assert_eq!(left.try_write(b"child").unwrap_err().to_string(), TEXT);
                }
                assert_eq!(left.write_all(b"child").await.unwrap_err().to_string(), TEXT);
                assert_eq!(left.read(&mut [0]).await.unwrap_err().to_string(), TEXT);
                assert_eq!(spawn(async {}).await.unwrap_err().to_string(), TEXT);
                assert_eq!(unblock(|| ()).await.unwrap_err().to_string(), TEXT);
                assert_eq!(TcpListener::bind("127.0.0.1:0").unwrap_err().to_string(), TEXT);
                assert_eq!(process::spawn(&mut Command::new("true")).unwrap_err().to_string(), TEXT);
                new_reactor_works();
                yield_now().await;
                if after.is_finished() {
                    assert_eq!(after.await.unwrap(), Err(TEXT.to_owned()));
                }
                return pending().await;
            }
            passed_in_passing(pid).await;
            assert_eq!(after.await.unwrap(), Ok(Some(1)));
            left.write_all(b"parent").await.unwrap();
            let mut buffer = [0; 6];
            mainspring::io::read_exact(&mut &right, &mut buffer).await.unwrap();
            assert_eq!(&buffer, b"parent", "and nothing of the child");
            assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 1);
        });
        if pid == 0 {
            let passed = forked.load(SeqCst) && result.is_err_and(|error| error.to_string() == TEXT);
            drop(reactor);
            // SAFETY: ends the process, with nothing run at exit.
            unsafe { libc::_exit(i32::from(!passed)) };
        }
        result.unwrap();
    });
}

#[test]
fn a_fork_while_another_reactor_is_dropped_is_known_to_the_one_around_it() {
    struct Forks(Rc<Cell<libc::pid_t>>);
    impl Drop for Forks {
        fn drop(&mut self) {
            // SAFETY: as in `fork`.
            self.0.set(unsafe { libc::fork() });
        }
    }
    in_child("a_fork_while_another_reactor_is_dropped_is_known_to_the_one_around_it", || {
        let reactor = Reactor::new().unwrap();
        let (pid, refused) = (Rc::new(Cell::new(-1)), Cell::new(false));
        let read = reactor.block_on(async {
            let (left, right) = pair().await;
            let forks = Forks(pid.clone());
            let inner = Reactor::new().unwrap();
            drop(inner.spawn(async move {
                let _forks = forks;
                pending::<()>().await;
            }));
            drop(inner);
            if pid.get() == 0 {
                refused.set(left.try_write(b"child").is_err_and(|error| error.to_string() == TEXT));
                return pending().await;
            }
            assert!(pid.get() > 0);
            passed_in_passing(pid.get()).await;
            drop(left);
            read_to_end(&right).await.unwrap()
        });
        if pid.get() == 0 {
            let passed = refused.get() && read.is_err_and(|error| error.to_string() == TEXT);
            // SAFETY: ends the process, with nothing run at exit.
            unsafe { libc::_exit(i32::from(!passed)) };
        }
        assert_eq!(read.unwrap(), b"", "what a child has written");
    });
}

type Wait = Pin<Box<dyn Future<Output = ()>>>;

#[cfg(feature = "hyper")]
fn sleep_of_hyper() -> Wait {
    use hyper::rt::Timer as _;
    Box::pin(mainspring::hyper::Timer.sleep(Duration::from_millis(1)))
}

#[test]
fn a_wait_for_a_time_in_the_poll_that_forks_is_no_panic() {
    in_child("a_wait_for_a_time_in_the_poll_that_forks_is_no_panic", || {
        let waits: &[fn() -> Wait] = &[
            || Box::pin(sleep(Duration::from_millis(1))),
            || Box::pin(async { assert!(timeout(Duration::from_millis(1), pending::<()>()).await.is_err()) }),
            || {
                Box::pin(async {
                    let mut ticks = interval(Duration::from_millis(1));
                    ticks.tick().await;
                    ticks.tick().await;
                })
            },
            #[cfg(feature = "hyper")]
            sleep_of_hyper,
        ];
        for wait in waits {
            let reactor = Reactor::new().unwrap();
            let pid = Cell::new(-1);
            let result = catch_unwind(AssertUnwindSafe(|| {
                reactor.block_on(async {
                    let mut begun = wait();
                    assert!(poll_once(&mut begun).is_pending());
                    // SAFETY: as in `fork`.
                    pid.set(unsafe { libc::fork() });
                    futures::join!(wait(), begun);
                })
            }));
            if pid.get() == 0 {
                let passed = result.is_ok_and(|result| result.is_err_and(|error| error.to_string() == TEXT));
                // SAFETY: ends the process, with nothing run at exit.
                unsafe { libc::_exit(i32::from(!passed)) };
            }
            result.unwrap().unwrap();
            passed(pid.get());
        }
    });
}

/// Waits for a forked child while the reactor goes on.
async fn passed_in_passing(pid: libc::pid_t) {
    loop {
        let mut status = 0;
        // SAFETY: the status is writable.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 => sleep(Duration::from_millis(1)).await,
            ended => return assert_eq!((ended, status), (pid, 0)),
        }
    }
}

#[cfg(feature = "service")]
#[test]
fn a_child_that_drops_a_server_of_a_path_leaves_the_file_to_its_parent() {
    in_child("a_child_that_drops_a_server_of_a_path_leaves_the_file_to_its_parent", || {
        let folder = util::folder::Folder::new();
        let path = folder.join("socket");
        let mut server = Some(mainspring::Server::builder().bind_unix(&path).unwrap());
        passed(fork(|| drop(server.take())));
        assert!(path.exists());
        drop(server);
        assert!(!path.exists());
    });
}

#[test]
fn a_loaded_parent_that_forks_again_and_again_loses_no_byte() {
    in_child("a_loaded_parent_that_forks_again_and_again_loses_no_byte", || {
        const ROUNDS: usize = 200;
        let reactor = Reactor::new().unwrap();
        let streams = reactor.block_on(async { futures::join!(pair(), pair(), pair(), pair()) }).unwrap();
        let mut all = vec![streams.0, streams.1, streams.2, streams.3];
        let tasks: Vec<_> = all
            .drain(..)
            .map(|(left, right)| {
                drop(reactor.spawn(async move {
                    let mut buffer = [0; 8];
                    while mainspring::io::read_exact(&mut &right, &mut buffer).await.is_ok() {
                        right.write_all(&buffer).await.unwrap();
                    }
                }));
                reactor.spawn(async move {
                    for round in 0..ROUNDS {
                        let (bytes, mut buffer) = (round.to_ne_bytes(), [0; 8]);
                        left.write_all(&bytes).await.unwrap();
                        mainspring::io::read_exact(&mut &left, &mut buffer).await.unwrap();
                        assert_eq!(buffer, bytes);
                    }
                })
            })
            .collect();
        let mut reactor = Some(reactor);
        for _ in 0..20 {
            reactor.as_ref().unwrap().block_on(turns(5)).unwrap();
            let pid = fork(|| drop(reactor.take()));
            reactor.as_ref().unwrap().block_on(passed_in_passing(pid)).unwrap();
        }
        let reactor = reactor.unwrap();
        for task in tasks {
            reactor.block_on(task).unwrap().unwrap();
        }
    });
}

#[test]
fn a_child_of_a_process_with_busy_threads_is_not_held_up_by_their_locks() {
    if KQUEUE && cfg!(target_os = "linux") {
        return println!("not tested: the stand-in for kqueue has a lock of its own");
    }
    in_child("a_child_of_a_process_with_busy_threads_is_not_held_up_by_their_locks", || {
        let reactor = Reactor::new().unwrap();
        let waker = reactor.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone()))).unwrap();
        let (handle, done) = (reactor.handle(), AtomicBool::new(false));
        let mut task = handle.spawn(pending::<()>);
        reactor.block_on(turns(2)).unwrap();
        let done = &done;
        thread::scope(|scope| {
            scope.spawn(
                move || while !done.load(SeqCst) && poll_with(Pin::new(&mut task), Waker::noop()).is_pending() {},
            );
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        drop(handle.spawn(|| async {}));
                        waker.wake_by_ref();
                        drop(Reactor::new().unwrap());
                    }
                });
            }
            let mut reactor = Some(reactor);
            for _ in 0..30 {
                let pid = fork(|| {
                    handle.shutdown();
                    waker.wake_by_ref();
                    drop(reactor.take());
                    Reactor::new().unwrap().block_on(yield_now()).unwrap();
                });
                reactor.as_ref().unwrap().block_on(turns(3)).unwrap();
                passed(pid);
            }
            done.store(true, SeqCst);
        });
    });
}

#[test]
fn a_forked_child_neither_kills_nor_waits_for_the_children_of_its_parent() {
    in_child("a_forked_child_neither_kills_nor_waits_for_the_children_of_its_parent", || {
        let reactor = Reactor::new().unwrap();
        let child = reactor.block_on(async { process::spawn(Command::new("cat").stdin(Stdio::piped())) });
        let mut child = Some(child.unwrap().unwrap());
        let pid = fork(|| {
            let mut child = child.take().unwrap();
            child.kill_on_drop(true);
            assert_eq!(child.kill().unwrap_err().to_string(), TEXT);
            drop(child);
        });
        passed(pid);
        let mut child = child.take().unwrap();
        assert!(reactor.block_on(async { child.wait().await }).unwrap().unwrap().success());
    });
}
