//! The rule of the tick: what runs a task again, what parks it, and what ends it.
mod util;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Task, Tick, schedule};
use mainspring::{JoinHandle, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use util::runtime::*;

/// Ticks `tick`, counting.
fn counted(mut tick: impl FnMut() -> io::Result<Tick> + 'static) -> (JoinHandle<io::Result<()>>, Rc<Cell<u32>>) {
    let ticks = Rc::new(Cell::new(0));
    let count = ticks.clone();
    let task = schedule(move || {
        count.set(count.get() + 1);
        tick()
    });
    (task, ticks)
}

/// The error that ends a task.
async fn ends(task: JoinHandle<io::Result<()>>) -> io::Error {
    task.await.expect("the task was neither aborted nor did it panic").expect_err("the task ends with an error")
}

/// A task reads one byte per tick from `busy`, and tries `idle` before or after it. All bytes must come, since the
/// selector announces them once only.
async fn reads_all_bytes(idle_first: bool) {
    let (busy, mut peer) = half_std().await;
    let (idle, _silent) = half_std().await;
    let read = Rc::new(RefCell::new(Vec::new()));
    let (task, ticks) = counted({
        let read = read.clone();
        move || {
            let mut byte = [0];
            if idle_first {
                assert_eq!(idle.try_read(&mut [0])?, None);
            }
            if busy.try_read(&mut byte)? == Some(1) {
                read.borrow_mut().push(byte[0]);
            }
            if !idle_first {
                assert_eq!(idle.try_read(&mut [0])?, None);
            }
            Ok(Tick::WouldBlock)
        }
    });
    turns(2).await;
    assert_eq!(ticks.get(), 1, "it is parked: nothing is there");
    for round in 1..=3 {
        peer.write_all(b"abc").unwrap();
        until(|| read.borrow().len() == 3 * round).await;
        turns(2).await;
        assert_eq!(ticks.get(), 1 + 4 * round as u32, "three with a byte, and one that finds nothing");
    }
    task.abort();
}

#[test]
fn a_tick_with_progress_and_then_a_not_yet_is_run_again() {
    run(reads_all_bytes(false));
}

#[test]
fn a_tick_with_a_not_yet_and_then_progress_is_run_again() {
    run(reads_all_bytes(true));
}

#[test]
fn a_tick_after_progress_runs_within_the_same_poll() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let (_task, ticks) = counted(move || {
            stream.try_read(&mut [0; 8])?;
            Ok(Tick::WouldBlock)
        });
        turns(2).await;
        let before = (ticks.get(), Rc::new(Cell::new(0)));
        let polls = before.1.clone();
        let _other = spawn(async move {
            loop {
                polls.set(polls.get() + 1);
                yield_now().await;
            }
        });
        peer.write_all(b"x").unwrap();
        let mut seen_between = false;
        until(|| {
            seen_between |= ticks.get() == before.0 + 1;
            ticks.get() == before.0 + 2
        })
        .await;
        assert!(!seen_between, "another task ran between a tick with progress and the next");
    });
}

#[test]
fn a_tick_whose_progress_spends_the_budget_is_run_again() {
    run(async {
        let (busy, mut peer) = half_std().await;
        let (idle, _silent) = half_std().await;
        peer.write_all(&[1; 1_000]).unwrap();
        turns(2).await;
        for also_waits in [false, true] {
            let left = Rc::new(Cell::new(500));
            let (count, busy, idle) =
                (left.clone(), busy.as_fd().try_clone_to_owned(), idle.as_fd().try_clone_to_owned());
            let busy = TcpStream::from_std(busy.unwrap().into()).unwrap();
            let idle = TcpStream::from_std(idle.unwrap().into()).unwrap();
            let task = schedule(move || {
                if also_waits {
                    assert_eq!(idle.try_read(&mut [0])?, None);
                }
                count.set(count.get() - busy.try_read(&mut [0])?.unwrap_or(0));
                Ok(if count.get() == 0 { Tick::Final } else { Tick::WouldBlock })
            });
            until(|| task.is_finished()).await;
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_task_that_says_again_gives_the_others_their_turn() {
    run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..2)
            .map(|name| {
                let order = order.clone();
                let mut left = 5;
                schedule(move || {
                    left -= 1;
                    order.borrow_mut().push(name);
                    Ok(if left == 0 { Tick::Final } else { Tick::Again })
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1].repeat(5));
    });
}

#[test]
fn buffered_work_is_done_while_the_source_has_nothing() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let lines = Rc::new(Cell::new(0));
        let mut buffer = Vec::new();
        let count = lines.clone();
        let _task = schedule(move || {
            let mut bytes = [0; 64];
            if let Some(read) = stream.try_read(&mut bytes)? {
                buffer.extend_from_slice(&bytes[..read]);
            }
            // One line per tick, although a read may bring many.
            if let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                buffer.drain(..=end);
                count.set(count.get() + 1);
                return Ok(Tick::Again);
            }
            Ok(Tick::WouldBlock)
        });
        peer.write_all(b"a\nb\nc\nd\ne\nf\n").unwrap();
        until(|| lines.get() == 6).await;
    });
}

