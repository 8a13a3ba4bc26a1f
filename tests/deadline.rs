//! Read and write timeouts of a stream: one wait, never early, and nothing of it is left when the wait is over.
mod util;

use mainspring::net::TcpStream;
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{ready, spawn};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;
use util::runtime::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How a read of one byte ends, and after how many whole seconds.
async fn timed_read(stream: &TcpStream) -> (Result<usize, ErrorKind>, u64) {
    let start = Instant::now();
    let result = stream.read(&mut [0]).await.map_err(|error| error.kind());
    (result, start.elapsed().as_secs())
}

#[test]
fn a_read_times_out_once_and_the_next_wait_has_a_deadline_of_its_own() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        assert_eq!(stream.read_timeout(), Some(10 * SECOND));
        for _ in 0..3 {
            assert_eq!(timed_read(&stream).await, (Err(ErrorKind::TimedOut), 10));
            assert_eq!(stream.try_read(&mut [0]).unwrap(), None, "it is said once");
            // Between waits no clock runs.
            sleep(100 * SECOND).await;
        }
        peer.write_all(b"x").unwrap();
        assert_eq!(timed_read(&stream).await, (Ok(1), 0));
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn a_timeout_counts_from_the_first_not_yet_through_wakes_in_vain() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        let stream = Rc::new(stream);
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        // Both are woken by one byte, which one of them gets.
        let reads = [0, 1].map(|_| {
            let stream = stream.clone();
            spawn(async move { timed_read(&stream).await })
        });
        sleep(6 * SECOND).await;
        peer.write_all(b"x").unwrap();
        let mut results = Vec::new();
        for read in reads {
            results.push(read.await.unwrap());
        }
        results.sort_by_key(|result| result.1);
        assert_eq!(results, [(Ok(1), 6), (Err(ErrorKind::TimedOut), 10)]);
    });
}

