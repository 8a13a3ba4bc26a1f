//! Datagrams, passed descriptors and pipes over an operating system that fails: what is "not yet" is tried again, what
//! is an error is told once, and the source lives on.
//!
//! `--cfg mainspring_faults`.
#![cfg(mainspring_faults)]

mod util;

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::time::Duration;

use libc::{EAGAIN, ECONNREFUSED, EINTR, EIO, EMFILE, EMSGSIZE, ENOBUFS, ENOMEM, ENOSPC};
use mainspring::net::{Datagrams, Source, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe, splice};
use mainspring::time::timeout;
use mainspring_sys::faults::{Call, Fault, Plan};

use util::folder::Folder;
use util::runtime::{in_child, open_descriptors, run, stats};

/// Moves a few bytes by the call, from one end of a new pair to the other. The error is of the one operation that
/// failed, after which the same pair is used once more.
async fn exchange(call: Call, plan: &mut Option<Plan>, faults: &[Fault]) -> io::Result<()> {
    let mut buffer = [0; 16];
    let mut result = Ok(());
    let mut note = |moved: io::Result<usize>| match moved {
        Ok(count) => assert_eq!(count, 5),
        Err(error) => result = Err(error),
    };
    match call {
        Call::SendTo | Call::RecvFrom | Call::SendMany | Call::RecvMany => {
            let (left, right) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
            let to = right.local_addr()?;
            let mut batch = Datagrams::new(4, 16);
            *plan = Some(Plan::new(faults.iter().copied()));
            for round in 0..2 {
                if matches!(call, Call::SendTo | Call::RecvFrom) {
                    note(left.send_to(b"hello", to).await);
                    match timeout(Duration::from_millis(200), right.recv_from(&mut buffer)).await {
                        Ok(received) => note(received.map(|(count, _)| count)),
                        // What was not sent does not come.
                        Err(elapsed) => assert!(call == Call::SendTo && round == 0, "{elapsed}"),
                    }
                } else {
                    batch.clear();
                    batch.push(b"hello", Some(&to))?;
                    match left.send_datagrams(&mut batch).await {
                        Ok(count) => assert_eq!(count, 1),
                        Err(error) => note(Err(error)),
                    }
                    batch.clear();
                    match timeout(Duration::from_millis(200), right.recv_datagrams(&mut batch)).await {
                        Ok(Ok(count)) => assert_eq!((count, batch.iter().next().unwrap().bytes()), (1, &b"hello"[..])),
                        Ok(Err(error)) => note(Err(error)),
                        Err(elapsed) => assert!(call == Call::SendMany && round == 0, "{elapsed}"),
                    }
                }
                // What a failed receive left is not in the way of the next round.
                while right.try_recv(&mut buffer)?.is_some() {}
            }
        }
        Call::SendDescriptors | Call::RecvDescriptors => {
            let (left, right) = UnixStream::pair()?;
            *plan = Some(Plan::new(faults.iter().copied()));
            for _ in 0..2 {
                let sent = left.send_descriptors(&[IoSlice::new(b"hello")], &[left.as_fd()]).await;
                let is_sent = sent.is_ok();
                note(sent);
                let mut descriptors = Vec::new();
                while is_sent && descriptors.is_empty() {
                    let mut buffers = [IoSliceMut::new(&mut buffer)];
                    let received = right.recv_descriptors(&mut buffers, &mut descriptors).await;
                    note(received.map(|received| received.bytes));
                }
            }
        }
        Call::ReadPipe | Call::WritePipe => {
            let (reader, writer) = pipe()?;
            *plan = Some(Plan::new(faults.iter().copied()));
            for _ in 0..2 {
                let written = writer.write(b"hello").await;
                let mut is_there = written.is_ok();
                note(written);
                while is_there {
                    let read = reader.read(&mut buffer).await;
                    is_there = read.is_err();
                    note(read);
                }
            }
        }
        other => panic!("{other:?} is none of these"),
    }
    result
}

const CALLS: [Call; 8] = [
    Call::SendTo,
    Call::RecvFrom,
    Call::SendMany,
    Call::RecvMany,
    Call::SendDescriptors,
    Call::RecvDescriptors,
    Call::ReadPipe,
    Call::WritePipe,
];

