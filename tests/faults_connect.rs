//! What comes of errors where a service in full work does not meet them: connecting, listening, the reactor itself.
//!
//! `--cfg mainspring_faults`.
#![cfg(all(mainspring_faults, feature = "service"))]

mod util;

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use libc::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EALREADY, EBADF, ECONNREFUSED, ECONNRESET, EEXIST, EFAULT, EHOSTUNREACH,
    EINPROGRESS, EINTR, EINVAL, EIO, EISCONN, EMFILE, ENETUNREACH, ENFILE, ENOBUFS, ENOENT, ENOMEM, ENOPROTOOPT,
    ENOSPC, ENOTCONN, ETIMEDOUT,
};
use mainspring::net::{TcpListener, TcpStream, ToAddresses};
use mainspring::time::{sleep, timeout};
use mainspring::{Reactor, Server, unblock};
use mainspring_sys::faults::{Call, Fault, Plan};

use util::folder::Folder;
use util::peers;
use util::runtime::{in_child, open_descriptors, run, stats, turns, with_manual_clock};

/// How many calls a sweep goes over.
const SWEEP: u64 = 20;

async fn exchange(address: SocketAddr, number: u64) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let words: Vec<u8> = (number * 100..number * 100 + 100).flat_map(u64::to_be_bytes).collect();
    stream.write_all(&words).await?;
    let mut answer = vec![0; words.len()];
    let mut come = 0;
    while come < answer.len() {
        come += stream.read(&mut answer[come..]).await?;
    }
    assert_eq!(answer, words);
    Ok(())
}

/// Waits until no more descriptors are open: the thread of the echo closes its own in its own time.
fn assert_closed(open: usize) {
    let closed = (0..1_000_000).any(|_| {
        thread::yield_now();
        open_descriptors() <= open
    });
    assert!(closed, "{} descriptors are open, {open} before", open_descriptors());
}

/// What each of the connections comes to while the faults strike.
fn connections(address: SocketAddr, faults: &[Fault]) -> (Vec<Option<i32>>, Vec<u64>) {
    let ((outcomes, hits), _) = run(async {
        let plan = Plan::new(faults.iter().copied());
        let mut outcomes = Vec::new();
        for number in 0..SWEEP {
            let outcome = timeout(Duration::from_secs(60), exchange(address, number)).await.expect("no connect hangs");
            outcomes.push(outcome.err().map(|error| error.raw_os_error().expect("the code is kept")));
        }
        assert_eq!((stats().sources, stats().waits), (0, 0));
        (outcomes, plan.hits())
    });
    (outcomes, hits)
}

#[test]
fn a_connect_that_fails_is_the_only_one_and_keeps_its_code() {
    in_child("a_connect_that_fails_is_the_only_one_and_keeps_its_code", || {
        let refused: &[i32] = &[ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EACCES, EADDRNOTAVAIL, EIO];
        #[rustfmt::skip]
        let rows = [
            (Call::Socket, &[EMFILE, ENFILE, ENOMEM, ENOBUFS] as &[i32]),
            (Call::Connect, refused),
            (Call::Register, &[ENOSPC, ENOMEM, EEXIST, EBADF]),
            (Call::TakeError, refused),
            (Call::TakeError, &[ETIMEDOUT, ECONNRESET, EBADF]),
            (Call::PeerAddress, &[ENOBUFS, EBADF]),
        ];
        let address = peers::echo();
        // What is made once.
        connections(address, &[]);
        let open = open_descriptors();
        for (call, codes) in rows {
            for (&code, nth) in codes.iter().flat_map(|code| (1..=SWEEP).map(move |nth| (code, nth))) {
                let (outcomes, hits) = connections(address, &[Fault::fail(call, code).nth(nth)]);
                let failed: Vec<_> = outcomes.into_iter().flatten().collect();
                assert_eq!((failed, hits), (vec![code], vec![1]), "{call:?} {nth} failed with {code}");
            }
        }
        assert_closed(open);
    });
}

