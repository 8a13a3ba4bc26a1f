//! Reactors on several threads: how they start, what each is told, and how they end, whatever goes wrong.
mod util;

use mainspring::time::sleep;
use mainspring::workers::{Worker, WorkerError, Workers};
use mainspring::{OnPanic, Stats, run, spawn, unblock};
use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use util::runtime::{EXPECTED, Limit, in_child, in_child_with, open_descriptors, quiet};

/// Until it is told to end.
async fn until_stopped(worker: Worker) -> io::Result<usize> {
    worker.stopping().cancelled().await;
    Ok(worker.index())
}

/// No thread of this process has a name that begins with `name`. One that was joined may still be on the list for a
/// moment.
fn assert_no_thread(name: &str) {
    let mut left = Vec::new();
    for _ in 0..10_000 {
        // Elsewhere there is no such list, and the test shows that they are joined at least.
        if !cfg!(target_os = "linux") {
            return;
        }
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        left = names.filter(|comm| comm.starts_with(name)).collect();
        if left.is_empty() {
            return;
        }
        thread::yield_now();
    }
    panic!("threads are left: {left:?}");
}

/// Counts itself out.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn each_worker_has_a_reactor_and_a_thread_of_its_own_and_a_number_and_all_have_handles() {
    let _limit = Limit::new();
    let (sender, all_answered) = mpsc::channel();
    let make = move |worker: Worker| {
        let sender = sender.clone();
        async move {
            let name = thread::current().name().map(String::from);
            let mut answers = Vec::new();
            for handle in worker.handles() {
                // Neither the future nor what it keeps is `Send`.
                let answer = handle.spawn(|| async {
                    let local = Rc::new(Cell::new(1));
                    mainspring::yield_now().await;
                    (thread::current().id(), local.get())
                });
                answers.push(answer.await?);
            }
            sender.send(()).unwrap();
            worker.stopping().cancelled().await;
            io::Result::Ok((worker.index(), thread::current().id(), name, answers))
        }
    };
    let workers = Workers::builder().threads(3).name("own").start(make).unwrap();
    let threads = workers.handles().iter().map(|handle| handle.call(|| async { thread::current().id() }).unwrap());
    let threads: Vec<_> = threads.collect();
    (0..3).for_each(|_| all_answered.recv().unwrap());
    for (index, ended) in workers.shutdown(Duration::MAX).into_iter().enumerate() {
        let (number, thread, name, answers) = ended.unwrap();
        assert_eq!((number, thread, name), (index, threads[index], Some(format!("own-{index}"))));
        assert_eq!(answers, threads.iter().map(|&thread| (thread, 1)).collect::<Vec<_>>());
    }
    assert_no_thread("own");
}

#[test]
fn there_are_as_many_as_there_are_processors_unless_told_and_never_none() {
    let _limit = Limit::new();
    for (builder, expected) in [
        (Workers::builder(), mainspring_sys::processors()),
        (Workers::builder().threads(0), 1),
        (Workers::builder().threads(5), 5),
    ] {
        let workers = builder.start(until_stopped).unwrap();
        assert_eq!(workers.handles().len(), expected);
        assert_eq!(workers.shutdown(Duration::MAX).len(), expected);
    }
}

#[test]
fn the_hook_sees_the_settings_of_each_reactor_and_what_it_sets_counts() {
    let _limit = Limit::new();
    quiet();
    let (sender, told) = mpsc::channel();
    let workers = Workers::builder()
        .threads(2)
        .reactor(move |index, builder| {
            let sender = sender.clone();
            builder.measure_polls(index == 1).on_panic(move |panic| {
                sender.send((index, panic.text().to_owned())).unwrap();
                OnPanic::Report
            })
        })
        .start(async |worker: Worker| {
            spawn(async { panic!("{EXPECTED}: a task") }).await.unwrap_err();
            worker.stopping().cancelled().await;
            Ok(Stats::current().unwrap().longest_poll > Duration::ZERO)
        })
        .unwrap();
    let mut panics: Vec<_> = (0..2).map(|_| told.recv().unwrap()).collect();
    panics.sort();
    assert_eq!(panics, [0, 1].map(|index| (index, format!("{EXPECTED}: a task"))));
    let measured: Result<Vec<_>, WorkerError> = workers.shutdown(Duration::MAX).into_iter().collect();
    assert_eq!(measured.unwrap(), [false, true]);
}

