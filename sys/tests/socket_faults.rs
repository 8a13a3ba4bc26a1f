//! What sockets, pipes and batches make of calls that fail: `--cfg mainspring_faults`.
#![cfg(mainspring_faults)]

mod util;

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr;

use libc::{EADDRINUSE, EAGAIN, EINPROGRESS, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS};
use mainspring_sys::faults::{Call, Fault, Plan};
use mainspring_sys::{Conduit, Connect, Datagrams, Outlet, Socket, SpareDescriptor, pipe};
use util::{TemporaryPath, any_port, in_child};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn connected() -> (Socket, Socket) {
    let (left, right) = (Socket::udp(&any_port()).unwrap(), Socket::udp(&any_port()).unwrap());
    left.bind(&any_port()).unwrap();
    right.bind(&any_port()).unwrap();
    left.connect(&right.local_addr().unwrap()).unwrap();
    (left, right)
}

#[test]
fn nothing_is_left_open_by_what_could_not_be_made() {
    type Make = fn() -> io::Result<()>;
    fn listen() -> io::Result<()> {
        let path = TemporaryPath::new();
        Socket::listen_unix(&SocketAddr::from_pathname(&*path)?, 8).map(drop)
    }
    let rows: [(Make, Call, &[i32]); 7] = [
        (|| pipe().map(drop), Call::Pipe, &[EMFILE, ENFILE]),
        (|| Socket::unix_stream_pair().map(drop), Call::Pair, &[EMFILE, ENFILE]),
        (|| Socket::udp(&any_port()).map(drop), Call::Socket, &[EMFILE, ENOBUFS]),
        (|| SpareDescriptor::new().map(drop), Call::Socket, &[EMFILE]),
        (listen, Call::Socket, &[EMFILE]),
        (listen, Call::Bind, &[EADDRINUSE]),
        (listen, Call::Listen, &[EADDRINUSE]),
    ];
    in_child("nothing_is_left_open_by_what_could_not_be_made", || {
        for (make, call, codes) in rows {
            for &code in codes {
                let open = open_descriptors();
                let plan = Plan::new([Fault::fail(call, code)]);
                assert_eq!(make().unwrap_err().raw_os_error(), Some(code), "{call:?}");
                assert_eq!((plan.hits(), open_descriptors()), (vec![1], open), "{call:?}");
                make().unwrap();
            }
        }
    });
}

#[test]
fn an_interrupted_call_for_a_message_is_made_again() {
    let (left, right) = connected();
    let (stream, peer) = Socket::unix_stream_pair().unwrap();
    let to = right.local_addr().unwrap();
    let mut batch = Datagrams::new(2, 8);
    batch.push(b"batch", None).unwrap();
    let calls = [Call::SendTo, Call::RecvFrom, Call::SendMany, Call::RecvMany, Call::SendDescriptors];
    let plan =
        Plan::new(calls.into_iter().chain([Call::RecvDescriptors]).map(|call| Fault::fail(call, EINTR).times(3)));
    left.send_to(b"x", &to).unwrap();
    right.recv_from(&mut [0; 9]).unwrap();
    left.send_datagrams(&mut batch).unwrap();
    right.recv_datagrams(&mut batch).unwrap();
    stream.send_descriptors(&[IoSlice::new(b"x")], &[left.as_fd()]).unwrap();
    let mut descriptors = Vec::new();
    let _ = peer.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 9])], &mut descriptors).unwrap();
    assert_eq!((plan.hits(), descriptors.len()), (vec![3; 6], 1));
}

