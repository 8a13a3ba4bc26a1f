//! Unix datagrams, and the passing of descriptors over both kinds of Unix sockets.
mod util;

use std::cell::Cell;
use std::fs;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use mainspring::net::{Datagrams, UnixDatagram, UnixListener, UnixStream, abstract_address};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{Instant, sleep};
use mainspring::{spawn, yield_now};
use util::folder::Folder;
use util::runtime::*;

#[test]
fn datagrams_go_both_ways_with_their_addresses() {
    run(async {
        let folder = Folder::new();
        let (here, there) = (folder.join("here"), folder.join("there"));
        let (left, right) = (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        let mut buffer = [0; 16];
        assert!(right.try_recv_from(&mut buffer).unwrap().is_none());
        left.send_to(b"hello", &there).await.unwrap();
        let (length, from) = right.peek_from(&mut buffer).await.unwrap();
        assert_eq!((length, from.as_pathname()), (5, Some(&*here)));
        assert!(right.try_peek_from(&mut buffer).unwrap().is_some());
        assert_eq!(right.peek(&mut buffer[..3]).await.unwrap(), 3);
        assert_eq!(right.try_peek(&mut buffer).unwrap(), Some(5));
        let (length, from) = right.recv_from(&mut buffer).await.unwrap();
        assert_eq!((length, from.as_pathname()), (5, Some(&*here)));
        assert_eq!(right.try_send_to_addr(b"", &from).unwrap(), Some(0));
        assert_eq!(left.recv_from(&mut buffer).await.unwrap().0, 0, "zero bytes are a datagram");
        // An unbound one can send, and has no address.
        let third = UnixDatagram::unbound().unwrap();
        assert_eq!(third.try_send_to(b"x", &here).unwrap(), Some(1));
        assert!(left.recv_from(&mut buffer).await.unwrap().1.is_unnamed());
        assert!(format!("{left:?}").contains(here.to_str().unwrap()));
    });
}

#[test]
fn a_connected_socket_and_a_pair_send_without_addresses() {
    run(async {
        let address = abstract_address(format!("mainspring-dgram-{}", std::process::id()).as_bytes()).unwrap();
        let server = UnixDatagram::bind_addr(&address).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        assert!(client.try_send(b"x").is_err(), "it has no peer");
        client.connect_addr(&address).unwrap();
        assert_eq!(client.send(b"ping").await.unwrap(), 4);
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 4);
        let (left, right) = UnixDatagram::pair().unwrap();
        assert_eq!(left.peer_credentials().unwrap().process, Some(std::process::id() as i32));
        left.send(b"0123456789").await.unwrap();
        let mut small = [0; 4];
        assert_eq!(right.recv(&mut []).await.unwrap(), 0, "takes none");
        assert_eq!(right.recv(&mut small).await.unwrap(), 4);
        assert_eq!(right.try_recv(&mut small).unwrap(), None, "the rest is lost");
    });
}

#[test]
fn errors_say_who_is_not_there() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("gone");
        let socket = UnixDatagram::unbound().unwrap();
        assert_eq!(socket.send_to(b"x", &path).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(socket.connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
        drop(UnixDatagram::bind(&path).unwrap());
        assert_eq!(socket.send_to(b"x", &path).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let error = UnixDatagram::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert_eq!(socket.send(b"x").await.unwrap_err().kind(), ErrorKind::NotConnected);
        // It lives on.
        fs::remove_file(&path).unwrap();
        let receiver = UnixDatagram::bind(&path).unwrap();
        socket.send_to(b"x", &path).await.unwrap();
        assert_eq!(receiver.recv(&mut [0; 2]).await.unwrap(), 1);
    });
}

/// Fills the queue of a receiver by an unconnected sender, and returns how many fitted.
fn fill(sender: &UnixDatagram, path: &std::path::Path) -> usize {
    (0..100_000).take_while(|_| sender.try_send_to(b"x", path).unwrap().is_some()).count()
}