#[test]
fn a_setting_that_is_refused_leaves_nothing_open_and_one_that_is_a_hint_is_left_out() {
    in_child("a_setting_that_is_refused_leaves_nothing_open_and_one_that_is_a_hint_is_left_out", || {
        let address = peers::echo();
        let options = TcpStream::options().local_addr(SocketAddr::from(([127, 0, 0, 1], 0)));
        let options = options.nodelay(true).recv_buffer_size(4096).send_buffer_size(4096).reuse_address(true);
        let connect = |fault: Fault| {
            let outcome = run(async {
                let plan = Plan::new([fault]);
                let outcome = options.clone().connect(address).await.map(drop);
                assert_eq!((plan.hits(), stats().sources), (vec![1], 0));
                outcome
            });
            outcome.0
        };
        let code = |error: io::Error, words: &str| {
            assert!(error.to_string().starts_with(words), "{error}");
            let system = error.source().and_then(|source| source.downcast_ref::<io::Error>()).expect("a source");
            system.raw_os_error()
        };
        // What is made once.
        connections(address, &[]);
        let open = open_descriptors();
        let settings = ["TCP_NODELAY true", "a receive buffer of 4096", "a send buffer of 4096", "SO_REUSEADDR true"];
        for (nth, setting) in (1..).zip(settings) {
            let error = connect(Fault::fail(Call::Option, ENOBUFS).nth(nth)).unwrap_err();
            assert_eq!(code(error, &format!("cannot connect with {setting}: ")), Some(ENOBUFS));
        }
        for expected in [EADDRINUSE, EACCES, EADDRNOTAVAIL] {
            let error = connect(Fault::fail(Call::Bind, expected)).unwrap_err();
            assert_eq!(code(error, "cannot connect from 127.0.0.1:0: "), Some(expected));
        }
        // A kernel that does not know of IP_BIND_ADDRESS_NO_PORT.
        connect(Fault::fail(Call::Option, ENOPROTOOPT).nth(settings.len() as u64 + 1)).unwrap();
        assert_closed(open);
    });
}

#[test]
fn a_connect_that_is_interrupted_or_under_way_is_noticed_by_nobody() {
    in_child("a_connect_that_is_interrupted_or_under_way_is_noticed_by_nobody", || {
        let address = peers::echo();
        connections(address, &[]);
        let open = open_descriptors();
        for (code, nth) in
            [EINTR, EINPROGRESS, EALREADY, EISCONN].into_iter().flat_map(|code| (1..=SWEEP).map(move |nth| (code, nth)))
        {
            let (outcomes, hits) = connections(address, &[Fault::fail_after(Call::Connect, code).nth(nth)]);
            assert!(outcomes.iter().all(Option::is_none) && hits == [1], "{code} at {nth}: {outcomes:?}, {hits:?}");
        }
        // An event before there is a connection: it goes on until the next one.
        for nth in 1..=SWEEP {
            let faults = [Fault::fail(Call::PeerAddress, ENOTCONN).nth(nth), Fault::spurious().times(u64::MAX)];
            let (outcomes, hits) = connections(address, &faults);
            assert!(outcomes.iter().all(Option::is_none) && hits[0] == 1, "{nth}: {outcomes:?}, {hits:?}");
        }
        assert_closed(open);
    });
}