#[test]
fn two_waits_of_one_direction_both_end() {
    in_virtual_time(async {
        let (stream, _peer) = half_std().await;
        let stream = Rc::new(stream);
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let reads = [0, 1].map(|_| {
            let stream = stream.clone();
            spawn(async move { timed_read(&stream).await })
        });
        for read in reads {
            let (result, after) = read.await.unwrap();
            assert_eq!(result, Err(ErrorKind::TimedOut));
            assert!((10..=20).contains(&after), "after {after} seconds");
        }
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn a_newcomer_that_has_the_last_try_does_not_keep_the_one_that_expired() {
    in_virtual_time(async {
        let (stream, _peer) = half_std().await;
        let stream = Rc::new(stream);
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        // The later one's sleep and the earlier one's wait end in one moment, and the later one is polled first.
        let [late, early] = [10, 0].map(|seconds| {
            let stream = stream.clone();
            spawn(async move {
                sleep(seconds * SECOND).await;
                timed_read(&stream).await
            })
        });
        let both = async { (early.await.unwrap(), late.await.unwrap()) };
        let timed_out = (Err(ErrorKind::TimedOut), 10);
        assert_eq!(timeout(100 * SECOND, both).await.expect("a wait is forgotten"), (timed_out, timed_out));
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn waits_of_one_task_end_one_after_another_whichever_is_polled_first() {
    in_virtual_time(async {
        let (stream, _peer) = half_std().await;
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let after = async |seconds: u32| {
            sleep(seconds * SECOND).await;
            timed_read(&stream).await
        };
        let polls = stats().polls;
        let (third, second, first) = futures::join!(after(3), after(2), after(1));
        for read in [third, second, first] {
            assert_eq!(read, (Err(ErrorKind::TimedOut), 10));
        }
        assert!(stats().polls - polls < 20, "{} polls", stats().polls - polls);
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn data_wins_over_a_deadline_that_has_passed() {
    with_manual_clock(|clock| async move {
        let (stream, mut peer) = half_std().await;
        stream.set_read_timeout(Some(SECOND)).unwrap();
        let (counter, waker) = CountingWaker::new();
        for round in 1..=5 {
            let mut buffer = [0];
            let mut read = std::pin::pin!(stream.read(&mut buffer));
            assert!(poll_with(read.as_mut(), &waker).is_pending());
            turns(2).await;
            clock.advance(2 * SECOND).unwrap();
            peer.write_all(b"x").unwrap();
            // The deadline fires, and the selector has not been asked: the byte is known to nobody.
            let selects = stats().selects;
            until(|| counter.count() == round).await;
            assert_eq!(stats().selects, selects, "the premise of this test");
            let std::task::Poll::Ready(result) = poll_with(read.as_mut(), &waker) else { panic!("still waits") };
            assert_eq!(result.unwrap(), 1);
            turns(2).await;
            assert_eq!(stream.try_read(&mut [0]).unwrap(), None, "the expiry is not told to the next");
        }
    });
}

#[test]
fn a_hint_beside_a_wait_that_has_expired_leaves_it_its_last_try() {
    with_manual_clock(|clock| async move {
        let (stream, mut peer) = half_std().await;
        let stream = Rc::new(stream);
        assert!(stream.try_read(&mut [0]).unwrap().is_none());
        stream.set_read_timeout(Some(SECOND)).unwrap();
        let hinted = stream.clone();
        let hint = spawn(async move { hinted.readable().await });
        let read = spawn(async move { stream.read(&mut [0]).await });
        turns(2).await;
        clock.advance(2 * SECOND).unwrap();
        peer.write_all(b"x").unwrap();
        let selects = stats().selects;
        until(|| hint.is_finished() && read.is_finished()).await;
        assert_eq!(stats().selects, selects, "the premise of this test");
        assert_eq!(read.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn a_deadline_passes_for_all_styles() {
    in_virtual_time(async {
        let (mut stream, _peer) = half_std().await;
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let start = Instant::now();
        let error = ready(|| Read::read(&mut stream, &mut [0])).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 10));
        let error = stream.readable().await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 20));
        let error = stream.peek(&mut [0]).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
        let mut ticks = 0;
        let task = schedule(move || {
            ticks += 1;
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::TimedOut && ticks < 5 => Ok(Tick::WouldBlock),
                other => other.map(|_| Tick::WouldBlock),
            }
        });
        // Ticks 1, 2 (expired, progress), 3, 4, 5: each expiry is one error.
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 60);
    });
}

#[test]
fn a_write_times_out_and_reading_has_a_timeout_of_its_own() {
    in_virtual_time(async {
        let (stream, _peer) = half_std().await;
        stream.set_write_timeout(Some(5 * SECOND)).unwrap();
        stream.set_read_timeout(Some(60 * SECOND)).unwrap();
        let stream = Rc::new(stream);
        let reading = stream.clone();
        let read = spawn(async move { timed_read(&reading).await });
        let start = Instant::now();
        let error = loop {
            match stream.write(&[7; 65_536]).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 5));
        assert_eq!(read.await.unwrap(), (Err(ErrorKind::TimedOut), 60));
        assert_eq!(stream.write_timeout(), Some(5 * SECOND));
    });
}

#[test]
fn a_wait_that_has_ended_makes_no_clock_jump_and_wakes_nobody() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        // Ends with a byte, with the future dropped, with the timeout taken away.
        peer.write_all(b"x").unwrap();
        assert_eq!(timed_read(&stream).await, (Ok(1), 0));
        let cancelled = spawn({
            let stream = Rc::new(stream);
            let keep = stream.clone();
            async move { (timeout(SECOND, stream.read(&mut [0])).await.is_err(), keep) }
        });
        let (elapsed, stream) = cancelled.await.unwrap();
        assert!(elapsed);
        turns(2).await;
        assert_eq!((stats().waits, stats().timers), (0, 0), "no entry is armed");
        let fired = stats().timers_fired;
        let turns_before = stats().turns;
        sleep(3600 * SECOND).await;
        assert_eq!(stats().timers_fired, fired + 1, "the sleep and nothing else");
        assert!(stats().turns - turns_before < 20, "the loop turned for entries without a wait");
        drop(stream);
    });
}

#[test]
fn a_busy_connection_never_times_out() {
    let (_, stats) = run(async {
        let (stream, peer) = pair().await;
        stream.set_read_timeout(Some(20 * MILLISECOND)).unwrap();
        stream.set_write_timeout(Some(20 * MILLISECOND)).unwrap();
        let echo = spawn(async move {
            let mut buffer = [0; 8];
            while let count @ 1.. = peer.read(&mut buffer).await.unwrap() {
                peer.write_all(&buffer[..count]).await.unwrap();
            }
        });
        let start = std::time::Instant::now();
        while start.elapsed() < 100 * MILLISECOND {
            stream.write_all(b"ping").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 4);
        }
        drop(stream);
        echo.await.unwrap();
    });
    // No `TimedOut` was seen above. A machine that stands still for 20 ms lets an entry fire, and the data wins.
    assert_eq!((stats.timers, stats.waits), (0, 0));
}

#[test]
fn a_timeout_that_is_changed_during_a_wait_is_in_force_from_the_next() {
    in_virtual_time(async {
        let (stream, _peer) = half_std().await;
        let stream = Rc::new(stream);
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let read = |stream: &Rc<TcpStream>| {
            let stream = stream.clone();
            spawn(async move { timed_read(&stream).await })
        };
        let first = read(&stream);
        sleep(SECOND).await;
        stream.set_read_timeout(Some(100 * SECOND)).unwrap();
        assert_eq!(first.await.unwrap(), (Err(ErrorKind::TimedOut), 10));
        assert_eq!(read(&stream).await.unwrap(), (Err(ErrorKind::TimedOut), 100));
        stream.set_read_timeout(Some(SECOND)).unwrap();
        assert_eq!(read(&stream).await.unwrap(), (Err(ErrorKind::TimedOut), 1));
    });
}

#[test]
fn a_timeout_that_is_set_during_two_waits_is_in_force_once_they_have_looked_again() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        let stream = Rc::new(stream);
        let [first, second] = [0, 1].map(|_| {
            let stream = stream.clone();
            spawn(async move { timed_read(&stream).await })
        });
        turns(1).await;
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        // Wakes both, and one of them gets it.
        peer.write_all(b"x").unwrap();
        let both = async { (first.await.unwrap(), second.await.unwrap()) };
        let both = timeout(100 * SECOND, both).await.expect("a wait without a deadline");
        assert_eq!(both, ((Ok(1), 0), (Err(ErrorKind::TimedOut), 10)));
    });
}

