//! A descriptor in reserve, for when none is left: peers get a clean end instead of hanging in the queue.
#![cfg(not(loom))]

mod util;

use std::fs::File;

use mainspring_sys::{AcceptError, Interest, Mode, Readiness, Socket, SpareDescriptor};
use util::{TemporaryPath, Watch, in_child_after, listener};

/// Opens files until there is no descriptor left.
fn exhaust() -> Vec<File> {
    let mut files = Vec::new();
    let error = loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    files
}

#[test]
fn the_queue_is_drained_with_no_descriptor_left() {
    in_child_after("ulimit -n 64", "the_queue_is_drained_with_no_descriptor_left", || {
        const PEERS: usize = 10;
        let mut spare = SpareDescriptor::new().unwrap();
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let peers: Vec<_> = (0..PEERS).map(|_| Socket::tcp(&address).unwrap()).collect();
        let watches: Vec<_> = peers
            .iter()
            .map(|peer| {
                peer.connect(&address).unwrap();
                Watch::new(peer, Interest::READABLE, Mode::Edge)
            })
            .collect();
        let files = exhaust();
        assert_eq!(AcceptError::of(&listener.accept().unwrap_err()), AcceptError::Moment);
        let mut shed = 0;
        while shed < PEERS {
            let some = spare.shed(&listener).unwrap();
            assert!(spare.is_held());
            shed += some;
        }
        assert_eq!(shed, PEERS);
        for (peer, watch) in peers.iter().zip(&watches) {
            while !watch.next().contains(Readiness::READ_CLOSED) {}
            assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 0);
        }
        // Nothing was gained or lost, and what comes later is served.
        assert_eq!(spare.shed(&listener).unwrap(), 0);
        assert_eq!(File::open("/dev/null").unwrap_err().raw_os_error(), Some(libc::EMFILE));
        drop(files);
        let late = Socket::tcp(&address).unwrap();
        late.connect(&address).unwrap();
        util::accept(&listener);
    });
}

#[test]
fn an_error_of_the_listener_is_told_and_the_reserve_kept() {
    let mut spare = SpareDescriptor::new().unwrap();
    let error = spare.shed(&Socket::unix_stream().unwrap()).unwrap_err();
    assert_eq!(AcceptError::of(&error), AcceptError::Listener);
    assert!(spare.is_held());
}

#[test]
fn a_reserve_that_was_lost_is_taken_again() {
    in_child_after("ulimit -S -n 64", "a_reserve_that_was_lost_is_taken_again", || {
        let path = TemporaryPath::new();
        let address = std::os::unix::net::SocketAddr::from_pathname(&*path).unwrap();
        let listener = Socket::listen_unix(&address, 16).unwrap();
        let peer = Socket::unix_stream().unwrap();
        peer.connect_unix(&address).unwrap();
        let mut spare = SpareDescriptor::new().unwrap();
        // No number is allowed any more, as if others had taken them all.
        limit_descriptors(1);
        assert!(SpareDescriptor::new().is_err());
        assert_eq!(spare.shed(&listener).unwrap(), 0);
        assert!(!spare.is_held());
        limit_descriptors(64);
        assert_eq!(spare.shed(&listener).unwrap(), 1);
        assert!(spare.is_held());
        assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 0);
    });
}

fn limit_descriptors(count: libc::rlim_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable, then readable.
    let results = unsafe {
        let read = libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = count;
        [read, libc::setrlimit(libc::RLIMIT_NOFILE, &limit)]
    };
    assert_eq!(results, [0, 0]);
}