#[test]
fn of_a_batch_that_is_cut_short_the_rest_stays() {
    let (left, right) = connected();
    let mut batch = Datagrams::new(5, 8);
    for number in 0..5 {
        batch.push(&[number], None).unwrap();
    }
    let plan = Plan::new([Fault::cut(Call::SendMany, 2), Fault::fail(Call::SendMany, ENOBUFS).nth(2)]);
    assert_eq!(left.send_datagrams(&mut batch).unwrap(), 2);
    assert_eq!(left.send_datagrams(&mut batch).unwrap_err().raw_os_error(), Some(ENOBUFS));
    assert_eq!(batch.iter().map(|datagram| datagram.bytes()[0]).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(left.send_datagrams(&mut batch).unwrap(), 3);
    assert_eq!(plan.hits(), [1, 1]);
    drop(plan);
    let plan = Plan::new([Fault::cut(Call::RecvMany, 2)]);
    assert_eq!(right.recv_datagrams(&mut batch).unwrap(), 2);
    assert_eq!(right.recv_datagrams(&mut batch).unwrap(), 3);
    assert_eq!(plan.hits(), [1]);
}

#[test]
fn only_a_full_queue_of_a_unix_listener_is_one() {
    let path = TemporaryPath::new();
    let address = SocketAddr::from_pathname(&*path).unwrap();
    let _listener = Socket::listen_unix(&address, 8).unwrap();
    for (code, outcome) in
        [(EAGAIN, Connect::QueueFull), (EINPROGRESS, Connect::InProgress), (EINTR, Connect::InProgress)]
    {
        let plan = Plan::new([Fault::fail(Call::Connect, code)]);
        let client = Socket::unix_stream().unwrap();
        assert_eq!(client.connect_unix(&address).unwrap(), outcome);
        assert_eq!(client.connect_unix(&address).unwrap(), Connect::Done);
        assert_eq!(plan.hits(), [1]);
    }
    // Of TCP it is an error: no local port is free.
    let plan = Plan::new([Fault::fail(Call::Connect, EAGAIN)]);
    let listener = util::listener();
    let address = listener.local_addr().unwrap();
    let refused = Socket::tcp(&address).unwrap().connect(&address).unwrap_err();
    assert_eq!((refused.kind(), plan.hits()), (ErrorKind::WouldBlock, vec![1]));
}

#[test]
fn a_conduit_is_a_buffer_where_no_pipe_can_be_had_or_spliced_into() {
    let (middle_reader, middle_writer) = pipe().unwrap();
    for (fault, to_pipe) in [
        (Fault::fail(Call::Pipe, EMFILE), false),
        (Fault::fail(Call::FillConduit, EINVAL), false),
        (Fault::fail(Call::FillConduit, EINVAL), true),
    ] {
        let (sender, from) = Socket::unix_stream_pair().unwrap();
        let (to, receiver) = Socket::unix_stream_pair().unwrap();
        let outlet: Outlet<'_> = if to_pipe { (&middle_writer).into() } else { (&to).into() };
        let plan = Plan::new([fault]);
        let mut conduit = Conduit::new(&from, outlet);
        assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(plan.hits(), [1]);
        drop(plan);
        let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        assert_eq!(sender.send(&sent).unwrap(), sent.len());
        let mut received = Vec::new();
        let plan = Plan::new([Fault::cut(Call::Send, 777)]);
        while received.len() < sent.len() {
            assert!(conduit.fill().unwrap());
            while !conduit.is_empty() {
                conduit.drain().unwrap();
                let mut buffer = vec![0; 10_000];
                let count = if to_pipe { middle_reader.read(&mut buffer) } else { receiver.recv(&mut buffer) }.unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
        }
        assert!(received == sent);
        assert_eq!((plan.calls(Call::FillConduit), plan.calls(Call::DrainConduit)), (0, 0));
        assert_eq!(plan.hits()[0] > 0, !to_pipe);
    }
}

#[test]
fn a_conduit_that_fails_keeps_what_it_holds() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let (to, receiver) = Socket::unix_stream_pair().unwrap();
    sender.send(b"kept").unwrap();
    let mut conduit = Conduit::new(&from, &to);
    let plan = Plan::new([Fault::fail(Call::FillConduit, EAGAIN), Fault::fail(Call::DrainConduit, EAGAIN)]);
    assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(conduit.fill().unwrap());
    assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(conduit.drain().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(!conduit.is_empty());
    conduit.drain().unwrap();
    assert_eq!((conduit.is_empty(), conduit.moved(), plan.hits()), (true, 4, vec![1, 1]));
    assert_eq!(receiver.recv(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn a_conduit_without_a_pipe_in_the_middle_asks_which_end_it_was_and_takes_nothing_that_cannot_go() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let (reader, to) = pipe().unwrap();
    let mut conduit = Conduit::new(&from, &to);
    let plan =
        Plan::new([Fault::fail(Call::FillConduit, ENOBUFS).times(2), Fault::fail(Call::PollConduit, EINTR).nth(2)]);
    assert_eq!(conduit.fill().unwrap_err().raw_os_error(), Some(ENOBUFS), "nothing has come");
    sender.send(b"kept").unwrap();
    assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(plan.hits(), [2, 1]);
    drop(plan);
    let plan = Plan::new([Fault::fail(Call::FillConduit, ENOBUFS), Fault::fail(Call::DrainConduit, ENOBUFS)]);
    assert!(conduit.fill().unwrap(), "it has come");
    assert_eq!(conduit.drain().unwrap_err().raw_os_error(), Some(ENOBUFS));
    conduit.drain().unwrap();
    assert_eq!((conduit.is_empty(), conduit.moved(), plan.hits()), (true, 4, vec![1, 1]));
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn a_pipe_that_fails_tells_it() {
    let (reader, writer) = pipe().unwrap();
    let plan = Plan::new([Fault::fail(Call::WritePipe, EINTR), Fault::fail(Call::ReadPipe, EAGAIN)]);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(writer.write(b"x").unwrap(), 1);
    assert_eq!(reader.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 1);
    assert_eq!(plan.hits(), [1, 1]);
}