#[test]
fn what_is_not_yet_is_tried_again_and_an_error_is_told_once() {
    run(async {
        for call in CALLS {
            let sends = matches!(call, Call::SendTo | Call::SendMany | Call::SendDescriptors);
            let mut rows = vec![(EINTR, 1, false), (EINTR, 40, false), (EAGAIN, 1, false), (EIO, 1, true)];
            if sends {
                rows.extend([(ENOBUFS, 1, false), (ENOMEM, 3, false), (EMSGSIZE, 1, true), (ECONNREFUSED, 1, true)]);
            }
            for (code, times, is_error) in rows {
                let mut plan = None;
                let faults = [Fault::fail(call, code).times(times)];
                let outcome = timeout(Duration::from_secs(60), exchange(call, &mut plan, &faults)).await;
                let outcome = outcome.unwrap_or_else(|_| panic!("{call:?} {code} {times} times: it hangs"));
                let hits = plan.map(|plan| plan.hits());
                assert_eq!(hits, Some(vec![times]), "{call:?} {code}");
                let told = outcome.err().map(|error| error.raw_os_error());
                assert_eq!(told, is_error.then_some(Some(code)), "{call:?} {code} {times} times");
                assert_eq!((stats().sources, stats().waits), (0, 0), "{call:?} {code}");
            }
        }
    });
}

#[test]
fn a_splice_waits_when_there_is_no_memory_and_loses_nothing() {
    run(async {
        for code in [ENOBUFS, ENOMEM, EAGAIN, EINTR] {
            let ((client, from), (to, server)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            client.write_all(b"hello").await.unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let plan = Plan::new([Fault::fail(Call::DrainConduit, code).times(2)]);
            let moved = timeout(Duration::from_secs(60), splice(&from, &to)).await.expect("it goes on");
            assert_eq!((moved.unwrap(), plan.hits()), (5, vec![2]), "{code}");
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 5);
        }
        // Without a pipe in the middle, what finds no memory in the first place tries again as one that waits for room.
        for code in [ENOBUFS, ENOMEM, EAGAIN, EINTR] {
            let ((client, from), (reader, to)) = (UnixStream::pair().unwrap(), pipe().unwrap());
            client.write_all(b"hello").await.unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let faults = [Call::FillConduit, Call::DrainConduit].map(|call| Fault::fail(call, code).times(2));
            let plan = Plan::new(faults);
            let moved = timeout(Duration::from_secs(60), splice(&from, &to)).await.expect("it goes on");
            assert_eq!(moved.unwrap(), 5, "{code}");
            assert!(plan.hits()[0] == 2, "{code}: {:?}", plan.hits());
            assert!(code == EINTR || plan.hits()[1] > 0, "{code}: {:?}", plan.hits());
            assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 5);
        }
    });
}

#[test]
fn a_full_queue_of_a_unix_listener_is_tried_until_there_is_room() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let plan = Plan::new([Fault::fail(Call::Connect, EAGAIN).times(5)]);
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!((plan.hits(), plan.calls(Call::Connect)), (vec![5], 6));
        drop(plan);
        let (server, _) = listener.accept().await.unwrap();
        server.write_all(b"hello").await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 5);
        // An error ends the wait, and one whose event comes for no reason goes on.
        let plan = Plan::new([
            Fault::fail(Call::Connect, EAGAIN).times(2),
            Fault::spurious(),
            Fault::fail(Call::Connect, ECONNREFUSED).nth(3),
        ]);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!((error.raw_os_error(), plan.hits()), (Some(ECONNREFUSED), vec![2, 1, 1]));
    });
}

#[test]
fn a_unix_listener_pauses_and_passes_over_as_one_of_tcp() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).await.unwrap();
        let plan = Plan::new([Fault::fail(Call::Accept, EMFILE).times(2)]);
        listener.accept().await.unwrap();
        assert_eq!(plan.hits(), [2]);
        assert!(stats().accept_paused > 0);
    });
}

#[test]
fn what_cannot_be_registered_leaves_nothing_behind() {
    in_child("what_cannot_be_registered_leaves_nothing_behind", || {
        run(async {
            let folder = Folder::new();
            let makers: [(&str, fn(&Folder) -> io::Result<()>); 7] = [
                ("udp", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
                ("listener", |folder| UnixListener::bind(folder.join("listener")).map(drop)),
                ("datagram", |_| UnixDatagram::unbound().map(drop)),
                ("pair", |_| UnixStream::pair().map(drop)),
                ("datagram pair", |_| UnixDatagram::pair().map(drop)),
                ("pipe", |_| pipe().map(drop)),
                ("source", |_| Source::new(std::os::unix::net::UnixStream::pair()?.0).map(drop)),
            ];
            for (name, make) in makers {
                for code in [ENOSPC, ENOMEM] {
                    let open = open_descriptors();
                    let plan = Plan::new([Fault::fail(Call::Register, code)]);
                    let error = make(&folder).unwrap_err();
                    assert_eq!((error.raw_os_error(), plan.hits()), (Some(code), vec![1]), "{name}");
                    assert_eq!((open_descriptors(), stats().sources), (open, 0), "{name}");
                    let _ = std::fs::remove_file(folder.join("listener"));
                }
            }
        });
    });
}