#[test]
fn none_disables_a_timeout_also_during_a_wait() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        let stream = Rc::new(stream);
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let reading = stream.clone();
        let read = spawn(async move { timed_read(&reading).await });
        sleep(SECOND).await;
        stream.set_read_timeout(None).unwrap();
        assert_eq!(stream.read_timeout(), None);
        sleep(100 * SECOND).await;
        assert!(!read.is_finished());
        peer.write_all(b"x").unwrap();
        assert_eq!(read.await.unwrap(), (Ok(1), 101));
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn a_timeout_of_zero_is_refused_and_the_longest_never_passes() {
    in_virtual_time(async {
        let (stream, mut peer) = half_std().await;
        for result in [stream.set_read_timeout(Some(Duration::ZERO)), stream.set_write_timeout(Some(Duration::ZERO))] {
            let error: io::Error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("zero"), "{error}");
        }
        assert_eq!(stream.read_timeout(), None);
        stream.set_read_timeout(Some(Duration::MAX)).unwrap();
        let read = spawn(async move { timed_read(&stream).await });
        sleep(3600 * SECOND).await;
        peer.write_all(b"x").unwrap();
        assert_eq!(read.await.unwrap(), (Ok(1), 3600));
    });
}

#[test]
fn a_deadline_is_never_early_by_the_systems_clock() {
    run(async {
        let mut random = Random::new();
        let mut reads = Vec::new();
        for _ in 0..60 {
            let (stream, peer) = half_std().await;
            let timeouts: Vec<_> = (0..8).map(|_| Duration::from_micros(1 + random.below(15_000) as u64)).collect();
            reads.push(spawn(async move {
                for timeout in timeouts {
                    stream.set_read_timeout(Some(timeout)).unwrap();
                    let start = std::time::Instant::now();
                    let error = stream.read(&mut [0]).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    assert!(start.elapsed() >= timeout, "{:?} instead of {timeout:?}", start.elapsed());
                }
                drop(peer);
            }));
        }
        for read in reads {
            read.await.unwrap();
        }
        assert_eq!(stats().timers_fired, 480);
    });
}

#[test]
fn a_stream_dropped_with_a_deadline_leaves_no_timer() {
    in_virtual_time(async {
        for _ in 0..100 {
            let (stream, _peer) = half_std().await;
            stream.set_read_timeout(Some(SECOND)).unwrap();
            stream.set_write_timeout(Some(SECOND)).unwrap();
            let task = schedule(move || {
                stream.try_read(&mut [0])?;
                Ok(Tick::WouldBlock)
            });
            turns(1).await;
            assert_eq!(stats().timers, 1);
            task.abort();
            turns(1).await;
        }
        assert_eq!((stats().timers, stats().waits), (0, 0));
        let start = Instant::now();
        sleep(10 * SECOND).await;
        assert_eq!((stats().timers_fired, start.elapsed().as_secs()), (1, 10));
    });
}

#[test]
fn random_waits_that_share_a_socket_end_in_time() {
    for seed in 1..=300 {
        in_virtual_time(async move {
            let random = Rc::new(RefCell::new(Random::from(seed)));
            let (stream, peer) = half_std().await;
            let (stream, peer) = (Rc::new(stream), Rc::new(peer));
            stream.set_read_timeout(Some(20 * MILLISECOND)).unwrap();
            let tasks = [(); 4].map(|()| {
                let (stream, peer, random) = (stream.clone(), peer.clone(), random.clone());
                spawn(async move {
                    for _ in 0..12 {
                        let below = |limit: usize| random.borrow_mut().below(limit);
                        let pause = 5 * below(5) as u32 * MILLISECOND;
                        let start = Instant::now();
                        let (mut one, mut other) = ([0], [0]);
                        let step = async {
                            match below(7) {
                                0 => sleep(pause).await,
                                1 => drop(stream.read(&mut one).await),
                                2 => drop(timeout(pause, stream.read(&mut one)).await),
                                3 => drop(stream.readable().await),
                                4 => drop(ready(|| (&mut &*stream).read(&mut one)).await),
                                5 => {
                                    let later = async { (sleep(pause).await, stream.read(&mut one).await) };
                                    drop(futures::join!(later, stream.read(&mut other)));
                                }
                                _ => (&*peer).write_all(&b"xy"[below(2)..]).unwrap(),
                            }
                        };
                        timeout(SECOND, step).await.expect("a wait that never ends");
                        assert!(start.elapsed() <= 41 * MILLISECOND, "seed {seed}: took {:?}", start.elapsed());
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(stats().waits, 0, "seed {seed}");
        });
    }
}
