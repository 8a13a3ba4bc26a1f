//! Listening sockets that a process is started with, each case in a process of its own.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;

use mainspring_sys::inherited_listeners;
use util::{in_child_with, listener};

/// Runs `body` with a listener as descriptor 3, and with what the shell code sets besides.
fn announced(code: &str, test: &str, body: impl FnOnce()) {
    let input = || Stdio::from(listener().as_fd().try_clone_to_owned().unwrap());
    in_child_with(input, &format!("exec 3<&0 0</dev/null; export LISTEN_PID=$$ {code}"), test, body);
}

#[test]
fn what_is_announced_is_taken_once() {
    announced("LISTEN_FDS=1 LISTEN_FDNAMES=web", "what_is_announced_is_taken_once", || {
        let mut taken = inherited_listeners().unwrap();
        assert_eq!(taken.len(), 1);
        let inherited = taken.remove(0);
        assert_eq!((inherited.name.as_str(), inherited.socket.as_fd().as_raw_fd()), ("web", 3));
        let client = TcpStream::connect(inherited.socket.local_addr().unwrap()).unwrap();
        let (_, peer) = util::accept(&inherited.socket);
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(inherited.socket.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(inherited_listeners().unwrap_err().kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn what_is_not_open_or_no_listener_is_named_and_nothing_is_taken() {
    announced("LISTEN_FDS=2; exec 4<&-", "what_is_not_open_or_no_listener_is_named_and_nothing_is_taken", || {
        // The first time nothing is open there; then a file is, which takes the lowest number that is free.
        let error = inherited_listeners().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("descriptor 4"), "{error}");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(file.as_raw_fd(), 4);
        let error = inherited_listeners().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("no socket"), "{error}");
    });
}