#[test]
fn a_source_dropped_in_the_tick_that_waits_for_it_wakes_the_task() {
    run(async {
        let (stream, _peer) = half_std().await;
        let mut stream = Some(stream);
        let (task, ticks) = counted(move || {
            if let Some(stream) = stream.take() {
                assert_eq!(stream.try_read(&mut [0])?, None);
            }
            Ok(Tick::WouldBlock)
        });
        let error = ends(task).await;
        assert!(error.to_string().contains("waits for nothing"), "{error}");
        assert_eq!(ticks.get(), 2);
    });
}

#[test]
fn a_tick_that_touches_nothing_ends_with_an_error() {
    let (error, _) = run(async {
        let (task, ticks) = counted(|| Ok(Tick::WouldBlock));
        let error = ends(task).await;
        assert_eq!(ticks.get(), 1);
        error
    });
    assert!(error.to_string().contains("tick waits for nothing"), "{error}");
}

#[test]
fn an_end_of_file_that_is_ignored_ends_the_task_and_does_not_spin() {
    run(async {
        let (stream, peer) = half_std().await;
        drop(peer);
        let (task, ticks) = counted(move || {
            stream.try_read(&mut [0; 8])?;
            Ok(Tick::WouldBlock)
        });
        let error = ends(task).await;
        assert!(error.to_string().contains("waits for nothing"), "{error}");
        assert!(ticks.get() <= 3, "{} ticks", ticks.get());
    });
}

#[test]
fn an_end_of_file_does_not_keep_a_task_from_waiting_for_something_else() {
    run(async {
        let (ended, peer) = half_std().await;
        let (other, mut other_peer) = half_std().await;
        drop(peer);
        let (task, ticks) = counted(move || {
            ended.try_read(&mut [0; 8])?;
            Ok(if other.try_read(&mut [0; 8])?.is_some() { Tick::Final } else { Tick::WouldBlock })
        });
        turns(3).await;
        let parked = ticks.get();
        assert!(parked <= 3, "{parked} ticks");
        turns(3).await;
        assert_eq!(ticks.get(), parked);
        other_peer.write_all(b"x").unwrap();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn the_error_would_block_means_would_block() {
    run(async {
        let (mut stream, mut peer) = half_std().await;
        let (task, ticks) = counted(move || {
            let mut buffer = [0; 4];
            let count = Read::read(&mut stream, &mut buffer)?;
            assert_eq!(&buffer[..count], b"ping");
            Ok(Tick::Final)
        });
        turns(3).await;
        assert_eq!(ticks.get(), 1);
        peer.write_all(b"ping").unwrap();
        task.await.unwrap().unwrap();
        let (error, _) = (ends(schedule(|| Err(io::ErrorKind::WouldBlock.into()))).await, ());
        assert!(error.to_string().contains("waits for nothing"), "{error}");
    });
}

#[test]
fn an_error_ends_its_task_alone_and_is_seen_in_the_handle() {
    struct Failing(#[allow(dead_code)] Token);
    impl Task for Failing {
        fn tick(&mut self) -> io::Result<Tick> {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "no entry"))
        }
    }
    run(async {
        let (alive, (other, mut peer)) = (Alive::default(), half_std().await);
        let survivor =
            schedule(move || Ok(if other.try_read(&mut [0])?.is_some() { Tick::Final } else { Tick::WouldBlock }));
        let failed = schedule(Failing(alive.token()));
        let error = ends(failed).await;
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::PermissionDenied, "no entry"));
        assert_eq!(alive.count(), 0, "the task was dropped");
        drop(schedule(Failing(alive.token())));
        turns(2).await;
        assert_eq!(alive.count(), 0, "also without a handle");
        peer.write_all(b"x").unwrap();
        survivor.await.unwrap().unwrap();
    });
}