#[test]
fn a_send_to_a_full_queue_waits_though_no_event_tells_of_room() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        // By another: what a sender has sent itself tells it when it is taken.
        let queued = fill(&UnixDatagram::unbound().unwrap(), &path);
        let sender = Rc::new(UnixDatagram::unbound().unwrap());
        assert!((1..100_000).contains(&queued));
        let (sending, to) = (sender.clone(), path.clone());
        let send = spawn(async move { sending.send_to(b"last", to).await });
        let (ticking, to, tries) = (sender.clone(), path.clone(), Rc::new(Cell::new(0)));
        let count = tries.clone();
        let tick = schedule(move || {
            count.set(count.get() + 1);
            Ok(if ticking.try_send_to(b"tick", &to)?.is_some() { Tick::Final } else { Tick::WouldBlock })
        });
        let start = Instant::now();
        sleep(Duration::from_millis(50)).await;
        assert!(!send.is_finished() && !tick.is_finished());
        // Pauses that double, and an event of the socket's own making at each: not a spin.
        let elapsed_ms = start.elapsed().as_millis();
        assert!(tries.get() < 30 + elapsed_ms, "{} tries in {elapsed_ms} ms", tries.get());
        for _ in 0..queued {
            receiver.recv(&mut [0; 8]).await.unwrap();
        }
        assert_eq!(send.await.unwrap().unwrap(), 4);
        tick.await.unwrap().unwrap();
        for _ in 0..2 {
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 4);
        }
    });
}

