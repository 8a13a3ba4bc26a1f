//! The plan of faults itself, and what this crate makes of calls that fail: `--cfg mainspring_faults`.
#![cfg(mainspring_faults)]

mod util;

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use libc::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNREFUSED, EEXIST, EFAULT,
    EHOSTUNREACH, EINPROGRESS, EINTR, EINVAL, EIO, EISCONN, ELOOP, EMFILE, EMSGSIZE, ENETUNREACH, ENFILE, ENOBUFS,
    ENOENT, ENOMEM, ENOSPC, ENOSYS, EPERM,
};
use mainspring_sys::faults::{Call, Fault, Plan};
use mainspring_sys::signal::{Kind, Subscription};
use mainspring_sys::{AcceptError, Connect, Events, Interest, Mode, OsSelector, Selector, Socket, Token};

use util::{LIMIT, any_port, in_child, listener, tcp_pair};

/// How many calls a sweep goes over.
const SWEEP: u64 = 20;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_constructor_whose_call_fails_returns_its_error_and_leaves_nothing_open() {
    type Make = fn() -> io::Result<()>;
    let selector: Make = || OsSelector::new().map(drop);
    let stream: Make = || Socket::tcp(&any_port()).map(drop);
    let listener: Make = || Socket::listen(any_port(), 8, true).map(drop);
    let adopted: Make = || Socket::from_fd(OwnedFd::from(TcpListener::bind(any_port())?)).map(drop);
    let signal: Make = || Subscription::new(Kind::TERMINATE).map(drop);
    let out: &[i32] = &[EMFILE, ENFILE, ENOMEM];
    let rows: [(Make, Call, &[i32]); 10] = [
        (selector, Call::Selector, out),
        (selector, Call::Alarm, out),
        (selector, Call::Register, &[ENOSPC, ENOMEM]),
        (stream, Call::Socket, &[EMFILE, ENFILE, ENOMEM, ENOBUFS, EACCES, EAFNOSUPPORT]),
        (listener, Call::Socket, out),
        (listener, Call::Option, &[ENOMEM, ENOSYS]),
        (listener, Call::Bind, &[EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM]),
        (listener, Call::Listen, &[EADDRINUSE]),
        (adopted, Call::Mode, &[EBADF, EINVAL]),
        (signal, Call::Handler, &[EINVAL]),
    ];
    in_child("a_constructor_whose_call_fails_returns_its_error_and_leaves_nothing_open", || {
        // What is made once per process.
        signal().unwrap();
        for (make, call, codes) in rows {
            for (&error, nth) in codes.iter().flat_map(|error| (1..=SWEEP).map(move |nth| (error, nth))) {
                let open = open_descriptors();
                let plan = Plan::new([Fault::fail(call, error).nth(nth)]);
                let failed: Vec<_> = (0..SWEEP).map(|_| code(make())).filter(Option::is_some).collect();
                assert_eq!((failed, plan.hits()), (vec![Some(error)], vec![1]), "{call:?} {error} at {nth}");
                assert_eq!(open_descriptors(), open, "{call:?} {error} at {nth}");
            }
        }
    });
}

#[test]
fn whichever_call_of_a_constructor_fails_nothing_is_left_open() {
    type Make = fn() -> io::Result<()>;
    let makes: [(&str, Make, &[u64]); 3] = [
        ("selector", || OsSelector::new().map(drop), &[1, 2, 3]),
        ("listener", || Socket::listen(any_port(), 8, true).map(drop), &[1, 2, 3, 4, 5]),
        // The first three make a pair, which stays with its slot from then on.
        ("subscription", || Subscription::new(Kind::INTERRUPT).map(drop), &[1, 2, 3, 4, 1]),
    ];
    in_child("whichever_call_of_a_constructor_fails_nothing_is_left_open", || {
        for (name, make, calls) in makes {
            for &nth in calls {
                let open = open_descriptors();
                let plan = Plan::new([Fault::fail_any(EMFILE).nth(nth)]);
                assert_eq!(code(make()), Some(EMFILE), "{name}: call {nth}");
                assert_eq!((plan.hits(), plan.calls_of_any_kind()), (vec![1], nth), "{name}");
                let kept = if name == "subscription" && nth == 4 { 2 } else { 0 };
                assert_eq!(open_descriptors(), open + kept, "{name}: call {nth}");
            }
            let plan = Plan::new([]);
            make().unwrap();
            assert_eq!(Some(&plan.calls_of_any_kind()), calls.last(), "{name}: not every call was made to fail");
        }
    });
}