#[test]
fn a_source_asked_ten_thousand_times_within_a_poll_names_the_spin() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let (task, ticks) = counted(move || {
            let mut asked = 0;
            loop {
                match stream.try_read(&mut [0]) {
                    Ok(None) => asked += 1,
                    Ok(Some(_)) => {}
                    Err(error) => {
                        assert!((9_999..=20_001).contains(&asked), "asked {asked} times");
                        return Err(error);
                    }
                }
            }
        });
        // Enough to spend the budget of a poll: the spin is then on refusals.
        peer.write_all(&[1; 4096]).unwrap();
        let error = ends(task).await;
        assert!(error.to_string().contains("10000 times within one poll"), "{error}");
        assert_eq!(ticks.get(), 1);

        let (stream, _peer) = half_std().await;
        let spin = ends(schedule(move || {
            loop {
                stream.try_read(&mut [0])?;
            }
        }));
        assert!(spin.await.to_string().contains("10000 times within one poll"));
    });
}

#[test]
fn asking_often_in_many_polls_is_no_spin() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let mut polls = 0;
        let task = schedule(move || {
            polls += 1;
            for _ in 0..9_000 {
                if stream.try_read(&mut [0])?.is_some() {
                    return Ok(Tick::Final);
                }
            }
            Ok(if polls < 5 { Tick::Again } else { Tick::WouldBlock })
        });
        turns(6).await;
        peer.write_all(b"x").unwrap();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_task_that_waits_for_many_sources_is_woken_by_any() {
    run(async {
        let (mut streams, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let (stream, peer) = half_std().await;
            streams.push(stream);
            peers.push(peer);
        }
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (_task, ticks) = counted({
            let seen = seen.clone();
            move || {
                for (index, stream) in streams.iter().enumerate() {
                    if stream.try_read(&mut [0])?.is_some() {
                        seen.borrow_mut().push(index);
                    }
                }
                Ok(Tick::WouldBlock)
            }
        });
        turns(2).await;
        for (round, index) in [3, 0, 7, 3, 1].into_iter().enumerate() {
            peers[index].write_all(b"x").unwrap();
            until(|| seen.borrow().len() == round + 1).await;
            assert_eq!(seen.borrow().last(), Some(&index));
            assert_eq!(ticks.get() as usize, 1 + 2 * (round + 1));
        }
        assert_eq!(stats().waits, 8);
    });
}

#[test]
fn a_source_that_was_not_touched_does_not_wake() {
    run(async {
        let (touched, mut touched_peer) = half_std().await;
        let (untouched, mut untouched_peer) = half_std().await;
        let (task, ticks) = counted(move || {
            let _owned = &untouched;
            Ok(if touched.try_read(&mut [0])?.is_some() { Tick::Final } else { Tick::WouldBlock })
        });
        turns(2).await;
        untouched_peer.write_all(b"x").unwrap();
        turns(4).await;
        assert_eq!(ticks.get(), 1);
        touched_peer.write_all(b"x").unwrap();
        task.await.unwrap().unwrap();
        assert_eq!(ticks.get(), 2);
    });
}

/// Writes until the stream says "not yet".
fn fill(stream: &TcpStream) -> usize {
    let mut written = 0;
    while let Some(count) = stream.try_write(&[7; 65_536]).unwrap() {
        written += count;
    }
    written
}