#[test]
fn a_receiver_that_never_reads_holds_up_its_own_senders_alone() {
    run(async {
        let folder = Folder::new();
        let (stuck, free) = (folder.join("stuck"), folder.join("free"));
        let (_full, receiver) = (UnixDatagram::bind(&stuck).unwrap(), UnixDatagram::bind(&free).unwrap());
        let socket = Rc::new(UnixDatagram::unbound().unwrap());
        fill(&socket, &stuck);
        let mut held_up: Vec<_> = (0..2)
            .map(|_| {
                let (socket, stuck) = (socket.clone(), stuck.clone());
                spawn(async move { socket.send_to(b"never", stuck).await.map(drop) })
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        let mut batch = Datagrams::new(2, 8);
        for round in 0..10 {
            // As a future, as a try, as a batch, and behind the full one in one tick.
            assert_eq!(socket.send_to(b"future", &free).await.unwrap(), 6);
            assert_eq!(socket.try_send_to(b"try", &free).unwrap(), Some(3));
            batch.push_unix(b"batch", &receiver.local_addr().unwrap()).unwrap();
            assert_eq!(socket.send_datagrams(&mut batch).await.unwrap(), 1);
            let (ticking, stuck, free) = (socket.clone(), stuck.clone(), free.clone());
            let tick = schedule(move || {
                assert_eq!(ticking.try_send_to(b"never", &stuck)?, None);
                Ok(if ticking.try_send_to(b"tick", &free)?.is_some() { Tick::Final } else { Tick::WouldBlock })
            });
            tick.await.unwrap().unwrap();
            for length in [6, 3, 5, 4] {
                assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), length);
            }
            assert!(held_up.iter().all(|send| !send.is_finished()));
            // Where the senders stand in the list of those who wait changes with the pauses.
            sleep(Duration::from_micros(round * 700)).await;
        }
        held_up.drain(..).for_each(|send| send.abort());
        yield_now().await;
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn each_sender_to_a_full_queue_is_told_once_that_its_time_is_over() {
    let folder = Folder::new();
    let (stuck, other, free) = (folder.join("stuck"), folder.join("other"), folder.join("free"));
    in_virtual_time(async {
        let _full = [&stuck, &other].map(|path| UnixDatagram::bind(path).unwrap());
        let receiver = UnixDatagram::bind(&free).unwrap();
        let socket = Rc::new(UnixDatagram::unbound().unwrap());
        for path in [&stuck, &other] {
            fill(&socket, path);
        }
        let limit = Duration::from_millis(50);
        socket.set_write_timeout(Some(limit)).unwrap();
        for round in 0..3 {
            let start = Instant::now();
            let tasks: Vec<_> = [&stuck, &other, &stuck, &other]
                .into_iter()
                .map(|path| {
                    let (socket, path) = (socket.clone(), path.clone());
                    spawn(async move {
                        let error = socket.send_to(b"late", path).await.unwrap_err();
                        (error.kind(), start.elapsed())
                    })
                })
                .collect();
            sleep(limit / 2).await;
            assert_eq!(socket.send_to(b"hello", &free).await.unwrap(), 5);
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 5);
            for task in tasks {
                let (kind, elapsed) = task.await.unwrap();
                assert_eq!(kind, ErrorKind::TimedOut);
                assert!((limit..limit * 2).contains(&elapsed), "round {round}: {elapsed:?}");
            }
            assert_eq!(stats().waits, 0);
        }
    });
}

#[test]
fn a_socket_that_is_closed_in_a_pause_leaves_no_timer_behind() {
    let folder = Folder::new();
    let path = folder.join("socket");
    in_virtual_time(async {
        let _receiver = UnixDatagram::bind(&path).unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            let sender = UnixDatagram::unbound().unwrap();
            while sender.try_send_to(b"hello", &path).unwrap().is_some() {}
            assert_eq!(stats().timers, 1, "it pauses");
            drop(sender);
            assert_eq!(stats().timers, 0);
        }
        turns(10).await;
        assert_eq!(Instant::now(), start, "the clock has nowhere to jump to");
    });
}

#[test]
fn a_connected_send_to_a_full_queue_is_woken_by_its_receiver() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path).unwrap();
        let mut queued = 0;
        let mut batch = Datagrams::new(1, 8);
        loop {
            batch.clear();
            batch.push(b"x", None).unwrap();
            if sender.try_send_datagrams(&mut batch).unwrap().is_none() {
                break;
            }
            queued += 1;
        }
        assert_eq!(stats().timers, 0, "an event will tell");
        let send = spawn(async move { sender.send(b"last").await });
        turns(3).await;
        assert!(!send.is_finished());
        for _ in 0..queued {
            receiver.recv(&mut [0; 8]).await.unwrap();
        }
        assert_eq!(send.await.unwrap().unwrap(), 4);
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn batches_are_sent_and_answered() {
    run(async {
        let folder = Folder::new();
        let (here, there) = (folder.join("here"), folder.join("there"));
        let (left, right) = (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        let mut batch = Datagrams::new(32, 16);
        for index in 0..32_u8 {
            batch.push_unix(&[index], &right.local_addr().unwrap()).unwrap();
        }
        // More than the queue of a receiver holds.
        let sending = spawn(async move {
            while !batch.is_empty() {
                left.send_datagrams(&mut batch).await.unwrap();
            }
            left
        });
        let (mut received, mut batch) = (0, Datagrams::new(4, 16));
        while received < 32 {
            right.recv_datagrams(&mut batch).await.unwrap();
            for datagram in batch.iter() {
                assert_eq!(datagram.bytes(), [received]);
                received += 1;
            }
        }
        let left = sending.await.unwrap();
        // What was received goes back to where it came from.
        assert!(right.try_send_datagrams(&mut batch).unwrap().is_some());
        assert!(left.try_recv_datagrams(&mut batch).unwrap().is_some());
    });
}

#[test]
fn descriptors_pass_over_streams_and_datagrams() {
    run(async {
        let ((left, right), (from, to)) = (UnixStream::pair().unwrap(), UnixDatagram::pair().unwrap());
        let (mut byte, mut descriptors): ([u8; 1], Vec<OwnedFd>) = ([0], Vec::new());
        let waiting = spawn(async move {
            let (mut buffer, mut descriptors) = ([0; 16], Vec::new());
            let mut buffers = [IoSliceMut::new(&mut buffer)];
            let received = right.recv_descriptors(&mut buffers, &mut descriptors).await.unwrap();
            (right, received, descriptors)
        });
        turns(2).await;
        let (reader, writer) = mainspring_sys::pipe().unwrap();
        assert_eq!(left.send_descriptors(&[IoSlice::new(b"fd")], &[reader.as_fd()]).await.unwrap(), 2);
        drop(reader);
        let (right, received, passed) = waiting.await.unwrap();
        assert_eq!((received.bytes, received.descriptors_lost, passed.len()), (2, false, 1));
        assert_eq!(writer.write(b"through").unwrap(), 7);
        let mut text = [0; 16];
        assert_eq!(fs::File::from(passed.into_iter().next().unwrap()).read(&mut text).unwrap(), 7);

        let mut buffers = [IoSliceMut::new(&mut byte)];
        assert!(to.try_recv_descriptors(&mut buffers, &mut descriptors).unwrap().is_none());
        let file = fs::File::open("/dev/null").unwrap();
        assert_eq!(from.send_descriptors(&[IoSlice::new(b"x")], &[file.as_fd(), left.as_fd()]).await.unwrap(), 1);
        assert_eq!(from.try_send_descriptors(&[IoSlice::new(b"y")], &[]).unwrap(), Some(1));
        assert_eq!(to.recv_descriptors(&mut buffers, &mut descriptors).await.unwrap().bytes, 1);
        assert_eq!(descriptors.len(), 2);
        assert_eq!(to.recv_descriptors(&mut buffers, &mut descriptors).await.unwrap().bytes, 1);
        assert_eq!(descriptors.len(), 2, "none came with the second");
        // A stream that was passed is one end more of the same connection.
        let same = UnixStream::from_std(descriptors.pop().unwrap().into()).unwrap();
        same.write_all(b"z").await.unwrap();
        assert_eq!(right.read(&mut byte).await.unwrap(), 1);
        assert_eq!(left.try_send_descriptors(&[], &[file.as_fd()]).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_read_that_ends_where_descriptors_came_says_nothing_about_what_is_left() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let connected = UnixStream::connect(&path).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (of_std, of_std_too) = std::os::unix::net::UnixStream::pair().unwrap();
        let of_std = [of_std, of_std_too].map(|stream| UnixStream::from_std(stream).unwrap());
        let pair = UnixStream::pair().unwrap();
        let ends = [(&connected, &accepted), (&accepted, &connected), (&pair.0, &pair.1), (&of_std[0], &of_std[1])];
        for (reading, writing) in ends {
            let file = fs::File::open("/dev/null").unwrap();
            writing.send_descriptors(&[IoSlice::new(b"a")], &[file.as_fd()]).await.unwrap();
            writing.write_all(b"b").await.unwrap();
            turns(2).await;
            for _ in 0..2 {
                assert_eq!(reading.try_read(&mut [0; 8]).unwrap(), Some(1));
            }
        }
    });
}

#[test]
fn the_end_of_a_stream_ends_a_tick_that_takes_descriptors() {
    run(async {
        let (left, right) = UnixStream::pair().unwrap();
        let task = schedule(move || {
            let (mut byte, mut descriptors) = ([0], Vec::new());
            let received = right.try_recv_descriptors(&mut [IoSliceMut::new(&mut byte)], &mut descriptors)?;
            // It ignores the end; that is told once, and is then a wait for nothing.
            Ok(if received.is_some_and(|received| received.bytes > 0) { Tick::Again } else { Tick::WouldBlock })
        });
        turns(2).await;
        drop(left);
        assert!(task.await.unwrap().unwrap_err().to_string().contains("waits for nothing"));
    });
}

#[test]
fn ten_thousand_cancelled_receives_leave_no_wait() {
    run(async {
        let (socket, _peer) = UnixDatagram::pair().unwrap();
        let (mut descriptors, mut byte) = (Vec::new(), [0]);
        for _ in 0..10_000 {
            assert!(poll_once(socket.recv(&mut [0])).is_pending());
            assert!(poll_once(socket.recv_from(&mut [0])).is_pending());
            let mut buffers = [IoSliceMut::new(&mut byte)];
            assert!(poll_once(socket.recv_descriptors(&mut buffers, &mut descriptors)).is_pending());
            assert!(poll_once(socket.readable()).is_pending());
            assert_eq!(stats().waits, 0);
            // So many within one poll are a spin.
            mainspring::yield_now().await;
        }
    });
}

#[test]
fn timeouts_end_waits_and_sockets_go_to_std_and_back() {
    in_virtual_time(async {
        let (left, right) = UnixDatagram::pair().unwrap();
        left.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(left.recv(&mut [0]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        left.set_read_timeout(Some(Duration::MAX)).unwrap();
        left.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        assert_eq!((left.read_timeout().is_some(), left.write_timeout()), (true, Some(Duration::from_secs(3))));
        left.set_send_buffer_size(1).unwrap();
        while left.try_send(&[0; 512]).unwrap().is_some() {}
        assert_eq!(left.send(&[0; 512]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        let plain = right.into_std().unwrap();
        while plain.recv(&mut [0; 1024]).is_ok() {}
        let right = UnixDatagram::from_std(plain).unwrap();
        left.writable().await.unwrap();
        left.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(left.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(left.take_error().unwrap().is_none());
        drop(right);
    });
}

#[test]
fn large_datagrams_cost_more_than_small_ones() {
    run(async {
        let name = b"mainspring-large-datagrams".to_vec();
        let address = abstract_address(&[&name[..], &std::process::id().to_ne_bytes()].concat()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let mut buffer = vec![7; 60_000];
        let mut batch = Datagrams::new(1, 60_000);
        let polls = stats().polls;
        for _ in 0..10 {
            socket.send_to_addr(&buffer, &address).await.unwrap();
            assert_eq!(socket.recv(&mut buffer).await.unwrap(), 60_000);
            batch.clear();
            batch.push_unix(&buffer, &address).unwrap();
            socket.send_datagrams(&mut batch).await.unwrap();
            assert_eq!(socket.recv_datagrams(&mut batch).await.unwrap(), 1);
        }
        let polls = stats().polls - polls;
        assert!((3..=6).contains(&polls), "{polls} polls");
    });
}