#[test]
fn an_event_before_its_time_does_not_make_a_connection() {
    run(async {
        // Room for one connection, which is taken: the next waits for an answer to its SYN.
        let full = TcpListener::options().backlog(0).bind("127.0.0.1:0").unwrap();
        let address = full.local_addr().unwrap();
        let _first = std::net::TcpStream::connect(address).unwrap();
        let plan = Plan::new([Fault::spurious().times(50)]);
        // Long enough for all of them.
        let second = timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
        assert!(second.is_err(), "it is not connected: {second:?}");
        assert_eq!(plan.hits(), [50]);
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn a_listener_that_cannot_be_made_leaves_nothing_behind() {
    in_child("a_listener_that_cannot_be_made_leaves_nothing_behind", || {
        let rows: [(Call, u64, &[i32]); 5] = [
            (Call::Socket, 1, &[EMFILE, ENFILE, ENOMEM, ENOBUFS]),
            (Call::Option, 2, &[ENOMEM]),
            (Call::Bind, 1, &[EADDRINUSE, EACCES, EADDRNOTAVAIL]),
            (Call::Listen, 1, &[EADDRINUSE]),
            (Call::Register, 1, &[ENOSPC, ENOMEM]),
        ];
        run(async {
            for (call, calls, codes) in rows {
                for (&code, nth) in codes.iter().flat_map(|code| (1..=SWEEP * calls).map(move |nth| (code, nth))) {
                    let open = open_descriptors();
                    let plan = Plan::new([Fault::fail(call, code).nth(nth)]);
                    let made: Vec<_> = (0..SWEEP).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
                    let errors: Vec<_> = made.iter().filter_map(|made| made.as_ref().err()).collect();
                    assert_eq!((errors.len(), plan.hits()), (1, vec![1]), "{call:?} {code} at {nth}");
                    assert_eq!(errors[0].kind(), io::Error::from_raw_os_error(code).kind());
                    drop(made);
                    assert_eq!((open_descriptors(), stats().sources), (open, 0), "{call:?} {code} at {nth}");
                }
            }
        });
    });
}

#[test]
fn a_server_that_cannot_listen_at_the_path_that_it_has_bound_leaves_no_file() {
    let folder = Folder::new();
    let path = folder.join("socket");
    for (call, code) in [(Call::Listen, EADDRINUSE), (Call::LocalAddress, ENOBUFS), (Call::Limit, EINVAL)] {
        let plan = Plan::new([Fault::fail(call, code)]);
        let error = Server::builder().bind_unix(&path).unwrap_err();
        assert_eq!((error.kind(), plan.hits()), (io::Error::from_raw_os_error(code).kind(), vec![1]), "{call:?}");
        assert!(!path.exists(), "{call:?}");
    }
    drop(Server::builder().bind_unix(&path).unwrap());
}

#[test]
fn a_listener_without_descriptors_accepts_as_soon_as_this_reactor_closes_one() {
    // The clock stands still, so it is no pause that ends.
    with_manual_clock(|_| async {
        for code in [EMFILE, ENFILE, ENOBUFS, ENOMEM] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let _peers = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
            let (first, _) = listener.accept().await.unwrap();
            // The event of both has come, and no other will.
            turns(2).await;
            let plan = Plan::new([Fault::fail(Call::Accept, code)]);
            let second = mainspring::spawn(async move { listener.accept().await.map(drop) });
            turns(3).await;
            assert!(plan.hits() == [1] && !second.is_finished() && plan.calls(Call::Accept) == 1);
            drop(first);
            second.await.unwrap().unwrap();
            assert_eq!(plan.calls(Call::Accept), 2);
        }
    });
}

#[test]
fn what_is_not_registered_any_more_can_be_given_to_std() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let plan = Plan::new([Fault::fail(Call::Deregister, ENOENT).times(2)]);
        let mut stream = stream.into_std().unwrap();
        let listener = listener.into_std().unwrap();
        assert_eq!(plan.hits(), [2]);
        peer.write_all(b"x").unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        drop(listener);
        // Another error is one: whoever gets the descriptor would be woken here.
        let (stream, _peer) = util::runtime::half_std().await;
        let _plan = {
            drop(plan);
            Plan::new([Fault::fail(Call::Deregister, EBADF)])
        };
        assert_eq!(stream.into_std().unwrap_err().raw_os_error(), Some(EBADF));
        assert_eq!(stats().sources, 0);
    });
}

#[test]
fn a_reactor_that_cannot_be_made_leaves_nothing_behind_and_the_next_can() {
    in_child("a_reactor_that_cannot_be_made_leaves_nothing_behind_and_the_next_can", || {
        let mut reactors = Vec::new();
        for call in [Call::Selector, Call::Alarm, Call::Register] {
            for code in [EMFILE, ENFILE, ENOMEM] {
                let open = open_descriptors();
                let plan = Plan::new([Fault::fail(call, code)]);
                let error = Reactor::new().unwrap_err();
                assert_eq!((error.raw_os_error(), plan.hits()), (Some(code), vec![1]), "{call:?}");
                assert_eq!(open_descriptors(), open);
                reactors.push(Reactor::new().unwrap());
            }
        }
        assert!(reactors.into_iter().all(|reactor| reactor.block_on(async { 1 }).unwrap() == 1));
    });
}

