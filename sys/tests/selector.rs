//! Registration, the modes, and the errors of misuse, through the public interface.
#![cfg(not(loom))]

mod util;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Events, Interest, Mode, OsSelector, Readiness, Selector, Token};
use util::{KQUEUE, Watch, drain, expect, expect_nothing, listener, tcp_pair};

#[test]
fn a_state_that_is_already_so_is_reported_after_registration() {
    let (client, server) = tcp_pair();
    server.send(b"early").unwrap();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    assert!(watch.next().contains(Readiness::READABLE));
}

#[test]
fn an_edge_is_reported_once_and_again_with_new_data() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    watch.nothing();
    server.send(b"abc").unwrap();
    assert!(watch.next().contains(Readiness::READABLE));
    watch.nothing();
    // Also while some of the old is unread.
    assert_eq!(client.recv(&mut [0; 1]).unwrap(), 1);
    watch.nothing();
    server.send(b"d").unwrap();
    assert!(watch.next().contains(Readiness::READABLE));
    watch.nothing();
}

#[test]
fn a_level_is_reported_for_as_long_as_it_lasts() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    server.send(b"abc").unwrap();
    for _ in 0..3 {
        assert!(watch.next().contains(Readiness::READABLE));
    }
    assert_eq!(drain(&client), 3);
    watch.nothing();
}

#[test]
fn a_oneshot_is_reported_again_only_after_reregister() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Oneshot);
    server.send(b"a").unwrap();
    assert!(watch.next().contains(Readiness::READABLE));
    server.send(b"b").unwrap();
    watch.nothing();
    let fd = client.as_fd();
    watch.selector.reregister(fd, Watch::TOKEN, Interest::READABLE, Mode::Oneshot).unwrap();
    assert!(watch.next().contains(Readiness::READABLE));
    watch.nothing();
    watch.selector.deregister(fd).unwrap();
}

#[test]
fn an_exclusive_listener_wakes_at_least_one_selector() {
    let listener = listener();
    let watches: Vec<_> = (0..4).map(|_| Watch::new(&listener, Interest::READABLE, Mode::Exclusive)).collect();
    let address = listener.local_addr().unwrap();
    let client = mainspring_sys::Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    Watch::new(&listener, Interest::READABLE, Mode::Level).next();
    let mut events = Events::with_capacity(8);
    let mut told = 0;
    for watch in &watches {
        watch.selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        told += events.len();
    }
    assert!(told >= 1);
}

#[test]
fn reregister_replaces_token_and_interest() {
    let (client, server) = tcp_pair();
    server.send(b"abc").unwrap();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    watch.selector.reregister(client.as_fd(), Token(7), Interest::WRITABLE, Mode::Edge).unwrap();
    let events = expect(&watch.selector);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].token(), Token(7));
    assert!(events[0].is_writable() && !events[0].is_readable());
}

#[test]
fn nothing_is_reported_after_deregister() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    watch.selector.deregister(client.as_fd()).unwrap();
    watch.nothing();
    assert_eq!(drain(&client), 3);
}

#[test]
fn closing_deregisters() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, util::everything(), Mode::Level);
    server.send(b"abc").unwrap();
    util::await_bytes(&client, 3);
    drop(client);
    watch.nothing();
}

#[test]
fn deregistering_before_closing_ends_the_reports_of_a_duplicate_too() {
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Level);
    let duplicate = client.as_fd().try_clone_to_owned().unwrap();
    watch.selector.deregister(client.as_fd()).unwrap();
    drop(client);
    server.send(b"abc").unwrap();
    watch.nothing();
    drop(duplicate);
}

#[test]
fn a_second_registration_already_exists_on_epoll_and_replaces_the_first_on_kqueue() {
    let (client, _server) = tcp_pair();
    let watch = Watch::new(&client, Interest::WRITABLE, Mode::Level);
    let again = watch.selector.register(client.as_fd(), Token(1), Interest::WRITABLE, Mode::Edge);
    if KQUEUE {
        again.unwrap();
        assert_eq!(expect(&watch.selector)[0].token(), Token(1));
        watch.nothing();
    } else {
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        for _ in 0..2 {
            assert!(watch.next().contains(Readiness::WRITABLE));
        }
    }
}