#[test]
fn an_interrupted_call_is_made_again_sixteen_times_and_no_more() {
    let (client, server) = tcp_pair();
    let listener = listener();
    let mut buffer = [0; 4];
    type Make<'a> = Box<dyn FnMut() -> io::Result<()> + 'a>;
    let address = listener.local_addr().unwrap();
    let mut peers = Vec::new();
    let rows: [(Call, Make<'_>); 3] = [
        (
            Call::Accept,
            Box::new(|| {
                peers.push(TcpStream::connect(address)?);
                listener.accept().map(drop)
            }),
        ),
        (Call::SendVectored, Box::new(|| client.send_vectored(&[IoSlice::new(b"abcd")]).map(drop))),
        (Call::RecvVectored, Box::new(|| server.recv_vectored(&mut [IoSliceMut::new(&mut buffer)]).map(drop))),
    ];
    for (call, mut make) in rows {
        for times in 0..=16 {
            let plan = Plan::new([Fault::fail(call, EINTR).times(times)]);
            make().unwrap();
            assert_eq!((plan.hits(), plan.calls(call)), (vec![times], times + 1), "{call:?}");
        }
        let plan = Plan::new([Fault::fail(call, EINTR).times(u64::MAX)]);
        assert_eq!(make().unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(plan.calls(call), 17, "{call:?}");
    }
    // Of a read or write alone the caller makes the next try.
    let plan = Plan::new([Fault::fail(Call::Recv, EINTR), Fault::fail(Call::Send, EINTR)]);
    assert_eq!(client.send(b"x").unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(client.send(b"x").unwrap(), 1);
    assert_eq!(server.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(plan.hits(), [1, 1]);
}

#[test]
fn a_connect_that_is_under_way_or_done_is_no_error() {
    let rows = [
        (EINTR, Ok(Connect::InProgress)),
        (EINPROGRESS, Ok(Connect::InProgress)),
        (EALREADY, Ok(Connect::InProgress)),
        (EISCONN, Ok(Connect::Done)),
        (ECONNREFUSED, Err(ECONNREFUSED)),
        (ENETUNREACH, Err(ENETUNREACH)),
        (EHOSTUNREACH, Err(EHOSTUNREACH)),
        (EACCES, Err(EACCES)),
        (EADDRNOTAVAIL, Err(EADDRNOTAVAIL)),
        (EIO, Err(EIO)),
    ];
    let listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    for (error, outcome) in rows {
        let plan = Plan::new([Fault::fail_after(Call::Connect, error)]);
        let socket = Socket::tcp(&address).unwrap();
        let result = socket.connect(&address).map_err(|error| error.raw_os_error().unwrap());
        assert_eq!((result, plan.hits(), plan.calls(Call::Connect)), (outcome, vec![1], 1), "{error}");
        assert!(listener.accept().is_ok(), "the call was made");
    }
}

#[test]
fn a_registration_that_fails_keeps_its_code_and_the_next_one_works() {
    let selector = OsSelector::new().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let register = || selector.register(ours.as_fd(), Token(1), Interest::READABLE, Mode::Edge);
    let reregister = || selector.reregister(ours.as_fd(), Token(1), Interest::READABLE, Mode::Edge);
    for error in [EEXIST, ENOENT, ENOSPC, ENOMEM, EPERM, ELOOP, EINVAL, EBADF, EIO] {
        let calls = [Call::Register, Call::Reregister, Call::Deregister];
        let plan = Plan::new(calls.map(|call| Fault::fail(call, error)));
        assert_eq!(code(register()), Some(error));
        register().unwrap();
        assert_eq!(code(reregister()), Some(error));
        reregister().unwrap();
        assert_eq!(code(selector.deregister(ours.as_fd())), Some(error));
        selector.deregister(ours.as_fd()).unwrap();
        assert_eq!(plan.hits(), [1, 1, 1]);
    }
}

#[test]
fn a_wait_that_fails_says_so_and_loses_neither_events_nor_the_token_of_a_wake() {
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    for error in [EBADF, EINVAL, EFAULT, EIO, EINTR] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        selector.register(ours.as_fd(), Token(1), Interest::READABLE, Mode::Edge).unwrap();
        theirs.write_all(b"x").unwrap();
        let plan = Plan::new([Fault::fail(Call::Select, error)]);
        let expected = if error == EINTR { None } else { Some(error) };
        assert_eq!(code(selector.select(&mut events, None)), expected);
        assert!(events.is_empty() && !waker.take());
        selector.select(&mut events, None).unwrap();
        assert_eq!((events.len(), plan.hits()), (1, vec![1]));
        drop(plan);
        waker.wake();
        let _plan = Plan::new([Fault::fail(Call::Select, error)]);
        assert_eq!(code(selector.select(&mut events, None)), expected);
        selector.select(&mut events, None).unwrap();
        assert!(waker.take());
    }
}

#[test]
fn a_wake_whose_write_finds_the_counter_full_arrives_all_the_same() {
    for nth in 1..=SWEEP {
        let selector = OsSelector::new().unwrap();
        let (taken, is_taken) = mpsc::channel();
        let other = thread::spawn({
            let waker = selector.waker().unwrap();
            move || {
                let plan = Plan::new([Fault::fail(Call::Ring, EAGAIN).nth(nth)]);
                // A wake writes only if the selector sleeps.
                for _ in 0..1_000_000 {
                    waker.wake();
                    if is_taken.recv().is_err() || plan.hits() == [1] {
                        break;
                    }
                }
                // Ends the loop below.
                drop(is_taken);
                waker.wake();
                plan.hits()
            }
        });
        let waker = selector.waker().unwrap();
        let mut events = Events::with_capacity(8);
        loop {
            let start = Instant::now();
            selector.select(&mut events, Some(LIMIT)).unwrap();
            if start.elapsed() >= LIMIT || waker.take() && taken.send(()).is_err() {
                break;
            }
        }
        drop(taken);
        assert_eq!(other.join().unwrap(), [1], "write {nth}: the wake after it was lost, or it was never made");
    }
}

#[test]
fn a_cut_call_transfers_no_more_than_it_may() {
    let (client, server) = tcp_pair();
    let plan = Plan::new([
        Fault::cut(Call::Send, 3).nth(2),
        Fault::cut(Call::Recv, 1).times(2),
        Fault::cut(Call::SendVectored, 1),
        Fault::cut(Call::RecvVectored, 1),
    ]);
    assert_eq!((client.send(b"abcde").unwrap(), client.send(b"fghij").unwrap()), (5, 3));
    let mut buffer = [0; 16];
    let mut received = Vec::new();
    for expected in [1, 1, 6] {
        let count = server.recv(&mut buffer).unwrap();
        assert_eq!(count, expected);
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(received, b"abcdefgh");
    let slices = [b"".as_slice(), b"", b"xy", b"z"].map(IoSlice::new);
    assert_eq!((client.send_vectored(&slices).unwrap(), client.send_vectored(&slices).unwrap()), (2, 3));
    let (mut none, mut one, mut rest) = ([0; 0], [0; 1], [0; 8]);
    let mut slices = [&mut none[..], &mut one, &mut rest].map(IoSliceMut::new);
    assert_eq!((server.recv_vectored(&mut slices).unwrap(), server.recv_vectored(&mut slices).unwrap()), (1, 4));
    assert_eq!(plan.hits(), [1, 2, 1, 1]);
}

#[test]
fn an_accept_error_is_sorted_by_its_code_alone() {
    let listener = Socket::listen(any_port(), 8, false).unwrap();
    let address = listener.local_addr().unwrap();
    let _peer = TcpStream::connect(address).unwrap();
    for (error, kind) in
        [(EMFILE, AcceptError::Moment), (EPERM, AcceptError::Connection), (EINVAL, AcceptError::Listener)]
    {
        let _plan = Plan::new([Fault::fail(Call::Accept, error)]);
        assert_eq!(AcceptError::of(&listener.accept().unwrap_err()), kind);
    }
    listener.accept().unwrap();
}

#[test]
fn a_delayed_event_comes_later_and_a_spurious_one_besides() {
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    let plan = Plan::new([Fault::delay(3), Fault::spurious().nth(6)]);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    selector.register(ours.as_fd(), Token(7), Interest::READABLE, Mode::Edge).unwrap();
    theirs.write_all(b"x").unwrap();
    let mut waits = |timeout| {
        selector.select(&mut events, timeout).unwrap();
        events.iter().map(|event| (event.token().0, event.is_readable(), event.is_writable())).collect::<Vec<_>>()
    };
    // None of them sleeps for ever, although there is no timeout.
    assert_eq!([waits(None), waits(None), waits(None)], [[], [], []]);
    assert_eq!(waits(None), [(7, true, false)]);
    assert_eq!(waits(Some(Duration::ZERO)), []);
    assert!(!waits(None).is_empty());
    assert_eq!(plan.hits(), [1, 1]);
}

#[test]
fn a_would_block_that_is_not_so_is_followed_by_an_event() {
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    let (client, server) = tcp_pair();
    let plan = Plan::new([Fault::fail(Call::Recv, EAGAIN)]);
    selector.register(server.as_fd(), Token(7), Interest::READABLE, Mode::Edge).unwrap();
    client.send(b"x").unwrap();
    selector.select(&mut events, None).unwrap();
    assert_eq!(server.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    selector.select(&mut events, None).unwrap();
    assert!(events.iter().any(|event| event.token() == Token(7) && event.is_readable()));
    assert_eq!((server.recv(&mut [0]).unwrap(), plan.hits()), (1, vec![1]));
}

#[test]
fn a_plan_is_its_threads_own_and_ends_with_its_drop() {
    let plan = Plan::new([Fault::fail(Call::Socket, EMFILE).times(u64::MAX)]);
    assert!(Socket::tcp(&any_port()).is_err());
    thread::scope(|scope| scope.spawn(|| assert!(Socket::tcp(&any_port()).is_ok())).join().unwrap());
    assert_eq!(plan.hits(), [1]);
    drop(plan);
    assert!(Socket::tcp(&any_port()).is_ok());
}

#[test]
fn an_error_of_a_datagram_is_told_once_and_the_socket_goes_on() {
    let rows: [(Call, &[i32]); 2] = [
        (Call::RecvFrom, &[ECONNREFUSED, EHOSTUNREACH, ENOMEM]),
        (Call::SendTo, &[EMSGSIZE, ECONNREFUSED, ENOBUFS, EPERM]),
    ];
    let sockets = [Socket::udp(&any_port()).unwrap(), Socket::udp(&any_port()).unwrap()];
    sockets.iter().for_each(|socket| socket.bind(&any_port()).unwrap());
    let [from, to] = &sockets;
    let address = to.local_addr().unwrap();
    for (call, codes) in rows {
        for (&error, nth) in codes.iter().flat_map(|error| (1..=SWEEP).map(move |nth| (error, nth))) {
            let plan = Plan::new([Fault::fail(call, error).nth(nth)]);
            let mut failed = Vec::new();
            for number in 0..SWEEP as u8 {
                let sent = from.send_to(&[number], &address).map(drop);
                let received = sent.and_then(|()| {
                    let mut byte = [0];
                    let received = to.recv_from(&mut byte);
                    // What is not received stays, and is read before the next one comes.
                    received
                        .or_else(|error| to.recv_from(&mut byte).and(Err(error)))
                        .map(|_| assert_eq!(byte, [number]))
                });
                failed.extend(code(received));
            }
            assert_eq!((failed, plan.hits()), (vec![error], vec![1]), "{call:?} {error} at {nth}");
        }
    }
}