#[test]
fn a_reactor_whose_selector_fails_says_so_and_its_selector_is_used_no_more() {
    in_child("a_reactor_whose_selector_fails_says_so_and_its_selector_is_used_no_more", || {
        for code in [EBADF, EINVAL, EFAULT, EIO] {
            let held = Rc::new(());
            let kept = held.clone();
            let reactor = Reactor::new().unwrap();
            let plan = Plan::new([Fault::fail(Call::Select, code)]);
            drop(reactor.spawn(async move {
                sleep(Duration::from_secs(3600)).await;
                drop(kept);
            }));
            assert_eq!(reactor.run().unwrap_err().raw_os_error(), Some(code));
            assert_eq!(Rc::strong_count(&held), 2, "its tasks are there as long as it is");
            let handle = reactor.handle();
            let mut before = handle.spawn(|| async {});
            drop(reactor);
            assert_eq!(Rc::strong_count(&held), 1);
            // Those who ask it for something, or have, do not wait for ever.
            for task in [&mut before, &mut handle.spawn(|| async {})] {
                let mut cx = Context::from_waker(Waker::noop());
                let Poll::Ready(output) = Pin::new(task).poll(&mut cx) else { panic!("it waits for nobody") };
                assert!(output.unwrap_err().is_aborted());
            }
            assert_eq!((plan.hits(), plan.calls(Call::Selector)), (vec![1], 0));
            assert_eq!(Reactor::new().unwrap().block_on(async { 1 }).unwrap(), 1);
            assert_eq!(plan.calls(Call::Selector), 1, "a new selector was made");
        }
    });
}

#[test]
fn lookups_that_nobody_wants_any_more_are_not_made() {
    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    }
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let lookups = async {
        // On the one thread of the pool, where names are looked up.
        unblock(|| PLAN.set(Some(Plan::new([])))).await.unwrap();
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let busy = unblock(move || blocked.recv().is_err());
        for _ in 0..100 {
            assert!(timeout(Duration::ZERO, TcpStream::connect("localhost:9")).await.is_err());
        }
        let wanted = ("localhost", 9).to_addresses().unwrap().resolve();
        let mut wanted = Box::pin(wanted);
        assert!(wanted.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(release);
        assert!(busy.await.unwrap());
        wanted.await.unwrap();
        let made = unblock(|| PLAN.with_borrow(|plan| plan.as_ref().unwrap().calls(Call::Resolve))).await;
        assert_eq!(made.unwrap(), 1, "that of the one who waits");
    };
    reactor.block_on(lookups).unwrap();
}

#[test]
fn a_lookup_that_fails_keeps_its_code() {
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let lookups = async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("localhost:{}", listener.local_addr().unwrap().port());
        // On the one thread of the pool, where names are looked up.
        let plan = || std::mem::forget(Plan::new([Fault::fail(Call::Resolve, EMFILE)]));
        unblock(plan).await.unwrap();
        let error = TcpStream::connect(name.as_str()).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EMFILE));
        TcpStream::connect(name).await.unwrap();
    };
    reactor.block_on(lookups).unwrap();
}

#[test]
fn a_descriptor_that_was_handed_out_is_closed_whatever_the_selector_says() {
    in_child("a_descriptor_that_was_handed_out_is_closed_whatever_the_selector_says", || {
        run(async {
            for code in [ENOENT, EBADF, EIO, ENOMEM] {
                let open = open_descriptors();
                let (stream, _peer) = util::runtime::half_std().await;
                let _ = stream.as_fd();
                let plan = Plan::new([Fault::fail(Call::Deregister, code)]);
                drop((stream, _peer));
                assert_eq!(plan.hits(), [1]);
                assert_eq!((open_descriptors(), stats().sources), (open, 0));
            }
        });
    });
}
