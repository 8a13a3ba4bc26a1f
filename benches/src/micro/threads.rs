//! What crosses threads, and a turn of the loop: the rows `wake_latency`, `remote_spawn_…` and `loop_count`.

use std::future::poll_fn;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mainspring_sys::{Events, OsSelector, Selector, Waker};

use super::runtime::Runtime;

/// Half of a round trip between two threads that sleep in between, each with a runtime of its own.
pub(super) fn wake_latency<R: Runtime>(runtime: &R, count: usize) -> io::Result<Duration> {
    let (to, mut requests) = R::bounded(1);
    let (back, mut answers) = R::bounded(1);
    let other = thread::spawn(move || {
        R::new().map(|runtime| {
            runtime.block_on(async move {
                while let Some(request) = R::receive(&mut requests).await {
                    assert!(R::send(&back, request).await);
                }
            });
        })
    });
    let elapsed = runtime.block_on(async move {
        // The other thread has to have started.
        assert!(R::send(&to, 0).await);
        assert_eq!(R::receive(&mut answers).await, Some(0));
        let start = Instant::now();
        for nth in 0..count {
            assert!(R::send(&to, nth).await);
            assert_eq!(R::receive(&mut answers).await, Some(nth));
        }
        start.elapsed()
    });
    other.join().map_err(|_| io::Error::other("the other thread has panicked"))??;
    Ok(elapsed / 2)
}

/// The same without a runtime, by what sleeps and wakes alone: our selector and its waker.
pub(super) fn wake_by_selector(count: usize) -> io::Result<Duration> {
    let (here, there) = (OsSelector::new()?, OsSelector::new()?);
    let (wake_here, wake_there) = (here.waker()?, there.waker()?);
    let sleep = |selector: &OsSelector, woken: &Waker, events: &mut Events| {
        while !woken.take() {
            selector.select(events, None).expect("nothing is registered that could fail");
        }
    };
    Ok(thread::scope(|scope| {
        scope.spawn(|| {
            let mut events = Events::with_capacity(8);
            for _ in 0..=count {
                sleep(&there, &wake_there, &mut events);
                wake_here.wake();
            }
        });
        let mut events = Events::with_capacity(8);
        half_of_a_round_trip(count, || {
            wake_there.wake();
            sleep(&here, &wake_here, &mut events);
        })
    }))
}

/// The same by std's `park`, on Linux a futex(2), which waits for a wake and for no descriptor.
pub(super) fn wake_by_park(count: usize) -> io::Result<Duration> {
    let (woken_here, woken_there) = (AtomicBool::new(false), AtomicBool::new(false));
    let wake = |woken: &AtomicBool, thread: &Thread| {
        woken.store(true, Ordering::Release);
        thread.unpark();
    };
    let sleep = |woken: &AtomicBool| {
        while !woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    };
    let here = thread::current();
    Ok(thread::scope(|scope| {
        let there = scope.spawn(|| {
            for _ in 0..=count {
                sleep(&woken_there);
                wake(&woken_here, &here);
            }
        });
        half_of_a_round_trip(count, || {
            wake(&woken_there, there.thread());
            sleep(&woken_here);
        })
    }))
}

/// After one that is not counted: the other thread has to have started.
fn half_of_a_round_trip(count: usize, mut forth_and_back: impl FnMut()) -> Duration {
    forth_and_back();
    let start = Instant::now();
    for _ in 0..count {
        forth_and_back();
    }
    start.elapsed() / 2
}

/// Threads that start tasks on a runtime which does nothing else, all at the same time.
pub(super) fn remote_spawn<R: Runtime>(runtime: &R, threads: usize, count: usize) -> io::Result<Duration> {
    let Some(remote) = runtime.remote() else { return Err(io::ErrorKind::Unsupported.into()) };
    let each = count / threads;
    let (done, mut end) = R::bounded(1);
    let left = Arc::new(AtomicUsize::new(each * threads));
    let together = Arc::new(Barrier::new(threads + 1));
    let starting: Vec<_> = (0..threads)
        .map(|_| {
            let (remote, left, together, done) = (remote.clone(), left.clone(), together.clone(), done.clone());
            thread::spawn(move || {
                together.wait();
                for _ in 0..each {
                    let (left, done) = (left.clone(), done.clone());
                    R::start_from_outside(&remote, async move {
                        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                            assert!(R::send(&done, ()).await);
                        }
                    });
                }
            })
        })
        .collect();
    together.wait();
    let start = Instant::now();
    assert!(runtime.serve(async { R::receive(&mut end).await }).is_some());
    let elapsed = start.elapsed();
    for thread in starting {
        thread.join().map_err(|_| io::Error::other("a thread that starts tasks has panicked"))?;
    }
    Ok(elapsed)
}

/// A turn of the loop with one event: a read that finds nothing, a write to the other end, the select, the read.
pub(super) async fn turn<R: Runtime>(count: usize) -> io::Result<Duration> {
    let (mut writer, reader) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    let mut reader = R::stream(reader)?;
    let start = Instant::now();
    for _ in 0..count {
        let mut read = pin!(R::read_one(&mut reader));
        poll_fn(|cx| {
            assert!(read.as_mut().poll(cx).is_pending(), "there is nothing to read");
            Poll::Ready(())
        })
        .await;
        writer.write_all(&[1])?;
        read.await?;
    }
    Ok(start.elapsed())
}