#[test]
fn a_worker_that_fails_or_panics_is_named_and_the_others_are_told_to_end() {
    let _limit = Limit::new();
    quiet();
    for panics in [false, true] {
        let workers = Workers::builder().threads(3).start(move |worker| async move {
            if worker.index() != 1 {
                return until_stopped(worker).await;
            }
            assert!(!panics, "{EXPECTED}: a worker");
            Err(io::Error::from_raw_os_error(libc::ENOSPC))
        });
        let mut ended = workers.unwrap().join();
        let error = ended.remove(1).unwrap_err();
        assert_eq!((error.worker(), error.is_panic(), error.is_dropped()), (1, panics, false));
        let [first, last] = &ended[..] else { panic!("there are two") };
        assert_eq!((*first.as_ref().unwrap(), *last.as_ref().unwrap()), (0, 2));
        match panics {
            true => assert_eq!(error.to_string(), format!("worker 1 panicked: {EXPECTED}: a worker")),
            false => {
                assert!(error.to_string().starts_with("worker 1 failed: "), "{error}");
                let error = io::Error::from(error);
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                let source = std::error::Error::source(error.get_ref().unwrap()).unwrap();
                assert_eq!(source.downcast_ref::<io::Error>().unwrap().raw_os_error(), Some(libc::ENOSPC));
            }
        }
    }
}

#[test]
fn a_panic_that_is_to_stop_a_reactor_ends_its_worker_with_an_error_and_so_all() {
    let _limit = Limit::new();
    quiet();
    let workers = Workers::builder()
        .threads(2)
        .reactor(|_, builder| builder.on_panic(|_| OnPanic::Stop))
        .start(async |worker: Worker| {
            if worker.index() == 1 {
                drop(spawn(async { panic!("{EXPECTED}: stop") }));
            }
            until_stopped(worker).await
        })
        .unwrap();
    let ended = workers.join();
    assert_eq!(*ended[0].as_ref().unwrap(), 0);
    let text = ended[1].as_ref().unwrap_err().to_string();
    assert_eq!(text, format!("worker 1 failed: a task panicked: {EXPECTED}: stop"));
}

#[test]
fn what_has_not_ended_at_the_deadline_is_dropped_on_its_thread() {
    let _limit = Limit::new();
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = alive.clone();
    let make = move |worker: Worker| {
        let task = Counted::new(&counted);
        drop(spawn(async move {
            let _task = task;
            pending::<()>().await;
        }));
        let future = Counted::new(&counted);
        async move {
            let _future = future;
            match worker.index() {
                0 => until_stopped(worker).await,
                _ => pending().await,
            }
        }
    };
    let workers = Workers::builder().threads(2).name("deadline").start(make).unwrap();
    for handle in workers.handles() {
        handle.call(|| async {}).unwrap();
    }
    assert_eq!(alive.load(SeqCst), 4);
    // Time for the one that ends to hear of it, on a busy machine too.
    let ended = workers.shutdown(Duration::from_secs(3));
    assert_eq!(*ended[0].as_ref().unwrap(), 0);
    let error = ended[1].as_ref().unwrap_err();
    assert!(error.is_dropped());
    assert_eq!(error.to_string(), "worker 1 had not ended at the deadline");
    assert_eq!(alive.load(SeqCst), 0);
    assert_no_thread("deadline");
}

#[test]
fn dropping_workers_ends_their_threads_and_handles_hear_of_it() {
    let _limit = Limit::new();
    let workers =
        Workers::builder().threads(2).name("dropped").start(async |_: Worker| pending::<io::Result<()>>().await);
    let workers = workers.unwrap();
    let handle = workers.handles()[1].clone();
    assert_eq!(handle.call(|| async { 1 }).unwrap(), 1);
    drop(workers);
    assert_no_thread("dropped");
    assert!(handle.call(|| async {}).unwrap_err().is_aborted());
}