#[test]
fn a_reader_and_a_writer_that_share_a_stream_are_woken_each_by_its_own_event() {
    run(async {
        let (stream, mut peer) = half_std().await;
        let stream = Rc::new(stream);
        peer.set_nonblocking(true).unwrap();
        // Until it stays full: the system moves bytes to the peer's buffer meanwhile.
        let mut written = 0;
        loop {
            let more = fill(&stream);
            written += more;
            turns(3).await;
            if more == 0 && fill(&stream) == 0 {
                break;
            }
        }
        let (reading, writing) = (stream.clone(), stream.clone());
        let (reader, reads) =
            counted(move || Ok(if reading.try_read(&mut [0])? == Some(0) { Tick::Final } else { Tick::WouldBlock }));
        let (writer, writes) =
            counted(move || Ok(if writing.try_write(b"last")?.is_some() { Tick::Final } else { Tick::WouldBlock }));
        turns(3).await;
        assert_eq!((reads.get(), writes.get()), (1, 1));
        peer.write_all(b"x").unwrap();
        until(|| reads.get() > 1).await;
        turns(3).await;
        assert_eq!(writes.get(), 1, "a readable event woke the writer");

        // Whatever was written is read, so the writer can go on; then the end, so the reader can.
        let (mut read, mut buffer) = (0, vec![0; 65_536]);
        until(|| {
            while let Ok(count) = peer.read(&mut buffer) {
                read += count;
            }
            writer.is_finished()
        })
        .await;
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        reader.await.unwrap().unwrap();
        drop(stream);
        until(|| {
            while let Ok(count @ 1..) = peer.read(&mut buffer) {
                read += count;
            }
            read == written + 4
        })
        .await;
    });
}

#[test]
fn two_tasks_that_read_one_listener_are_both_woken() {
    run(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let accepted = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let (listener, accepted) = (listener.clone(), accepted.clone());
                counted(move || {
                    while listener.try_accept()?.is_some() {
                        accepted.set(accepted.get() + 1);
                    }
                    Ok(Tick::WouldBlock)
                })
            })
            .collect();
        turns(2).await;
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        until(|| tasks.iter().all(|(_, ticks)| ticks.get() >= 2)).await;
        assert_eq!(accepted.get(), 1);
        assert_eq!(stats().waits, 2);
        for (task, _) in &tasks {
            task.abort();
        }
        turns(2).await;
        assert_eq!(stats().waits, 0, "waits end with their task");
    });
}

#[test]
fn a_flood_on_one_connection_does_not_starve_another() {
    const BYTES: usize = 200_000;
    for style in ["tick", "async", "std"] {
        run(async {
            let (flooded, mut peer) = half_std().await;
            let (quiet, mut quiet_peer) = half_std().await;
            let thread = std::thread::spawn(move || peer.write_all(&[1; BYTES]).unwrap());
            let read = Rc::new(Cell::new(0));
            let count = read.clone();
            // All its bytes have arrived before it is first polled, so that it never waits.
            turns(2).await;
            let flood = match style {
                "tick" => schedule(move || {
                    while let Some(1) = flooded.try_read(&mut [0])? {
                        count.set(count.get() + 1);
                    }
                    Ok(if count.get() == BYTES { Tick::Final } else { Tick::WouldBlock })
                }),
                "async" => spawn(async move {
                    while flooded.read(&mut [0]).await? == 1 {
                        count.set(count.get() + 1);
                    }
                    Ok(())
                }),
                _ => spawn(async move {
                    let mut flooded = flooded;
                    while mainspring::ready(|| Read::read(&mut flooded, &mut [0])).await? == 1 {
                        count.set(count.get() + 1);
                    }
                    Ok(())
                }),
            };
            let (mut most, mut last) = (0, 0);
            let answer = spawn(async move {
                let mut buffer = [0; 1];
                for _ in 0..100 {
                    assert_eq!(quiet.read(&mut buffer).await.unwrap(), 1);
                    quiet.write_all(&buffer).await.unwrap();
                }
            });
            quiet_peer.write_all(&[2; 100]).unwrap();
            until(|| {
                most = most.max(read.get() - last);
                last = read.get();
                flood.is_finished() && answer.is_finished()
            })
            .await;
            assert!(most <= 129, "{style}: {most} bytes were read while others waited");
            assert_eq!(read.get(), BYTES);
            flood.await.unwrap().unwrap();
            thread.join().unwrap();
        });
    }
}

#[test]
fn a_tick_can_connect() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connecting = TcpStream::start_connect(listener.local_addr().unwrap()).unwrap();
        let (task, ticks) = counted(move || {
            let Some(mut stream) = connecting.try_connect()? else { return Ok(Tick::WouldBlock) };
            Write::write_all(&mut stream, b"hello")?;
            Ok(Tick::Final)
        });
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(read_to_end(&server).await.unwrap(), b"hello");
        task.await.unwrap().unwrap();
        assert!(ticks.get() <= 2);
    });
}