#[test]
fn an_unknown_registration_is_not_found() {
    let (client, _server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    let fd = client.as_fd();
    assert_eq!(selector.deregister(fd).unwrap_err().kind(), io::ErrorKind::NotFound);
    let unknown = selector.reregister(fd, Token(1), Interest::WRITABLE, Mode::Edge);
    if KQUEUE {
        // There it is a registration.
        unknown.unwrap();
        assert_eq!(expect(&selector)[0].token(), Token(1));
        selector.deregister(fd).unwrap();
    } else {
        assert_eq!(unknown.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(selector.deregister(fd).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn the_wakers_token_cannot_be_registered() {
    let (client, _server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    let taken = selector.register(client.as_fd(), Token(u64::MAX), Interest::READABLE, Mode::Edge);
    assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    selector.register(client.as_fd(), Token(u64::MAX - 1), Interest::WRITABLE, Mode::Edge).unwrap();
    assert_eq!(expect(&selector)[0].token(), Token(u64::MAX - 1));
}

#[test]
fn an_exclusive_registration_cannot_be_changed_on_epoll_and_is_an_edge_on_kqueue() {
    let listener = listener();
    let watch = Watch::new(&listener, Interest::READABLE, Mode::Exclusive);
    let fd = listener.as_fd();
    let is_as_the_system_has_it = |result: io::Result<()>| match result {
        Ok(()) => KQUEUE,
        Err(error) => !KQUEUE && error.kind() == io::ErrorKind::InvalidInput,
    };
    for mode in [Mode::Edge, Mode::Exclusive] {
        let changed = watch.selector.reregister(fd, Watch::TOKEN, Interest::READABLE, mode);
        assert!(is_as_the_system_has_it(changed), "{mode:?}");
    }
    watch.selector.deregister(fd).unwrap();
    let urgent = Interest::READABLE | Interest::PRIORITY;
    let asked = watch.selector.register(fd, Watch::TOKEN, urgent, Mode::Exclusive);
    assert!(is_as_the_system_has_it(asked));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_cannot_be_registered() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let selector = OsSelector::new().unwrap();
    let refused = selector.register(file.as_fd(), Token(1), Interest::READABLE, Mode::Edge);
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn what_does_not_fit_in_one_batch_comes_in_the_next() {
    let pairs: Vec<_> = (0..10).map(|_| UnixStream::pair().unwrap()).collect();
    let selector = OsSelector::new().unwrap();
    for (index, (ours, _)) in pairs.iter().enumerate() {
        selector.register(ours.as_fd(), Token(index as u64), Interest::WRITABLE, Mode::Edge).unwrap();
    }
    let mut events = Events::with_capacity(3);
    assert_eq!(events.capacity(), 3);
    let mut seen = Vec::new();
    for expected in [3, 3, 3, 1, 0] {
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.len(), expected);
        seen.extend(events.iter().map(|event| event.token().0));
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..10));
}

#[test]
fn the_capacity_of_a_buffer_is_bounded() {
    assert_eq!(Events::with_capacity(0).capacity(), 1);
    assert_eq!(Events::with_capacity(usize::MAX).capacity(), 32_768);
}

#[test]
fn clearing_forgets_the_events() {
    let (client, _server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    selector.register(client.as_fd(), Token(1), Interest::WRITABLE, Mode::Level).unwrap();
    let mut events = Events::with_capacity(8);
    selector.select(&mut events, None).unwrap();
    assert_eq!(events.len(), 1);
    events.clear();
    assert!(events.is_empty());
}

#[test]
fn registering_from_another_thread_ends_a_wait() {
    let (client, _server) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    let mut events = Events::with_capacity(8);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            selector.register(client.as_fd(), Token(9), Interest::WRITABLE, Mode::Edge).unwrap();
        });
        selector.select(&mut events, Some(util::LIMIT)).unwrap();
    });
    assert_eq!(events.iter().next().unwrap().token(), Token(9));
}

#[test]
fn a_selector_can_be_watched_by_another() {
    let (client, server) = tcp_pair();
    let inner = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let outer = OsSelector::new().unwrap();
    outer.register(inner.selector.as_fd(), Token(1), Interest::READABLE, Mode::Level).unwrap();
    expect_nothing(&outer);
    server.send(b"x").unwrap();
    assert!(expect(&outer)[0].is_readable());
    assert!(inner.next().contains(Readiness::READABLE));
    expect_nothing(&outer);
}

#[cfg(target_os = "linux")]
#[test]
fn a_dropped_selector_leaves_no_descriptor_open() {
    util::in_child("a_dropped_selector_leaves_no_descriptor_open", || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let make_and_drop = || drop(OsSelector::new().unwrap().waker().unwrap());
        // Why one before: a stand-in for kqueue closes what it has of its own with the next one.
        make_and_drop();
        let before = open();
        for _ in 0..100 {
            make_and_drop();
        }
        assert_eq!(open(), before);
    });
}

#[test]
fn every_descriptor_of_a_selector_is_closed_by_exec() {
    let selector = OsSelector::new().unwrap();
    // SAFETY: this command takes no pointer.
    let flags = unsafe { libc::fcntl(selector.as_fd().as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
}