#[test]
fn workers_that_are_ended_by_one_of_them_do_not_wait_for_it() {
    let _limit = Limit::new();
    type Ends = fn(Workers<usize>) -> Vec<Result<usize, WorkerError>>;
    let join: Ends = |workers| {
        workers.stop();
        workers.join()
    };
    let shut_down: Ends = |workers| workers.shutdown(Duration::MAX);
    for ends in [join, shut_down] {
        let (sender, done) = mpsc::channel();
        let workers = Workers::builder().threads(2).start(until_stopped).unwrap();
        let handle = workers.handles()[0].clone();
        drop(handle.spawn(move || async move { sender.send(ends(workers)).unwrap() }));
        let ended = done.recv().unwrap();
        let error = ended[0].as_ref().unwrap_err();
        assert_eq!(error.to_string(), "worker 0 failed: a worker cannot wait for its own thread");
        assert_eq!(*ended[1].as_ref().unwrap(), 1);
    }
    let (sender, done) = mpsc::channel();
    let workers = Workers::builder().threads(2).start(until_stopped).unwrap();
    let handle = workers.handles()[0].clone();
    drop(handle.spawn(move || async move {
        drop(workers);
        sender.send(()).unwrap();
    }));
    done.recv().unwrap();
}

/// Sets the soft limit of a resource.
#[cfg(target_os = "linux")]
fn set_limit(resource: libc::__rlimit_resource_t, limit: u64) {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is writable for one rlimit.
    assert_eq!(unsafe { libc::getrlimit(resource, &mut limits) }, 0);
    limits.rlim_cur = limit;
    // SAFETY: `limits` is readable for one rlimit.
    assert_eq!(unsafe { libc::setrlimit(resource, &limits) }, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn if_a_reactor_cannot_be_had_none_is_left_and_nothing_has_run() {
    in_child("if_a_reactor_cannot_be_had_none_is_left_and_nothing_has_run", || {
        quiet();
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let make = move |worker: Worker| {
            count.fetch_add(1, SeqCst);
            until_stopped(worker)
        };
        let start = |threads, fails: usize, panics: bool| {
            let hook = move |index: usize, builder| {
                assert!(!panics || index != fails, "{EXPECTED}: the hook");
                builder
            };
            let builder = Workers::builder().threads(threads).name("whole").reactor(hook);
            let beside = builder.clone().start(make.clone()).map(drop).unwrap_err();
            let with = builder.run(make.clone(), pending::<()>()).map(drop);
            assert_no_thread("whole");
            assert_eq!(made.load(SeqCst), 0);
            (beside.to_string(), with)
        };
        // The places of eight reactors, which are kept.
        drop(Workers::builder().threads(8).start(until_stopped).unwrap());
        let open = open_descriptors();
        for fails in [0, 1, 7] {
            let (error, with) = start(8, fails, true);
            let expected = format!("worker {fails} panicked: {EXPECTED}: the hook");
            assert_eq!((error, with.unwrap_err().to_string()), (expected.clone(), expected));
            assert_eq!(open_descriptors(), open);
        }
        // More reactors than there are descriptors for; with as many more the list of threads can be read again.
        set_limit(libc::RLIMIT_NOFILE, 64);
        let error = Workers::builder().threads(60).name("whole").start(make.clone()).map(drop).unwrap_err();
        assert!(error.to_string().contains("failed: Too many open files"), "{error}");
        set_limit(libc::RLIMIT_NOFILE, 128);
        assert_no_thread("whole");
        assert_eq!(made.load(SeqCst), 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn if_a_thread_cannot_be_had_none_is_left_and_nothing_has_run() {
    // Large stacks, and nothing else that is large: what the last one finds no room for is enough for all small things.
    let variables = [("RUST_MIN_STACK", "268435456"), ("MALLOC_ARENA_MAX", "1")];
    in_child_with("if_a_thread_cannot_be_had_none_is_left_and_nothing_has_run", &variables, || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        // Room for the stacks of some, and not of all.
        set_limit(libc::RLIMIT_AS, pages * 4096 + (5 << 27));
        let make = |_: Worker| -> std::future::Ready<io::Result<()>> { panic!("nothing runs") };
        let error = Workers::builder().threads(40).name("room").start(make).map(drop).unwrap_err();
        assert!(error.to_string().starts_with("cannot start the thread of worker "), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "`WouldBlock` is \"not yet\" to a tick");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref::<io::Error>().unwrap().raw_os_error(), Some(libc::EAGAIN));
        assert_no_thread("room");
    });
}

#[test]
fn with_this_thread_as_the_first_they_run_until_the_future_is_ready_or_all_have_ended() {
    let _limit = Limit::new();
    let here = thread::current().id();
    let make = async |worker: Worker| {
        worker.stopping().cancelled().await;
        Ok((worker.index(), thread::current().id()))
    };
    let ended = Workers::builder().threads(3).run(make, async { sleep(Duration::from_millis(1)).await }).unwrap();
    let ended: Vec<_> = ended.into_iter().map(Result::unwrap).collect();
    assert_eq!(ended[0], (0, here));
    assert!(ended[1].1 != here && ended[2].1 != ended[1].1);

    let all_end =
        Workers::builder().threads(2).run(async |worker: Worker| Ok(worker.index()), pending::<()>()).unwrap();
    assert_eq!(all_end.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);

    // Failure of the first, of another, and of both.
    for failing in [vec![0], vec![1], vec![0, 1]] {
        let fails = failing.clone();
        let make = move |worker: Worker| {
            let fails = fails.contains(&worker.index());
            async move { if fails { Err(io::Error::other("on purpose")) } else { until_stopped(worker).await } }
        };
        let ended = Workers::builder().threads(2).run(make, pending::<()>()).unwrap();
        assert_eq!((0..2).filter(|&index| ended[index].is_err()).collect::<Vec<_>>(), failing);
    }
}

#[test]
fn inside_a_reactor_this_thread_cannot_be_the_first() {
    run(async {
        let started = Arc::new(AtomicUsize::new(0));
        let count = started.clone();
        let builder = Workers::builder().threads(2).reactor(move |_, builder| {
            count.fetch_add(1, SeqCst);
            builder
        });
        let error = builder.run(until_stopped, pending::<()>()).unwrap_err();
        assert_eq!(error.to_string(), "a reactor is already running on this thread");
        assert_eq!(started.load(SeqCst), 0);
    })
    .unwrap();
}

#[test]
fn a_panic_of_what_stops_them_ends_them_and_comes_out() {
    let _limit = Limit::new();
    quiet();
    let stop = async { panic!("{EXPECTED}: stop") };
    let run = || Workers::builder().threads(2).name("stopper").run(until_stopped, stop);
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), &format!("{EXPECTED}: stop"));
    assert_no_thread("stopper");
}

#[test]
fn the_panic_of_a_worker_whose_payload_panics_when_dropped_is_reported_as_any_other() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("{EXPECTED}: a payload");
        }
    }
    let _limit = Limit::new();
    quiet();
    for panics in 0..2 {
        let make = move |worker: Worker| async move {
            if worker.index() == panics {
                std::panic::panic_any(Payload);
            }
            until_stopped(worker).await
        };
        let ended = Workers::builder().threads(2).run(make, pending::<()>()).unwrap();
        let text = ended[panics].as_ref().unwrap_err().to_string();
        assert_eq!(text, format!("worker {panics} panicked: a value that is no text"));
        assert_eq!(*ended[1 - panics].as_ref().unwrap(), 1 - panics);
    }
}

#[test]
fn a_worker_may_tell_all_to_end() {
    let _limit = Limit::new();
    let make = async |worker: Worker| {
        if worker.index() == 2 {
            worker.stopping().cancel();
        }
        until_stopped(worker).await
    };
    let ended = Workers::builder().threads(3).start(make).unwrap().join();
    assert_eq!(ended.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_name_that_the_system_cannot_take_is_an_error() {
    let error = Workers::builder().name("a\0b").start(until_stopped).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("\"a\\0b\"")), (io::ErrorKind::InvalidInput, true));
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn pinned_workers_stay_on_one_processor_each_but_not_their_blocking_work_nor_this_thread_afterwards() {
    use mainspring_sys::thread_processors;
    let _limit = Limit::new();
    let allowed = thread_processors().unwrap();
    let make = async |worker: Worker| {
        let blocking = unblock(thread_processors).await??;
        worker.stopping().cancelled().await;
        Ok([thread_processors()?, blocking])
    };
    let count = allowed.len() + 1;
    let check = |ended: Vec<Result<[Vec<usize>; 2], WorkerError>>| {
        assert_eq!(ended.len(), count);
        for (index, ended) in ended.into_iter().enumerate() {
            assert_eq!(ended.unwrap(), [vec![allowed[index % allowed.len()]], allowed.clone()]);
        }
        assert_eq!(thread_processors().unwrap(), allowed);
    };
    let builder = Workers::builder().threads(count).pin(true);
    check(builder.clone().start(make).unwrap().shutdown(Duration::MAX));
    check(builder.run(make, async {}).unwrap());
}
